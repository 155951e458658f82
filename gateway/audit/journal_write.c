/* gateway/audit/journal_write.c - the journal on the thread pool: a frame more, or the file anew. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "gateway/audit/file.h"
#include "gateway/audit/journal_priv.h"
#include "gateway/runtime/clock.h"

#define FRAME_GOAL (4u << 20)

static bool append(struct group *g)
{
    struct journal *j = g->j;
    struct buf frame = {0};
    size_t begin = journal_frame_begin(&frame);
    bool ok;

    for (const struct item *i = g->items; i != NULL; i = i->next) {
        journal_record_put(&frame, i->kind, &i->r, g->link);
    }
    journal_frame_end(&frame, begin);
    ok = file_write_at(j->fd, frame.data, frame.len, j->size) == GW_OK && fdatasync(j->fd) == 0;
    if (ok) {
        g->size = j->size + (off_t)frame.len;
    } else {
        g->error = errno;
    }
    buf_fini(&frame);
    return ok;
}

static bool retired_here(const struct group *g, const char *id)
{
    for (const struct item *i = g->items; i != NULL; i = i->next) {
        if (i->kind == JOURNAL_RETIRED && strcmp(i->r.id, id) == 0) {
            return true;
        }
    }
    return false;
}

struct frames {
    struct buf out;
    size_t begin; /* of the frame that is open; 0: none */
};

static void put(struct frames *f, const struct journal_record *r, uint8_t link[JOURNAL_LINK_BYTES])
{
    if (f->begin == 0) {
        f->begin = journal_frame_begin(&f->out);
    }
    journal_record_put(&f->out, JOURNAL_RECORD, r, link);
    if (f->out.len - f->begin >= FRAME_GOAL) {
        journal_frame_end(&f->out, f->begin);
        f->begin = 0;
    }
}

/* All that lives and the group, under a new name first. */
static bool write_anew(struct group *g)
{
    struct journal *j = g->j;
    struct frames f = {0};
    bool ok;

    memcpy(g->link, j->link, sizeof g->link);
    journal_head_put(&f.out, g->link);
    for (size_t i = 0; i < j->live_count; i++) {
        if (!retired_here(g, j->live[i]->r.id)) {
            put(&f, &j->live[i]->r, g->link);
        }
    }
    for (const struct item *i = g->items; i != NULL; i = i->next) {
        if (i->kind == JOURNAL_RECORD) {
            put(&f, &i->r, g->link);
        }
    }
    if (f.begin != 0) {
        journal_frame_end(&f.out, f.begin);
    }
    ok = file_replace(j->path, f.out.data, f.out.len, 0600) == GW_OK;
    g->fd = ok ? open(j->path, O_WRONLY | O_CLOEXEC) : -1;
    ok = g->fd >= 0;
    if (ok) {
        g->size = (off_t)f.out.len;
        g->rewritten = true;
    } else {
        g->error = errno;
    }
    buf_fini(&f.out);
    return ok;
}

void journal_work(uv_work_t *work)
{
    struct group *g = work->data;
    struct journal *j = g->j;
    int64_t from_ns = clock_mono_ns();
    bool ok = true;

    memcpy(g->link, j->link, sizeof g->link);
    if (g->items != NULL || g->anew) {
        ok = (!g->anew && append(g)) || write_anew(g);
    }
    if (!ok && j->fd >= 0) {
        /* best effort, so that what is refused now is not found later */
        (void)!ftruncate(j->fd, j->size);
    }
    g->err = ok ? GW_OK : GW_ESYS;
    g->took_ns = clock_mono_ns() - from_ns;
}
