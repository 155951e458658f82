#include "load/feed_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH_MAX   256u
#define RETRIES_MAX 100u /* with 0.1 s between: ten seconds */

static bool dial(struct writer *w)
{
    const char *colon = strrchr(w->opt.redis, ':');
    char host[64];

    if (strncmp(w->opt.redis, "unix:", 5) == 0) {
        w->redis = redisConnectUnix(w->opt.redis + 5);
    } else if (colon != NULL) {
        (void)snprintf(host, sizeof host, "%.*s", (int)(colon - w->opt.redis), w->opt.redis);
        w->redis = redisConnect(host, atoi(colon + 1));
    }
    return w->redis != NULL && w->redis->err == 0;
}

/* Connects, waiting for a Redis that is away. */
static bool connect_again(struct writer *w)
{
    for (unsigned i = 0; i < RETRIES_MAX; i++) {
        if (w->redis != NULL) {
            redisFree(w->redis);
            w->redis = NULL;
        }
        if (dial(w)) {
            return true;
        }
        usleep(100000);
    }
    fprintf(stderr, "feeder: Redis at %s does not answer: %s; is it running?\n", w->opt.redis,
            w->redis != NULL ? w->redis->errstr : "bad address");
    return false;
}

bool writer_open(struct writer *w, const struct writer_options *opt, const struct tape *tape)
{
    *w = (struct writer){.opt = *opt, .tape = tape};
    memcpy(w->control_id, "$", 2);
    w->symbols = gw_calloc(tape->symbol_count, sizeof *w->symbols);
    w->batch = gw_calloc(BATCH_MAX, sizeof(char *));
    w->batch_lens = gw_calloc(BATCH_MAX, sizeof *w->batch_lens);
    for (uint32_t i = 0; i < tape->symbol_count; i++) {
        book_init(&w->symbols[i].book);
    }
    return connect_again(w);
}

static void drop_batch(struct writer *w)
{
    for (uint32_t i = 0; i < w->batch_count; i++) {
        redisFreeCommand(w->batch[i]);
    }
    w->batch_count = 0;
}

void writer_close(struct writer *w)
{
    drop_batch(w);
    for (uint32_t i = 0; i < w->tape->symbol_count; i++) {
        book_fini(&w->symbols[i].book);
    }
    if (w->redis != NULL) {
        redisFree(w->redis);
    }
    free(w->symbols);
    free(w->batch);
    free(w->batch_lens);
    buf_fini(&w->text);
    *w = (struct writer){0};
}

/* Sends the batch and reads all answers; how many were taken. */
static uint32_t exchange(struct writer *w)
{
    for (uint32_t i = 0; i < w->batch_count; i++) {
        (void)redisAppendFormattedCommand(w->redis, w->batch[i], w->batch_lens[i]);
    }
    for (uint32_t i = 0; i < w->batch_count; i++) {
        redisReply *reply = NULL;

        if (redisGetReply(w->redis, (void **)&reply) != REDIS_OK) {
            return i;
        }
        if (reply->type == REDIS_REPLY_ERROR) {
            fprintf(stderr, "feeder: Redis refused: %s\n", reply->str);
        }
        freeReplyObject(reply);
    }
    return w->batch_count;
}

bool writer_flush(struct writer *w)
{
    while (w->batch_count != 0) {
        uint32_t taken = exchange(w);

        for (uint32_t i = 0; i < taken; i++) {
            redisFreeCommand(w->batch[i]);
        }
        w->batch_count -= taken;
        memmove(w->batch, w->batch + taken, w->batch_count * sizeof(char *));
        memmove(w->batch_lens, w->batch_lens + taken, w->batch_count * sizeof *w->batch_lens);
        /* What was not answered is sent again: a duplicate is dropped by its seq, a loss would be a
         * gap. */
        if (w->batch_count != 0 && !connect_again(w)) {
            return false;
        }
    }
    return true;
}

/* --- entries -----------------------------------------------------------------------------------
 */

static void put_levels(struct buf *out, const char *name, const struct symbol *sym,
                       const struct level *v, uint32_t count)
{
    buf_printf(out, ",\"%s\":[", name);
    for (uint32_t i = 0; i < count; i++) {
        buf_puts(out, i != 0 ? ",[\"" : "[\"");
        buf_fixed(out, v[i].px.ticks, sym->price_decimals);
        buf_lit(out, "\",\"");
        if (v[i].qty.lots == 0) {
            buf_putc(out, '0');
        } else {
            buf_fixed(out, v[i].qty.lots, sym->qty_decimals);
        }
        buf_lit(out, "\"]");
    }
    buf_putc(out, ']');
}

static void put_trades(struct writer *w, const struct tape_step *s, const struct symbol *sym,
                       int64_t shift_ns)
{
    struct writer_symbol *state = &w->symbols[s->e.symbol];
    struct buf *out = &w->text;

    buf_lit(out, ",\"trades\":[");
    for (uint32_t i = 0; i < s->e.trade_count; i++) {
        const struct trade *t = &s->e.trades[i];
        uint64_t id = t->id != 0 ? t->id + state->trade_id_shift : state->last_trade_id + 1;

        state->last_trade_id = id;
        buf_printf(out, "%s{\"id\":\"%llu\",\"price\":\"", i != 0 ? "," : "",
                   (unsigned long long)id);
        buf_fixed(out, t->px.ticks, sym->price_decimals);
        buf_lit(out, "\",\"qty\":\"");
        buf_fixed(out, t->qty.lots, sym->qty_decimals);
        buf_printf(out, "\",\"side\":\"%s\",\"ord_type\":\"%s\",\"ts_ns\":\"%lld\"}",
                   t->taker_sells ? "sell" : "buy", t->market_order ? "market" : "limit",
                   (long long)(t->ts_ns + shift_ns));
    }
    buf_putc(out, ']');
}

static void put_head(struct writer *w, enum event_type type, uint32_t symbol, int64_t ts_ns)
{
    static const char *const names[] = {"book_snapshot", "book_delta", "trade", "status"};

    buf_reset(&w->text);
    buf_printf(&w->text,
               "{\"type\":\"%s\",\"symbol\":\"%s\",\"seq\":\"%llu\",\"epoch\":\"%s\",\"ts_ns\":"
               "\"%lld\"",
               names[type], w->tape->symbols[symbol].info.name,
               (unsigned long long)++w->symbols[symbol].seq, w->opt.epoch, (long long)ts_ns);
}

static bool queue(struct writer *w, uint32_t symbol)
{
    char key[64];
    char maxlen[16];
    const char *argv[] = {"XADD", key, "MAXLEN", "~", maxlen, "*", "e", w->text.data};
    size_t lens[GW_LEN(argv)];
    char *command;
    int len;

    (void)snprintf(key, sizeof key, "md:{%s}", w->tape->symbols[symbol].info.name);
    (void)snprintf(maxlen, sizeof maxlen, "%u", w->opt.maxlen);
    for (unsigned i = 0; i < GW_LEN(argv); i++) {
        lens[i] = i == GW_LEN(argv) - 1 ? w->text.len : strlen(argv[i]);
    }
    len = redisFormatCommandArgv(&command, (int)GW_LEN(argv), argv, lens);
    GW_ASSERT(len > 0);
    w->batch[w->batch_count] = command;
    w->batch_lens[w->batch_count++] = (size_t)len;
    return w->batch_count < BATCH_MAX || writer_flush(w);
}

/* The entry in w->text, with the faults that were asked for. */
static bool emit(struct writer *w, uint32_t symbol)
{
    w->entries++;
    if (w->opt.gap_every != 0 && w->entries % w->opt.gap_every == 0) {
        w->faults++;
        return true;
    }
    if (w->opt.dup_every != 0 && w->entries % w->opt.dup_every == 0) {
        w->faults++;
        return queue(w, symbol) && queue(w, symbol);
    }
    return queue(w, symbol);
}

static void apply(struct book *b, const struct tape_step *s)
{
    if (s->e.type == EVENT_BOOK_SNAPSHOT) {
        book_replace(b, s->e.levels[0], s->e.level_count[0], s->e.levels[1], s->e.level_count[1]);
        return;
    }
    for (int side = 0; side < 2; side++) {
        for (uint32_t i = 0; i < s->e.level_count[side]; i++) {
            (void)book_set(b, (enum side)side, s->e.levels[side][i].px, s->e.levels[side][i].qty);
        }
    }
}

bool writer_snapshot(struct writer *w, uint32_t symbol, int64_t ts_ns)
{
    const struct symbol *sym = &w->tape->symbols[symbol].info;
    struct writer_symbol *state = &w->symbols[symbol];

    put_head(w, EVENT_BOOK_SNAPSHOT, symbol, ts_ns);
    for (int side = 0; side < 2; side++) {
        const struct book_side *s = &state->book.side[side];

        put_levels(&w->text, side == SIDE_BID ? "bids" : "asks", sym, s->v, s->count);
    }
    buf_putc(&w->text, '}');
    state->snapshot_ts_ns = ts_ns;
    return emit(w, symbol);
}

bool writer_step(struct writer *w, const struct tape_step *s, int64_t ts_ns)
{
    const struct symbol *sym = &w->tape->symbols[s->e.symbol].info;
    struct writer_symbol *state = &w->symbols[s->e.symbol];

    if (!state->started && s->e.type != EVENT_BOOK_SNAPSHOT) {
        state->started = true; /* trades without any book: an empty one starts the epoch */
        if (!writer_snapshot(w, s->e.symbol, ts_ns)) {
            return false;
        }
    }
    state->started = true;
    state->last_ts_ns = ts_ns;
    if (s->e.type == EVENT_TRADE) {
        put_head(w, EVENT_TRADE, s->e.symbol, ts_ns);
        put_trades(w, s, sym, ts_ns - s->e.ts_ns);
        w->trades += s->e.trade_count;
    } else {
        apply(&state->book, s);
        GW_ASSERT(!book_crossed(&state->book));
        w->levels += s->e.level_count[0] + s->e.level_count[1];
        if (s->e.type == EVENT_BOOK_SNAPSHOT) {
            return writer_snapshot(w, s->e.symbol, ts_ns);
        }
        put_head(w, EVENT_BOOK_DELTA, s->e.symbol, ts_ns);
        put_levels(&w->text, "bids", sym, s->e.levels[0], s->e.level_count[0]);
        put_levels(&w->text, "asks", sym, s->e.levels[1], s->e.level_count[1]);
        if (s->venue_seq != 0) {
            buf_printf(&w->text, ",\"venue_seq\":\"%llu\"", (unsigned long long)s->venue_seq);
        }
        if (s->has_checksum) {
            buf_printf(&w->text, ",\"venue_checksum\":\"%u\"", s->checksum);
        }
    }
    buf_putc(&w->text, '}');
    return emit(w, s->e.symbol);
}

void writer_new_pass(struct writer *w)
{
    for (uint32_t i = 0; i < w->tape->symbol_count; i++) {
        uint64_t first = 0;

        for (size_t k = 0; first == 0 && k < w->tape->count; k++) {
            const struct tape_step *s = &w->tape->steps[k];

            if (s->e.symbol == i && s->e.type == EVENT_TRADE) {
                first = s->e.trades[0].id;
            }
        }
        if (first != 0) {
            w->symbols[i].trade_id_shift = w->symbols[i].last_trade_id + 1 - first;
        }
    }
}

/* --- control -----------------------------------------------------------------------------------
 */

static bool answer(struct writer *w, const redisReply *fields)
{
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        if (strcmp(fields->element[i]->str, "symbol") != 0) {
            continue;
        }
        for (uint32_t s = 0; s < w->tape->symbol_count; s++) {
            if (strcmp(w->tape->symbols[s].info.name, fields->element[i + 1]->str) == 0 &&
                w->symbols[s].started) {
                return writer_snapshot(w, s, w->symbols[s].last_ts_ns);
            }
        }
    }
    return true;
}

bool writer_serve_control(struct writer *w)
{
    redisReply *reply;
    bool ok = writer_flush(w);

    if (!ok) {
        return false;
    }
    if (w->control_id[0] == '$') { /* from now on */
        reply = redisCommand(w->redis, "XREVRANGE md:control + - COUNT 1");
        if (reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 1) {
            (void)snprintf(w->control_id, sizeof w->control_id, "%s",
                           reply->element[0]->element[0]->str);
        } else {
            memcpy(w->control_id, "0-0", 4);
        }
        freeReplyObject(reply);
    }
    reply = redisCommand(w->redis, "XREAD COUNT 100 STREAMS md:control %s", w->control_id);
    if (reply == NULL) {
        return connect_again(w);
    }
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 1) {
        const redisReply *entries = reply->element[0]->element[1];

        for (size_t i = 0; ok && i < entries->elements; i++) {
            (void)snprintf(w->control_id, sizeof w->control_id, "%s",
                           entries->element[i]->element[0]->str);
            ok = answer(w, entries->element[i]->element[1]);
        }
    }
    freeReplyObject(reply);
    return ok && writer_flush(w);
}
