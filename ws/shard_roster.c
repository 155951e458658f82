/* ws/shard_roster.c - what a shard tells operators of its connections: those that are open, the last
 * that were closed and why; and the one they close. */
#include <stdlib.h>
#include <string.h>
#include "gateway/publish/roster.h"
#include "gateway/runtime/clock.h"
#include "ws/shard_priv.h"

/* --- the closed ones ---------------------------------------------------------------------------
 */

static void fill_row(const struct session *session, struct roster_row *row)
{
    const struct shard *s = session->shard;

    *row = (struct roster_row){
        .id = session->id,
        .state = ws_state_names[session->state],
        .stalled = session->choked,
        .sent_bytes = session->sent_bytes,
        .sent_messages = session->sent_messages,
        .skipped_frames = session->skipped,
        .opened_ns = clock_real_ns() - (s->now_ns - session->opened_ns),
    };
    memcpy(row->ip, session->ip, sizeof row->ip);
    if (session->auth != NULL) {
        (void)snprintf(row->key, sizeof row->key, "%s", session->auth->grant.keyid);
    }
    for (unsigned i = 0; i < CHANNEL_STREAMS; i++) {
        row->subscriptions += session->sub_count[i];
    }
    session_lag(session, &row->backlog_bytes, &row->lag_ns);
}

void shard_note_closed(const struct session *session, const char *reason, uint16_t code)
{
    struct shard *s = session->shard;
    struct roster_row *row;

    if (s->gone == NULL) {
        s->gone = gw_calloc(ROSTER_LIMIT_MAX, sizeof *s->gone);
    }
    row = &s->gone[s->gone_total++ % ROSTER_LIMIT_MAX];
    fill_row(session, row);
    row->reason = reason;
    row->code = code;
    row->closed_ns = clock_real_ns();
}

/* --- answers -----------------------------------------------------------------------------------
 */

static bool wanted(const struct roster *r, const char *ip, const char *key)
{
    return (r->ip[0] == '\0' || strcmp(r->ip, ip) == 0) &&
           (r->key[0] == '\0' || strcmp(r->key, key) == 0);
}

static const char *key_of(const struct session *session)
{
    return session->auth != NULL ? session->auth->grant.keyid : "";
}

struct candidate {
    const struct session *session;
    uint64_t backlog;
};

static int by_backlog(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;

    return x->backlog != y->backlog
               ? (x->backlog < y->backlog ? 1 : -1)
               : (x->session->id > y->session->id) - (x->session->id < y->session->id);
}

/* Few are behind: only those are sorted, the others follow as they are. */
static void list_open(const struct shard *s, struct roster *r)
{
    struct candidate *behind = gw_calloc(s->all_count, sizeof *behind);
    const struct session **even = gw_calloc(r->limit, sizeof(struct session *));
    uint32_t behind_count = 0;
    uint32_t even_count = 0;

    for (uint32_t i = 0; i < s->all_count; i++) {
        const struct session *session = s->all[i];
        uint64_t bytes;
        int64_t lag_ns;

        if (session->state == WS_CLOSING || !wanted(r, session->ip, key_of(session))) {
            continue;
        }
        session_lag(session, &bytes, &lag_ns);
        if (bytes < r->min_backlog) {
            continue;
        }
        r->matched++;
        if (bytes != 0) {
            behind[behind_count++] = (struct candidate){session, bytes};
        } else if (even_count < r->limit) {
            even[even_count++] = session;
        }
    }
    qsort(behind, behind_count, sizeof *behind, by_backlog);
    r->open = gw_calloc(r->limit, sizeof *r->open);
    for (uint32_t i = 0; i < behind_count && r->open_count < r->limit; i++) {
        fill_row(behind[i].session, &r->open[r->open_count++]);
    }
    for (uint32_t i = 0; i < even_count && r->open_count < r->limit; i++) {
        fill_row(even[i], &r->open[r->open_count++]);
    }
    free(behind);
    free(even);
}

static void list_closed(const struct shard *s, struct roster *r)
{
    uint64_t first = s->gone_total > ROSTER_LIMIT_MAX ? s->gone_total - ROSTER_LIMIT_MAX : 0;

    r->closed = gw_calloc(r->limit, sizeof *r->closed);
    for (uint64_t i = s->gone_total; i > first && r->closed_count < r->limit; i--) {
        const struct roster_row *row = &s->gone[(i - 1) % ROSTER_LIMIT_MAX];

        if (wanted(r, row->ip, row->key) && row->backlog_bytes >= r->min_backlog) {
            r->closed[r->closed_count++] = *row;
        }
    }
}

static void summarize(const struct shard *s, struct roster_summary *sum)
{
    sum->opened = s->opened_total;
    for (uint32_t i = 0; i < s->all_count; i++) {
        const struct session *session = s->all[i];
        uint64_t bytes;
        int64_t lag_ns;

        if (session->state == WS_CLOSING) {
            continue;
        }
        session_lag(session, &bytes, &lag_ns);
        sum->clients++;
        sum->stalled += session->choked;
        sum->backlog_bytes += bytes;
        sum->backlog_max = bytes > sum->backlog_max ? bytes : sum->backlog_max;
        sum->buckets[roster_bucket(bytes)]++;
        for (unsigned c = 0; c < CHANNEL_STREAMS; c++) {
            sum->subscriptions += session->sub_count[c];
        }
    }
    sum->reasons = shard_close_reasons(&sum->reason_count);
    GW_ASSERT(sum->reason_count <= ROSTER_REASONS_MAX);
    memcpy(sum->closes, s->closes, sum->reason_count * sizeof sum->closes[0]);
}

static void kick(struct shard *s, struct roster *r)
{
    struct buf notice = {0};

    r->err = GW_ENOTFOUND;
    for (uint32_t i = 0; i < s->all_count; i++) {
        struct session *session = s->all[i];

        if (session->id != r->id || session->state == WS_CLOSING) {
            continue;
        }
        r->open = gw_calloc(1, sizeof *r->open);
        r->open_count = 1;
        fill_row(session, r->open);
        buf_lit(&notice,
                "{\"channel\":\"gateway\",\"type\":\"update\",\"data\":[{\"event\":\"kick\","
                "\"reason\":\"KICKED\",\"resume\":true,\"retry_after_ms\":1000}]}");
        session_close(session, GW_EKICKED, &notice);
        buf_fini(&notice);
        r->err = GW_OK;
        return;
    }
}

void shard_on_roster(struct shard *s, struct roster *r)
{
    struct mailbox *to = r->to;

    switch (r->kind) {
    case ROSTER_LIST:
        list_open(s, r);
        list_closed(s, r);
        break;
    case ROSTER_SUMMARY:
        summarize(s, &r->summary);
        break;
    case ROSTER_KICK:
        kick(s, r);
        break;
    default:
        GW_UNREACHABLE("no such question");
    }
    if (!mailbox_post(to, &(struct mail){.kind = LINK_ROSTER, .payload = r})) {
        roster_destroy(&r); /* the asker's time runs out */
        return;
    }
    mailbox_wake(to);
}
