/* gateway/app/pager.h - pages put to work: the sender, and who watches its queue. Wiring only.
 *
 *   close: before the pool of PostgreSQL; destroy: after it
 *
 * Owner: the main thread. */
#ifndef GATEWAY_APP_PAGER_H
#define GATEWAY_APP_PAGER_H
#include "gateway/http/sse.h"
#include "gateway/paging/paging.h"

struct pager;

struct pager_options {
    const struct paging_config *config;
    struct pg *pg;
    const char *state_dir;
    const char *name;   /* of this gateway */
    struct sse *events; /* hears `page` */
};

/* NULL: WHY says what is wrong and what to do. Blocks: at start only. */
struct pager *pager_create(uv_loop_t *loop, const struct pager_options *opt, struct buf *why);
struct paging *pager_paging(struct pager *p);
void pager_close(struct pager *p, void (*done)(void *arg), void *arg);
void pager_destroy(struct pager **pp);
#endif
