/* Completion for bash and zsh, made from the table of commands. Both get the same script but for
 * its first and last lines: the words so far, then what may come. */
#include "admin_api/portctl/handlers.h"

#include "admin_api/portctl/text.h"

static const char bash_head[] =
    "# completion of portctl for bash\n"
    "_portctl() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "    local args=(\"${COMP_WORDS[@]:1:COMP_CWORD-1}\") command='' w skip='' offer='' files=''\n";
static const char bash_tail[] =
    "    if [ -n \"$files\" ]; then\n"
    "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
    "    else\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$offer\" -- \"$cur\")\n"
    "    fi\n"
    "}\n"
    "complete -o filenames -F _portctl portctl\n";

static const char zsh_head[] =
    "#compdef portctl\n"
    "_portctl() {\n"
    "    local cur=${words[CURRENT]} prev=${words[CURRENT-1]} command='' w skip='' offer='' "
    "files=''\n"
    "    local args=(\"${(@)words[2,CURRENT-1]}\")\n";
static const char zsh_tail[] = "    if [ -n \"$files\" ]; then\n"
                               "        _files\n"
                               "    else\n"
                               "        compadd -- ${=offer}\n"
                               "    fi\n"
                               "}\n"
                               "if [ \"$funcstack[1]\" = _portctl ]; then\n"
                               "    _portctl \"$@\"\n"
                               "else\n"
                               "    compdef _portctl portctl\n"
                               "fi\n";

/* Is this row the first with its option, so that each name is listed once? */
static bool first_named(const struct command *upto, const struct opt *row)
{
    for (const struct command *c = commands; c->name != NULL; c++) {
        for (const struct opt *o = c->options; o != NULL && o->name != NULL; o++) {
            if (c == upto && o == row) {
                return true;
            }
            if (strcmp(o->name, row->name) == 0) {
                return false;
            }
        }
    }
    return true;
}

static bool wanted(const struct opt *o, unsigned flag)
{
    return o->value != NULL && (flag == 0 || (o->flags & flag) != 0);
}

/* "--a|--b": options that take a value and have FLAG, if it is not 0. BEFORE stands before each. */
static void put_pattern(struct buf *out, unsigned flag, const char *before)
{
    const char *lead = "";

    for (const struct opt *o = global_options; o->name != NULL; o++) {
        if (wanted(o, flag)) {
            buf_printf(out, "%s%s--%s", lead, before, o->name);
            lead = "|";
        }
    }
    for (const struct command *c = commands; c->name != NULL; c++) {
        for (const struct opt *o = c->options; o != NULL && o->name != NULL; o++) {
            if (wanted(o, flag) && first_named(c, o)) {
                buf_printf(out, "%s%s--%s", lead, before, o->name);
                lead = "|";
            }
        }
    }
}

/* The same option may have other words under another command. */
static void put_choices(struct buf *out)
{
    for (const struct command *c = commands; c->name != NULL; c++) {
        for (const struct opt *o = c->options; o != NULL && o->name != NULL; o++) {
            if (o->choices != NULL) {
                buf_printf(out, "    '%s:--%s') offer='%s' ;;\n", c->name, o->name, o->choices);
            }
        }
    }
}

static void put_names(struct buf *out, const struct opt *o)
{
    for (; o != NULL && o->name != NULL; o++) {
        buf_printf(out, " --%s", o->name);
    }
}

/* First words, each once; and for a group what follows. */
static void put_words(struct buf *out, const char *group)
{
    const char *last = "";
    size_t last_len = 0;

    for (const struct command *c = commands; c->name != NULL; c++) {
        size_t len = command_first(c);

        if (group == NULL && (len != last_len || memcmp(c->name, last, len) != 0)) {
            buf_printf(out, " %.*s", (int)len, c->name);
        } else if (group != NULL && strlen(group) == len && memcmp(group, c->name, len) == 0 &&
                   c->name[len] == ' ') {
            buf_printf(out, " %s", c->name + len + 1);
        }
        last = c->name;
        last_len = len;
    }
}

static void put_commands(struct buf *out)
{
    char group[32] = "";

    buf_lit(out, "        '') offer='");
    put_words(out, NULL);
    put_names(out, global_options);
    buf_lit(out, "' ;;\n");
    for (const struct command *c = commands; c->name != NULL; c++) {
        size_t len = command_first(c);

        if (c->name[len] == ' ' && (strlen(group) != len || memcmp(group, c->name, len) != 0)) {
            GW_ASSERT(len < sizeof group);
            (void)snprintf(group, sizeof group, "%.*s", (int)len, c->name);
            buf_printf(out, "        %s) offer='", group);
            put_words(out, group);
            buf_lit(out, "' ;;\n");
        }
        buf_printf(out, "        '%s') offer='", c->name);
        if (strcmp(c->name, "help") == 0) {
            put_words(out, NULL);
        } else if (c->choices != NULL) {
            buf_puts(out, c->choices);
        }
        put_names(out, c->options);
        put_names(out, global_options);
        buf_lit(out, "' ;;\n");
    }
}

static void put_groups(struct buf *out)
{
    const char *lead = "";

    for (const struct command *c = commands; c->name != NULL; c++) {
        size_t len = command_first(c);

        if (c->name[len] == ' ' && (c == commands || strncmp(c->name, c[-1].name, len + 1) != 0)) {
            buf_printf(out, "%s%.*s", lead, (int)len, c->name);
            lead = "|";
        }
    }
}

bool completion_put(struct buf *out, const char *shell)
{
    bool bash = strcmp(shell, "bash") == 0;

    if (!bash && strcmp(shell, "zsh") != 0) {
        return false;
    }
    buf_puts(out, bash ? bash_head : zsh_head);
    buf_lit(out, "    for w in \"${args[@]}\"; do\n"
                 "        if [ -n \"$skip\" ]; then skip=''; continue; fi\n"
                 "        case $w in\n        ");
    put_pattern(out, 0, "");
    buf_lit(out, ") skip=yes ;;\n        -*) ;;\n"
                 "        *) case $command in '') command=$w ;; ");
    put_groups(out);
    buf_lit(out, ") command=\"$command $w\" ;; esac ;;\n        esac\n    done\n"
                 "    case $command:$prev in\n    ");
    put_pattern(out, OPT_FILE, "*:");
    buf_lit(out, ") files=yes ;;\n");
    put_choices(out);
    buf_lit(out, "    ");
    put_pattern(out, 0, "*:");
    buf_lit(out, ") ;;\n    *)\n        case $command in\n");
    put_commands(out);
    buf_lit(out, "        esac ;;\n    esac\n");
    buf_puts(out, bash ? bash_tail : zsh_tail);
    return true;
}

enum portctl_exit completion_command(struct client *c, const struct args *args)
{
    struct buf out = {0};

    (void)c;
    if (!completion_put(&out, args->words[0])) {
        say("no completion for %s", args->words[0]);
        say_next("portctl completion bash, or zsh");
        return PORTCTL_USAGE;
    }
    print_buf(&out);
    return PORTCTL_DONE;
}
