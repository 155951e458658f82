/* admin_api/portctl/client.h - the admin API as a command sees it: a call, and its answer.
 * Why: signing, sending, judging and complaining are the same for every command; a handler only
 * says what it wants and prints what it got.
 * Owner: one command line; nothing is shared.
 * Invariant: when client_call() is not PORTCTL_DONE, everything has been said on stderr. */
#ifndef ADMIN_API_PORTCTL_CLIENT_H
#define ADMIN_API_PORTCTL_CLIENT_H
#include <jansson.h>
#include "admin_api/portctl/settings.h"
#include "auth/text.h"

#define CALL_LINES_MAX 20u

struct call {
    const char *method;
    const char *target;    /* path and query */
    json_t *body;          /* NULL: none; taken */
    struct auth_text text; /* a body as it is, instead */
    const char *type;      /* of the body; NULL: JSON */
    const char *accept;    /* NULL: JSON */
    const char *match;     /* If-Match; NULL: none */
    const char *once; /* Idempotency-Key: it is sent again when the network fails; NULL: none */
    const char *const *lines; /* more of the head, "Name: value", up to a NULL; or NULL */
    long quiet;               /* a refusal of this status is no news; 0: none */
    bool repeatable;          /* as with once; the client makes the key */
    bool is_unsigned;         /* and without a session */
    bool is_person;           /* by the session alone, or (unsigned) to begin one */
    bool as_is;               /* whatever the answer is, the caller judges it */
    bool accepts;             /* the caller says what a 202 means */
};

struct answer {
    long status;
    json_t *root;    /* an object */
    struct buf text; /* as it came */
    struct buf head; /* its fields; see http_field() */
    int64_t sent_ns; /* Unix time, before and after */
    int64_t took_ns;
    bool doubtful; /* a change may have been made although the call failed */
    bool repeated; /* it was sent more than once */
};

/* Borrows S and COMMAND. NULL: said on stderr, *CODE. */
struct client *client_create(const struct settings *s, const char *command,
                             enum portctl_exit *code);
void client_destroy(struct client **cp);
const struct settings *client_settings(const struct client *c);

/* The session is over. */
void client_forget_session(struct client *c);

/* ANSWER is ended with answer_fini() in any case. */
GW_MUSTCHECK
enum portctl_exit client_call(struct client *c, const struct call *call, struct answer *answer);
void answer_fini(struct answer *a);
/* The lines of the head that sign CALL, a line each. */
GW_MUSTCHECK
enum portctl_exit client_sign(struct client *c, const struct call *call, struct buf *out);
/* The object NAME of the answer; NULL: said on stderr. */
json_t *answer_object(const struct answer *a, const char *name);
/* Says that an answer which should have NAME has not. */
enum portctl_exit answer_lacks(const char *name);
#endif
