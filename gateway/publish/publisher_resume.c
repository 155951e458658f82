/* gateway/publish/publisher_resume.c - clients that came back: ask resume.c, wait where this replica
 * is behind them, read back trades the ring no longer holds. */
#include "gateway/publish/publisher_priv.h"
#include "gateway/publish/resume.h"
#include "gateway/runtime/clock.h"

#define WAIT_NS (5 * (int64_t)1000000000) /* then it counts as a miss: a snapshot is better */

static void reply(struct publisher *p, struct link_resume *r)
{
    metrics_add(p->metrics, PUB_M_RESUMES, r->result, 1);
    publisher_post(p, r->shard, &(struct mail){.kind = LINK_RESUMED, .payload = r});
}

/* The client is ahead of what S has published: all followers get the present now, so that its place
 * is one of theirs. */
static void publish_present(struct publisher *p, struct pub_stream *s, const struct link_resume *r)
{
    publisher_publish(p, s);
    if (s->key.channel == CHANNEL_BOOK && s->last_seq < r->from) {
        struct fold *fold = NULL;

        buf_reset(&p->text);
        pub_stream_touch(s, &p->diff, &p->text, &fold);
        publisher_post_frame(p, s, LINK_FRAME, s->shards, &fold);
    }
}

/* True: answered, or given to somebody who will. */
static bool try(struct publisher *p, struct link_resume *r)
{
    struct pub_stream *s = publisher_stream(p, r->key);
    enum resume_step step;

    if (s == NULL || (s->key.channel == CHANNEL_BOOK && p->held[s->key.symbol] != NULL)) {
        /* nobody follows any more, the asker neither; or a halted book, which only a snapshot shows */
        r->result = RESUME_RING_MISS;
        reply(p, r);
        return true;
    }
    step = resume_answer(s, r, &p->diff, &p->text);
    if (step == RESUME_PUBLISH) {
        publish_present(p, s, r);
        step = resume_answer(s, r, &p->diff, &p->text);
    }
    if (step == RESUME_READ_BACK && p->opt.read_back(p->opt.arg, s->key.symbol, r->from, r)) {
        metrics_inc(p->metrics, PUB_M_READ_BACKS);
        return true;
    }
    if (step == RESUME_DONE) {
        reply(p, r);
        return true;
    }
    if (step == RESUME_READ_BACK || clock_mono_ns() >= r->until_ns) {
        r->result = RESUME_RING_MISS;
        reply(p, r);
        return true;
    }
    return false;
}

void publisher_resume(struct publisher *p, const struct mail *m)
{
    struct link_resume *r = m->payload;

    r->key = m->key;
    r->shard = m->number;
    r->until_ns = clock_mono_ns() + WAIT_NS;
    if (!try(p, r)) {
        r->next = p->waiting;
        p->waiting = r;
    }
}

void publisher_retry(struct publisher *p)
{
    struct link_resume **at = &p->waiting;

    while (*at != NULL) {
        struct link_resume *r = *at;
        struct link_resume *next = r->next;

        if (try(p, r)) {
            *at = next;
        } else {
            at = &r->next;
        }
    }
}

void publisher_read_back(struct publisher *p, void *token, const struct trade *trades,
                         uint32_t count)
{
    struct link_resume *r = token;
    struct pub_stream *s = publisher_stream(p, r->key);

    r->result = RESUME_RING_MISS;
    if (s != NULL) {
        buf_reset(&p->text);
        publisher_publish(p, s);
        buf_reset(&p->text);
        resume_trades(s, r, trades, count, &p->text);
        r->seq = s->last_seq;
    }
    reply(p, r);
    publisher_turn(p);
}
