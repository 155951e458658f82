#include "admin_api/portctl/cli.h"

#include "gateway/base/err.h"

size_t command_first(const struct command *c)
{
    return strcspn(c->name, " ");
}

const struct command *command_find(const char *first, const char *second)
{
    for (const struct command *c = commands; c->name != NULL; c++) {
        size_t len = command_first(c);
        const char *rest = c->name[len] == ' ' ? c->name + len + 1 : NULL;

        if (strlen(first) == len && memcmp(first, c->name, len) == 0 &&
            (rest == NULL || (second != NULL && strcmp(rest, second) == 0))) {
            return c;
        }
    }
    return NULL;
}

bool command_is_group(const char *word)
{
    for (const struct command *c = commands; c->name != NULL; c++) {
        size_t len = command_first(c);

        if (c->name[len] == ' ' && strlen(word) == len && memcmp(word, c->name, len) == 0) {
            return true;
        }
    }
    return false;
}

static const struct opt *find_in(const struct opt *rows, const char *name, size_t len)
{
    for (; rows != NULL && rows->name != NULL; rows++) {
        if (strlen(rows->name) == len && memcmp(rows->name, name, len) == 0) {
            return rows;
        }
    }
    return NULL;
}

static const struct opt *find_option(const struct command *c, const char *name, size_t len)
{
    const struct opt *o = find_in(global_options, name, len);

    return o != NULL || c == NULL ? o : find_in(c->options, name, len);
}

static const struct opt *find_brief(char brief)
{
    for (const struct opt *o = global_options; o->name != NULL; o++) {
        if (o->brief != '\0' && o->brief == brief) {
            return o;
        }
    }
    return NULL;
}

static bool is_choice(const struct opt *o, const char *value)
{
    size_t len = strlen(value);

    for (const char *w = o->choices; *w != '\0'; w += strspn(w, " ")) {
        size_t n = strcspn(w, " ");

        if (n == len && memcmp(w, value, len) == 0) {
            return true;
        }
        w += n;
    }
    return false;
}

static bool add_value(struct args *a, const struct opt *o, const char *value, struct buf *why)
{
    if ((o->flags & OPT_REPEAT) == 0 && args_get(a, o->name) != NULL) {
        buf_printf(why, "--%s is given twice", o->name);
    } else if (o->value != NULL && value[0] == '\0') {
        buf_printf(why, "--%s needs a value: --%s %s", o->name, o->name, o->value);
    } else if ((o->flags & OPT_STRICT) != 0 && !is_choice(o, value)) {
        buf_printf(why, "--%s %s: expected one of: %s", o->name, value, o->choices);
    } else if (a->value_count == ARGS_VALUES) {
        buf_printf(why, "more than %u options", ARGS_VALUES);
    } else {
        a->values[a->value_count].opt = o;
        a->values[a->value_count++].value = value;
        return true;
    }
    return false;
}

/* The option at ARGV[*AT], and its value. */
static bool take_option(int argc, char *const *argv, int *at, struct args *a, struct buf *why)
{
    const char *word = argv[*at];
    bool brief = word[1] != '-';
    const char *name = word + (brief ? 1 : 2);
    const char *equals = brief ? NULL : strchr(name, '=');
    size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const struct opt *o = !brief     ? find_option(a->command, name, len)
                          : len == 1 ? find_brief(name[0])
                                     : NULL;

    if (o == NULL) {
        buf_printf(why, "unknown option %s%s", word,
                   a->command == NULL ? "; options of a command come after its name" : "");
        return false;
    }
    if (o->value == NULL) {
        if (equals != NULL) {
            buf_printf(why, "--%s takes no value", o->name);
            return false;
        }
        return add_value(a, o, "", why);
    }
    if (equals != NULL) {
        return add_value(a, o, equals + 1, why);
    }
    /* a forgotten value must not swallow the option behind it */
    if (*at + 1 >= argc || strncmp(argv[*at + 1], "--", 2) == 0) {
        return add_value(a, o, "", why);
    }
    (*at)++;
    return add_value(a, o, argv[*at], why);
}

/* The command at ARGV[*AT], of one word or two; or another word of it. */
static bool take_word(int argc, char *const *argv, int *at, struct args *a, struct buf *why)
{
    const char *second = *at + 1 < argc ? argv[*at + 1] : NULL;

    if (a->command == NULL) {
        a->command = command_find(argv[*at], second);
        if (a->command != NULL) {
            *at += a->command->name[command_first(a->command)] == ' ';
            return true;
        }
        /* `portctl key --help` */
        if (command_is_group(argv[*at]) && second != NULL &&
            (strcmp(second, "--help") == 0 || strcmp(second, "-h") == 0)) {
            a->command = command_find("help", NULL);
            a->words[a->word_count++] = argv[(*at)++];
            return true;
        }
        buf_printf(why, "unknown command %s%s%s", argv[*at],
                   command_is_group(argv[*at]) && second != NULL ? " " : "",
                   command_is_group(argv[*at]) && second != NULL ? second : "");
        return false;
    }
    if (a->word_count == a->command->words_max || a->word_count == ARGS_WORDS) {
        buf_printf(why, "unexpected argument %s", argv[*at]);
        return false;
    }
    a->words[a->word_count++] = argv[*at];
    return true;
}

static bool complete(const struct args *a, struct buf *why)
{
    const struct command *c = a->command;

    if (args_get(a, "help") != NULL || args_get(a, "version") != NULL) {
        return true;
    }
    if (c == NULL) {
        buf_lit(why, "no command");
        return false;
    }
    if (a->word_count < c->words_min) {
        buf_printf(why, "%s needs: %s", c->name, c->usage);
        return false;
    }
    for (const struct opt *o = c->options; o != NULL && o->name != NULL; o++) {
        if ((o->flags & OPT_REQUIRED) != 0 && args_get(a, o->name) == NULL) {
            buf_printf(why, "%s needs --%s %s: %s", c->name, o->name, o->value, o->help);
            return false;
        }
    }
    return true;
}

bool args_parse(int argc, char *const *argv, struct args *out, struct buf *why)
{
    bool options = true;

    *out = (struct args){0};
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];

        if (options && strcmp(word, "--") == 0) {
            options = false;
        } else if (options && word[0] == '-' && word[1] != '\0') {
            if (!take_option(argc, argv, &i, out, why)) {
                return false;
            }
        } else if (!take_word(argc, argv, &i, out, why)) {
            return false;
        }
    }
    return complete(out, why);
}

const char *args_get(const struct args *a, const char *name)
{
    unsigned at = 0;

    return args_each(a, name, &at);
}

const char *args_each(const struct args *a, const char *name, unsigned *at)
{
    while (*at < a->value_count) {
        unsigned i = (*at)++;

        if (strcmp(a->values[i].opt->name, name) == 0) {
            return a->values[i].value;
        }
    }
    return NULL;
}
