/* gateway/publish/publisher_gate.c - what operators decided, made visible: books frozen or withdrawn,
 * pair and asset states, the system's word. Each message carries `gw.audit`. */
#include <stdlib.h>
#include <string.h>
#include "gateway/publish/encode.h"
#include "gateway/publish/publisher_priv.h"
#include "gateway/runtime/clock.h"

#define HELD_DEPTH 1000u /* the deepest a client may ask for */

static struct held *hold(struct instrument *in, bool with_book)
{
    struct held *h = gw_calloc(1, sizeof *h);

    view_init(&h->view, HELD_DEPTH);
    if (with_book && in->has_book) {
        view_take(&h->view, &in->book);
        h->crc = instrument_checksum(in);
    } else {
        h->crc = view_checksum(&h->view);
    }
    h->ts_ns = in->book_ts_ns;
    h->seq = in->seq.last;
    h->filled = in->has_book;
    return h;
}

void publisher_hold_late(struct publisher *p, uint32_t number)
{
    struct pub_symbol *sym = &p->symbols[number];

    publisher_release(p, number);
    p->held[number] = hold(&p->opt.market->instruments[number], sym->show == BOOK_FROZEN);
    for (struct pub_stream *s = sym->streams; s != NULL; s = s->next) {
        if (s->key.channel == CHANNEL_BOOK && !s->primed) {
            pub_stream_hold(s, &p->held[number]->view, p->held[number]->crc, p->held[number]->ts_ns,
                            p->held[number]->seq);
            publisher_publish(p, s);
        }
    }
}

void publisher_release(struct publisher *p, uint32_t number)
{
    struct held *h = p->held[number];

    p->held[number] = NULL;
    if (h != NULL) {
        view_fini(&h->view);
        free(h);
    }
}

/* An empty book takes the place of what S has published. */
static void withdraw(struct publisher *p, struct pub_stream *s)
{
    struct fold *fold = NULL;

    buf_reset(&p->text);
    if (pub_stream_withdraw(s, &p->diff, &p->text, &fold)) {
        publisher_post_frame(p, s, LINK_FRAME, s->shards, &fold);
    }
}

static bool is_gated(const struct pub_stream *s)
{
    return s->key.channel == CHANNEL_BOOK || s->key.channel == CHANNEL_TICKER;
}

static void each_book(struct publisher *p, uint32_t number, const struct gate_symbol *now)
{
    struct pub_symbol *sym = &p->symbols[number];

    for (struct pub_stream *s = sym->streams; s != NULL; s = s->next) {
        if (!is_gated(s)) {
            continue;
        }
        s->audit = now->audit;
        if (now->show == BOOK_WITHDRAWN && s->key.channel == CHANNEL_BOOK) {
            withdraw(p, s);
        } else if (now->show == BOOK_FROZEN) {
            publisher_publish(p, s); /* all end at the same state */
        }
    }
}

static void say_mode(struct publisher *p, uint32_t number, const struct gate_symbol *now)
{
    buf_reset(&p->text);
    encode_symbol_mode(&p->text, p->opt.market->instruments[number].symbol, now->mode,
                       book_show_names[now->show], now->since_ns, now->audit);
    publisher_notice(p, number, UINT32_MAX);
}

static void close_book(struct publisher *p, uint32_t number, const struct gate_symbol *now)
{
    struct pub_symbol *sym = &p->symbols[number];
    struct instrument *in = &p->opt.market->instruments[number];

    if (sym->show == BOOK_WITHDRAWN && now->show == BOOK_FROZEN) {
        return; /* what was withdrawn is not shown again until it is live */
    }
    if (sym->show == BOOK_LIVE || now->show == BOOK_WITHDRAWN) {
        each_book(p, number, now);
        publisher_release(p, number);
        p->held[number] = hold(in, now->show == BOOK_FROZEN);
    }
    sym->show = now->show;
}

/* A book that was withdrawn comes back as a snapshot, one that was frozen by the difference. */
static void open_book(struct publisher *p, uint32_t number, const struct gate_symbol *now)
{
    struct pub_symbol *sym = &p->symbols[number];

    for (struct pub_stream *s = sym->streams; s != NULL; s = s->next) {
        if (is_gated(s)) {
            s->audit = now->audit;
            s->fresh = sym->show == BOOK_WITHDRAWN;
        }
    }
    sym->show = BOOK_LIVE;
    publisher_release(p, number);
    publisher_show_all(p, number);
}

static void take_symbol(struct publisher *p, uint32_t number, const struct gate_symbol *now,
                        const struct gate_symbol *before)
{
    enum pair_status feed = p->opt.market->status[number];
    enum pair_status status = gate_status(feed, now->status);

    if (now->show != before->show) {
        if (now->show == BOOK_LIVE) {
            open_book(p, number, now);
        } else {
            close_book(p, number, now);
        }
    }
    if (now->show != before->show || strcmp(now->mode, before->mode) != 0) {
        say_mode(p, number, now);
    }
    if (status != p->status[number]) {
        p->status[number] = status;
        publisher_status(p, number, now->audit);
    }
}

static void take_assets(struct publisher *p, const struct gate_view *now,
                        const struct gate_view *before)
{
    struct pub_stream *s = p->instruments;
    struct fold *none = NULL;
    struct gw_mark gw;

    if (s == NULL || memcmp(now->no_withdrawals, before->no_withdrawals, now->asset_count) == 0) {
        return;
    }
    gw = (struct gw_mark){
        .seq = s->last_seq + 1, .prev = s->last_seq, .folded = 1, .audit = now->assets_audit};
    s->last_seq++;
    buf_reset(&p->text);
    encode_assets(&p->text, p->opt.market->symbols, now->no_withdrawals, &gw);
    publisher_post_frame(p, s, LINK_FRAME, s->shards, &none);
}

void publisher_gate(struct publisher *p, struct gate_view **next)
{
    struct gate_view *now = *next;
    struct gate_view *before = p->gate;

    *next = NULL;
    GW_ASSERT(now->symbol_count == p->opt.market->count);
    p->gate = now;
    for (uint32_t i = 0; i < now->symbol_count; i++) {
        take_symbol(p, i, &now->symbols[i], &before->symbols[i]);
    }
    take_assets(p, now, before);
    publisher_system(p);
    gate_view_destroy(&before);
    for (uint32_t i = 0; i < p->opt.shard_count; i++) { /* behind all of the above */
        publisher_post(p, i, &(struct mail){.kind = LINK_GATED, .key = now->version});
    }
    publisher_turn(p);
    if (p->opt.gate != NULL && mailbox_post(p->opt.gate, &(struct mail){.kind = LINK_GATED,
                                                                        .number = GATE_MARKET,
                                                                        .key = now->version})) {
        mailbox_wake(p->opt.gate);
    }
}

void publisher_feed_status(struct publisher *p, uint32_t number)
{
    enum pair_status status =
        gate_status(p->opt.market->status[number], p->gate->symbols[number].status);

    if (status != p->status[number]) {
        p->status[number] = status;
        publisher_status(p, number, (struct audit_id){""});
    }
}
