#include "gateway/audit/anchor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/audit/anchor_file.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define STREAM_MAX "200000" /* notes kept in Redis, about */

#define STATES(X)  X(IDLE) X(WALKING) X(SENDING)
#define AS_ENUM(s) ANCHOR_##s,
enum anchor_state { STATES(AS_ENUM) ANCHOR_STATE_COUNT };

struct audit_anchor {
    struct audit_anchor_options opt;
    char *path;
    uv_timer_t timer;
    uv_work_t work;
    enum anchor_state state;
    bool again; /* asked for while one was under way */
    bool closing;
    void (*done)(void *arg);
    void *done_arg;
    struct audit_mark last;
    int64_t last_time_ns; /* when `last` was signed */
    int64_t time_ns;
    enum audit_fault broken;
    uint64_t bad_seq;
    /* the note under way */
    struct buf note;
    struct audit_mark next;
    int64_t next_time_ns;
    unsigned waits; /* for file and Redis */
    bool file_ok;
    bool redis_ok;
    enum gw_err file_err; /* of the thread pool */
    int file_errno;
    size_t file_size;
    /* a place that did not get the last note gets it with the next try */
    bool file_behind;
    bool redis_behind;
};

static void start(struct audit_anchor *a);

static void on_timer_closed(uv_handle_t *handle)
{
    struct audit_anchor *a = handle->data;

    a->done(a->done_arg);
}

static void set_state(struct audit_anchor *a, enum anchor_state next)
{
    static const unsigned edges[ANCHOR_STATE_COUNT] = {
        [ANCHOR_IDLE] = 1u << ANCHOR_WALKING,
        [ANCHOR_WALKING] = 1u << ANCHOR_SENDING | 1u << ANCHOR_IDLE,
        [ANCHOR_SENDING] = 1u << ANCHOR_IDLE,
    };

    GW_ASSERT(edges[a->state] & 1u << next);
    a->state = next;
    if (next == ANCHOR_IDLE && a->closing) {
        uv_close((uv_handle_t *)&a->timer, on_timer_closed);
    } else if (next == ANCHOR_IDLE && a->again) {
        a->again = false;
        start(a);
    }
}

/* All that was entered is whole, and signed. */
static void note_time(struct audit_anchor *a)
{
    a->time_ns = clock_real_ns();
    metrics_set(a->opt.metrics, AUDIT_M_ANCHOR_TIME, 0, a->time_ns / 1000000000);
}

static void sent(struct audit_anchor *a)
{
    if (--a->waits != 0) {
        return;
    }
    if (!a->file_ok) {
        metrics_inc(a->opt.metrics, AUDIT_M_ANCHOR_FILE);
        log_error("audit", "anchor_file_failed",
                  "\"file\":%s,\"error\":%s,\"next\":\"check the disk\"", log_json(a->path),
                  log_json(strerror(a->file_errno)));
    }
    if (!a->redis_ok) {
        metrics_inc(a->opt.metrics, AUDIT_M_ANCHOR_REDIS);
    }
    if (a->file_ok || (a->redis_ok && a->opt.redis != NULL)) {
        a->file_behind = !a->file_ok;
        a->redis_behind = !a->redis_ok;
        a->last = a->next;
        a->last_time_ns = a->next_time_ns;
        metrics_inc(a->opt.metrics, AUDIT_M_ANCHORS);
        metrics_set(a->opt.metrics, AUDIT_M_ANCHORED, 0, (int64_t)a->last.seq);
        note_time(a);
    }
    set_state(a, ANCHOR_IDLE);
}

static void work(uv_work_t *w)
{
    struct audit_anchor *a = w->data;

    a->file_err = anchors_append(a->path, a->note.data, a->note.len, &a->file_size);
    a->file_errno = errno;
}

static void on_worked(uv_work_t *w, int status)
{
    struct audit_anchor *a = w->data;

    (void)status;
    a->file_ok = a->file_err == GW_OK;
    sent(a);
}

static void on_redis(void *arg, const struct redis_reply *reply)
{
    struct audit_anchor *a = arg;

    a->redis_ok = reply != NULL && redis_kind(reply) == REDIS_STRING;
    sent(a);
}

/* To both places, or to the one that lacks what the other has. */
static void send_note(struct audit_anchor *a, const struct audit_mark *mark)
{
    struct checkpoint_note c = {.mark = *mark, .time_ns = clock_real_ns()};
    const char *argv[] = {"XADD", ANCHOR_STREAM, "MAXLEN", "~", STREAM_MAX, "*", "note", ""};
    size_t lens[GW_LEN(argv)];
    bool fresh = mark->seq != a->last.seq;

    set_state(a, ANCHOR_SENDING);
    buf_reset(&a->note);
    checkpoint_sign(a->opt.signer, &c, &a->note);
    a->next = *mark;
    a->next_time_ns = c.time_ns;
    a->waits = 1; /* this call */
    a->file_ok = !fresh && !a->file_behind;
    a->redis_ok = a->opt.redis == NULL || (!fresh && !a->redis_behind);
    if (!a->file_ok) {
        a->work.data = a;
        a->waits++;
        GW_ASSERT(uv_queue_work(a->opt.loop, &a->work, work, on_worked) == 0);
    }
    if (!a->redis_ok) {
        for (size_t i = 0; i < GW_LEN(argv); i++) {
            lens[i] = strlen(argv[i]);
        }
        argv[7] = a->note.data;
        lens[7] = a->note.len;
        a->waits += redis_command(a->opt.redis, (int)GW_LEN(argv), argv, lens, 0, on_redis, a);
    }
    sent(a);
}

static void on_walked(void *arg, enum gw_err err, const struct audit_result *r)
{
    struct audit_anchor *a = arg;
    struct audit_mark mark = a->last;

    if (err != GW_OK || a->closing) { /* PostgreSQL is away: the next tick tries again */
        set_state(a, ANCHOR_IDLE);
        return;
    }
    metrics_set(a->opt.metrics, AUDIT_M_BROKEN, 0, r->fault != AUDIT_WHOLE);
    a->broken = r->fault;
    a->bad_seq = r->bad_seq;
    if (r->fault != AUDIT_WHOLE) {
        struct buf text = {0};

        audit_result_json(r, &text);
        log_error(
            "audit", "chain_broken",
            "\"anchored_to\":%llu,\"result\":%s,\"next\":\"nothing is signed any more; compare "
            "an export with the anchors: portctl audit verify\"",
            (unsigned long long)a->last.seq, buf_cstr(&text));
        buf_fini(&text);
        set_state(a, ANCHOR_IDLE);
        return;
    }
    if (r->count > 0) {
        mark.seq = r->to_seq;
        memcpy(mark.hash, r->hash, AUDIT_HASH_BYTES);
        metrics_set(a->opt.metrics, AUDIT_M_HEAD, 0, (int64_t)mark.seq);
    }
    if (mark.seq != a->last.seq || (mark.seq != 0 && (a->file_behind || a->redis_behind))) {
        send_note(a, &mark);
    } else {
        note_time(a);
        set_state(a, ANCHOR_IDLE);
    }
}

static void start(struct audit_anchor *a)
{
    const struct audit_verify_options opt = {
        .first_seq = a->last.seq + 1,
        .before = a->last.seq != 0 ? a->last.hash : NULL,
    };

    set_state(a, ANCHOR_WALKING);
    if (audit_verify(a->opt.store, &opt, on_walked, a) != GW_OK) {
        set_state(a, ANCHOR_IDLE);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct audit_anchor *a = timer->data;

    if (a->state == ANCHOR_IDLE) {
        start(a);
    }
}

void audit_anchor_now(struct audit_anchor *a)
{
    if (a->state != ANCHOR_IDLE) {
        a->again = true;
    } else if (!a->closing) {
        start(a);
    }
}

void audit_anchor_forget_redis(struct audit_anchor *a)
{
    a->opt.redis = NULL;
}

void audit_anchor_status(const struct audit_anchor *a, struct audit_anchor_status *out)
{
    *out = (struct audit_anchor_status){a->last, a->time_ns, a->broken, a->bad_seq};
}

/* Ed25519 signs the same text to the same bytes: the note needs not be kept. */
bool audit_anchor_note(const struct audit_anchor *a, struct buf *note, struct buf *key)
{
    const struct checkpoint_note c = {.mark = a->last, .time_ns = a->last_time_ns};

    if (a->last.seq == 0) {
        return false;
    }
    checkpoint_sign(a->opt.signer, &c, note);
    note_key_print(note_signer_key(a->opt.signer), key);
    return true;
}

struct audit_anchor *audit_anchor_open(const struct audit_anchor_options *opt, struct buf *why)
{
    struct anchors anchors;
    struct audit_anchor *a;

    if (!anchors_load(opt->path, note_signer_key(opt->signer), 1, &anchors, why)) {
        anchors_fini(&anchors);
        return NULL;
    }
    a = gw_calloc(1, sizeof *a);
    a->opt = *opt;
    a->path = gw_strdup(opt->path);
    a->file_size = anchors.good_bytes;
    if (anchors.torn) {
        log_warn("audit", "anchors_torn",
                 "\"file\":%s,\"why\":\"the last note was not written to its end; it goes with the "
                 "next one\"",
                 log_json(a->path));
    }
    if (anchors.count > 0) {
        a->last = anchors.marks[anchors.count - 1];
        a->last_time_ns = anchors.last_time_ns;
        metrics_set(opt->metrics, AUDIT_M_ANCHORED, 0, (int64_t)a->last.seq);
    }
    anchors_fini(&anchors);
    a->timer.data = a;
    GW_ASSERT(uv_timer_init(opt->loop, &a->timer) == 0);
    (void)uv_timer_start(&a->timer, on_tick, 0, opt->interval_ms);
    return a;
}

void audit_anchor_close(struct audit_anchor *a, void (*done)(void *arg), void *arg)
{
    GW_ASSERT(!a->closing);
    a->closing = true;
    a->done = done;
    a->done_arg = arg;
    (void)uv_timer_stop(&a->timer);
    if (a->state == ANCHOR_IDLE) {
        uv_close((uv_handle_t *)&a->timer, on_timer_closed);
    }
}

void audit_anchor_destroy(struct audit_anchor **ap)
{
    buf_fini(&(*ap)->note);
    free((*ap)->path);
    free(*ap);
    *ap = NULL;
}
