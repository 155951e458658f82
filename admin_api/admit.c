/* admin_api/admit.c - may this signed request go on? (Sessions: session.c.) In the order of cost: the address's bucket
 * (lane.c), the form of the signature, the key, the signature itself, then rate and nonce in one trip, then the scope. A
 * nonce is spent only after the signature was found good, else strangers could burn it. */
#include <stdlib.h>
#include <string.h>
#include "admin_api/api_priv.h"
#include "auth/bearer.h"
#include "gateway/http/shape.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define NONCE_SLACK_MS 1000

/* What a call of a key costs under its rate class. */
static const struct {
    const char *name;
    uint32_t cost;
} classes[] = {{"default", 1}, {"low", 4}, {"minimal", 10}};

uint32_t admit_class_cost(const char *rate_class)
{
    for (unsigned i = 0; i < GW_LEN(classes); i++) {
        if (strcmp(classes[i].name, rate_class) == 0) {
            return classes[i].cost;
        }
    }
    return 0;
}

void admit_count(struct api *a, enum api_verdict verdict)
{
    metrics_add(a->metrics, API_M_ADMISSIONS, verdict, 1);
}

void admit_count_fault(struct api *a, enum auth_fault fault)
{
    metrics_add(a->metrics, API_M_FAULTS, fault, 1);
    admit_count(a, API_UNAUTHENTICATED);
}

void admit_note_refusal(const struct api_call *c, enum key_refusal cause)
{
    const struct key *key = keys_find(c->api->opt.keys, c->keyid, strlen(c->keyid));

    if (key != NULL) {
        keys_refused(c->api->opt.keys, key, cause, http_peer_ip(c->req), clock_real_ns());
    }
}

bool admit_address(struct api *a, struct http_req *req)
{
    int64_t retry_ns;

    if (lane_admit(a, NULL, http_peer_ip(req), &retry_ns)) {
        return true;
    }
    admit_count(a, API_LIMITED);
    lane_tell_address(a, req, retry_ns);
    return false;
}

/* --- the signature -----------------------------------------------------------------------------
 */

static struct auth_text slice(struct http_text t)
{
    return (struct auth_text){t.s, t.len};
}

static bool read_message(struct http_req *req, struct auth_field fields[API_FIELDS_MAX],
                         struct signature_message *m)
{
    struct http_field raw[API_FIELDS_MAX];
    size_t count_of = http_fields(req, raw, API_FIELDS_MAX);

    if (count_of > API_FIELDS_MAX) {
        return false;
    }
    for (size_t i = 0; i < count_of; i++) {
        fields[i] = (struct auth_field){slice(raw[i].name), slice(raw[i].value)};
    }
    *m = (struct signature_message){
        .method = slice(http_method_text(req)),
        .authority = slice(http_authority(req)),
        .target = slice(http_target(req)),
        .fields = fields,
        .field_count = count_of,
    };
    m->body.s = http_body(req, &m->body.len);
    return true;
}

/* Report-in is idempotent, so that a token that is sent again does no harm. */
static bool takes_bearer(const struct api_route *route)
{
    return route->access == ACCESS_PERMISSION && route->permission == PERM_REPORT_WRITE;
}

static void say_refused(struct api_call *c, enum auth_fault fault, const char *why)
{
    enum auth_fault shown = auth_fault_shown(fault);
    bool skew = shown == AUTH_CLOCK_SKEW || shown == AUTH_EXPIRED;
    struct api_problem p = {
        .status = 401,
        .code = shown == AUTH_REPLAY ? "replay-detected"
                : skew               ? "clock-skew"
                                     : "unauthenticated",
        .title = auth_fault_row(shown)->text,
        .detail = why[0] != '\0' && strcmp(why, auth_fault_row(shown)->text) != 0 ? why : NULL,
    };

    admit_count_fault(c->api, fault);
    log_info("auth", "refused", "\"reason\":\"%s\",\"key\":%s,\"ip\":\"%s\"",
             auth_fault_row(fault)->word, log_json(c->keyid), http_peer_ip(c->req));
    http_set_header(c->req, "www-authenticate",
                    c->route != NULL && takes_bearer(c->route)
                        ? "Signature tag=\"" SIGNATURE_TAG "\", Bearer"
                        : "Signature tag=\"" SIGNATURE_TAG "\"");
    call_problem(c, &p);
}

/* It costs the address, too. */
static void refuse(struct api_call *c, enum auth_fault fault, const char *why)
{
    lane_failed(c);
    say_refused(c, fault, why);
}

/* The key of SIG if it may be used now; OUT is what verifies it. */
static const struct key *find_key(struct api_call *c, const struct signature *sig,
                                  struct signature_key *out)
{
    const struct key *key = keys_find(c->api->opt.keys, sig->keyid, strlen(sig->keyid));

    if (key == NULL || key->material == NULL || key->alg == KEY_KRAKEN || key->alg == KEY_BEARER ||
        key_state(key, clock_real_ns()) != KEY_ACTIVE) {
        return NULL;
    }
    *out = (struct signature_key){
        .alg = key->alg == KEY_ED25519 ? SIGNATURE_ED25519 : SIGNATURE_HMAC_SHA256,
        .bytes = key->material,
        .len = key->material_len,
    };
    return key;
}

/* Who it is: a key counts as the person that owns it, or as its account. */
static void take_key(struct api_call *c, const struct key *key)
{
    memcpy(c->account, key->account, sizeof c->account);
    c->scopes = key->scopes;
    c->may = scopes_permissions(key->scopes);
    c->fresh = true; /* each request is signed */
    (void)snprintf(c->actor, sizeof c->actor, "key:%s", key->id);
    (void)snprintf(c->session, sizeof c->session, "%.63s", key->id);
    if (key->owner[0] != '\0') {
        (void)snprintf(c->person, sizeof c->person, "user:%s", key->owner);
    } else {
        (void)snprintf(c->person, sizeof c->person, "account:%s", key->account);
    }
}

static enum auth_fault authenticate(struct api_call *c, struct signature *sig)
{
    struct auth_field fields[API_FIELDS_MAX];
    struct signature_message m;
    struct signature_key material;
    const struct signature_clock clock = {
        .now_s = clock_real_ns() / 1000000000,
        .back_s = (int64_t)c->api->opt.config->window_back / 1000,
        .ahead_s = (int64_t)c->api->opt.config->window_ahead / 1000,
    };
    const struct key *key;
    enum auth_fault fault;

    sig->keyid[0] = sig->why[0] = '\0';
    if (!read_message(c->req, fields, &m)) {
        return AUTH_TOO_LONG;
    }
    fault = signature_parse(&m, &clock, sig);
    memcpy(c->keyid, sig->keyid, sizeof sig->keyid);
    if (fault != AUTH_OK) {
        return fault;
    }
    key = find_key(c, sig, &material);
    if (c->narrow && (key == NULL || !lane_admit_key(c))) {
        return AUTH_BAD_SIGNATURE; /* not looked at */
    }
    fault = signature_verify(sig, &m, key != NULL ? &material : NULL);
    if (key != NULL && !key_allows_ip(key, http_peer_ip(c->req))) {
        if (fault == AUTH_OK) {
            admit_note_refusal(c, KEY_WRONG_NETWORK);
        }
        sig->why[0] = '\0';
        return AUTH_UNKNOWN_KEY; /* and as slowly */
    }
    if (fault != AUTH_OK) {
        return fault;
    }
    take_key(c, key);
    c->created_ns = sig->created_s * 1000000000;
    c->expires_ns = sig->expires_s * 1000000000;
    memcpy(c->nonce, sig->nonce, sizeof c->nonce);
    return AUTH_OK;
}

/* The token of a request that is not signed; NULL: it has none. */
static const char *bearer_token(const struct http_req *req)
{
    return http_header(req, "signature-input") == NULL && http_header(req, "signature") == NULL
               ? bearer_of_header(http_header(req, "authorization"))
               : NULL;
}

/* Which of unknown, ended and from elsewhere it is, is nobody's business. */
static enum auth_fault authenticate_bearer(struct api_call *c, const char *token)
{
    uint8_t hash[BEARER_HASH_BYTES];
    const struct key *key;

    if (!takes_bearer(c->route)) {
        return AUTH_BEARER_ROUTE;
    }
    key = bearer_hash(token, strlen(token), hash) ? keys_find_token(c->api->opt.keys, hash) : NULL;
    if (key == NULL || key_state(key, clock_real_ns()) != KEY_ACTIVE) {
        return AUTH_BAD_TOKEN;
    }
    memcpy(c->keyid, key->id, sizeof c->keyid);
    if (!key_allows_ip(key, http_peer_ip(c->req))) {
        admit_note_refusal(c, KEY_WRONG_NETWORK);
        return AUTH_BAD_TOKEN;
    }
    take_key(c, key);
    c->bearer = true;
    return AUTH_OK;
}

/* --- rate and nonce ----------------------------------------------------------------------------
 */

void admit_tell_limits(struct api_call *c, const struct limits_left *left)
{
    struct headers_row row = limits_headers_row(c->api->opt.limits, c->class, left);

    headers_tell(http_set_header, c->req, &row);
}

static void refuse_replay(struct api_call *c)
{
    c->limited(c, &(struct limits_answer){.verdict = LIMITS_REPLAY, .refused = -1});
}

static void refuse_unknown(struct api_call *c)
{
    if (c->route == NULL) { /* Kraken's clients take the next nonce then */
        refuse_replay(c);
        return;
    }
    admit_count(c->api, API_UNAVAILABLE);
    call_problem(c, &(struct api_problem){503, "unavailable", "nobody can say if this is a replay",
                                          "Redis and the database are away; sign it again", NULL});
}

bool admit_spent(struct api_call *c, enum spend_end end)
{
    if (end == SPEND_KNOWN) {
        refuse_replay(c);
    } else if (end == SPEND_NO_KEY) {
        c->limited(c, NULL);
    }
    return end == SPEND_NEW || end == SPEND_UNSURE;
}

/* The key may have ended while the request waited: then it is refused, and NULL. */
static const struct key *still_active(struct api_call *c)
{
    const struct key *key = keys_find(c->api->opt.keys, c->keyid, strlen(c->keyid));

    if (key == NULL || key_state(key, clock_real_ns()) != KEY_ACTIVE) {
        c->limited(c, NULL);
        return NULL;
    }
    return key;
}

static void on_spent(struct api_call *c, enum spend_end end)
{
    if (end == SPEND_UNSURE && c->nonce_unsure) {
        refuse_unknown(c);
    } else if (admit_spent(c, end) && still_active(c) != NULL) {
        c->admitted(c);
    }
}

/* The nonce goes to PostgreSQL as well: another gateway that cannot ask Redis in time must find it
 * there. Changes bring theirs in their own transaction. False: C may go on at once. */
static bool spend_at_store(struct api_call *c)
{
    if (c->bearer || (c->route != NULL && c->route->direction == API_WRITE)) {
        return false;
    }
    if (c->nonce_unsure && c->created_ns < spend_fence_ns(c->api)) {
        c->limited(c, &(struct limits_answer){.verdict = LIMITS_FENCED, .refused = -1});
        return true;
    }
    if (spend_nonce(c, c->nonce_unsure ? SPEND_ALONE : SPEND_BUSY, on_spent)) {
        return true;
    }
    if (!c->nonce_unsure) {
        return false;
    }
    refuse_unknown(c);
    return true;
}

static void on_trip(void *arg, const struct limits_answer *answer)
{
    struct api_call *c = arg;
    const struct key *key;

    c->wait = NULL;
    key = still_active(c);
    if (key == NULL) {
        return;
    }
    if (answer->verdict != LIMITS_REPLAY && answer->verdict != LIMITS_FENCED) {
        admit_tell_limits(c, &answer->left[0]);
    }
    /* A halt that is repeated halts what is halted: it does not wait for a store of nonces. What
     * the core is asked to do is no halt, and what was signed before a fence is signed again. */
    c->nonce_unsure = answer->verdict == LIMITS_NONCE_UNSURE ||
                      (answer->verdict == LIMITS_FENCED && c->class == LIMITS_HALT &&
                       c->route != NULL && c->route->direction == API_WRITE);
    if (answer->verdict != LIMITS_TAKEN && !c->nonce_unsure) {
        c->limited(c, answer);
        return;
    }
    keys_used(c->api->opt.keys, key, http_peer_ip(c->req),
              c->route != NULL ? http_method_names[c->route->method] : "POST",
              c->route != NULL ? c->route->path : http_path(c->req), clock_real_ns());
    c->nonce_unsure = c->nonce_unsure || answer->local; /* then the database must vouch for it */
    if (!spend_at_store(c)) {
        c->admitted(c);
    }
}

void admit_trip(struct api_call *c, enum limits_class class, const struct limits_nonce *nonce)
{
    const struct key *key = keys_find(c->api->opt.keys, c->keyid, strlen(c->keyid));
    uint32_t factor = key != NULL ? admit_class_cost(key->rate_class) : 0;
    struct limits_ask ask = {
        .units = {{.class = class,
                   .id = c->keyid,
                   .cost = lane_cost(c, class, factor != 0 ? factor : 1)}},
        .count = 1,
        .nonce = nonce,
    };
    struct limits_answer now;

    c->class = class;
    c->wait = limits_take(c->api->opt.limits, &ask, &now, on_trip, c);
    if (c->wait == NULL) {
        on_trip(c, &now);
    }
}

static void on_limited(struct api_call *c, const struct limits_answer *answer)
{
    if (answer == NULL) {
        refuse(c, AUTH_KEY_INACTIVE, "");
        return;
    }
    if (answer->verdict == LIMITS_FENCED) { /* our trouble, and the signature was good */
        say_refused(c, AUTH_REPLAY,
                    "signed before the store of nonces began anew or the clock was set back: sign "
                    "the request again");
        return;
    }
    admit_note_refusal(c, answer->verdict == LIMITS_REPLAY ? KEY_REPLAYED : KEY_RATE_LIMITED);
    if (answer->verdict == LIMITS_REPLAY) {
        refuse(c, AUTH_REPLAY, "sign each request with a fresh nonce");
        return;
    }
    admit_count(c->api, API_LIMITED);
    headers_tell_retry(http_set_header, c->req, answer->left[0].retry_after_ns);
    call_problem(c, &(struct api_problem){429, "rate-limited", "rate limit exceeded",
                                          "wait as Retry-After says", NULL});
}

/* What C has to have to be heard. */
static enum permission needed(const struct api_call *c)
{
    return api_by_direction(c->route) && !roles_allow(c->may, PERM_CONTROL_TIGHTEN) &&
                   roles_allow(c->may, PERM_CONTROL_LOOSEN)
               ? PERM_CONTROL_LOOSEN
               : c->route->permission;
}

static void on_admitted(struct api_call *c)
{
    if ((c->route->access == ACCESS_PERMISSION && !call_allowed(c, needed(c))) ||
        !confirm_route(c)) {
        return;
    }
    admit_count(c->api, API_ADMITTED);
    c->route->handler(c);
}

void admit_prepare(struct api_call *c)
{
    c->limited = on_limited;
    c->admitted = on_admitted;
}

bool call_allowed(struct api_call *c, enum permission permission)
{
    const struct permission_row *row = &permission_rows[permission];
    struct gate_problem p;

    if (c->token[0] != '\0') {
        return session_allowed(c, permission);
    }
    if (!roles_allow(c->may, permission)) {
        (void)gate_fail(&p, PROBLEM_FORBIDDEN, "this needs the permission %s; %s does not have it",
                        row->word, c->actor);
    } else if (row->factor == FACTOR_FRESH && !c->fresh) {
        (void)gate_fail(&p, PROBLEM_SECOND_FACTOR,
                        "enter a code of the second factor (POST /v1/session/factor), then repeat");
    } else {
        return true;
    }
    admit_note_refusal(c, KEY_FORBIDDEN_SCOPE);
    admit_count(c->api, API_FORBIDDEN);
    call_audit_denied(c, p.detail);
    call_gate_problem(c, &p);
    return false;
}

static void say_address_limited(struct api_call *c)
{
    lane_tell_address(c->api, c->req, c->address_retry_ns);
    call_problem(c, &(struct api_problem){429, "rate-limited", "rate limit exceeded",
                                          "too many requests of this address failed or were "
                                          "tried; wait as Retry-After says",
                                          NULL});
}

static void refuse_address(struct api_call *c)
{
    admit_count(c->api, API_LIMITED);
    late_answer(c, say_address_limited);
}

static void admit_bearer(struct api_call *c, const char *token)
{
    enum auth_fault fault = authenticate_bearer(c, token);

    if (fault != AUTH_OK) {
        refuse(c, fault, "");
        return;
    }
    admit_trip(c, lane_class(c), NULL);
}

/* Does PostgreSQL know whether a nonce is new, though Redis has forgotten it? Of what brings its nonce
 * in its own transaction, always. Of all else as long as each gateway's nonces reached it: another's
 * are not known here, so only the only gateway can tell. */
static bool kept_at_store(const struct api_call *c)
{
    return c->route->direction == API_WRITE || (spend_only_gateway(c->api) && spend_kept(c->api));
}

static void admit_signed(struct api_call *c)
{
    struct signature *sig = gw_malloc(sizeof *sig);
    enum auth_fault fault = authenticate(c, sig);
    struct limits_nonce nonce;

    if (fault != AUTH_OK) {
        if (c->narrow) {
            refuse_address(c);
        } else {
            refuse(c, fault, sig->why);
        }
        free(sig);
        return;
    }
    free(sig);
    nonce = (struct limits_nonce){
        .kind = LIMITS_ONCE,
        .keyid = c->keyid,
        .text = c->nonce,
        .keep_ms = (uint32_t)((c->expires_ns - clock_real_ns()) / 1000000 + 2 * NONCE_SLACK_MS),
        .created_ns = c->created_ns,
        .kept = kept_at_store(c),
        .read = c->route->direction == API_READ,
    };
    admit_trip(c, lane_class(c), &nonce);
}

void api_on_signed(struct http_req *req, void *arg)
{
    struct api *a = arg;
    const struct api_route *route = api_find_route(req);
    struct api_call *c;

    if (route->access == ACCESS_ANYBODY) {
        session_log_in(a, req);
        return;
    }
    if (session_admit(a, req)) {
        return;
    }
    c = call_create(a, req, route);
    c->narrow = !lane_admit(a, route, http_peer_ip(req), &c->address_retry_ns);
    if (c->narrow && (route->class != LIMITS_HALT || bearer_token(req) != NULL)) {
        refuse_address(c);
        return;
    }
    admit_prepare(c);
    if (!keys_ready(a->opt.keys)) {
        admit_count(a, API_UNAVAILABLE);
        call_problem(c, &(struct api_problem){503, "unavailable", "the keys are not known yet",
                                              "the database has not answered; try again", NULL});
        return;
    }
    if (bearer_token(req) != NULL) {
        admit_bearer(c, bearer_token(req));
    } else {
        admit_signed(c);
    }
}
