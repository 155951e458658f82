/* admin_api/portctl/client.h - the admin API as a command sees it: a call, and its answer.
 * Why: signing, sending, judging and complaining are the same for every command; a handler only
 * says what it wants and prints what it got.
 * Owner: one command line; nothing is shared.
 * Invariant: when client_call() is not PORTCTL_DONE, everything has been said on stderr. */
#ifndef ADMIN_API_PORTCTL_CLIENT_H
#define ADMIN_API_PORTCTL_CLIENT_H
#include <jansson.h>
#include "admin_api/portctl/settings.h"

struct call {
    const char *method;
    const char *target; /* path and query */
    json_t *body;       /* NULL: none; taken */
    bool is_unsigned;
    bool quiet_403; /* lacking the permission is no news */
};

struct answer {
    long status;
    json_t *root;    /* an object */
    struct buf text; /* as it came */
    int64_t sent_ns; /* Unix time, before and after */
    int64_t took_ns;
    bool doubtful; /* a change may have been made although the call failed */
};

/* Borrows S and COMMAND. NULL: said on stderr, *CODE. */
struct client *client_create(const struct settings *s, const char *command,
                             enum portctl_exit *code);
void client_destroy(struct client **cp);
const struct settings *client_settings(const struct client *c);

/* ANSWER is ended with answer_fini() in any case. */
GW_MUSTCHECK
enum portctl_exit client_call(struct client *c, const struct call *call, struct answer *answer);
void answer_fini(struct answer *a);
/* The object NAME of the answer; NULL: said on stderr. */
json_t *answer_object(const struct answer *a, const char *name);
/* Says that an answer which should have NAME has not. */
enum portctl_exit answer_lacks(const char *name);
#endif
