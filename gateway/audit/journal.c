#include "gateway/audit/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "gateway/audit/file.h"
#include "gateway/audit/journal_priv.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define GROUP_GOAL (4u << 20)  /* bytes of payload */
#define FILE_GOAL  (96u << 20) /* written anew above it */
#define FILE_LIMIT (512u << 20)
#define NEXT       "\n  next: "

#define ROWS(X) JOURNAL_METRICS(X, "audit_journal", "the emergency journal")
static const struct metric_row rows[] = {ROWS(METRIC_AS_ROW)};
const struct metric_table journal_metrics = {"Emergency journal", rows, GW_LEN(rows)};

/* --- living records --------------------------------------------------------------------------- */

static struct item *item_create(enum journal_kind kind, const struct journal_record *r)
{
    struct item *i = gw_calloc(1, sizeof *i + r->len + 1);

    i->kind = kind;
    i->r = *r;
    i->r.payload = (char *)(i + 1);
    if (r->len > 0) {
        memcpy(i + 1, r->payload, r->len);
    }
    return i;
}

/* Takes I. */
static void live_add(struct journal *j, struct item *i)
{
    if (j->live_count == j->live_cap) {
        j->live_cap = j->live_cap != 0 ? 2 * j->live_cap : 64;
        j->live = gw_realloc(j->live, j->live_cap * sizeof(struct item *));
    }
    i->next = NULL;
    j->live[j->live_count++] = i;
    j->live_bytes += i->r.len;
}

static size_t live_find(const struct journal *j, const char *id)
{
    size_t i = 0;

    while (i < j->live_count && strcmp(j->live[i]->r.id, id) != 0) {
        i++;
    }
    return i;
}

static void live_remove(struct journal *j, const char *id)
{
    size_t i = live_find(j, id);

    if (i < j->live_count) {
        j->live_bytes -= j->live[i]->r.len;
        free(j->live[i]);
        j->live_count--;
        memmove(&j->live[i], &j->live[i + 1], (j->live_count - i) * sizeof(struct item *));
    }
}

static void show(struct journal *j)
{
    metrics_set(j->metrics, JOURNAL_M_RECORDS, 0, (int64_t)j->live_count);
    metrics_set(j->metrics, JOURNAL_M_BYTES, 0, (int64_t)j->size);
    metrics_set(j->metrics, JOURNAL_M_FAILING, 0, j->failing);
}

size_t journal_count(const struct journal *j)
{
    return j->live_count;
}

const struct journal_record *journal_at(const struct journal *j, size_t i)
{
    GW_ASSERT(i < j->live_count);
    return &j->live[i]->r;
}

bool journal_failing(const struct journal *j)
{
    return j->failing;
}

/* --- open ------------------------------------------------------------------------------------- */

static void on_scanned(void *arg, enum journal_kind kind, const struct journal_record *r)
{
    if (kind == JOURNAL_RECORD) {
        live_add(arg, item_create(kind, r));
    } else {
        live_remove(arg, r->id);
    }
}

static bool lock(struct journal *j, struct buf *why)
{
    struct buf path = {0};
    bool ok;

    buf_printf(&path, "%s.lock", j->path);
    j->lock_fd = open(buf_cstr(&path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ok = j->lock_fd >= 0 && flock(j->lock_fd, LOCK_EX | LOCK_NB) == 0;
    if (!ok && j->lock_fd >= 0 && errno == EWOULDBLOCK) {
        buf_printf(why,
                   "the emergency journal %s is in use by another process" NEXT
                   "stop the other gateway, or give each its own state folder",
                   j->path);
    } else if (!ok) {
        buf_printf(why, "cannot make %s: %s" NEXT "make the state folder, owned by the gateway",
                   buf_cstr(&path), strerror(errno));
    }
    buf_fini(&path);
    return ok;
}

/* What is behind the last good frame goes into a file beside, and off. */
static bool cut(struct journal *j, const struct buf *text, size_t good, struct buf *why)
{
    struct buf path = {0};
    bool ok;

    buf_printf(&path, "%s.cut", j->path);
    ok = file_replace(buf_cstr(&path), text->data + good, text->len - good, 0600) == GW_OK &&
         ftruncate(j->fd, (off_t)good) == 0 && fdatasync(j->fd) == 0;
    if (ok) {
        log_warn("audit", "journal_cut",
                 "\"file\":%s,\"bytes\":%zu,\"kept_in\":%s,\"why\":\"the last group was not "
                 "written to its end; it was never acknowledged\"",
                 log_json(j->path), text->len - good, log_json(buf_cstr(&path)));
    } else {
        buf_printf(why,
                   "cannot cut the unfinished end off %s: %s" NEXT
                   "check the space and the health of the disk",
                   j->path, strerror(errno));
    }
    buf_fini(&path);
    return ok;
}

static bool read_file(struct journal *j, struct buf *why)
{
    struct journal_scan s;
    struct buf text = {0};
    bool ok = false;

    if (file_read_all(j->fd, FILE_LIMIT, &text) != GW_OK) {
        buf_printf(why, "cannot read the emergency journal %s: %s" NEXT "check the disk", j->path,
                   strerror(errno));
    } else if (!journal_scan(text.data, text.len, &s, on_scanned, j)) {
        buf_printf(
            why,
            "the emergency journal %s is damaged at byte %zu: %s\n"
            "  %zu records before it are readable; those behind it may be halts that are not "
            "in the audit log" NEXT
            "keep a copy of the file, compare the state of the market with what it should "
            "be, then move the file away and start again",
            j->path, s.bad_at, s.why, j->live_count);
    } else {
        j->size = (off_t)s.good;
        memcpy(j->link, s.link, sizeof j->link);
        ok = !s.torn || cut(j, &text, s.good, why);
    }
    buf_fini(&text);
    return ok;
}

static bool open_file(struct journal *j, struct buf *why)
{
    j->fd = open(j->path, O_RDWR | O_CLOEXEC);
    if (j->fd < 0 && errno == ENOENT) {
        struct buf head = {0};
        enum gw_err err;

        journal_head_put(&head, j->link);
        err = file_replace(j->path, head.data, head.len, 0600);
        buf_fini(&head);
        j->fd = err == GW_OK ? open(j->path, O_RDWR | O_CLOEXEC) : -1;
    }
    if (j->fd < 0) {
        buf_printf(why,
                   "cannot open the emergency journal %s: %s" NEXT
                   "check the state folder, its owner and the space on it",
                   j->path, strerror(errno));
        return false;
    }
    return read_file(j, why);
}

struct journal *journal_open(uv_loop_t *loop, const char *folder, struct metric_set *metrics,
                             struct buf *why)
{
    return journal_open_as(loop, folder, "audit.journal", metrics, why);
}

struct journal *journal_open_as(uv_loop_t *loop, const char *folder, const char *name,
                                struct metric_set *metrics, struct buf *why)
{
    struct journal *j = gw_calloc(1, sizeof *j);
    struct buf path = {0};
    size_t len;

    buf_printf(&path, "%s/%s", folder, name);
    buf_putc(&path, '\0');
    j->loop = loop;
    j->path = buf_steal(&path, &len);
    j->fd = -1;
    j->lock_fd = -1;
    j->queue_tail = &j->queue;
    j->metrics = metrics;
    if (!lock(j, why) || !open_file(j, why)) {
        journal_destroy(&j);
        return NULL;
    }
    show(j);
    return j;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void kick(struct journal *j);

static void finish_close(struct journal *j)
{
    if (j->fd >= 0) {
        (void)close(j->fd);
        j->fd = -1;
    }
    (void)close(j->lock_fd);
    j->lock_fd = -1;
    j->done(j->done_arg);
}

/* What was written is true from now on. */
static void take_result(struct journal *j, struct group *g)
{
    metrics_observe_ns(j->metrics, JOURNAL_M_SYNC, 0, g->took_ns);
    j->failing = g->err != GW_OK;
    j->suspect = j->failing;
    if (j->failing) {
        log_error("audit", "journal_write_failed",
                  "\"file\":%s,\"error\":%s,\"next\":\"check the disk and the space on it; until "
                  "then no tightening is durable while PostgreSQL is away\"",
                  log_json(j->path), log_json(strerror(g->error)));
        return;
    }
    memcpy(j->link, g->link, sizeof j->link);
    j->size = g->size;
    if (g->rewritten) {
        (void)close(j->fd);
        j->fd = g->fd;
        metrics_inc(j->metrics, JOURNAL_M_REWRITES);
        if (g->error != 0) {
            log_warn("audit", "journal_written_anew", "\"file\":%s,\"error\":%s", log_json(j->path),
                     log_json(strerror(g->error)));
        }
    }
}

static void on_written(uv_work_t *work, int status)
{
    struct group *g = work->data;
    struct journal *j = g->j;
    struct item *items = g->items;
    enum gw_err err = g->err;

    GW_ASSERT(status == 0); /* nobody cancels */
    if (items != NULL || g->anew) {
        take_result(j, g);
    }
    /* callbacks may append; the next group must not start before all of this one is among the living:
     * writing anew would leave out the rest */
    while (items != NULL) {
        struct item *i = items;
        journal_fn *cb = i->cb;
        void *arg = i->arg;
        char id[ULID_SIZE];

        items = i->next;
        memcpy(id, i->r.id, sizeof id);
        j->queue_bytes -= i->r.len;
        if (i->kind == JOURNAL_RECORD) {
            metrics_inc(j->metrics, err == GW_OK ? JOURNAL_M_APPENDED : JOURNAL_M_FAILED);
        } else if (err == GW_OK) {
            live_remove(j, id);
        }
        if (i->kind == JOURNAL_RECORD && err == GW_OK) {
            live_add(j, i);
        } else {
            free(i);
        }
        show(j);
        if (cb != NULL) {
            cb(arg, err, id);
        }
    }
    show(j);
    j->running = NULL;
    free(g);
    kick(j);
}

/* Takes what waits, as much as one frame should hold. */
static void take_items(struct journal *j, struct group *g)
{
    struct item **end = &j->queue;
    size_t bytes = 0;

    while (*end != NULL && bytes < GROUP_GOAL) {
        bytes += (*end)->r.len + JOURNAL_RECORD_MORE;
        end = &(*end)->next;
    }
    if (end != &j->queue) {
        g->items = j->queue;
        j->queue = *end;
        *end = NULL;
    }
    if (j->queue == NULL) {
        j->queue_tail = &j->queue;
    }
}

static void kick(struct journal *j)
{
    bool empty = j->live_count == 0 && j->size > (off_t)JOURNAL_HEAD_BYTES && !j->failing;
    struct group *g;

    if (j->running != NULL || j->lock_fd < 0) {
        return;
    }
    if (j->queue == NULL && !empty) {
        if (j->closing) {
            finish_close(j);
        }
        return;
    }
    g = gw_calloc(1, sizeof *g);
    g->j = j;
    g->work.data = g;
    g->fd = -1;
    take_items(j, g);
    g->anew = j->suspect || j->size > (off_t)FILE_GOAL || g->items == NULL;
    j->running = g;
    GW_ASSERT(uv_queue_work(j->loop, &g->work, journal_work, on_written) == 0);
}

static void enqueue(struct journal *j, struct item *i, journal_fn *cb, void *arg)
{
    GW_ASSERT(!j->closing);
    i->cb = cb;
    i->arg = arg;
    *j->queue_tail = i;
    j->queue_tail = &i->next;
    j->queue_bytes += i->r.len;
    kick(j);
}

enum gw_err journal_append(struct journal *j, const char *payload, size_t len, journal_fn *cb,
                           void *arg, char id_out[ULID_SIZE])
{
    struct journal_record r = {.time_ns = clock_real_ns(), .payload = payload, .len = len};

    if (len > JOURNAL_PAYLOAD_MAX) {
        return GW_ETOOBIG;
    }
    if (j->live_bytes + j->queue_bytes + len > JOURNAL_BYTES_MAX) {
        metrics_inc(j->metrics, JOURNAL_M_FAILED);
        return GW_EFULL;
    }
    ulid_make(r.id, r.time_ns);
    memcpy(id_out, r.id, ULID_SIZE);
    enqueue(j, item_create(JOURNAL_RECORD, &r), cb, arg);
    return GW_OK;
}

enum gw_err journal_retire(struct journal *j, const char *id, journal_fn *cb, void *arg)
{
    struct journal_record r = {.time_ns = clock_real_ns()};

    if (live_find(j, id) == j->live_count) {
        return GW_ENOTFOUND;
    }
    (void)snprintf(r.id, sizeof r.id, "%s", id);
    enqueue(j, item_create(JOURNAL_RETIRED, &r), cb, arg);
    return GW_OK;
}

/* --- close ------------------------------------------------------------------------------------ */

/* So that DONE never runs inside the call. */
static void on_idle_work(uv_work_t *work)
{
    (void)work;
}

void journal_close(struct journal *j, void (*done)(void *arg), void *arg)
{
    GW_ASSERT(!j->closing);
    j->closing = true;
    j->done = done;
    j->done_arg = arg;
    if (j->running == NULL) {
        struct group *g = gw_calloc(1, sizeof *g);

        g->j = j;
        g->work.data = g;
        j->running = g;
        GW_ASSERT(uv_queue_work(j->loop, &g->work, on_idle_work, on_written) == 0);
    }
}

void journal_destroy(struct journal **jp)
{
    struct journal *j = *jp;

    *jp = NULL;
    GW_ASSERT(j->running == NULL && j->queue == NULL);
    for (size_t i = 0; i < j->live_count; i++) {
        free(j->live[i]);
    }
    free(j->live);
    if (j->fd >= 0) {
        (void)close(j->fd);
    }
    if (j->lock_fd >= 0) {
        (void)close(j->lock_fd);
    }
    free(j->path);
    free(j);
}
