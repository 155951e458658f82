#include "ws/resume.h"

#include <stdlib.h>
#include <string.h>
#include "gateway/publish/fold.h"
#include "gateway/runtime/clock.h"
#include "ws/shard_priv.h"

static void count(struct shard *s, enum resume_result result)
{
    metrics_add(s->metrics, WS_M_RESUMES, result, 1);
}

void resume_forget(struct sub *sub)
{
    if (sub->resume != NULL) {
        HASH_DEL(sub->session->shard->resumes, sub->resume);
        free(sub->resume);
        sub->resume = NULL;
    }
}

static void ask_market(struct sub *sub, const struct ws_request *r, uint64_t from,
                       const char *epoch, int64_t in_ns)
{
    struct shard *s = sub->session->shard;
    struct resume_wait *w = gw_calloc(1, sizeof *w);
    struct link_resume *ask = gw_calloc(1, sizeof *ask);

    w->token = ++s->next_token;
    w->sub = sub;
    w->from = from;
    w->silent = r == NULL;
    w->in_ns = in_ns;
    if (r != NULL) {
        w->request = *r;
        w->request.symbols = NULL;
        w->request.places = NULL;
    }
    HASH_ADD(hh, s->resumes, token, sizeof w->token, w);
    sub->resume = w;
    sub->state = SUB_RESUMING;
    ask->token = w->token;
    ask->from = from;
    (void)snprintf(ask->epoch, sizeof ask->epoch, "%s", epoch);
    shard_post_market(s, &(struct mail){.kind = LINK_RESUME,
                                        .number = s->opt.number,
                                        .key = sub->stream->id,
                                        .payload = ask});
}

/* The ring of this shard holds what was missed. */
static bool from_ring(struct sub *sub, const struct ws_request *r, uint64_t from, int64_t in_ns)
{
    struct session *session = sub->session;
    struct stream *stream = sub->stream;
    struct reply_resume told = {.why = "", .from = from, .to = from};
    uint64_t position;

    if (strcmp(r->epoch, shard_epoch(session->shard, stream->key.symbol)) != 0 ||
        (stream->key.channel == CHANNEL_BOOK && !stream_after(stream, from, &position)) ||
        (stream->key.channel == CHANNEL_TRADE && !stream_after_trade(stream, from, &position)) ||
        stream->key.channel == CHANNEL_OHLC) {
        return false;
    }
    told.frames = (uint32_t)(stream->head - position);
    if (told.frames != 0) {
        const struct frame *last = stream_at(stream, stream->head - 1);

        told.to = stream->key.channel == CHANNEL_BOOK ? last->seq : last->fold->trade_last;
    }
    count(session->shard, RESUME_HIT);
    session_ack(session, r, shard_symbol(session->shard, stream)->name, NULL, &told, in_ns);
    if (session->state != WS_CLOSING) {
        sub->seq = from;
        sub_start_at(sub, position);
    }
    return true;
}

/* No resume: the usual start, and the reason. */
static void start_anew(struct sub *sub, const struct ws_request *r, const struct reply_resume *told,
                       int64_t in_ns)
{
    struct session *session = sub->session;

    session_ack(session, r, shard_symbol(session->shard, sub->stream)->name, NULL, told, in_ns);
    if (session->state == WS_CLOSING) {
        return; /* and SUB is gone */
    }
    sub->state = SUB_WAITING;
    if (r->snapshot) {
        shard_want_snapshot(session->shard, sub);
    } else {
        sub_start(sub, NULL);
    }
}

void resume_start(struct sub *sub, const struct ws_request *r, uint64_t from, int64_t in_ns)
{
    struct stream *stream = sub->stream;

    if (stream->closing) { /* given back just now: its ring has ended */
        struct reply_resume told = {.why = resume_result_names[RESUME_RING_MISS], .from = from};

        count(sub->session->shard, RESUME_RING_MISS);
        start_anew(sub, r, &told, in_ns);
    } else if (!from_ring(sub, r, from, in_ns)) {
        ask_market(sub, r, from, r->epoch, in_ns);
    }
}

void resume_bridge(struct sub *sub)
{
    struct session *session = sub->session;
    uint64_t from = sub->seq;

    sub_restart(sub);
    if (sub->stream->key.channel == CHANNEL_BOOK && !sub->stream->closing) {
        ask_market(sub, NULL, from, shard_epoch(session->shard, sub->stream->key.symbol),
                   clock_real_ns());
    } else {
        shard_want_snapshot(session->shard, sub);
    }
}

static void answered(struct sub *sub, const struct resume_wait *w, struct link_resume *r)
{
    struct session *session = sub->session;
    struct reply_resume told = {
        .why = resume_result_names[r->result],
        .from = w->from,
        .to = r->to,
        .frames = r->messages,
        .missing = r->result == RESUME_RING_MISS && sub->stream->key.channel == CHANNEL_TRADE &&
                   r->to > w->from,
    };

    count(session->shard, r->result);
    if (r->result != RESUME_HIT) {
        if (w->silent) {
            sub->state = SUB_WAITING;
            shard_want_snapshot(session->shard, sub);
        } else {
            start_anew(sub, &w->request, &told, w->in_ns);
        }
        return;
    }
    if (!w->silent) {
        session_ack(session, &w->request, shard_symbol(session->shard, sub->stream)->name, NULL,
                    &told, w->in_ns);
        if (session->state == WS_CLOSING) {
            return;
        }
    }
    sub->seq = r->seq;
    sub_start(sub, r->frame);
}

void resume_answered(struct shard *s, struct link_resume *r)
{
    struct resume_wait *w;

    HASH_FIND(hh, s->resumes, &r->token, sizeof r->token, w);
    if (w != NULL) {
        struct resume_wait taken = *w;
        struct sub *sub = w->sub;

        resume_forget(sub);
        answered(sub, &taken, r);
    }
    link_resume_destroy(&r);
}
