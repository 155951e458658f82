/* admin_api/portctl/ask.h - a change of the control state, from the dry run to its outcome.
 * Why: every command that changes something shows what it would do, has it confirmed and says what
 * came of it; what tightens never waits for a version, what loosens names the one it was shown.
 *
 *   dry run with If-Match: *  --428--> GET (ETag) -> dry run with it
 *          |                                |
 *        shown, confirmed by typing, sent: If-Match: * (tightens) or the ETag (all else)
 *
 * Owner: the command. */
#ifndef ADMIN_API_PORTCTL_ASK_H
#define ADMIN_API_PORTCTL_ASK_H
#include "admin_api/portctl/client.h"

struct ask {
    const char *method;
    struct buf target; /* path and query */
    struct buf look;   /* path of the resource, for its ETag; empty: there is none */
    json_t *body;      /* NULL: not to be made, said why */
};

/* An ask with the members that all bodies have: reason, ticket, incident, until. */
void ask_init(struct ask *k, const char *method, const struct args *a);
/* Adds a member; V is taken; NULL: it was no UTF-8. */
void ask_set(struct ask *k, const char *name, json_t *v);
/* Adds the time that --OPTION gives. */
void ask_set_time(struct ask *k, const char *name, const char *option, const char *text);
/* "A,B" as a list; an empty part is the server's to refuse. */
json_t *ask_list(const char *text);
/* Ends K. */
enum portctl_exit ask_run(struct client *c, const struct args *a, struct ask *k);

/* For a change that has no dry run: is there --yes, or a terminal? False: said. */
GW_MUSTCHECK
bool ask_possible(const struct args *a, enum portctl_exit *code);
/* Has WORD typed, unless --yes; what was typed goes into BODY (NULL: nowhere), for the gateway to compare.
 * False: said. */
GW_MUSTCHECK
bool ask_confirm(const struct args *a, json_t *body, const char *word);
/* Says what the answer to a change means; the exit code. */
enum portctl_exit ask_outcome(struct client *c, const struct answer *a);
#endif
