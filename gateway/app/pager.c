#include "gateway/app/pager.h"

#include <inttypes.h>
#include <stdlib.h>
#include "gateway/runtime/log.h"

struct pager {
    struct paging *paging;
    struct sse *events;
};

static void on_change(void *arg, uint64_t queue, uint64_t dead)
{
    struct pager *p = arg;
    struct buf data = {0};
    enum gw_err err;

    buf_printf(&data, "{\"queue\":%" PRIu64 ",\"dead\":%" PRIu64 "}", queue, dead);
    err = sse_publish(p->events, NULL, "page", data.data, data.len);
    if (err != GW_OK) {
        log_warn("events", "not_told", "\"event\":\"page\",\"error\":\"%s\"",
                 gw_err_row(err)->name);
    }
    buf_fini(&data);
}

struct pager *pager_create(uv_loop_t *loop, const struct pager_options *opt, struct buf *why)
{
    struct pager *p = gw_calloc(1, sizeof *p);
    const struct paging_options paging = {
        .config = opt->config,
        .pg = opt->pg,
        .state_dir = opt->state_dir,
        .name = opt->name,
        .on_change = on_change,
        .arg = p,
    };

    p->events = opt->events;
    p->paging = paging_create(loop, &paging, why);
    return p->paging != NULL ? p : NULL;
}

struct paging *pager_paging(struct pager *p)
{
    return p->paging;
}

void pager_close(struct pager *p, void (*done)(void *arg), void *arg)
{
    paging_close(p->paging, done, arg);
}

void pager_destroy(struct pager **pp)
{
    struct pager *p = *pp;

    *pp = NULL;
    paging_destroy(&p->paging);
    free(p);
}
