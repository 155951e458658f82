#include "gateway/publish/publisher.h"

#include <stdlib.h>
#include <string.h>
#include "gateway/publish/encode.h"
#include "gateway/publish/publisher_priv.h"
#include "gateway/publish/query.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define SYSTEM_TIMER_MS 100

static const struct metric_label channel_label = {"channel", channel_names, CHANNEL_STREAMS};
#define RESUME_WORD(sym, text) #sym,
static const char *const resume_words[] = {LINK_RESUMES(RESUME_WORD)};
static const struct metric_label resume_label = {"result", resume_words, RESUME_RESULTS};
static const struct metric_row metric_rows[] = {PUB_METRICS(METRIC_AS_ROW)};
const struct metric_table publisher_metrics = {"publish", metric_rows, PUB_M_COUNT};

void publisher_post(struct publisher *p, uint32_t shard, const struct mail *mail)
{
    if (!mailbox_post(p->opt.shards[shard], mail)) {
        /* The shard sees the overrun and drops its sessions: it can no longer vouch for them. */
        struct frame *f = mail->payload;
        struct link_resume *r = mail->payload;

        metrics_inc(p->metrics, PUB_M_REFUSED);
        if (mail->kind == LINK_RESUMED) {
            link_resume_destroy(&r);
        } else if (mail->kind == LINK_FRAME || mail->kind == LINK_SNAPSHOT_FRAME ||
                   mail->kind == LINK_NOTICE) {
            frame_unref(&f);
        } else {
            free(mail->payload);
        }
    }
    p->wake |= 1u << shard;
}

static void wake_shards(struct publisher *p)
{
    for (uint32_t i = 0; p->wake != 0; i++, p->wake >>= 1) {
        if ((p->wake & 1) != 0) {
            mailbox_wake(p->opt.shards[i]);
        }
    }
}

/* Posts the text in p->text as a frame of S to the shards in MASK. */
void publisher_post_frame(struct publisher *p, struct pub_stream *s, enum link_kind kind,
                          uint32_t mask, struct fold **fold)
{
    uint32_t followers = (uint32_t)__builtin_popcount(mask);
    struct frame *f;

    if (followers == 0) {
        free(*fold);
        *fold = NULL;
        return;
    }
    f = frame_create_fold(p->text.data, p->text.len, s->last_seq, clock_mono_ns(), fold);
    metrics_add(p->metrics, PUB_M_FRAMES, s->key.channel, 1);
    metrics_add(p->metrics, PUB_M_BYTES, s->key.channel, f->len);
    frame_ref(f, followers - 1);
    for (uint32_t i = 0; mask != 0; i++, mask >>= 1) {
        if ((mask & 1) != 0) {
            publisher_post(p, i, &(struct mail){.kind = kind, .ref = s->refs[i], .payload = f});
        }
    }
}

static void send_snapshot(struct publisher *p, struct pub_stream *s, uint32_t mask)
{
    struct fold *none = NULL;

    buf_reset(&p->text);
    if (s->in == NULL) {
        struct gw_mark gw = {.epoch = "", .seq = s->last_seq};

        encode_instruments(&p->text, p->opt.market->symbols, p->status, p->gate->no_withdrawals,
                           SYMBOL_NONE, &gw);
    } else {
        pub_stream_snapshot(s, &p->text);
    }
    publisher_post_frame(p, s, LINK_SNAPSHOT_FRAME, mask, &none);
}

/* Of a halted symbol the book and the ticker stand still; trades that happened are told all the
 * same. */
static bool held_back(const struct publisher *p, const struct pub_stream *s)
{
    return (s->key.channel == CHANNEL_BOOK || s->key.channel == CHANNEL_TICKER) &&
           p->symbols[s->key.symbol].show != BOOK_LIVE;
}

void publisher_publish(struct publisher *p, struct pub_stream *s)
{
    uint64_t skipped = s->skipped_trades;
    struct fold *fold = NULL;

    if (held_back(p, s)) {
        if (s->waiting != 0 && s->primed) {
            send_snapshot(p, s, s->waiting);
            s->waiting = 0;
        }
        return;
    }

    buf_reset(&p->text);
    while (pub_stream_update(s, clock_mono_ns(), &p->diff, &p->text, &fold)) {
        publisher_post_frame(p, s, LINK_FRAME, s->shards, &fold);
        buf_reset(&p->text);
    }
    metrics_add(p->metrics, PUB_M_SKIPPED, 0, s->skipped_trades - skipped);
    if (s->waiting != 0 && s->primed) {
        send_snapshot(p, s, s->waiting);
        s->waiting = 0;
    }
}

/* The timer that publishes K: that of its interval, or of the floor above it. Trades are never
 * conflated, so the floor is not for them. */
static unsigned slot_of(const struct publisher *p, const struct stream_key *k)
{
    unsigned floor = (unsigned)interval_class(p->fanout.floor_ms);

    return k->channel != CHANNEL_TRADE && k->class < floor ? floor : k->class;
}

static void publish_class(struct publisher *p, uint32_t number, unsigned class, int64_t since_ns)
{
    struct pub_symbol *sym = &p->symbols[number];

    for (struct pub_stream *s = sym->streams; s != NULL; s = s->next) {
        if (slot_of(p, &s->key) == class) {
            publisher_publish(p, s);
        }
    }
    metrics_observe_ns(p->metrics, PUB_M_LAG, 0, clock_mono_ns() - since_ns);
}

static void on_class_timer(uv_timer_t *timer)
{
    struct class_timer *t = timer->data;
    struct publisher *p = t->publisher;
    struct dirty_list *list = &p->dirty[t->class];

    for (uint32_t i = 0; i < list->count; i++) {
        struct pub_symbol *sym = &p->symbols[list->v[i]];

        sym->dirty &= ~(1u << t->class);
        publish_class(p, list->v[i], t->class, sym->dirty_since_ns[t->class]);
    }
    list->count = 0;
    wake_shards(p);
}

static void mark_dirty(struct publisher *p, uint32_t number)
{
    struct pub_symbol *sym = &p->symbols[number];
    unsigned fresh = sym->slots & ~sym->dirty & ~1u;
    int64_t now = fresh != 0 ? clock_mono_ns() : 0;

    sym->dirty |= fresh;
    for (unsigned c = 1; fresh >> c != 0; c++) {
        if ((fresh >> c & 1) != 0) {
            sym->dirty_since_ns[c] = now;
            p->dirty[c].v[p->dirty[c].count++] = number;
        }
    }
    if ((sym->slots & 1) != 0) {
        publish_class(p, number, 0, clock_mono_ns());
    }
}

void publisher_show_all(struct publisher *p, uint32_t number)
{
    mark_dirty(p, number);
}

static void announce_epoch(struct publisher *p, uint32_t number)
{
    for (uint32_t i = 0; i < p->opt.shard_count; i++) {
        struct link_symbol *state = gw_calloc(1, sizeof *state);

        memcpy(state->epoch, p->opt.market->instruments[number].seq.epoch, sizeof state->epoch);
        publisher_post(p, i,
                       &(struct mail){.kind = LINK_SYMBOL, .number = number, .payload = state});
    }
}

void publisher_notice(struct publisher *p, uint32_t number, uint32_t shard_mask)
{
    for (uint32_t i = 0; i < p->opt.shard_count; i++) {
        if ((shard_mask >> i & 1) != 0) {
            struct frame *f = frame_create(p->text.data, p->text.len, 0, clock_mono_ns());

            publisher_post(p, i,
                           &(struct mail){.kind = LINK_NOTICE, .number = number, .payload = f});
        }
    }
}

static void tell_degraded(struct publisher *p, uint32_t number, uint32_t shard_mask)
{
    const struct instrument *in = &p->opt.market->instruments[number];
    int64_t now = clock_real_ns();
    int64_t since = p->connected ? now : p->connected_changed_ns;
    int64_t last = p->last_entry_ns != 0 ? p->last_entry_ns : now;

    buf_reset(&p->text);
    encode_feed_degraded(&p->text, in->symbol,
                         p->connected && !in->unread ? "SEQUENCE_GAP" : "UPSTREAM_LOST", since,
                         in->seq.last, (now - last) / 1000000);
    publisher_notice(p, number, shard_mask);
}

static void tell_ok(struct publisher *p, uint32_t number)
{
    struct instrument *in = &p->opt.market->instruments[number];

    buf_reset(&p->text);
    encode_feed_ok(&p->text, in->symbol, in->seq.epoch, in->gap_trade_from, in->gap_trade_to);
    publisher_notice(p, number, UINT32_MAX);
}

/* Tells followers of NUMBER when its soundness has changed. */
static void check_degraded(struct publisher *p, uint32_t number)
{
    struct pub_symbol *sym = &p->symbols[number];
    struct instrument *in = &p->opt.market->instruments[number];
    bool sound = p->connected && in->seq.state != SEQ_BROKEN && !in->unread;

    if (sound == !sym->degraded) {
        return;
    }
    sym->degraded = !sound;
    if (sym->streams == NULL) {
        return;
    }
    if (sound) {
        tell_ok(p, number);
        in->gap_trade_from = 0;
        in->gap_trade_to = 0;
    } else {
        tell_degraded(p, number, UINT32_MAX);
    }
}

void publisher_status(struct publisher *p, uint32_t number, struct audit_id audit)
{
    struct pub_stream *s = p->instruments;
    struct fold *none = NULL;
    struct gw_mark gw;

    if (s != NULL) {
        gw = (struct gw_mark){
            .seq = s->last_seq + 1, .prev = s->last_seq, .folded = 1, .audit = audit};
        s->last_seq++;
        buf_reset(&p->text);
        encode_instruments(&p->text, p->opt.market->symbols, p->status, p->gate->no_withdrawals,
                           number, &gw);
        publisher_post_frame(p, s, LINK_FRAME, s->shards, &none);
    }
}

void publisher_event(struct publisher *p, uint32_t symbol, const struct apply_result *r)
{
    p->last_entry_ns = clock_real_ns();
    if (r->epoch_changed || p->opt.market->instruments[symbol].events == 1) {
        announce_epoch(p, symbol);
    }
    if ((r->changed & (CHANGED_BOOK | CHANGED_TRADES)) != 0) {
        mark_dirty(p, symbol);
    }
    if (p->held[symbol] != NULL && !p->held[symbol]->filled &&
        p->opt.market->instruments[symbol].has_book) {
        publisher_hold_late(p, symbol);
    }
    if ((r->changed & CHANGED_STATUS) != 0) {
        publisher_feed_status(p, symbol);
    }
    if (r->broken || r->healed || r->crossed) {
        check_degraded(p, symbol);
    }
}

void publisher_readable(struct publisher *p, uint32_t symbol)
{
    check_degraded(p, symbol);
    wake_shards(p);
}

void publisher_turn(struct publisher *p)
{
    publisher_retry(p);
    wake_shards(p);
}

static void tell_system(struct publisher *p, struct audit_id audit)
{
    for (uint32_t i = 0; i < p->opt.shard_count; i++) {
        struct audit_id *copy = gw_malloc(sizeof *copy);

        *copy = audit;
        publisher_post(
            p, i,
            &(struct mail){.kind = LINK_SYSTEM, .number = (uint32_t)p->system, .payload = copy});
    }
}

void publisher_system(struct publisher *p)
{
    enum link_system system = p->lost ? SYSTEM_MAINTENANCE : p->gate->system;

    if (system != p->system) {
        log_warn("publish", "system", "\"from\":\"%s\",\"to\":\"%s\"", link_system_names[p->system],
                 link_system_names[system]);
        p->system = system;
        tell_system(p, p->lost ? (struct audit_id){""} : p->gate->system_audit);
        wake_shards(p);
    }
}

static void take_fanout(struct publisher *p);

static void on_system_timer(uv_timer_t *timer)
{
    struct publisher *p = timer->data;
    int64_t lost_ns = clock_mono_ns() - p->connected_changed_mono;

    take_fanout(p);
    publisher_retry(p);
    wake_shards(p);
    if (!p->connected && lost_ns >= (int64_t)p->opt.maintenance_after_ms * 1000000) {
        p->lost = true;
        publisher_system(p);
    }
}

void publisher_connected(struct publisher *p, bool connected)
{
    if (connected == p->connected) {
        return;
    }
    p->connected = connected;
    p->connected_changed_ns = clock_real_ns();
    p->connected_changed_mono = clock_mono_ns();
    if (connected) {
        p->lost = false;
        publisher_system(p);
    }
    for (uint32_t i = 0; i < p->opt.market->count; i++) {
        if (p->opt.market->instruments[i].events != 0) {
            check_degraded(p, i);
        }
    }
    wake_shards(p);
}

struct pub_stream *publisher_stream(struct publisher *p, uint64_t id)
{
    struct pub_stream *s;

    HASH_FIND(hh, p->by_id, &id, sizeof id, s);
    return s;
}

static void slot_started(struct publisher *p, unsigned class)
{
    struct class_timer *t = &p->timers[class];

    if (t->streams++ == 0 && class != 0) {
        uint64_t ms = interval_class_ms[class];

        GW_ASSERT(uv_timer_start(&t->timer, on_class_timer, ms, ms) == 0);
    }
}

/* The last one takes along what was marked for it: who comes later begins with a snapshot. */
static void slot_ended(struct publisher *p, unsigned class)
{
    struct dirty_list *list = &p->dirty[class];

    if (--p->timers[class].streams == 0) {
        uv_timer_stop(&p->timers[class].timer);
        for (uint32_t i = 0; i < list->count; i++) {
            p->symbols[list->v[i]].dirty &= ~(1u << class);
        }
        list->count = 0;
    }
}

/* The floor has changed: streams move to their new timers, and everything followed is looked at
 * once, so that nothing marked for an old timer is forgotten. */
static void take_fanout(struct publisher *p)
{
    struct fanout_state fresh;
    struct pub_stream *s;

    if (!fanout_news(p->opt.fanout, p->fanout.version, clock_mono_ns(), &fresh)) {
        return;
    }
    for (s = p->by_id; s != NULL; s = s->hh.next) {
        slot_ended(p, slot_of(p, &s->key));
    }
    p->fanout = fresh;
    metrics_set(p->metrics, PUB_M_FLOOR, 0, fresh.floor_ms);
    metrics_set(p->metrics, PUB_M_PROFILE, 0, (int64_t)fresh.profile.name);
    for (s = p->by_id; s != NULL; s = s->hh.next) {
        slot_started(p, slot_of(p, &s->key));
    }
    for (uint32_t i = 0; i < p->opt.market->count; i++) {
        struct pub_symbol *sym = &p->symbols[i];

        sym->slots = 0;
        for (s = sym->streams; s != NULL; s = s->next) {
            sym->slots |= 1u << slot_of(p, &s->key);
        }
        mark_dirty(p, i);
    }
    wake_shards(p);
}

static struct pub_stream *stream_start(struct publisher *p, const struct stream_key *key)
{
    struct pub_stream *s = gw_calloc(1, sizeof *s);

    if (key->channel == CHANNEL_INSTRUMENT) {
        pub_stream_init(s, key, NULL);
        p->instruments = s;
    } else {
        struct pub_symbol *sym = &p->symbols[key->symbol];

        pub_stream_init(s, key, &p->opt.market->instruments[key->symbol]);
        s->next = sym->streams;
        sym->streams = s;
        sym->slots |= 1u << slot_of(p, key);
    }
    HASH_ADD(hh, p->by_id, id, sizeof s->id, s);
    slot_started(p, slot_of(p, key));
    metrics_set(p->metrics, PUB_M_STREAMS, 0, HASH_COUNT(p->by_id));
    return s;
}

static void stream_stop(struct publisher *p, struct pub_stream *s)
{
    if (s->key.channel == CHANNEL_INSTRUMENT) {
        p->instruments = NULL;
    } else {
        struct pub_symbol *sym = &p->symbols[s->key.symbol];
        struct pub_stream **at = &sym->streams;

        sym->slots = 0;
        while (*at != NULL) {
            if (*at == s) {
                *at = s->next;
            } else {
                sym->slots |= 1u << slot_of(p, &(*at)->key);
                at = &(*at)->next;
            }
        }
    }
    HASH_DEL(p->by_id, s);
    slot_ended(p, slot_of(p, &s->key));
    metrics_set(p->metrics, PUB_M_STREAMS, 0, HASH_COUNT(p->by_id));
    pub_stream_fini(s);
    free(s);
}

static void on_open(struct publisher *p, const struct mail *m)
{
    struct stream_key key = stream_key_unpack(m->key);
    struct pub_stream *s = publisher_stream(p, m->key);

    GW_ASSERT(m->number < p->opt.shard_count);
    GW_ASSERT(key.channel == CHANNEL_INSTRUMENT || key.symbol < p->opt.market->count);
    if (s == NULL) {
        s = stream_start(p, &key);
        if (key.channel == CHANNEL_BOOK && p->held[key.symbol] != NULL) {
            const struct held *h = p->held[key.symbol];

            pub_stream_hold(s, &h->view, h->crc, h->ts_ns, h->seq);
        }
    }
    s->shards |= 1u << m->number;
    s->refs[m->number] = m->ref;
    if (s->in != NULL && p->symbols[key.symbol].degraded) {
        tell_degraded(p, key.symbol, 1u << m->number);
    }
}

static void on_snapshot(struct publisher *p, const struct mail *m)
{
    struct pub_stream *s = publisher_stream(p, m->key);

    GW_ASSERT(s != NULL && (s->shards >> m->number & 1) != 0);
    if (!s->primed) {
        s->waiting |= 1u << m->number;
        return;
    }
    if (s->key.channel == CHANNEL_OHLC || s->key.channel == CHANNEL_TICKER) {
        publisher_publish(p, s); /* their snapshot shows the present: catch up first */
    }
    send_snapshot(p, s, 1u << m->number);
}

static void on_close(struct publisher *p, const struct mail *m)
{
    struct pub_stream *s = publisher_stream(p, m->key);

    GW_ASSERT(s != NULL);
    publisher_post(p, m->number, &(struct mail){.kind = LINK_CLOSED, .ref = s->refs[m->number]});
    s->shards &= ~(1u << m->number);
    s->waiting &= ~(1u << m->number);
    s->refs[m->number] = NULL;
    if (s->shards == 0) {
        stream_stop(p, s);
    }
}

static void on_query(struct publisher *p, struct query *q)
{
    struct market_view view = {
        .symbols = p->opt.market->symbols,
        .instruments = p->opt.market->instruments,
        .status = p->status,
        .gate = p->gate,
        .held = (const struct held *const *)p->held,
        .system = p->system,
        .connected = p->connected,
        .connected_changed_ns = p->connected_changed_ns,
        .last_entry_ns = p->last_entry_ns,
        .now_ns = clock_real_ns(),
    };

    query_answer(q, &view);
    metrics_inc(p->metrics, PUB_M_QUERIES);
    if (!mailbox_post(p->opt.rest, &(struct mail){.kind = LINK_ANSWER, .payload = q})) {
        query_destroy(&q); /* REST times out */
        return;
    }
    mailbox_wake(p->opt.rest);
}

static void on_mail(void *arg, struct mail *m)
{
    struct publisher *p = arg;

    switch ((enum link_kind)m->kind) {
    case LINK_OPEN:
        on_open(p, m);
        break;
    case LINK_SNAPSHOT:
        on_snapshot(p, m);
        break;
    case LINK_CLOSE:
        on_close(p, m);
        break;
    case LINK_RESUME:
        publisher_resume(p, m);
        break;
    case LINK_QUERY:
        on_query(p, m->payload);
        break;
    case LINK_GATE: {
        struct gate_view *gate = m->payload;

        publisher_gate(p, &gate);
        break;
    }
    case LINK_STOP:
        p->opt.on_stop(p->opt.arg);
        break;
    default:
        GW_UNREACHABLE("not a message to the market");
    }
}

static void on_batch(void *arg)
{
    wake_shards(arg);
}

struct publisher *publisher_create(uv_loop_t *loop, const struct publisher_options *opt)
{
    struct publisher *p = gw_calloc(1, sizeof *p);

    GW_ASSERT(opt->shard_count <= LINK_SHARDS_MAX);
    p->opt = *opt;
    p->metrics = metrics_create(&publisher_metrics);
    p->symbols = gw_calloc(opt->market->count, sizeof *p->symbols);
    p->gate = gate_view_create(opt->market->symbols);
    p->held = gw_calloc(opt->market->count, sizeof(struct held *));
    p->status = gw_calloc(opt->market->count, sizeof *p->status);
    memcpy(p->status, opt->market->status, opt->market->count * sizeof *p->status);
    p->connected_changed_ns = clock_real_ns();
    p->connected_changed_mono = clock_mono_ns();
    for (unsigned c = 0; c < INTERVAL_CLASSES; c++) {
        p->dirty[c].v = gw_calloc(opt->market->count, sizeof *p->dirty[c].v);
        p->timers[c].publisher = p;
        p->timers[c].class = c;
        uv_timer_init(loop, &p->timers[c].timer);
        p->timers[c].timer.data = &p->timers[c];
    }
    uv_timer_init(loop, &p->system_timer);
    p->system_timer.data = p;
    uv_timer_start(&p->system_timer, on_system_timer, SYSTEM_TIMER_MS, SYSTEM_TIMER_MS);
    mailbox_open(opt->inbox, loop, on_mail, on_batch, p);
    return p;
}

void publisher_close(struct publisher *p)
{
    mailbox_close(p->opt.inbox);
    for (unsigned c = 0; c < INTERVAL_CLASSES; c++) {
        uv_close((uv_handle_t *)&p->timers[c].timer, NULL);
    }
    uv_close((uv_handle_t *)&p->system_timer, NULL);
}

void publisher_destroy(struct publisher **pp)
{
    struct publisher *p = *pp;

    *pp = NULL;
    while (p->waiting != NULL) {
        struct link_resume *r = p->waiting;

        p->waiting = r->next;
        link_resume_destroy(&r);
    }
    while (p->by_id != NULL) {
        stream_stop(p, p->by_id);
    }
    for (unsigned c = 0; c < INTERVAL_CLASSES; c++) {
        free(p->dirty[c].v);
    }
    for (uint32_t i = 0; i < p->opt.market->count; i++) {
        publisher_release(p, i);
    }
    free(p->symbols);
    free(p->status);
    free(p->held);
    gate_view_destroy(&p->gate);
    buf_fini(&p->text);
    view_diff_fini(&p->diff);
    free(p);
}
