/* Help, made from the table of commands. */
#include "admin_api/portctl/handlers.h"

#include "admin_api/portctl/text.h"

#define WIDTH 28
#define LINE  100u

/* LEAD in a column, TEXT beside it or on the next line. */
static void put_row(struct buf *out, const char *lead, const char *text)
{
    size_t len = strlen(lead);

    buf_printf(out, "  %s", lead);
    if (len + 2 > WIDTH) {
        buf_putc(out, '\n');
        len = 0;
        buf_lit(out, "  ");
    }
    for (; len < WIDTH; len++) {
        buf_putc(out, ' ');
    }
    buf_printf(out, "%s\n", text);
}

/* Words, in lines that start where the texts do. */
static void put_choices(struct buf *out, const char *words)
{
    size_t column = 0;

    while (*words != '\0') {
        size_t len = strcspn(words, " ");

        if (column == 0 || column + 1 + len > LINE) {
            buf_printf(out, "%s%*s", column != 0 ? "\n" : "", WIDTH + 3, "");
            column = WIDTH + 3;
        }
        buf_printf(out, " %.*s", (int)len, words);
        column += 1 + len;
        words += len + strspn(words + len, " ");
    }
    buf_putc(out, '\n');
}

static void put_options(struct buf *out, const struct opt *o)
{
    struct buf lead = {0};
    struct buf text = {0};

    for (; o != NULL && o->name != NULL; o++) {
        if (o->brief != '\0') {
            buf_printf(&lead, "-%c, ", o->brief);
        }
        buf_printf(&lead, "--%s%s%s", o->name, o->value != NULL ? " " : "",
                   o->value != NULL ? o->value : "");
        buf_printf(&text, "%s%s", o->help, (o->flags & OPT_REQUIRED) != 0 ? " (required)" : "");
        put_row(out, buf_cstr(&lead), buf_cstr(&text));
        if (o->choices != NULL) {
            put_choices(out, o->choices);
        }
        buf_reset(&lead);
        buf_reset(&text);
    }
    buf_fini(&lead);
    buf_fini(&text);
}

static void put_examples(struct buf *out, const char *examples)
{
    buf_lit(out, "\nexamples\n");
    while (*examples != '\0') {
        size_t len = strcspn(examples, "\n");

        buf_printf(out, "  %.*s\n", (int)len, examples);
        examples += len + (examples[len] == '\n');
    }
}

static void put_command(struct buf *out, const struct command *c)
{
    buf_printf(out, "portctl %s - %s\n\n  portctl [options] %s%s%s%s\n\n", c->name, c->help,
               c->name, c->usage[0] != '\0' ? " " : "", c->usage,
               c->options != NULL ? " [options]" : "");
    if (c->more != NULL) {
        buf_printf(out, "%s\n\n", c->more);
    }
    if (c->options != NULL) {
        put_options(out, c->options);
        buf_putc(out, '\n');
    }
    buf_lit(out, "Options of all commands: portctl help\n");
    put_examples(out, c->examples);
}

/* Those whose first word is GROUP, or all. */
static void put_commands(struct buf *out, const char *group)
{
    struct buf lead = {0};

    for (const struct command *c = commands; c->name != NULL; c++) {
        size_t len = command_first(c);

        if (group != NULL && (strlen(group) != len || memcmp(group, c->name, len) != 0)) {
            continue;
        }
        buf_printf(&lead, "%s%s%s", c->name, c->usage[0] != '\0' ? " " : "", c->usage);
        put_row(out, buf_cstr(&lead), c->help);
        buf_reset(&lead);
    }
    buf_fini(&lead);
}

static void put_all(struct buf *out)
{
    buf_lit(out, "portctl - the command line of Portcullis' admin API\n\n"
                 "  portctl [options] COMMAND [its options]\n\ncommands\n");
    put_commands(out, NULL);
    buf_lit(out, "\noptions\n");
    put_options(out, global_options);
    buf_lit(out, "\nAn option wins over the file of --env, and that over the environment. Requests "
                 "are signed (RFC 9421),\nor act for whoever has logged in, and go over TLS to the "
                 "address itself: no proxy, no "
                 "redirect.\n\nexit codes\n"
                 "  0  done\n  1  refused by the server; stderr says why and what to do next\n"
                 "  2  the command line is wrong; nothing was sent\n"
                 "  3  no answer, or no trusted TLS connection\n"
                 "  4  authentication: the key, its file, the clock or the session\n"
                 "  5  asked for, and waiting for a second person\n"
                 "  6  in force, but not confirmed everywhere or kept on no disk\n"
                 "  7  status --check: something is held back, waits or is away\n");
    put_examples(out, "portctl --env var/up.env status\n"
                      "portctl --env var/up.env halt BTC/USD --reason 'prices are off'\n"
                      "portctl --env var/up.env login ana\n"
                      "portctl help kill release");
}

bool help_put(struct buf *out, const char *first, const char *second)
{
    const struct command *c = first != NULL ? command_find(first, second) : NULL;

    if (first == NULL) {
        put_all(out);
    } else if (c != NULL) {
        put_command(out, c);
    } else if (second == NULL && command_is_group(first)) {
        put_commands(out, first);
        buf_lit(out, "\nMore on each: portctl help COMMAND\n");
    } else {
        return false;
    }
    return true;
}

enum portctl_exit help_command(struct client *c, const struct args *args)
{
    struct buf out = {0};

    (void)c;
    if (!help_put(&out, args->word_count > 0 ? args->words[0] : NULL,
                  args->word_count > 1 ? args->words[1] : NULL)) {
        say("no such command");
        say_next("portctl help lists them");
        return PORTCTL_USAGE;
    }
    print_buf(&out);
    return PORTCTL_DONE;
}
