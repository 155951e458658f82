/* admin_api/portctl/decide.h - requests that wait for a second person: shown, approved, refused.
 * Why: requests to loosen (changes.c) and grants of roles (role_requests.c) go the same way: what
 * is approved is what was shown, for its hash goes along.
 * Owner: the command. */
#ifndef ADMIN_API_PORTCTL_DECIDE_H
#define ADMIN_API_PORTCTL_DECIDE_H
#include "admin_api/portctl/client.h"

struct decide_kind {
    const char *path;   /* "/v1/changes/", before the id */
    const char *member; /* of the answers: the request */
    const char *show;   /* the command that shows one */
    void (*put)(struct buf *out, const json_t *request);
    void (*put_word)(struct buf *out, const json_t *request); /* typed to approve it */
    /* Says what a decision came to, a 202 too; NULL: the state says it. */
    enum portctl_exit (*tell)(struct client *c, const struct answer *a);
    bool repeatable; /* see struct call */
};

/* The request is the first word of A. */
enum portctl_exit decide_show(struct client *c, const struct args *a, const struct decide_kind *k);
enum portctl_exit decide_approve(struct client *c, const struct args *a,
                                 const struct decide_kind *k);
enum portctl_exit decide_reject(struct client *c, const struct args *a,
                                const struct decide_kind *k);
enum portctl_exit decide_cancel(struct client *c, const struct args *a,
                                const struct decide_kind *k);
#endif
