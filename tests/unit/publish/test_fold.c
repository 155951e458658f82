/* links: gw_publish gw_market */
/* The oracle of fan-out: over a million random engine events, at every depth and conflation, clients
 * of every kind (truncating per level or per message, stalling at random, then served frame by frame,
 * by one merged update, or by a resume out of the history) read the text of the frames; whenever one
 * has read everything its book is the stream's view, and no level it does not hold is ever deleted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "gateway/publish/resume.h"

#define FRAMES_KEPT 400u
#define CLIENTS     6u
#define EVENTS      36000u /* for each of thirty streams */
#define SPREAD      4000 /* prices a side, so that the deepest view is full and things move in and out */

static uint64_t seed = 88172645463325252ull;

static uint32_t below(uint32_t limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 11) % limit;
}

static const struct symbol symbol = {.name = "BTC/USD", .price_decimals = 1, .qty_decimals = 3};

/* --- a client that knows only the text ---------------------------------------------------------- */

struct client {
    struct book book;
    uint32_t depth;
    bool per_level;
    uint64_t seq;  /* gw.s of the last message */
    uint64_t at;   /* frames of the stream it has read */
    uint32_t nap;  /* publications it still sleeps */
    uint64_t read; /* messages */
};

static size_t unframe(const struct frame *f, char *out)
{
    size_t len = 0;

    for (uint32_t at = 0; at < f->len;) {
        uint32_t size = f->bytes[at + 1];
        uint32_t head = 2;

        if (size == 126) {
            size = (uint32_t)f->bytes[at + 2] << 8 | f->bytes[at + 3];
            head = 4;
        }
        memcpy(out + len, f->bytes + at + head, size);
        len += size;
        at += head + size;
    }
    out[len] = '\0';
    return len;
}

/* "12345.6" without its point. */
static int64_t number(const char **at)
{
    int64_t v = 0;

    for (; (**at >= '0' && **at <= '9') || **at == '.'; (*at)++) {
        v = **at == '.' ? v : v * 10 + (**at - '0');
    }
    return v;
}

static void truncate_side(struct client *c, enum side side)
{
    struct book_side *s = &c->book.side[side];

    while (s->count > c->depth) {
        (void)book_set(&c->book, side, s->v[0].px, (struct qty){0});
    }
}

static void read_side(struct client *c, enum side side, const char *text, const char *name)
{
    const char *at = strstr(text, name);

    assert_non_null(at);
    at += strlen(name);
    while (*at != ']') {
        struct level l;

        at = strchr(at, ':') + 1;
        l.px.ticks = number(&at);
        at = strchr(at, ':') + 1;
        l.qty.lots = number(&at);
        at += at[1] == ',' ? 2 : 1;
        if (l.qty.lots == 0) {
            assert_true(book_qty(&c->book, side, l.px).lots != 0); /* a level it does not hold */
        }
        (void)book_set(&c->book, side, l.px, l.qty);
        if (c->per_level) {
            truncate_side(c, side);
        }
    }
    truncate_side(c, side);
}

static uint64_t member(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    assert_non_null(at);
    at += strlen(name);
    return (uint64_t)number(&at);
}

static void client_read(struct client *c, const struct frame *f)
{
    static char text[1 << 20];

    (void)unframe(f, text);
    if (strstr(text, "\"type\":\"snapshot\"") != NULL) {
        book_clear(&c->book);
    } else {
        assert_int_equal(member(text, "\"p\":"), c->seq);
    }
    read_side(c, SIDE_BID, text, "\"bids\":[");
    read_side(c, SIDE_ASK, text, "\"asks\":[");
    assert_int_equal(member(text, "\"checksum\":"), book_checksum(&c->book, BOOK_CHECKSUM_DEPTH));
    if (strstr(text, "\"d\":") != NULL) {
        assert_int_equal(member(text, "\"d\":"), book_checksum(&c->book, c->depth));
    }
    c->seq = member(text, "\"s\":");
    assert_int_equal(c->seq, f->seq);
    c->read++;
}

/* --- one stream and its clients ----------------------------------------------------------------- */

struct stage {
    struct instrument in;
    struct feed_event e;
    struct pub_stream s;
    struct view_diff diff;
    struct buf text;
    struct frame *ring[FRAMES_KEPT];
    uint64_t head;
    int64_t now_ns;
    struct client clients[CLIENTS];
    uint64_t folded;
    uint64_t resumed;
    uint64_t missed;
};

static void begin(struct stage *t, enum event_type type, uint64_t seq)
{
    t->e.type = type;
    t->e.seq = seq;
    t->e.ts_ns = (int64_t)seq * 1000000;
    t->e.level_count[0] = t->e.level_count[1] = t->e.trade_count = 0;
    memcpy(t->e.epoch, "a", 2);
}

static void add(struct stage *t, enum side side, int64_t px, int64_t qty)
{
    *feed_event_add_level(&t->e, side) = (struct level){{px}, {qty}};
}

static void first_book(struct stage *t, uint32_t levels)
{
    begin(t, EVENT_BOOK_SNAPSHOT, 1);
    for (uint32_t i = 0; i < levels; i++) {
        add(t, SIDE_BID, 20000 - 1 - (int64_t)below(SPREAD), 1 + below(1000));
        add(t, SIDE_ASK, 20000 + 1 + (int64_t)below(SPREAD), 1 + below(1000));
    }
    (void)instrument_apply(&t->in, &t->e, false);
}

/* One batch: takes what stands in its way, so that the book is never left crossed. */
static void event(struct stage *t, uint64_t seq, uint32_t depth)
{
    enum side side = (enum side)below(2);
    enum side other = side == SIDE_BID ? SIDE_ASK : SIDE_BID;
    int64_t mid = 20000 + (int64_t)below(21) - 10;
    int64_t away = (int64_t)below(below(3) == 0 ? SPREAD : 3 * depth + 20);
    int64_t px = side == SIDE_BID ? mid - 1 - away : mid + 1 + away;
    const struct book_side *o = &t->in.book.side[other];

    begin(t, EVENT_BOOK_DELTA, seq);
    for (uint32_t i = o->count; i != 0 && !px_better(other, (struct px){px}, o->v[i - 1].px); i--) {
        add(t, other, o->v[i - 1].px.ticks, 0);
    }
    add(t, side, px, below(2) == 0 ? 0 : 1 + below(1000));
    assert_false(instrument_apply(&t->in, &t->e, false).crossed);
}

static struct frame *ring_at(struct stage *t, uint64_t at)
{
    return t->ring[at % FRAMES_KEPT];
}

static void publish(struct stage *t)
{
    struct fold *fold = NULL;

    buf_reset(&t->text);
    if (pub_stream_update(&t->s, t->now_ns, &t->diff, &t->text, &fold)) {
        struct frame **slot = &t->ring[t->head++ % FRAMES_KEPT];

        if (*slot != NULL) {
            frame_unref(slot);
        }
        *slot = frame_create_fold(t->text.data, t->text.len, t->s.last_seq, 1, &fold);
    }
}

static void snapshot(struct stage *t, struct client *c)
{
    struct frame *f;

    buf_reset(&t->text);
    pub_stream_snapshot(&t->s, &t->text);
    f = frame_create(t->text.data, t->text.len, t->s.last_seq, 1);
    client_read(c, f);
    frame_unref(&f);
    c->at = t->head;
}

static void holds_the_view(const struct stage *t, const struct client *c)
{
    for (int side = 0; side < 2; side++) {
        const struct book_side *s = &c->book.side[side];

        assert_int_equal(s->count, t->s.view.count[side]);
        assert_memory_equal(s->v, t->s.view.v[side], s->count * sizeof *s->v);
    }
}

static void catch_up_folded(struct stage *t, struct client *c)
{
    struct frame *list[FRAMES_KEPT];
    uint32_t count = (uint32_t)(t->head - c->at);
    struct frame *f;

    for (uint32_t i = 0; i < count; i++) {
        list[i] = ring_at(t, c->at + i);
    }
    f = fold_frames(&t->s.key, &symbol, list, count);
    client_read(c, f);
    frame_unref(&f);
    c->at = t->head;
    t->folded++;
}

static void catch_up_resumed(struct stage *t, struct client *c)
{
    struct link_resume r = {.from = c->seq, .epoch = "a"};

    assert_int_equal(resume_answer(&t->s, &r, &t->diff, &t->text), RESUME_DONE);
    if (r.result != RESUME_HIT) {
        t->missed++;
        snapshot(t, c);
        return;
    }
    if (r.frame != NULL) {
        client_read(c, r.frame);
        frame_unref(&r.frame);
    }
    assert_int_equal(c->seq, t->s.last_seq);
    c->at = t->head;
    t->resumed++;
}

static void serve(struct stage *t, struct client *c)
{
    if (c->nap != 0) {
        c->nap--;
        return;
    }
    if (t->head - c->at >= FRAMES_KEPT || below(4) == 0) {
        catch_up_resumed(t, c);
    } else if (t->head - c->at >= 2 && below(3) != 0) {
        catch_up_folded(t, c);
    } else {
        while (c->at < t->head) {
            client_read(c, ring_at(t, c->at++));
        }
    }
    holds_the_view(t, c);
    c->nap = below(3) == 0 ? below(below(20) == 0 ? 600 : 30) : 0;
}

static void close_stage(struct stage *t)
{
    for (uint32_t i = 0; i < FRAMES_KEPT; i++) {
        if (t->ring[i] != NULL) {
            frame_unref(&t->ring[i]);
        }
    }
    for (uint32_t i = 0; i < CLIENTS; i++) {
        book_fini(&t->clients[i].book);
    }
    view_diff_fini(&t->diff);
    buf_fini(&t->text);
    pub_stream_fini(&t->s);
    instrument_fini(&t->in);
    feed_event_fini(&t->e);
    free(t);
}

static void run(uint32_t depth, uint32_t every, uint64_t totals[4])
{
    struct stage *t = gw_calloc(1, sizeof *t);
    struct stream_key key = {.channel = CHANNEL_BOOK, .param = depth, .class = 2};

    instrument_init(&t->in, &symbol, 0);
    first_book(t, depth < 100 ? depth + 5 : depth * 2);
    pub_stream_init(&t->s, &key, &t->in);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        book_init(&t->clients[i].book);
        t->clients[i].depth = depth;
        t->clients[i].per_level = i % 2 != 0;
        snapshot(t, &t->clients[i]);
    }
    for (uint32_t i = 0; i < EVENTS; i++) {
        event(t, i + 2, depth);
        t->now_ns += 1000000;
        if (i % every == 0) {
            publish(t);
            for (uint32_t k = 0; k < CLIENTS; k++) {
                serve(t, &t->clients[k]);
            }
        }
    }
    for (uint32_t k = 0; k < CLIENTS; k++) {
        totals[0] += t->clients[k].read;
    }
    totals[1] += t->folded;
    totals[2] += t->resumed;
    totals[3] += t->missed;
    close_stage(t);
}

static void every_client_holds_the_view(void **state)
{
    static const uint32_t depths[] = {10, 25, 100, 500, 1000};
    static const uint32_t every[] = {1, 2, 5, 10, 25, 100}; /* a thousand events a second */
    uint64_t totals[4] = {0};

    (void)state;
    for (unsigned d = 0; d < GW_LEN(depths); d++) {
        for (unsigned e = 0; e < GW_LEN(every); e++) {
            run(depths[d], every[e], totals);
        }
    }
    print_message("%u events, %llu messages read, %llu merged, %llu resumed, %llu too late\n",
                  (unsigned)(EVENTS * GW_LEN(depths) * GW_LEN(every)),
                  (unsigned long long)totals[0], (unsigned long long)totals[1],
                  (unsigned long long)totals[2], (unsigned long long)totals[3]);
    assert_true(totals[1] > 10000 && totals[2] > 10000);
}

/* A level that enters, is pushed out and vanishes while a client sleeps: last write wins, or tags
 * without LEVEL_OUT, would leave it in the client's book. */
static void r3_no_ghost_of_a_level_pushed_out(void **state)
{
    struct stage *t = gw_calloc(1, sizeof *t);
    struct stream_key key = {.channel = CHANNEL_BOOK, .param = 10, .class = 2};
    struct client *c = &t->clients[0];

    (void)state;
    instrument_init(&t->in, &symbol, 0);
    begin(t, EVENT_BOOK_SNAPSHOT, 1);
    for (int64_t i = 0; i < 10; i++) {
        add(t, SIDE_BID, 100 - i, 5);
        add(t, SIDE_ASK, 200 + i, 5);
    }
    (void)instrument_apply(&t->in, &t->e, false);
    pub_stream_init(&t->s, &key, &t->in);
    c->depth = 10;
    book_init(&c->book);
    snapshot(t, c);
    begin(t, EVENT_BOOK_DELTA, 2); /* a better bid pushes 91 out of the view */
    add(t, SIDE_BID, 101, 5);
    (void)instrument_apply(&t->in, &t->e, false);
    publish(t);
    begin(t, EVENT_BOOK_DELTA, 3); /* both go: nine bids are left */
    add(t, SIDE_BID, 91, 0);
    add(t, SIDE_BID, 101, 0);
    (void)instrument_apply(&t->in, &t->e, false);
    publish(t);
    catch_up_folded(t, c);
    holds_the_view(t, c);
    assert_int_equal(c->book.side[SIDE_BID].count, 9);
    for (uint32_t i = 1; i < CLIENTS; i++) {
        book_init(&t->clients[i].book);
    }
    close_stage(t);
}

/* What the history no longer holds is a miss, not a guess. */
static void an_old_place_is_refused(void **state)
{
    struct stage *t = gw_calloc(1, sizeof *t);
    struct stream_key key = {.channel = CHANNEL_BOOK, .param = 10, .class = 2};
    struct link_resume r = {.from = 1, .epoch = "a"};
    struct link_resume other = {.from = 1, .epoch = "b"};
    struct link_resume ahead = {.from = 1000000, .epoch = "a"};

    (void)state;
    instrument_init(&t->in, &symbol, 0);
    first_book(t, 20);
    pub_stream_init(&t->s, &key, &t->in);
    for (uint64_t seq = 2; t->in.history.begin == 0; seq++) {
        event(t, seq, 10);
    }
    publish(t);
    assert_int_equal(resume_answer(&t->s, &r, &t->diff, &t->text), RESUME_DONE);
    assert_int_equal(r.result, RESUME_RING_MISS);
    assert_int_equal(resume_answer(&t->s, &other, &t->diff, &t->text), RESUME_DONE);
    assert_int_equal(other.result, RESUME_EPOCH_CHANGED);
    assert_int_equal(resume_answer(&t->s, &ahead, &t->diff, &t->text), RESUME_WAIT);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        book_init(&t->clients[i].book);
    }
    close_stage(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r3_no_ghost_of_a_level_pushed_out),
        cmocka_unit_test(an_old_place_is_refused),
        cmocka_unit_test(every_client_holds_the_view),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
