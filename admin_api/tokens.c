/* admin_api/tokens.c - WebSocket tokens: for signed callers, and in Kraken's scheme for ccxt and the
 * SDKs. */
#include <stdlib.h>
#include <string.h>
#include "admin_api/api_priv.h"
#include "auth/base64.h"
#include "auth/kraken_sign.h"
#include "gateway/runtime/clock.h"

#define NONCE_AHEAD_NS    (300 * (int64_t)1000000000)
#define RISING_KEEP_MS    86400000u
#define NONCE_TIME_FROM_S 1400000000u /* 2014; a number below it is taken for a counter */

static void grant_of(const struct api_call *c, struct token_grant *grant)
{
    *grant = (struct token_grant){.scopes = c->scopes};
    memcpy(grant->keyid, c->keyid, sizeof c->keyid);
    if (c->token[0] != '\0') { /* of a session: the connection ends with it */
        grant->scopes = 1ull << SCOPE_MARKET | 1ull << SCOPE_WS_TOKEN;
        memcpy(grant->keyid, c->session, sizeof c->session);
    }
}

static unsigned ttl_s(const struct api_call *c)
{
    return (unsigned)(c->api->opt.config->token_ttl / 1000);
}

static void on_issued(void *arg, const char *token)
{
    struct api_call *c = arg;
    struct buf body = {0};

    if (!call_back(c)) {
        return;
    }
    if (token == NULL) {
        call_problem(c, &(struct api_problem){503, "unavailable", "the token could not be kept",
                                              "Redis does not answer; try again", NULL});
        return;
    }
    metrics_inc(c->api->metrics, API_M_TOKENS);
    buf_printf(&body, "{\"token\":\"%s\",\"expires_s\":%u}", token, ttl_s(c));
    call_reply(c, 200, &body);
    explicit_bzero(body.data, body.len);
    buf_fini(&body);
}

void token_issue(struct api_call *c)
{
    struct token_grant grant;

    grant_of(c, &grant);
    c->owed = tokens_issue(c->api->opt.tokens, &grant, on_issued, c);
    if (!c->owed) {
        call_problem(c, &(struct api_problem){503, "unavailable", "the token could not be kept",
                                              "Redis is away; try again", NULL});
    }
}

/* --- Kraken's scheme ---------------------------------------------------------------------------
 */

/* Kraken answers 200 with a list of errors. */
static void kraken_error(struct http_req *req, const char *text)
{
    struct buf body = {0};

    buf_printf(&body, "{\"error\":[\"%s\"]}", text);
    http_set_header(req, "cache-control", "no-store");
    http_reply(req, 200, "application/json", body.data, body.len);
    buf_fini(&body);
}

static void call_kraken_error(struct api_call *c, const char *text)
{
    http_req_on_gone(c->req, NULL, NULL);
    kraken_error(c->req, text);
    call_end(c);
}

static void on_kraken_issued(void *arg, const char *token)
{
    struct api_call *c = arg;
    struct buf body = {0};

    if (!call_back(c)) {
        return;
    }
    if (token == NULL) {
        call_kraken_error(c, "EService:Unavailable");
        return;
    }
    metrics_inc(c->api->metrics, API_M_TOKENS);
    buf_printf(&body, "{\"error\":[],\"result\":{\"token\":\"%s\",\"expires\":%u}}", token,
               ttl_s(c));
    call_reply(c, 200, &body);
    explicit_bzero(body.data, body.len);
    buf_fini(&body);
}

static void on_kraken_limited(struct api_call *c, const struct limits_answer *answer)
{
    bool replay =
        answer != NULL && (answer->verdict == LIMITS_REPLAY || answer->verdict == LIMITS_FENCED);

    if (replay || answer == NULL) {
        admit_count_fault(c->api, replay ? AUTH_REPLAY : AUTH_KEY_INACTIVE);
    }
    if (answer != NULL && answer->verdict != LIMITS_FENCED) {
        admit_note_refusal(c, replay ? KEY_REPLAYED : KEY_RATE_LIMITED);
    }
    call_kraken_error(c, answer == NULL ? "EAPI:Invalid key"
                         : replay       ? "EAPI:Invalid nonce"
                                        : "EAPI:Rate limit exceeded");
}

static void on_kraken_admitted(struct api_call *c)
{
    struct token_grant grant;

    if (!scope_has(c->scopes, SCOPE_WS_TOKEN)) {
        admit_note_refusal(c, KEY_FORBIDDEN_SCOPE);
        call_kraken_error(c, "EGeneral:Permission denied");
        return;
    }
    if (!confirm_known(c->api)) {
        admit_count(c->api, API_UNAVAILABLE);
        call_kraken_error(c, "EService:Unavailable");
        return;
    }
    grant_of(c, &grant);
    c->owed = tokens_issue(c->api->opt.tokens, &grant, on_kraken_issued, c);
    if (!c->owed) {
        call_kraken_error(c, "EService:Unavailable");
    }
}

/* Clients count in seconds, milliseconds, microseconds or nanoseconds. */
static uint64_t unit_of(uint64_t nonce)
{
    return nonce < 100000000000ull         ? 1000000000u
           : nonce < 100000000000000ull    ? 1000000u
           : nonce < 100000000000000000ull ? 1000u
                                           : 1u;
}

static bool too_far_ahead(uint64_t nonce)
{
    return nonce > (uint64_t)(clock_real_ns() + NONCE_AHEAD_NS) / unit_of(nonce);
}

/* When the request was made, for the fence: a Redis that has forgotten the highest nonce must not
 * take an old one. INT64_MAX: it is a counter and no time. NONCE is not too far ahead. */
static int64_t made_at_ns(uint64_t nonce)
{
    return nonce / (1000000000u / unit_of(nonce)) < NONCE_TIME_FROM_S
               ? INT64_MAX
               : (int64_t)(nonce * unit_of(nonce));
}

static const struct key *kraken_key(struct api *a, struct http_req *req, const char *id)
{
    const struct key *key = id != NULL ? keys_find(a->opt.keys, id, strlen(id)) : NULL;

    return key != NULL && key->alg == KEY_KRAKEN && key->material != NULL &&
                   key_state(key, clock_real_ns()) == KEY_ACTIVE &&
                   key_allows_ip(key, http_peer_ip(req))
               ? key
               : NULL;
}

static struct auth_text path_of(const struct http_req *req)
{
    struct http_text target = http_target(req);
    const char *query = memchr(target.s, '?', target.len);

    return (struct auth_text){target.s, query != NULL ? (size_t)(query - target.s) : target.len};
}

static enum auth_fault kraken_check(struct api *a, struct http_req *req, const struct key *key,
                                    struct kraken_nonce *nonce)
{
    const char *sign = http_header(req, "api-sign");
    struct auth_text body;
    struct auth_text secret = {0};

    (void)a;
    body.s = http_body(req, &body.len);
    if (key != NULL) {
        secret = (struct auth_text){(const char *)key->material, key->material_len};
    }
    if (sign == NULL) {
        return AUTH_NO_SIGNATURE;
    }
    return kraken_verify(secret, path_of(req), body, (struct auth_text){sign, strlen(sign)}, nonce);
}

static void say_address_limited(struct api_call *c)
{
    call_kraken_error(c, "EAPI:Rate limit exceeded");
}

void kraken_ws_token(struct http_req *req, void *arg)
{
    struct api *a = arg;
    const char *id = http_header(req, "api-key");
    struct kraken_nonce nonce = {0};
    struct limits_nonce rising;
    const struct key *key;
    enum auth_fault fault;
    struct api_call *c;

    if (!admit_address(a, req)) {
        late_answer(call_create(a, req, NULL), say_address_limited);
        return;
    }
    if (!keys_ready(a->opt.keys)) {
        kraken_error(req, "EService:Unavailable");
        return;
    }
    key = kraken_key(a, req, id);
    fault = kraken_check(a, req, key, &nonce);
    if (fault == AUTH_OK && too_far_ahead(nonce.value)) {
        fault = AUTH_NONCE;
    }
    if (fault != AUTH_OK) {
        admit_count_fault(a, fault);
        preauth_failed(a->preauth, http_peer_ip(req), clock_mono_ns());
        kraken_error(req,
                     fault == AUTH_NONCE || fault == AUTH_PARAM_MISSING || fault == AUTH_DUPLICATE
                         ? "EAPI:Invalid nonce"
                         : "EAPI:Invalid key");
        return;
    }
    c = call_create(a, req, NULL);
    memcpy(c->keyid, key->id, sizeof c->keyid);
    memcpy(c->account, key->account, sizeof c->account);
    c->scopes = key->scopes;
    c->limited = on_kraken_limited;
    c->admitted = on_kraken_admitted;
    (void)snprintf(c->nonce, sizeof c->nonce, "kraken:%llu", (unsigned long long)nonce.value);
    c->created_ns = made_at_ns(nonce.value);
    c->expires_ns = clock_real_ns() + (int64_t)RISING_KEEP_MS * 1000000;
    rising = (struct limits_nonce){
        .kind = LIMITS_RISING,
        .keyid = c->keyid,
        .value = nonce.value,
        .window = a->opt.config->kraken_window,
        .keep_ms = RISING_KEEP_MS,
        .created_ns = c->created_ns,
        .read = true,
    };
    admit_trip(c, LIMITS_TOKEN, &rising);
}

void kraken_private_unknown(struct http_req *req, void *arg)
{
    (void)arg;
    kraken_error(req, "EGeneral:Unknown method");
}
