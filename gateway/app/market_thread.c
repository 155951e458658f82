#include "gateway/app/market_thread.h"

#include <stdlib.h>
#include "gateway/publish/publisher.h"
#include "gateway/publish/query.h"
#include "gateway/runtime/log.h"

#define STOP_MS 200 /* the last checkpoints leave within this */

struct market_thread {
    struct market_thread_options opt;
    uv_thread_t thread;
    uv_loop_t loop;
    uv_timer_t stop_timer;
    struct market market;
    struct feed *feed;
    struct publisher *publisher;
};

static void on_event(void *arg, uint32_t symbol, const struct apply_result *r)
{
    struct market_thread *t = arg;

    publisher_event(t->publisher, symbol, r);
}

static void on_readable(void *arg, uint32_t symbol)
{
    struct market_thread *t = arg;

    publisher_readable(t->publisher, symbol);
}

static void on_turn(void *arg)
{
    struct market_thread *t = arg;

    publisher_turn(t->publisher);
}

static void on_connected(void *arg, bool connected)
{
    struct market_thread *t = arg;

    publisher_connected(t->publisher, connected);
}

struct reading {
    struct market_thread *thread;
    void *token;
};

static void on_read_back(void *arg, const struct trade *trades, uint32_t count)
{
    struct reading r = *(struct reading *)arg;

    free(arg);
    publisher_read_back(r.thread->publisher, r.token, trades, count);
}

static bool read_back(void *arg, uint32_t symbol, uint64_t from_id, void *token)
{
    struct market_thread *t = arg;
    struct reading *r = gw_malloc(sizeof *r);

    *r = (struct reading){t, token};
    if (feed_read_trades(t->feed, symbol, from_id, on_read_back, r)) {
        return true;
    }
    free(r);
    return false;
}

static const struct feed_listener listener = {
    .on_event = on_event,
    .on_readable = on_readable,
    .on_turn = on_turn,
    .on_connected = on_connected,
};

static void on_feed_closed(void *arg)
{
    (void)arg; /* with it the loop runs out of handles */
}

static void on_stop_timer(uv_timer_t *timer)
{
    struct market_thread *t = timer->data;

    uv_close((uv_handle_t *)timer, NULL);
    feed_close(t->feed, on_feed_closed, NULL);
}

static void on_stop(void *arg)
{
    struct market_thread *t = arg;

    publisher_close(t->publisher);
    feed_save(t->feed);
    uv_timer_init(&t->loop, &t->stop_timer);
    t->stop_timer.data = t;
    uv_timer_start(&t->stop_timer, on_stop_timer, STOP_MS, 0);
}

static void thread_main(void *arg)
{
    struct market_thread *t = arg;
    struct publisher_options opt = {
        .market = &t->market,
        .inbox = t->opt.inbox,
        .shards = t->opt.shards,
        .shard_count = t->opt.shard_count,
        .rest = t->opt.rest,
        .gate = t->opt.gate,
        .maintenance_after_ms = t->opt.feed->maintenance_after,
        .fanout = t->opt.fanout,
        .on_stop = on_stop,
        .read_back = read_back,
        .arg = t,
    };

    (void)pthread_setname_np(pthread_self(), "market");
    GW_ASSERT(uv_loop_init(&t->loop) == 0);
    market_init(&t->market, t->opt.symbols);
    t->publisher = publisher_create(&t->loop, &opt);
    t->feed = feed_create(&t->loop, t->opt.feed, &t->market, &listener, t);
    (void)uv_run(&t->loop, UV_RUN_DEFAULT);
    link_drain(t->opt.inbox);
    feed_destroy(&t->feed);
    publisher_destroy(&t->publisher);
    market_fini(&t->market);
    if (uv_loop_close(&t->loop) != 0) {
        log_warn("market", "loop_busy", "%s", "\"next\":\"report this\"");
    }
}

struct market_thread *market_thread_start(const struct market_thread_options *opt)
{
    struct market_thread *t = gw_calloc(1, sizeof *t);

    t->opt = *opt;
    GW_ASSERT(uv_thread_create(&t->thread, thread_main, t) == 0);
    return t;
}

void market_thread_stop(struct market_thread *t)
{
    if (!mailbox_post(t->opt.inbox, &(struct mail){.kind = LINK_STOP})) {
        log_error("market", "stop_lost", "%s", "\"next\":\"kill the process\"");
    }
    mailbox_wake(t->opt.inbox);
}

void market_thread_join(struct market_thread **tp)
{
    struct market_thread *t = *tp;

    *tp = NULL;
    uv_thread_join(&t->thread);
    free(t);
}
