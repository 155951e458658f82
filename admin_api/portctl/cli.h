/* admin_api/portctl/cli.h - the command line: rows of commands and options, and what was given.
 * Why: a command is a row; parsing, help and completion follow from it, so that no two places can
 * disagree. Long options are written out in full, so that a new row breaks no script.
 * Owner: rows are immutable; struct args borrows argv. */
#ifndef ADMIN_API_PORTCTL_CLI_H
#define ADMIN_API_PORTCTL_CLI_H
#include "gateway/base/buf.h"

enum portctl_exit {
    PORTCTL_DONE,
    PORTCTL_REFUSED,     /* by the server */
    PORTCTL_USAGE,       /* nothing was sent */
    PORTCTL_UNREACHABLE, /* no answer, or not over a TLS that can be trusted */
    PORTCTL_AUTH,        /* the key, its signature or the clock */
    PORTCTL_WAITING,     /* it was asked for and needs a second person */
    PORTCTL_PARTLY,      /* in force, but not confirmed everywhere, or kept on no disk */
    PORTCTL_ATTENTION,   /* status --check: somebody has to look */
};

enum opt_flag {
    OPT_REQUIRED = 1,
    OPT_REPEAT = 2, /* may be given more than once */
    OPT_STRICT = 4, /* one of `choices` and nothing else */
    OPT_FILE = 8,   /* completion: a path */
};

struct opt {
    const char *name;  /* without the dashes */
    const char *value; /* what it is called in the help; NULL: a switch */
    const char *help;
    const char *choices; /* words with spaces between, or NULL */
    unsigned flags;
    char brief; /* -v, or '\0' */
};

struct client;
struct args;
typedef enum portctl_exit command_fn(struct client *c, const struct args *a);

struct command {
    const char *name;  /* one or two words: "key new" */
    const char *usage; /* the words after it: "ID", or "" */
    const char *help;  /* one line */
    const char *more;  /* paragraphs, or NULL */
    const char *examples;
    const struct opt *options; /* ends with a row without a name; NULL: none */
    unsigned words_min;
    unsigned words_max;
    command_fn *run;     /* C is NULL under `local` */
    bool local;          /* speaks to no server */
    const char *choices; /* completion: what may stand as a word; NULL: nothing known */
};
extern const struct command commands[];   /* ends with a row without a name */
extern const struct opt global_options[]; /* the same */

#define ARGS_VALUES 96u
#define ARGS_WORDS  4u

struct args {
    const struct command *command; /* NULL: none was given */
    const char *words[ARGS_WORDS];
    unsigned word_count;
    struct {
        const struct opt *opt;
        const char *value;
    } values[ARGS_VALUES];
    unsigned value_count;
};

/* False: WHY says what is wrong with the line. --help and --version are switches like others and
 * lift the demands on the rest of the line. */
GW_MUSTCHECK
bool args_parse(int argc, char *const *argv, struct args *out, struct buf *why);
/* Value of option NAME, NULL when it was not given; "" for a switch that was. */
const char *args_get(const struct args *a, const char *name);
/* Values of a repeatable option, one after the other: start with *AT at 0; NULL at the end. */
const char *args_each(const struct args *a, const char *name, unsigned *at);

/* Does the group or the command that NAME names (one word, or two of them) exist. */
const struct command *command_find(const char *first, const char *second);
bool command_is_group(const char *word);
/* Length of the first word of the command's name. */
size_t command_first(const struct command *c);
#endif
