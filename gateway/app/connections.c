#include "gateway/app/connections.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "gateway/publish/link.h"
#include "gateway/publish/roster.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define DEADLINE_NS   (1000 * (int64_t)1000000)
#define TICK_MS       50u
#define QUESTIONS_MAX 16u

/* One question of the API. */
struct question {
    uint64_t id;
    enum connections_question what;
    uint32_t limit;
    uint32_t waiting; /* bits of shards that have not answered */
    uint32_t silent;  /* bits of those that could not be asked */
    int64_t deadline_ns;
    struct roster *answers[LINK_SHARDS_MAX];
    connections_fn *cb;
    void *cb_arg;
    struct question *next;
    struct question *prev;
};

struct connections {
    struct connections_view view;
    struct shard *const *shards;
    uint32_t count;
    struct mailbox *inbox;
    const struct follow *follow;
    struct ip_limit *keys;
    struct question *questions; /* oldest first */
    uint32_t under_way;
    uint64_t last_id;
    uv_timer_t timer;
    bool closed;
};

/* --- rows as JSON ------------------------------------------------------------------------------
 */

static void put_time(struct buf *out, const char *name, int64_t ns)
{
    buf_printf(out, ",\"%s\":\"", name);
    buf_rfc3339(out, ns, 6);
    buf_putc(out, '"');
}

static void put_row(struct buf *out, uint32_t shard, const struct roster_row *r)
{
    buf_printf(out, "{\"id\":%" PRIu64 ",\"shard\":%" PRIu32 ",\"ip\":\"%s\",\"key\":", r->id,
               shard, r->ip);
    if (r->key[0] != '\0') {
        buf_json_str(out, r->key, strlen(r->key));
    } else {
        buf_lit(out, "null");
    }
    put_time(out, "opened_at", r->opened_ns);
    buf_printf(out,
               ",\"state\":\"%s\",\"stalled\":%s,\"subscriptions\":%" PRIu32
               ",\"backlog_bytes\":%" PRIu64 ",\"lag_ms\":%" PRId64 ",\"sent_bytes\":%" PRIu64
               ",\"sent_messages\":%" PRIu64 ",\"skipped_frames\":%" PRIu64,
               r->state, r->stalled ? "true" : "false", r->subscriptions, r->backlog_bytes,
               r->lag_ns / 1000000, r->sent_bytes, r->sent_messages, r->skipped_frames);
    if (r->reason != NULL) {
        put_time(out, "closed_at", r->closed_ns);
        buf_printf(out, ",\"reason\":\"%s\",\"code\":", r->reason);
        if (r->code != 0) {
            buf_printf(out, "%u", r->code);
        } else {
            buf_lit(out, "null");
        }
    }
    buf_putc(out, '}');
}

/* What MASK names, as in "shard-1". */
static void put_silent(struct buf *out, uint32_t mask)
{
    const char *comma = "";

    buf_lit(out, "\"unanswered\":[");
    for (unsigned i = 0; i < LINK_SHARDS_MAX; i++) {
        if ((mask >> i & 1) != 0) {
            buf_printf(out, "%s\"shard-%u\"", comma, i);
            comma = ",";
        }
    }
    buf_putc(out, ']');
}

/* --- merging -----------------------------------------------------------------------------------
 */

/* The rows of all answers are sorted already: the next of them is the best of the heads. */
static const struct roster_row *next_row(const struct question *q, uint32_t at[LINK_SHARDS_MAX],
                                         bool closed, uint32_t *shard)
{
    const struct roster_row *best = NULL;

    for (uint32_t i = 0; i < LINK_SHARDS_MAX; i++) {
        const struct roster *a = q->answers[i];
        const struct roster_row *row;

        if (a == NULL || at[i] == (closed ? a->closed_count : a->open_count)) {
            continue;
        }
        row = closed ? &a->closed[at[i]] : &a->open[at[i]];
        if (best == NULL || (closed ? row->closed_ns > best->closed_ns
                                    : row->backlog_bytes > best->backlog_bytes)) {
            best = row;
            *shard = i;
        }
    }
    return best;
}

static void put_rows(struct buf *out, const struct question *q, bool closed)
{
    uint32_t at[LINK_SHARDS_MAX] = {0};
    uint32_t shard = 0;

    for (uint32_t n = 0; n < q->limit; n++) {
        const struct roster_row *row = next_row(q, at, closed, &shard);

        if (row == NULL) {
            break;
        }
        buf_puts(out, n != 0 ? "," : "");
        put_row(out, shard, row);
        at[shard]++;
    }
}

static void print_list(const struct question *q, struct buf *out)
{
    uint64_t matched = 0;

    for (uint32_t i = 0; i < LINK_SHARDS_MAX; i++) {
        matched += q->answers[i] != NULL ? q->answers[i]->matched : 0;
    }
    buf_printf(out, "{\"matched\":%" PRIu64 ",\"connections\":[", matched);
    put_rows(out, q, false);
    buf_lit(out, "],\"closed\":[");
    put_rows(out, q, true);
    buf_lit(out, "],");
    put_silent(out, q->silent | q->waiting);
    buf_putc(out, '}');
}

static void add_up(struct roster_summary *sum, const struct roster_summary *one)
{
    sum->clients += one->clients;
    sum->stalled += one->stalled;
    sum->subscriptions += one->subscriptions;
    sum->opened += one->opened;
    sum->backlog_bytes += one->backlog_bytes;
    sum->backlog_max = one->backlog_max > sum->backlog_max ? one->backlog_max : sum->backlog_max;
    for (unsigned i = 0; i < ROSTER_BUCKET_COUNT; i++) {
        sum->buckets[i] += one->buckets[i];
    }
    sum->reasons = one->reasons;
    sum->reason_count = one->reason_count;
    for (unsigned i = 0; i < one->reason_count; i++) {
        sum->closes[i] += one->closes[i];
    }
}

static void put_histogram(struct buf *out, const struct roster_summary *sum)
{
    buf_lit(out, "\"backlog_histogram\":[");
    for (unsigned i = 0; i < ROSTER_BUCKET_COUNT; i++) {
        buf_puts(out, i != 0 ? ",{\"up_to_bytes\":" : "{\"up_to_bytes\":");
        if (i + 1 < ROSTER_BUCKET_COUNT) {
            buf_u64(out, roster_bounds[i]);
        } else {
            buf_lit(out, "null");
        }
        buf_printf(out, ",\"connections\":%" PRIu64 "}", sum->buckets[i]);
    }
    buf_putc(out, ']');
}

static void print_summary(const struct question *q, struct buf *out)
{
    struct roster_summary sum = {0};
    const char *comma = "";

    buf_lit(out, "{\"shards\":[");
    for (uint32_t i = 0; i < LINK_SHARDS_MAX; i++) {
        const struct roster_summary *one = q->answers[i] != NULL ? &q->answers[i]->summary : NULL;

        if (one != NULL) {
            buf_printf(out,
                       "%s{\"shard\":%u,\"connections\":%" PRIu32 ",\"backlog_bytes\":%" PRIu64 "}",
                       comma, i, one->clients, one->backlog_bytes);
            add_up(&sum, one);
            comma = ",";
        }
    }
    buf_printf(out,
               "],\"connections\":%" PRIu32 ",\"stalled\":%" PRIu32 ",\"subscriptions\":%" PRIu64
               ",\"opened_total\":%" PRIu64 ",\"backlog_bytes\":%" PRIu64
               ",\"backlog_max_bytes\":%" PRIu64 ",\"closes\":{",
               sum.clients, sum.stalled, sum.subscriptions, sum.opened, sum.backlog_bytes,
               sum.backlog_max);
    for (unsigned i = 0; i < sum.reason_count; i++) {
        buf_printf(out, "%s\"%s\":%" PRIu64, i != 0 ? "," : "", sum.reasons[i], sum.closes[i]);
    }
    buf_lit(out, "},");
    put_histogram(out, &sum);
    buf_putc(out, ',');
    put_silent(out, q->silent | q->waiting);
    buf_putc(out, '}');
}

/* --- questions ---------------------------------------------------------------------------------
 */

static bool any_answer(const struct question *q)
{
    for (uint32_t i = 0; i < LINK_SHARDS_MAX; i++) {
        if (q->answers[i] != NULL) {
            return true;
        }
    }
    return false;
}

/* The one shard that a CLOSE was put to. */
static enum gw_err print_closed(const struct question *q, struct buf *out)
{
    for (uint32_t i = 0; i < LINK_SHARDS_MAX; i++) {
        const struct roster *a = q->answers[i];

        if (a != NULL && a->err == GW_OK) {
            put_row(out, i, a->open);
            return GW_OK;
        }
    }
    return any_answer(q) ? GW_ENOTFOUND : GW_ETIMEOUT;
}

static enum gw_err print_answer(const struct question *q, struct buf *out)
{
    if (q->what == CONNECTIONS_CLOSE) {
        return print_closed(q, out);
    }
    if (!any_answer(q)) {
        return GW_ETIMEOUT;
    }
    if (q->what == CONNECTIONS_LIST) {
        print_list(q, out);
    } else {
        print_summary(q, out);
    }
    return GW_OK;
}

/* Answers Q, whoever has answered it. */
static void finish(struct connections *c, struct question *q)
{
    struct buf out = {0};
    enum gw_err err = print_answer(q, &out);

    DL_DELETE(c->questions, q);
    c->under_way--;
    if (err == GW_ETIMEOUT) {
        buf_lit(&out, "these did not answer within a second: {");
        put_silent(&out, q->silent | q->waiting);
        buf_lit(&out, "}; try again, and see ws_shard_cpu_microseconds_total");
    }
    if ((q->silent | q->waiting) != 0) {
        log_warn("app", "shard_silent",
                 "\"shards\":%" PRIu32 ",\"next\":\"a shard is overloaded or "
                 "hangs: see ws_shard_cpu_microseconds_total\"",
                 q->silent | q->waiting);
    }
    if (c->questions == NULL && !c->closed) {
        uv_timer_stop(&c->timer);
    }
    q->cb(q->cb_arg, err, buf_cstr(&out));
    buf_fini(&out);
    for (uint32_t i = 0; i < LINK_SHARDS_MAX; i++) {
        if (q->answers[i] != NULL) {
            roster_destroy(&q->answers[i]);
        }
    }
    free(q);
}

static void on_mail(void *arg, struct mail *m)
{
    struct connections *c = arg;
    struct roster *r = m->payload;
    struct question *q;

    GW_ASSERT(m->kind == LINK_ROSTER);
    DL_FOREACH(c->questions, q)
    {
        if (q->id == r->question) {
            break;
        }
    }
    if (q == NULL) { /* its time ran out */
        roster_destroy(&r);
        return;
    }
    q->answers[r->shard] = r;
    q->waiting &= ~(1u << r->shard);
    if (q->waiting == 0) {
        finish(c, q);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct connections *c = timer->data;
    int64_t now = clock_mono_ns();

    while (c->questions != NULL && now >= c->questions->deadline_ns) {
        finish(c, c->questions);
    }
}

static struct roster *roster_of(const struct connections *c, const struct question *q,
                                const struct connections_ask *ask, uint32_t shard)
{
    static const enum roster_kind kinds[] = {
        [CONNECTIONS_LIST] = ROSTER_LIST,
        [CONNECTIONS_SUMMARY] = ROSTER_SUMMARY,
        [CONNECTIONS_CLOSE] = ROSTER_KICK,
    };
    struct roster *r = gw_calloc(1, sizeof *r);

    r->kind = kinds[ask->question];
    r->question = q->id;
    r->shard = shard;
    r->to = c->inbox;
    r->id = ask->id;
    r->min_backlog = ask->min_backlog;
    r->limit = ask->limit;
    (void)snprintf(r->key, sizeof r->key, "%s", ask->key != NULL ? ask->key : "");
    (void)snprintf(r->ip, sizeof r->ip, "%s", ask->ip != NULL ? ask->ip : "");
    return r;
}

static void put_question(struct connections *c, struct question *q,
                         const struct connections_ask *ask)
{
    for (uint32_t i = 0; i < c->count; i++) {
        struct roster *r;

        if (ask->question == CONNECTIONS_CLOSE && i != shard_of(ask->id)) {
            continue;
        }
        r = roster_of(c, q, ask, i);
        q->waiting |= 1u << i;
        if (!shard_ask(c->shards[i], &r)) {
            q->waiting &= ~(1u << i);
            q->silent |= 1u << i;
            roster_destroy(&r);
        }
    }
}

static void ask_shards(void *arg, const struct connections_ask *ask, connections_fn *cb,
                       void *cb_arg)
{
    struct connections *c = arg;
    struct question *q;

    if (c->closed || c->under_way >= QUESTIONS_MAX) {
        cb(cb_arg, GW_EFULL, "");
        return;
    }
    if (ask->question == CONNECTIONS_CLOSE && shard_of(ask->id) >= c->count) {
        cb(cb_arg, GW_ENOTFOUND, "");
        return;
    }
    q = gw_calloc(1, sizeof *q);
    *q = (struct question){.id = ++c->last_id,
                           .what = ask->question,
                           .limit = ask->limit,
                           .deadline_ns = clock_mono_ns() + DEADLINE_NS,
                           .cb = cb,
                           .cb_arg = cb_arg};
    DL_APPEND(c->questions, q);
    c->under_way++;
    put_question(c, q, ask);
    if (q->waiting == 0) {
        finish(c, q);
    } else if (!uv_is_active((uv_handle_t *)&c->timer)) {
        uv_timer_start(&c->timer, on_timer, TICK_MS, TICK_MS);
    }
}

static uint64_t followers(void *arg, uint32_t symbol)
{
    const struct connections *c = arg;

    return follow_of(c->follow, symbol);
}

static bool clients(void *arg, const bool *felt, uint64_t *out)
{
    const struct connections *c = arg;

    return follow_clients(c->follow, felt, out);
}

static uint32_t of_key(void *arg, const char *key)
{
    const struct connections *c = arg;

    return ip_limit_count(c->keys, key);
}

/* --- life --------------------------------------------------------------------------------------
 */

struct connections *connections_create(uv_loop_t *loop, struct shard *const *shards, uint32_t count,
                                       struct mailbox *inbox, const struct follow *follow,
                                       struct ip_limit *keys)
{
    struct connections *c = gw_calloc(1, sizeof *c);

    c->view = (struct connections_view){ask_shards, followers, clients, of_key, c};
    c->shards = shards;
    c->count = count;
    c->inbox = inbox;
    c->follow = follow;
    c->keys = keys;
    uv_timer_init(loop, &c->timer);
    c->timer.data = c;
    mailbox_open(inbox, loop, on_mail, NULL, c);
    return c;
}

const struct connections_view *connections_view(const struct connections *c)
{
    return &c->view;
}

void connections_close(struct connections *c)
{
    c->closed = true;
    while (c->questions != NULL) {
        finish(c, c->questions);
    }
    mailbox_close(c->inbox);
    uv_close((uv_handle_t *)&c->timer, NULL);
}

void connections_destroy(struct connections **cp)
{
    free(*cp);
    *cp = NULL;
}
