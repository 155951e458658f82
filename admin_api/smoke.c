#include "admin_api/smoke.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"
#include "gateway/store/redis.h"

#define GREET_MS 200u
#define STREAM   "md:{" SMOKE_SYMBOL "}"
/* Entries of the stream, about. */
#define MAXLEN "1000"
/* The book of the symbol: always the same. */
#define LEVELS                                                                                     \
    "\"bids\":[[\"99.99\",\"10\"],[\"99.98\",\"10\"]],\"asks\":[[\"100.01\",\"10\"],[\"100.02\","  \
    "\"10\"]]"

#define SMOKE_ROW(...) CFG_ROW_OF(struct smoke_config, __VA_ARGS__)
static const struct cfg_row config_rows[] = {SMOKE_CONFIG(SMOKE_ROW)};
const struct cfg_table smoke_config_table = {"smoke", config_rows, GW_LEN(config_rows)};

#define SMOKE_MODE_AS_WORD(sym, word) word,
static const char *const mode_words[SMOKE_MODE_COUNT] = {SMOKE_MODES(SMOKE_MODE_AS_WORD)};

struct smoke {
    struct pg *pg;
    struct redis *redis;
    uv_timer_t greeting; /* until the stream has had the snapshot of this start */
    bool asked;          /* its number is on its way */
    bool closing;
    bool timer_closed;
    bool redis_closed;
    void (*done)(void *arg);
    void *done_arg;
};

/* --- configuration -----------------------------------------------------------------------------
 */

void smoke_check(const struct smoke_config *c, struct buf *errors)
{
    for (unsigned i = 0; i < SMOKE_MODE_COUNT; i++) {
        if (strcmp(mode_words[i], c->mode) == 0) {
            return;
        }
    }
    buf_printf(errors, "smoke.mode: expected lab, paper or live\n");
}

bool smoke_allowed(const struct smoke_config *c)
{
    return c->enabled && strcmp(c->mode, mode_words[SMOKE_LIVE]) != 0;
}

void smoke_reserve(const struct smoke_config *c, struct symbols *symbols, struct buf *errors)
{
    const struct symbol row = {.name = SMOKE_SYMBOL, .price_decimals = 2, .qty_decimals = 8};

    if (smoke_allowed(c) && symbols_add(symbols, &row) != GW_OK) {
        buf_lit(errors,
                "feed.symbols_file: " SMOKE_SYMBOL " is kept for smoke trades: take it out, "
                "or set smoke.enabled to false\n");
    }
}

/* --- the feed ----------------------------------------------------------------------------------
 */

static bool add_entry(struct smoke *s, const struct buf *entry, redis_reply_fn *cb, void *arg)
{
    const char *argv[] = {"XADD", STREAM, "MAXLEN", "~", MAXLEN, "*", "e", entry->data};
    const size_t lens[] = {4, sizeof STREAM - 1, 6, 1, sizeof MAXLEN - 1, 1, 1, entry->len};

    return redis_command(s->redis, (int)GW_LEN(argv), argv, lens, 0, cb, arg);
}

static void put_head(struct buf *out, const char *type, const char *epoch, int64_t seq,
                     int64_t now_ns)
{
    buf_reset(out);
    buf_printf(out,
               "{\"type\":\"%s\",\"symbol\":\"" SMOKE_SYMBOL
               "\",\"seq\":\"%lld\",\"epoch\":\"%s\",\"ts_ns\":\"%lld\",",
               type, (long long)seq, epoch, (long long)now_ns);
}

static bool add_snapshot(struct smoke *s, const char *epoch, int64_t seq)
{
    struct buf entry = {0};
    bool ok;

    put_head(&entry, "book_snapshot", epoch, seq, clock_real_ns());
    buf_lit(&entry, LEVELS "}");
    ok = add_entry(s, &entry, NULL, NULL);
    buf_fini(&entry);
    return ok;
}

static void on_greeting(void *arg, const struct pg_reply *r)
{
    struct smoke *s = arg;
    const char *epoch = pg_value(r, 0, 0, 0, NULL);
    int64_t seq;

    s->asked = false;
    if (!s->closing && pg_outcome(r) == PG_OK && epoch != NULL && pg_value_i64(r, 0, 0, 1, &seq) &&
        add_snapshot(s, epoch, seq)) {
        uv_timer_stop(&s->greeting);
    }
}

/* A feed begins with a snapshot: without one the symbol would not be live before its first trade. */
static void on_greet(uv_timer_t *timer)
{
    static const struct pg_statement next = {
        "UPDATE smoke_feed SET seq = seq + 1 RETURNING epoch, seq", NULL, 0};
    struct smoke *s = timer->data;

    if (!s->asked && redis_up(s->redis)) {
        s->asked = pg_query(s->pg, &next, 0, on_greeting, s);
    }
}

static void on_redis(void *arg, bool up)
{
    struct smoke *s = arg;

    if (up) { /* it may be an empty one */
        uv_timer_start(&s->greeting, on_greet, 0, GREET_MS);
    }
}

/* --- settling ----------------------------------------------------------------------------------
 */

struct settling {
    struct smoke *s;
    struct smoke_trade trade;
    smoke_result_fn *cb;
    void *arg;
    struct smoke_result result;
    char settled_at[40];
};

static void finish(struct settling *x)
{
    x->cb(x->arg, &x->result);
    free(x);
}

static void on_published(void *arg, const struct redis_reply *reply)
{
    struct settling *x = arg;
    size_t len;

    x->result.published = reply != NULL && redis_kind(reply) == REDIS_STRING;
    if (!x->result.published) {
        log_warn("smoke", "not_published", "\"trade_id\":%lld,\"why\":%s",
                 (long long)x->result.trade_id,
                 log_json(reply == NULL                      ? "Redis did not answer"
                          : redis_kind(reply) == REDIS_FAULT ? redis_text(reply, &len)
                                                             : "no id"));
    }
    finish(x);
}

/* Snapshot and trade have the two numbers before SEQ is over: SEQ - 1 and SEQ. */
static void publish(struct settling *x, const char *epoch, int64_t seq)
{
    struct buf entry = {0};
    bool sent = add_snapshot(x->s, epoch, seq - 1);

    put_head(&entry, "trade", epoch, seq, clock_real_ns());
    buf_printf(&entry,
               "\"trades\":[{\"id\":\"%lld\",\"price\":\"%s\",\"qty\":\"%s\",\"side\":\"%s\","
               "\"ord_type\":\"market\"}]}",
               (long long)x->result.trade_id, x->trade.price, x->trade.qty, x->trade.side);
    sent = sent && add_entry(x->s, &entry, on_published, x);
    buf_fini(&entry);
    if (!sent) {
        log_warn("smoke", "not_published", "\"trade_id\":%lld,\"why\":\"no connection to Redis\"",
                 (long long)x->result.trade_id);
        finish(x);
    }
}

static enum smoke_outcome judge(const struct pg_reply *r)
{
    if (pg_outcome(r) != PG_OK || pg_rows(r, 1) != 1) {
        return strcmp(pg_sqlstate(r), "23505") == 0 ? SMOKE_BUSY : SMOKE_AWAY;
    }
    if (pg_affected(r, 0) == 1) {
        return SMOKE_SETTLED;
    }
    return strcmp(pg_value(r, 1, 0, 5, NULL), "t") == 0 ? SMOKE_REPEATED : SMOKE_DIFFERENT;
}

static void on_settled(void *arg, const struct pg_reply *r)
{
    struct settling *x = arg;
    int64_t seq = 0;

    x->result.outcome = judge(r);
    if (x->result.outcome == SMOKE_AWAY) {
        log_warn("smoke", "not_settled", "\"why\":%s", log_json(pg_message(r)));
    } else if (x->result.outcome != SMOKE_BUSY) {
        GW_ASSERT(pg_value_i64(r, 1, 0, 0, &x->result.id) &&
                  pg_value_i64(r, 1, 0, 1, &x->result.trade_id) && pg_value_i64(r, 1, 0, 4, &seq));
        (void)snprintf(x->settled_at, sizeof x->settled_at, "%s", pg_value(r, 1, 0, 2, NULL));
        x->result.settled_at = x->settled_at;
    }
    if (x->result.outcome == SMOKE_SETTLED && !x->s->closing) {
        publish(x, pg_value(r, 1, 0, 3, NULL), seq);
        return;
    }
    finish(x);
}

#define TIME_SQL "to_char(e.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

bool smoke_settle(struct smoke *s, const struct smoke_trade *t, smoke_result_fn *cb, void *arg)
{
    const struct pg_param params[] = {pg_text(t->actor), pg_text(t->once), pg_text(t->side),
                                      pg_text(t->price), pg_text(t->qty),  pg_text(t->trace)};
    const struct pg_statement all[] = {
        {"WITH f AS (UPDATE smoke_feed SET seq = seq + 2, trades = trades + 1"
         " WHERE NOT EXISTS (SELECT FROM smoke_ledger_entries WHERE actor = $1 AND once = $2)"
         " RETURNING trades)"
         " INSERT INTO smoke_ledger_entries (symbol, trade_id, actor, once, side, price, qty, "
         "trace)"
         " SELECT '" SMOKE_SYMBOL "', f.trades, $1::text, $2::text, $3::text, $4::numeric,"
         " $5::numeric, $6::text FROM f",
         params, 6},
        {"SELECT e.id, e.trade_id, " TIME_SQL ", f.epoch, f.seq,"
         " (e.side, e.price, e.qty) = ($3::text, $4::numeric, $5::numeric)"
         " FROM smoke_ledger_entries e, smoke_feed f WHERE e.actor = $1 AND e.once = $2",
         params, 5},
    };
    struct settling *x = gw_calloc(1, sizeof *x);

    *x = (struct settling){.s = s, .trade = *t, .cb = cb, .arg = arg};
    if (s->closing || !pg_transaction(s->pg, all, GW_LEN(all), 0, on_settled, x)) {
        free(x);
        return false;
    }
    return true;
}

/* --- looking -----------------------------------------------------------------------------------
 */

struct looking {
    smoke_list_fn *cb;
    void *arg;
};

static void on_list(void *arg, const struct pg_reply *r)
{
    struct looking *x = arg;

    x->cb(x->arg, pg_outcome(r) == PG_OK ? pg_value(r, 0, 0, 0, NULL) : NULL);
    free(x);
}

bool smoke_list(struct smoke *s, uint32_t limit, smoke_list_fn *cb, void *arg)
{
    const struct pg_param params[] = {pg_int8(limit)};
    const struct pg_statement all = {
        "SELECT coalesce(json_agg(json_build_object('id', e.id, 'status', e.status, 'symbol', "
        "e.symbol,"
        " 'trade_id', e.trade_id, 'side', e.side, 'price', e.price::text, 'qty', e.qty::text,"
        " 'settled_at', " TIME_SQL ") ORDER BY e.id DESC), '[]')"
        " FROM (SELECT * FROM smoke_ledger_entries ORDER BY id DESC LIMIT $1::bigint) e",
        params, 1};
    struct looking *x = gw_calloc(1, sizeof *x);

    *x = (struct looking){cb, arg};
    if (s->closing || !pg_query(s->pg, &all, 0, on_list, x)) {
        free(x);
        return false;
    }
    return true;
}

/* --- life --------------------------------------------------------------------------------------
 */

struct smoke *smoke_create(uv_loop_t *loop, const struct smoke_options *opt)
{
    struct smoke *s = gw_calloc(1, sizeof *s);
    const struct redis_options redis = {
        .endpoint = opt->redis,
        .name = "smoke",
        .circuit = CIRCUIT_SMOKE,
        .timeout_ms = 1000,
        .backoff_min_ms = 50,
        .backoff_max_ms = 1000,
        .metrics = opt->redis_metrics,
    };

    s->pg = opt->pg;
    uv_timer_init(loop, &s->greeting);
    s->greeting.data = s;
    s->redis = redis_create(loop, &redis, on_redis, s);
    log_warn("smoke", "enabled",
             "\"symbol\":\"" SMOKE_SYMBOL
             "\",\"next\":\"unset SMOKE_ENABLED where real clients are\"");
    return s;
}

static void end(struct smoke *s)
{
    if (s->timer_closed && s->redis_closed) {
        s->done(s->done_arg);
    }
}

static void on_redis_closed(void *arg)
{
    struct smoke *s = arg;

    s->redis_closed = true;
    end(s);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct smoke *s = handle->data;

    s->timer_closed = true;
    end(s);
}

void smoke_close(struct smoke *s, void (*done)(void *arg), void *arg)
{
    s->closing = true;
    s->done = done;
    s->done_arg = arg;
    uv_close((uv_handle_t *)&s->greeting, on_timer_closed);
    redis_close(s->redis, on_redis_closed, s);
}

void smoke_destroy(struct smoke **sp)
{
    struct smoke *s = *sp;

    *sp = NULL;
    redis_destroy(&s->redis);
    free(s);
}
