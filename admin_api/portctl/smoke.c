/* smoke g0: one trade through everything that a real one goes through, as seen from outside. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "admin_api/portctl/fields.h"
#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/playbook_rows.h"
#include "admin_api/portctl/socket.h"
#include "admin_api/portctl/text.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/json.h"

#define SYMBOL     "SMOKE/USD"
#define LOG_NAME   "ws-events-smoke.log"
#define WAIT_S     10u
#define WAIT_MAX_S 300u
#define SECOND_NS  INT64_C(1000000000)
#define DEPTH_MOST 16u

/* clang-format off */
const struct opt smoke_options[] = {
    {"ws",      "URL", "the public WebSocket, wss://HOST:PORT/v2 (PORTCTL_WS, or PUBLIC_WSS_URL of --env)", NULL, 0, '\0'},
    {"log-dir", "DIR", "where " LOG_NAME " is written (TMPDIR, else /tmp)", NULL, OPT_FILE, '\0'},
    {"wait",    "S",   "seconds to wait for the events (10)",               NULL, 0, '\0'},
    {0},
};
#define SMOKE_CHECKS(X)                                                                         \
    X(READY,   "ready",     "see /readyz?verbose, edge-gateway-smoke.log, and pg_isready -U exchange -d exchange") \
    X(SETTLED, "settled",   "the answer of POST /v1/smoke/trades must say status=settled: SMOKE_ENABLED=true, PostgreSQL up, nothing halted") \
    X(LEDGER,  "ledger",    "psql: SELECT * FROM smoke_ledger_entries ORDER BY id DESC LIMIT 20") \
    X(EVENTS,  "ws_events", "see " LOG_NAME ", and that the answer of POST /v1/smoke/trades said published: true")
/* clang-format on */
#define CHECK_AS_ENUM(sym, word, next) CHECK_##sym,
enum check { SMOKE_CHECKS(CHECK_AS_ENUM) CHECK_COUNT };
#define CHECK_AS_ROW(sym, word, next) {word, next},
static const struct {
    const char *word;
    const char *next;
} check_rows[CHECK_COUNT] = {SMOKE_CHECKS(CHECK_AS_ROW)};

struct smoke {
    struct client *c;
    struct socket *socket; /* NULL: it could not be opened */
    FILE *log;
    unsigned wait_s;
    bool ok[CHECK_COUNT];
    struct buf what[CHECK_COUNT]; /* what was seen, or why not */
    json_int_t id;
    json_int_t trade_id; /* 0: none was settled */
    bool trade_seen;
    bool candle_seen;
};

/* --- the log ----------------------------------------------------------------------------------- */

/* A new file: /tmp is everybody's, and nobody else's link is followed. */
static FILE *open_log(const char *dir, struct buf *path)
{
    int fd;

    buf_printf(path, "%s/" LOG_NAME, dir);
    (void)unlink(buf_cstr(path));
    fd = open(path->data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    return fd >= 0 ? fdopen(fd, "w") : NULL;
}

static void log_event(struct smoke *s, const char *event, const struct buf *frame)
{
    struct buf line = {0};

    buf_printf(&line, "{\"event\":\"%s\",\"at\":\"", event);
    buf_rfc3339(&line, clock_real_ns(), 6);
    buf_lit(&line, "\",\"frame\":");
    buf_append(&line, frame->data, frame->len);
    buf_lit(&line, "}\n");
    (void)fwrite(line.data, 1, line.len, s->log);
    (void)fflush(s->log);
    buf_fini(&line);
}

/* --- what comes over the WebSocket ------------------------------------------------------------- */

static bool has_trade(const json_t *data, json_int_t id)
{
    size_t i;
    const json_t *trade;

    json_array_foreach(data, i, trade)
    {
        if (json_integer_value(json_object_get(trade, "trade_id")) == id) {
            return true;
        }
    }
    return false;
}

static bool has_symbol(const json_t *data)
{
    return strcmp(text_member(json_array_get(data, 0), "symbol"), SYMBOL) == 0;
}

static void take_message(struct smoke *s, const struct buf *text)
{
    json_t *root = json_parse_strict(text->data, text->len, DEPTH_MOST);
    const char *channel = text_member(root, "channel");
    const json_t *data = json_object_get(root, "data");

    if (strcmp(channel, "trade") == 0 && has_symbol(data)) {
        log_event(s, "TradeExecuted", text);
        s->trade_seen = s->trade_seen || (s->trade_id != 0 && has_trade(data, s->trade_id));
    } else if (strcmp(channel, "ohlc") == 0 && has_symbol(data)) {
        log_event(s, "CandleUpdated", text);
        s->candle_seen = s->candle_seen || s->trade_id != 0;
    } else if (strcmp(channel, "heartbeat") != 0) {
        log_event(s, channel[0] != '\0' ? "Message" : "Answer", text);
    }
    json_decref(root);
}

/* Reads until both acks have come. */
static bool subscribe(struct smoke *s, struct buf *why)
{
    static const char *const asks[] = {
        "{\"method\":\"subscribe\",\"params\":{\"channel\":\"trade\",\"symbol\":[\"" SYMBOL
        "\"],\"snapshot\":false},\"req_id\":1}",
        "{\"method\":\"subscribe\",\"params\":{\"channel\":\"ohlc\",\"symbol\":[\"" SYMBOL
        "\"],\"interval\":1,\"snapshot\":false},\"req_id\":2}"};
    int64_t until = clock_mono_ns() + client_settings(s->c)->timeout_s * SECOND_NS;
    struct buf text = {0};
    unsigned acks = 0;
    bool ok = true;

    for (size_t i = 0; ok && i < GW_LEN(asks); i++) {
        ok = socket_send(s->socket, asks[i], strlen(asks[i]), why);
    }
    while (ok && acks < GW_LEN(asks)) {
        json_t *root;

        ok = socket_next(s->socket, until, &text, why);
        root = ok ? json_parse_strict(text.data, text.len, DEPTH_MOST) : NULL;
        if (ok) {
            take_message(s, &text);
        }
        if (strcmp(text_member(root, "method"), "subscribe") == 0) {
            acks++;
            ok = json_is_true(json_object_get(root, "success"));
            if (!ok) {
                buf_printf(why, "subscribing to " SYMBOL " was refused: %s",
                           text_member(root, "error"));
            }
        }
        json_decref(root);
    }
    buf_fini(&text);
    return ok;
}

static void open_socket(struct smoke *s)
{
    const struct settings *set = client_settings(s->c);
    struct buf *why = &s->what[CHECK_EVENTS];

    if (set->ws == NULL) {
        buf_lit(why, "the address of the WebSocket is not known: give --ws or PORTCTL_WS");
        return;
    }
    s->socket = socket_open(set->ws, set->ca, set->timeout_s, why);
    if (s->socket != NULL && !subscribe(s, why)) {
        socket_close(&s->socket);
    }
}

/* --- the checks -------------------------------------------------------------------------------- */

static void check_ready(struct smoke *s)
{
    struct answer a = {0};
    enum portctl_exit code = client_call(
        s->c,
        &(struct call){.method = "GET", .target = "/readyz", .is_unsigned = true, .as_is = true},
        &a);

    s->ok[CHECK_READY] = code == PORTCTL_DONE && a.status == 200;
    if (s->ok[CHECK_READY]) {
        buf_lit(&s->what[CHECK_READY], "/readyz answers 200");
    } else if (a.status != 0) {
        buf_printf(&s->what[CHECK_READY], "/readyz answers %ld: %.*s", a.status,
                   (int)(a.text.len < 300 ? a.text.len : 300), a.text.len != 0 ? a.text.data : "");
    } else {
        buf_lit(&s->what[CHECK_READY], "the gateway cannot be asked");
    }
    answer_fini(&a);
}

static void check_settled(struct smoke *s)
{
    struct buf *what = &s->what[CHECK_SETTLED];
    struct answer a = {0};
    const char *status;

    (void)!client_call(s->c,
                       &(struct call){.method = "POST",
                                      .target = "/v1/smoke/trades",
                                      .body = json_object(),
                                      .repeatable = true,
                                      .as_is = true},
                       &a);
    if (a.status == 0) {
        buf_lit(what, "POST /v1/smoke/trades was not answered");
        answer_fini(&a);
        return;
    }
    status = text_member(a.root, "status");
    s->ok[CHECK_SETTLED] = a.status == 200 && strcmp(status, "settled") == 0;
    if (s->ok[CHECK_SETTLED]) {
        s->id = json_integer_value(json_object_get(a.root, "id"));
        s->trade_id = json_integer_value(json_object_get(a.root, "trade_id"));
        buf_printf(what,
                   "status=settled, row %" JSON_INTEGER_FORMAT ", trade %" JSON_INTEGER_FORMAT "%s",
                   s->id, s->trade_id,
                   json_is_true(json_object_get(a.root, "published")) ? "" : ", NOT published");
    } else {
        buf_printf(what, "POST /v1/smoke/trades answers %ld %s: %s", a.status,
                   text_member(a.root, "code"), text_member(a.root, "detail"));
    }
    answer_fini(&a);
}

static void check_ledger(struct smoke *s)
{
    struct buf *what = &s->what[CHECK_LEDGER];
    struct answer a = {0};
    size_t i;
    const json_t *row;

    if (s->trade_id == 0) {
        buf_lit(what, "no trade was settled");
        return;
    }
    if (client_call(
            s->c,
            &(struct call){.method = "GET", .target = "/v1/smoke/trades?limit=20", .as_is = true},
            &a) == PORTCTL_DONE) {
        json_array_foreach(json_object_get(a.root, "trades"), i, row)
        {
            s->ok[CHECK_LEDGER] =
                s->ok[CHECK_LEDGER] || json_integer_value(json_object_get(row, "id")) == s->id;
        }
    }
    buf_printf(what, "row %" JSON_INTEGER_FORMAT " %s smoke_ledger_entries", s->id,
               s->ok[CHECK_LEDGER] ? "is in" : "is not in the newest 20 of");
    answer_fini(&a);
}

static void check_events(struct smoke *s)
{
    struct buf *what = &s->what[CHECK_EVENTS];
    int64_t until = clock_mono_ns() + s->wait_s * SECOND_NS;
    struct buf text = {0};
    struct buf why = {0};

    if (s->socket == NULL) {
        return; /* said before */
    }
    if (s->trade_id == 0) {
        buf_lit(what, "no trade was settled");
        return;
    }
    while (!(s->trade_seen && s->candle_seen) && socket_next(s->socket, until, &text, &why)) {
        take_message(s, &text);
    }
    s->ok[CHECK_EVENTS] = s->trade_seen && s->candle_seen;
    if (s->ok[CHECK_EVENTS]) {
        buf_lit(what, "TradeExecuted and CandleUpdated");
    } else {
        buf_printf(what, "%s%s%s missing: %s", s->trade_seen ? "" : "TradeExecuted",
                   s->trade_seen || s->candle_seen ? "" : " and ",
                   s->candle_seen ? "" : "CandleUpdated", buf_cstr(&why));
    }
    buf_fini(&text);
    buf_fini(&why);
}

/* --- all of it --------------------------------------------------------------------------------- */

static bool all_ok(const struct smoke *s)
{
    bool ok = true;

    for (unsigned i = 0; i < CHECK_COUNT; i++) {
        ok = ok && s->ok[i];
    }
    return ok;
}

static void put_text(struct buf *out, const struct smoke *s, const char *log)
{
    for (unsigned i = 0; i < CHECK_COUNT; i++) {
        buf_printf(out, "%u %-9s  %-4s  ", i + 1, check_rows[i].word, s->ok[i] ? "ok" : "FAIL");
        table_clean(out, s->what[i].data, s->what[i].len);
        buf_putc(out, '\n');
    }
    buf_printf(out, "ws_events=%s%s%s (%s)\n", s->trade_seen ? "TradeExecuted" : "",
               s->trade_seen && s->candle_seen ? "," : "", s->candle_seen ? "CandleUpdated" : "",
               log);
}

static void put_json(struct buf *out, const struct smoke *s, const char *log)
{
    buf_printf(out, "{\"success\":%s,\"checks\":[", all_ok(s) ? "true" : "false");
    for (unsigned i = 0; i < CHECK_COUNT; i++) {
        buf_printf(out, "%s{\"check\":\"%s\",\"ok\":%s,\"detail\":", i != 0 ? "," : "",
                   check_rows[i].word, s->ok[i] ? "true" : "false");
        buf_json_str(out, s->what[i].data != NULL ? s->what[i].data : "", s->what[i].len);
        buf_putc(out, '}');
    }
    buf_printf(out,
               "],\"id\":%" JSON_INTEGER_FORMAT ",\"trade_id\":%" JSON_INTEGER_FORMAT ",\"log\":",
               s->id, s->trade_id);
    buf_json_str(out, log, strlen(log));
    buf_lit(out, "}\n");
}

static enum portctl_exit report(const struct smoke *s, const char *log)
{
    bool ok = all_ok(s);
    struct buf out = {0};

    if (client_settings(s->c)->json) {
        put_json(&out, s, log);
    } else {
        put_text(&out, s, log);
    }
    for (unsigned i = 0; i < CHECK_COUNT; i++) {
        if (!s->ok[i]) {
            say("check %u of %u failed: %s", i + 1, CHECK_COUNT, check_rows[i].word);
            say_next("%s", check_rows[i].next);
            break; /* the others follow from it, as a rule */
        }
    }
    if (!client_settings(s->c)->json) {
        buf_printf(&out, "smoke_g0_success=%s\n", ok ? "true" : "false");
    }
    print_buf(&out);
    return ok ? PORTCTL_DONE : PORTCTL_REFUSED;
}

static void run(struct smoke *s)
{
    check_ready(s);
    open_socket(s);
    check_settled(s);
    check_ledger(s);
    check_events(s);
    if (s->socket != NULL) {
        socket_close(&s->socket);
    }
}

enum portctl_exit smoke_g0(struct client *c, const struct args *a)
{
    const char *dir = args_get(a, "log-dir");
    const char *wait = args_get(a, "wait");
    uint64_t wait_s = WAIT_S;
    struct smoke s = {.c = c};
    struct buf path = {0};
    enum portctl_exit code = PORTCTL_USAGE;

    dir = dir != NULL ? dir : getenv("TMPDIR");
    dir = dir != NULL && dir[0] != '\0' ? dir : "/tmp";
    if (wait != NULL && !number_parse(wait, 1, WAIT_MAX_S, &wait_s)) {
        say("--wait %s: give 1 to %u seconds", wait, WAIT_MAX_S);
        return PORTCTL_USAGE;
    }
    s.wait_s = (unsigned)wait_s;
    s.log = open_log(dir, &path);
    if (s.log == NULL) {
        say("%s cannot be written: %s", buf_cstr(&path), strerror(errno));
        say_next("give another --log-dir");
    } else {
        run(&s);
        code = report(&s, buf_cstr(&path));
        (void)fclose(s.log);
    }
    for (unsigned i = 0; i < CHECK_COUNT; i++) {
        buf_fini(&s.what[i]);
    }
    buf_fini(&path);
    return code;
}
