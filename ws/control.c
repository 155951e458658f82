/* ws/control.c - what a client's message does: subscribe, unsubscribe, ping, and the limits on
 * them. Order of the answers: ack per symbol, then its snapshot, then updates (docs/PROTOCOL.md).
 * */
#include <stddef.h>
#include <string.h>
#include "auth/scopes.h"
#include "gateway/runtime/clock.h"
#include "ws/reply.h"
#include "ws/shard_priv.h"

#define VIOLATION_WINDOW_NS (10 * (int64_t)1000000000)

struct request_turn {
    struct session *session;
    struct ws_request request;
    struct reply_times times;
};

static struct buf *begin(struct request_turn *q)
{
    buf_reset(&q->session->shard->text);
    q->times.out_ns = clock_real_ns();
    return &q->session->shard->text;
}

static void send_text(struct request_turn *q)
{
    session_say(q->session, q->session->shard->text.data, q->session->shard->text.len);
}

static void say_error(struct request_turn *q, const char *error, const char *symbol)
{
    metrics_inc(q->session->shard->metrics, WS_M_BAD);
    reply_error(begin(q), &q->request, error, symbol, &q->times);
    send_text(q);
}

void session_ack(struct session *s, const struct ws_request *r, const char *symbol,
                 const char *warning, const struct reply_resume *resume, int64_t in_ns)
{
    struct shard *shard = s->shard;
    uint32_t number = symbol != NULL ? symbols_find(shard->opt.symbols, symbol) : SYMBOL_NONE;
    struct reply_times times = {.in_ns = in_ns, .out_ns = clock_real_ns()};
    struct reply_ack ack = {
        .symbol = symbol,
        .warning = warning,
        .epoch = number != SYMBOL_NONE ? shard_epoch(shard, number) : NULL,
        .session = s->name,
        .last_close = r->has_resume ? s->last_close : NULL,
        .effective_ms = r->channel != WS_CH_TRADE ? shard->fanout.floor_ms : 0,
        .resume = resume,
    };

    buf_reset(&shard->text);
    reply_ack(&shard->text, r, &ack, &times);
    session_say(s, shard->text.data, shard->text.len);
}

static void say_ack(struct request_turn *q, const char *symbol, const char *warning)
{
    session_ack(q->session, &q->request, symbol, warning, NULL, q->times.in_ns);
}

/* The client goes on after refusals: third one in ten seconds closes. */
static void note_violation(struct session *s)
{
    int64_t now = s->shard->now_ns;

    metrics_inc(s->shard->metrics, WS_M_LIMITED);
    if (s->violations_ns[0] != 0 && now - s->violations_ns[0] < VIOLATION_WINDOW_NS) {
        session_close(s, GW_ERATE, NULL);
        return;
    }
    s->violations_ns[0] = s->violations_ns[1];
    s->violations_ns[1] = now;
}

static void say_too_many(struct request_turn *q)
{
    static const char text[] = "EAuth:Too many requests";

    if (q->request.symbol_count == 0) {
        say_error(q, text, NULL);
    }
    for (uint32_t i = 0; i < q->request.symbol_count; i++) {
        say_error(q, text, q->request.symbols[i]);
    }
}

/* The session's own limits. */
static bool within_rate(struct request_turn *q)
{
    struct session *s = q->session;
    struct shard *shard = s->shard;
    int64_t retry_ns;

    if (q->request.method == WS_PING &&
        gcra_take(&s->ping_tat_ns, &shard->ping_rate, shard->now_ns, 1, &retry_ns)) {
        return true;
    }
    if (gcra_take(&s->control_tat_ns, &shard->control_rate, shard->now_ns, 1, &retry_ns) &&
        (q->request.method == WS_PING || shard->fanout.profile.sub_ops_per_s == 0 ||
         gcra_take(&s->sub_tat_ns, &shard->sub_rate, shard->now_ns, 1, &retry_ns))) {
        return true;
    }
    say_too_many(q);
    note_violation(s);
    return false;
}

static bool park(struct session *s, const char *text, size_t len);

/* And those of its key, which other sessions may have used up: a refusal is no step to a close. A
 * message that must wait for units is not counted again when its turn comes. */
static bool admitted(struct request_turn *q, const char *text, size_t len)
{
    struct session *s = q->session;
    struct session_auth *auth = s->auth;

    if (auth == NULL || auth->member.rate == NULL) {
        return within_rate(q);
    }
    if (!auth->counted && !within_rate(q)) {
        return false;
    }
    auth->counted = false;
    switch (key_rate_take(&auth->member)) {
    case KEY_RATE_TAKEN:
        return true;
    case KEY_RATE_WAIT:
        auth->counted = true;
        (void)park(s, text, len);
        return false;
    case KEY_RATE_REFUSED:
        metrics_inc(s->shard->metrics, WS_M_LIMITED);
        say_too_many(q);
        break;
    }
    return false;
}

static struct stream_key key_of(const struct ws_request *r, uint32_t symbol)
{
    struct stream_key key = {
        .symbol = symbol,
        .channel = (enum channel)r->channel,
        .class = (unsigned)interval_class(r->interval_ms),
    };

    switch (key.channel) {
    case CHANNEL_BOOK:
        key.param = r->depth;
        break;
    case CHANNEL_OHLC:
        key.param = r->interval;
        break;
    case CHANNEL_TICKER:
        key.param = r->bbo;
        break;
    case CHANNEL_TRADE: /* batched for 50 ms at most */
        if (r->interval_ms > 50) {
            key.class = (unsigned)interval_class(50);
        }
        break;
    case CHANNEL_INSTRUMENT:
        key.class = (unsigned)interval_class(50); /* one stream for all */
        break;
    }
    return key;
}

/* The subscription of this session that R names: same channel and symbol; for book and ohlc the
 * same depth or interval. */
static struct sub *find_same(struct session *s, const struct stream_key *key)
{
    struct sub *sub;

    for (sub = s->subs; sub != NULL; sub = sub->next) {
        const struct stream_key *k = &sub->stream->key;

        if (k->channel == key->channel && k->symbol == key->symbol &&
            (k->param == key->param || key->channel == CHANNEL_TICKER)) {
            return sub;
        }
    }
    return NULL;
}

/* Where the client wants to go on, WS_NO_PLACE: nowhere. */
static uint64_t place_of(const struct ws_request *r, const char *name)
{
    for (uint32_t i = 0; r->has_resume && name != NULL && i < r->symbol_count; i++) {
        if (r->symbols[i] == name) {
            return r->places[i];
        }
    }
    return WS_NO_PLACE;
}

static void start(struct session *s, struct sub *sub, bool snapshot)
{
    if (snapshot) {
        shard_want_snapshot(s->shard, sub);
    } else {
        sub_start(sub, NULL);
    }
}

static void subscribe(struct request_turn *q, uint32_t symbol, const char *name)
{
    struct session *s = q->session;
    struct stream_key key = key_of(&q->request, symbol);
    uint64_t from = place_of(&q->request, name);
    struct sub *sub = find_same(s, &key);

    if (sub == NULL && key.channel == CHANNEL_BOOK && !s->uses_gw &&
        session_find_sub(s, CHANNEL_BOOK, symbol) != NULL) {
        /* Frames of two depths look alike to a plain client. */
        say_error(q, "Already subscribed", name);
        return;
    }
    if (sub == NULL && s->sub_count[key.channel] >= s->shard->config->symbols_per_channel) {
        say_error(q, "EAuth:Too many requests", name);
        return;
    }
    if (from == WS_NO_PLACE) {
        say_ack(q, name, sub != NULL ? "already subscribed" : NULL);
        if (s->state == WS_CLOSING) {
            return;
        }
    }
    if (sub != NULL && sub->stream->id == stream_key_pack(&key)) {
        sub_restart(sub);
    } else {
        if (sub != NULL) {
            session_remove_sub(&sub);
        }
        sub = session_add_sub(s, shard_stream(s->shard, &key));
    }
    sub->on_lag = q->request.on_lag;
    if (from != WS_NO_PLACE) {
        resume_start(sub, &q->request, from, q->times.in_ns);
    } else {
        start(s, sub, q->request.snapshot);
    }
}

static void unsubscribe(struct request_turn *q, uint32_t symbol, const char *name)
{
    struct session *s = q->session;
    struct stream_key key = key_of(&q->request, symbol);
    struct sub *sub = find_same(s, &key);

    if (sub == NULL && key.channel == CHANNEL_BOOK && !q->request.has_depth) {
        sub = session_find_sub(s, CHANNEL_BOOK, symbol);
    }
    if (sub == NULL) {
        say_error(q, "Subscription Not Found", name);
        return;
    }
    session_remove_sub(&sub);
    say_ack(q, name, NULL);
}

static void for_each_symbol(struct request_turn *q,
                            void (*act)(struct request_turn *q, uint32_t symbol, const char *name))
{
    for (uint32_t i = 0; i < q->request.symbol_count; i++) {
        const char *name = q->request.symbols[i];
        uint32_t symbol = symbols_find(q->session->shard->opt.symbols, name);
        char text[64];

        if (q->session->state == WS_CLOSING) {
            return;
        }
        if (symbol == SYMBOL_NONE) {
            (void)snprintf(text, sizeof text, "Currency pair not supported %s", name);
            say_error(q, text, name);
        } else {
            act(q, symbol, name);
        }
    }
}

static void handle(struct request_turn *q)
{
    struct session *s = q->session;
    bool on = q->request.method == WS_SUBSCRIBE;

    if (q->request.method == WS_PING) {
        reply_pong(begin(q), &q->request, &q->times);
        send_text(q);
        return;
    }
    s->uses_gw = s->uses_gw || q->request.has_gw;
    if (!q->request.has_depth) {
        q->request.depth = s->shard->fanout.profile.default_depth;
    }
    if (s->refused_token) {
        s->refused_token = false;
        say_error(q, "ESession:Invalid session", NULL);
        return;
    }
    if (s->auth == NULL && (s->private_path || s->shard->config->require_token) &&
        q->request.channel <= WS_CH_INSTRUMENT && on) {
        say_error(q, "EGeneral:Permission denied", NULL);
        return;
    }
    if (q->request.interval_ms == 0 && !s->shard->config->interval_0_for_all &&
        (s->auth == NULL || !scope_has(s->auth->grant.scopes, SCOPE_WS_FAST))) {
        say_error(q, "EGeneral:Permission denied", NULL);
        return;
    }
    switch (q->request.channel) {
    case WS_CH_HEARTBEAT:
        s->heartbeat = on;
        say_ack(q, NULL, NULL);
        break;
    case WS_CH_GATEWAY:
        s->uses_gw = on;
        say_ack(q, NULL, NULL);
        break;
    case WS_CH_INSTRUMENT:
        (on ? subscribe : unsubscribe)(q, SYMBOL_NONE, NULL);
        break;
    default:
        for_each_symbol(q, on ? subscribe : unsubscribe);
        break;
    }
}

/* --- what must be asked first ------------------------------------------------------------------
 * A client that names its last connection is answered when the cause of its end is known, one that
 * names a token when that has been taken, one whose key has spent its lease of messages when there
 * is another; what it says meanwhile waits, so that the order of answers stays. */

static void process(struct session *s, const char *text, size_t len);

static void unpark(struct session *s)
{
    struct buf parked = s->parked;
    size_t at = 0;

    s->parked = (struct buf){0};
    while (at < parked.len && s->state != WS_CLOSING) {
        uint32_t len;

        memcpy(&len, parked.data + at, sizeof len);
        process(s, parked.data + at + sizeof len, len);
        at += sizeof len + len;
    }
    session_wipe(&parked);
}

void session_on_units(struct key_member *m)
{
    struct session_auth *auth =
        (struct session_auth *)((char *)m - offsetof(struct session_auth, member));

    auth->session->shard->now_ns = clock_mono_ns();
    unpark(auth->session);
}

static void on_cause(void *arg, const char *json)
{
    struct session *s = arg;

    s->asking = NULL;
    s->shard->now_ns = clock_mono_ns();
    s->last_close = json != NULL ? gw_strdup(json) : NULL;
    unpark(s);
}

/* True: the message waits. */
static bool park(struct session *s, const char *text, size_t len)
{
    uint32_t size = (uint32_t)len;

    if (s->asking == NULL && s->taking == NULL &&
        (s->auth == NULL || s->auth->member.list == NULL)) {
        return false;
    }
    if (s->parked.len + len > s->shard->config->message_bytes) { /* does not wait for answers */
        session_close(s, GW_ERATE, NULL);
        return true;
    }
    buf_append(&s->parked, (const char *)&size, sizeof size);
    buf_append(&s->parked, text, len);
    return true;
}

/* True: it waits for the cause. */
static bool ask_cause(struct session *s, const struct ws_request *r, const char *text, size_t len)
{
    if (r->session[0] == '\0' || s->asked_cause) {
        return false;
    }
    s->asked_cause = true;
    s->asking = causes_find(s->shard->causes, r->session, on_cause, s);
    return park(s, text, len);
}

enum token_outcome { TOKEN_OK, TOKEN_UNKNOWN, TOKEN_UNAVAILABLE, TOKEN_TOO_MANY, TOKEN_NETWORK };

static void count_token(struct session *s, enum token_outcome outcome)
{
    metrics_add(s->shard->metrics, WS_M_TOKENS, outcome, 1);
}

static void on_token(void *arg, enum gw_err err, const struct token_grant *grant)
{
    struct session *s = arg;
    enum key_gate_verdict verdict =
        err == GW_OK ? key_gate_ask(s->shard->opt.gate, grant->keyid, s->ip) : KEY_GATE_CLOSED;
    bool ok = verdict == KEY_GATE_OPEN;

    s->taking = NULL;
    s->shard->now_ns = clock_mono_ns();
    if (ok && !ip_limit_open(s->shard->opt.keys, grant->keyid)) {
        count_token(s, TOKEN_TOO_MANY);
        session_close(s, GW_ECONNS, NULL);
        return;
    }
    count_token(s, ok                            ? TOKEN_OK
                   : verdict == KEY_GATE_NETWORK ? TOKEN_NETWORK
                   : err != GW_ESTORE            ? TOKEN_UNKNOWN
                                                 : TOKEN_UNAVAILABLE);
    if (ok) {
        s->auth->grant = *grant;
        if (s->shard->key_rates != NULL) {
            key_rate_join(s->shard->key_rates, grant->keyid, &s->auth->member);
        }
    } else {
        free(s->auth);
        s->auth = NULL;
        s->refused_token = true;
    }
    unpark(s);
}

/* True: it waits for the grant of the token it names. */
static bool ask_token(struct session *s, const struct ws_request *r, const char *text, size_t len)
{
    uint8_t hash[TOKEN_HASH_BYTES];

    if (r->token[0] == '\0' || s->refused_token) {
        return false;
    }
    token_hash(r->token, hash);
    if (s->auth != NULL) { /* the same one each time is what clients do */
        s->refused_token = memcmp(hash, s->auth->token_hash, sizeof hash) != 0;
        return false;
    }
    if (token_plausible(r->token, strlen(r->token))) {
        s->taking = tokens_take(s->shard->tokens, r->token, on_token, s);
    }
    if (s->taking == NULL) {
        s->refused_token = true;
        return false;
    }
    s->auth = gw_calloc(1, sizeof *s->auth);
    s->auth->session = s;
    memcpy(s->auth->token_hash, hash, sizeof hash);
    return park(s, text, len);
}

static void process(struct session *s, const char *text, size_t len)
{
    struct request_turn q = {.session = s, .times.in_ns = clock_real_ns()};
    enum gw_err err;

    if (park(s, text, len)) {
        return;
    }
    err = ws_request_parse(text, len, &q.request);
    if (s->state != WS_CLOSING &&
        !(err == GW_OK &&
          (ask_token(s, &q.request, text, len) || ask_cause(s, &q.request, text, len))) &&
        admitted(&q, text, len)) {
        if (err != GW_OK) {
            say_error(&q, q.request.error, NULL);
        } else {
            handle(&q);
        }
    }
    ws_request_fini(&q.request);
}

void session_on_message(struct session *s, const char *text, size_t len)
{
    metrics_inc(s->shard->metrics, WS_M_RECEIVED);
    process(s, text, len);
}
