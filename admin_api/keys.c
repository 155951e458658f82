/* admin_api/keys.c - routes of keys: what the body says becomes a question to auth/key_store. */
#include <stdlib.h>
#include <string.h>
#include "admin_api/api_priv.h"
#include "auth/base64.h"
#include "gateway/audit/ulid.h"
#include "gateway/base/fixed.h"
#include "gateway/base/json_put.h"
#include "gateway/runtime/clock.h"

#define OVERLAP_DEFAULT_S 3600

/* What a body may hold for a key; arrays point into it. */
struct key_body {
    json_t *root;
    struct key_spec spec;
    struct key_rotation rotation;
    struct key_change change;
    struct key_nonce nonce;
    uint8_t public_key[KEY_PUBLIC_BYTES + 3];
    const char *nets[KEY_NETS_MAX];
    char actor[GATE_ACTOR_MAX];
    char entry_id[ULID_SIZE];
    struct audit_entry entry;
};

/* What a field may hold, for whoever sent something else. */
#define WORD_OF_SCOPE(sym, bit, word, admin, help) " " word
static const struct {
    const char *field;
    const char *wanted;
} forms[] = {
    {"account", "1 to 63 of a to z, 0 to 9, _ . -, and first a letter or digit"},
    {"label", "1 to 100 characters"},
    {"algorithm", "ed25519, hmac-sha256, hmac-sha512-kraken or bearer"},
    {"public_key", "an Ed25519 public key: 32 bytes in base64; none for other algorithms"},
    {"scopes",
     "a list of words out of" AUTH_SCOPES(WORD_OF_SCOPE) "; of a bearer key just report.write"},
    {"ip_allow", "at most 64 networks such as 10.0.0.0/8, no bits behind the prefix"},
    {"rate_class", "default, low or minimal"},
    {"not_before", "a time such as 2026-11-20T00:00:00Z, before the year 2200"},
    {"not_after", "a time such as 2026-11-20T00:00:00Z in the future, behind not_before"},
    {"overlap_s", "seconds, 0 to 604800"},
    {"reason", "at most 500 characters; 10 or more to revoke or to flag"},
    {"flagged", "true or false"},
    {"ticket", "1 to 100 characters"},
    {"state", "revoked, disabled, expired, pending or active"},
    {"limit", "1 to 1000"},
    {"after", "the id of a key"},
};

static const char *wanted_of(const char *field)
{
    for (unsigned i = 0; i < GW_LEN(forms); i++) {
        if (strcmp(forms[i].field, field) == 0) {
            return forms[i].wanted;
        }
    }
    return "this field is missing or not acceptable";
}

/* What to do, behind what is wrong. */
static const char *advice_of(enum key_store_err err, const char *field)
{
    switch (err) {
    case KEY_STORE_NO_NETS:
        return "name the networks it is used from, such as \"ip_allow\": [\"10.1.0.0/16\"] "
               "(portctl: "
               "--ip 10.1.0.0/16); 0.0.0.0/0 and ::/0 are everywhere, and are marked as that";
    case KEY_STORE_HAS_NETS:
        return "leave ip_allow out; for other networks issue a new key and revoke this one";
    case KEY_STORE_SCOPES:
        return "a key can give only scopes that it has";
    default:
        return field != NULL ? wanted_of(field) : NULL;
    }
}

static void answer_error(struct api_call *c, enum key_store_err err, const char *field)
{
    const struct key_store_err_row *row = key_store_err_row(err);
    const char *code = row->http_status == 404   ? "not-found"
                       : row->http_status == 403 ? "forbidden-scope"
                       : row->http_status == 409 ? "conflict"
                       : row->http_status == 422 ? "validation"
                       : row->http_status == 401 ? "replay-detected"
                                                 : "unavailable";

    field = field != NULL && field[0] != '\0' ? field : NULL;
    if (err == KEY_STORE_REPLAY) {
        admit_count_fault(c->api, AUTH_REPLAY);
        admit_note_refusal(c, KEY_REPLAYED);
    }
    call_problem(
        c, &(struct api_problem){row->http_status, code, row->text, advice_of(err, field), field});
}

/* --- answers -----------------------------------------------------------------------------------
 */

static void put_secret(struct buf *body, const struct key_answer *a)
{
    if (a->secret_base64 != NULL) {
        buf_printf(body, ",\"secret\":\"%s\"", a->secret_base64);
    }
    if (a->token != NULL) {
        buf_printf(body, ",\"token\":\"%s\"", a->token);
    }
}

/* The body may have held a secret. */
static void finish(struct api_call *c, unsigned status, struct buf *body)
{
    call_reply(c, status, body);
    explicit_bzero(body->data, body->len);
    buf_fini(body);
}

static void on_key(void *arg, const struct key_answer *a)
{
    struct api_call *c = arg;
    struct buf body = {0};

    if (!call_back(c)) {
        return;
    }
    if (a->err != KEY_STORE_OK) {
        answer_error(c, a->err, a->field);
        return;
    }
    buf_lit(&body, "{\"key\":");
    key_row_json(&body, &a->rows[0]);
    if (a->count > 1) {
        buf_lit(&body, ",\"old\":");
        key_row_json(&body, &a->rows[1]);
    }
    put_secret(&body, a);
    buf_putc(&body, '}');
    finish(c, c->route->handler == keys_issue || c->route->handler == keys_rotate ? 201 : 200,
           &body);
}

static void on_list(void *arg, const struct key_answer *a)
{
    struct api_call *c = arg;
    struct buf body = {0};

    if (!call_back(c)) {
        return;
    }
    if (a->err != KEY_STORE_OK) {
        answer_error(c, a->err, a->field);
        return;
    }
    buf_lit(&body, "{\"keys\":[");
    for (size_t i = 0; i < a->count; i++) {
        if (i != 0) {
            buf_putc(&body, ',');
        }
        key_row_json(&body, &a->rows[i]);
    }
    buf_printf(&body, "],\"more\":%s}", a->more ? "true" : "false");
    finish(c, 200, &body);
}

static void on_usage(void *arg, const struct key_answer *a)
{
    struct api_call *c = arg;
    struct buf body = {0};

    if (!call_back(c)) {
        return;
    }
    if (a->err != KEY_STORE_OK) {
        answer_error(c, a->err, a->field);
        return;
    }
    buf_lit(&body, "{\"usage\":");
    if (a->count != 0 || a->usage->refusal_count != 0) {
        key_usage_json(&body, http_param(c->req, "id"), a->usage);
    } else {
        buf_lit(&body, "null");
    }
    buf_putc(&body, '}');
    finish(c, 200, &body);
}

/* --- views -------------------------------------------------------------------------------------
 */

static void started(struct api_call *c, enum key_store_err err, const char *field)
{
    if (err == KEY_STORE_OK) {
        c->owed = true;
    } else {
        answer_error(c, err, field);
    }
}

void keys_list(struct api_call *c)
{
    struct key_filter filter = {.account = http_query(c->req, "account"),
                                .state = -1,
                                .after = http_query(c->req, "after")};
    const char *state = http_query(c->req, "state");
    const char *limit = http_query(c->req, "limit");
    const char *field = NULL;
    enum key_state wanted;
    uint64_t most = 0;

    if (state != NULL && !key_state_parse(state, &wanted)) {
        call_invalid(c, "state", wanted_of("state"));
        return;
    }
    if (limit != NULL &&
        (u64_parse(limit, strlen(limit), &most) != GW_OK || most == 0 || most > KEY_LIST_MAX)) {
        call_invalid(c, "limit", wanted_of("limit"));
        return;
    }
    filter.state = state != NULL ? (int)wanted : -1;
    filter.limit = (uint32_t)most;
    started(c, key_store_list(c->api->opt.store, &filter, &field, on_list, c), field);
}

void keys_get(struct api_call *c)
{
    started(c, key_store_get(c->api->opt.store, http_param(c->req, "id"), on_key, c), NULL);
}

void keys_usage(struct api_call *c)
{
    started(c, key_store_usage(c->api->opt.store, http_param(c->req, "id"), NULL, on_usage, c),
            NULL);
}

void keys_scopes(struct api_call *c)
{
    struct buf body = {0};

    buf_lit(&body, "{\"scopes\":[");
    for (unsigned i = 0; i < SCOPE_COUNT; i++) {
        buf_puts(&body, i != 0 ? ",{" : "{");
        json_put_text(&body, "scope", scope_rows[i].word);
        json_put_text(&body, "what", scope_rows[i].help);
        json_put_name(&body, "administers");
        buf_puts(&body, scope_rows[i].admin ? "true}" : "false}");
    }
    buf_lit(&body, "]}");
    finish(c, 200, &body);
}

/* --- bodies ------------------------------------------------------------------------------------
 */

static bool text_of(const json_t *root, const char *name, const char **out)
{
    const json_t *v = json_object_get(root, name);

    *out = json_string_value(v);
    return v == NULL || (*out != NULL && strlen(*out) == json_string_length(v));
}

static bool time_of(const json_t *root, const char *name, int64_t *out)
{
    const char *text;

    return text_of(root, name, &text) &&
           (text == NULL || rfc3339_parse(text, strlen(text), out) == GW_OK);
}

static bool scopes_of(const json_t *root, uint64_t *out)
{
    const json_t *list = json_object_get(root, "scopes");
    size_t i;
    json_t *v;

    *out = 0;
    if (!json_is_array(list)) {
        return false;
    }
    json_array_foreach(list, i, v)
    {
        enum auth_scope scope;

        if (!json_is_string(v) ||
            !scope_parse(json_string_value(v), json_string_length(v), &scope)) {
            return false;
        }
        *out |= 1ull << scope;
    }
    return true;
}

static bool nets_of(struct key_body *b, const char *const **nets, size_t *count)
{
    const json_t *list = json_object_get(b->root, "ip_allow");
    size_t i;
    json_t *v;

    if (list == NULL) {
        return true;
    }
    if (!json_is_array(list) || json_array_size(list) > KEY_NETS_MAX) {
        return false;
    }
    json_array_foreach(list, i, v)
    {
        if (!json_is_string(v)) {
            return false;
        }
        b->nets[i] = json_string_value(v);
    }
    *nets = b->nets;
    *count = json_array_size(list);
    return true;
}

static bool public_key_of(struct key_body *b, const uint8_t **out)
{
    const char *text;
    size_t len;

    *out = NULL;
    if (!text_of(b->root, "public_key", &text)) {
        return false;
    }
    if (text == NULL) {
        return true;
    }
    if (!base64_decode(text, strlen(text), b->public_key, sizeof b->public_key, &len) ||
        len != KEY_PUBLIC_BYTES) {
        return false;
    }
    *out = b->public_key;
    return true;
}

/* What the audit chain gets with the change. */
static void entry_of(struct api_call *c, struct key_body *b)
{
    struct call_act act = {
        .action = c->route->handler == keys_issue    ? "key.issue"
                  : c->route->handler == keys_rotate ? "key.rotate"
                  : c->route->handler == keys_revoke ? "key.revoke"
                  : c->route->handler == keys_flag   ? "key.flag"
                                                     : "key.limits",
        .outcome = "done",
        .reason = c->why,
        .ticket = c->ticket,
    };

    if (c->api->opt.audit != NULL) {
        ulid_make(b->entry_id, clock_real_ns());
        b->entry = call_entry(c, &act, b->entry_id);
        b->change.entry = &b->entry;
    }
}

/* Who asks, and why. */
static bool change_of(struct api_call *c, struct key_body *b)
{
    bool signed_call = c->nonce[0] != '\0';

    if (signed_call) {
        (void)snprintf(b->actor, sizeof b->actor, "key:%s@%s", c->keyid, c->account);
    } else {
        (void)snprintf(b->actor, sizeof b->actor, "%s", c->actor);
    }
    b->nonce = (struct key_nonce){c->keyid, c->nonce, c->expires_ns};
    b->change = (struct key_change){.actor = b->actor, .nonce = signed_call ? &b->nonce : NULL};
    if (!text_of(b->root, "reason", &b->change.reason) ||
        !text_of(b->root, "ticket", &b->change.ticket)) {
        return false;
    }
    (void)snprintf(c->why, sizeof c->why, "%s", b->change.reason != NULL ? b->change.reason : "");
    (void)snprintf(c->ticket, sizeof c->ticket, "%s",
                   b->change.ticket != NULL ? b->change.ticket : "");
    entry_of(c, b);
    return true;
}

/* The first field that is not acceptable, NULL when all are. */
static const char *spec_of(struct api_call *c, struct key_body *b)
{
    const char *alg;
    struct key_spec *s = &b->spec;

    if (!change_of(c, b)) {
        return "reason";
    }
    s->create_account = true;
    return !text_of(b->root, "account", &s->account) || s->account == NULL ? "account"
           : !text_of(b->root, "owner", &s->owner)                         ? "owner"
           : !text_of(b->root, "label", &s->label) || s->label == NULL     ? "label"
           : !text_of(b->root, "algorithm", &alg) || alg == NULL || !key_alg_parse(alg, &s->alg)
               ? "algorithm"
           : !public_key_of(b, &s->public_key)             ? "public_key"
           : !scopes_of(b->root, &s->scopes)               ? "scopes"
           : !nets_of(b, &s->ip_allow, &s->ip_allow_count) ? "ip_allow"
           : !text_of(b->root, "rate_class", &s->rate_class) ||
                   (s->rate_class != NULL && admit_class_cost(s->rate_class) == 0)
               ? "rate_class"
           : !time_of(b->root, "not_before", &s->not_before_ns) ? "not_before"
           : !time_of(b->root, "not_after", &s->not_after_ns)   ? "not_after"
                                                                : NULL;
}

/* Nobody gives more than he has. */
static bool may_give(const struct api_call *c, uint64_t scopes)
{
    return c->keyid[0] != '\0' ? (scopes & ~c->scopes) == 0
                               : (scopes_permissions(scopes) & ~c->may) == 0;
}

static void refuse_owner(struct api_call *c)
{
    struct gate_problem p;

    (void)gate_fail(&p, PROBLEM_FORBIDDEN,
                    "a key that loosens, approves or changes users speaks for its owner: nobody "
                    "makes one but her own (owner)");
    call_audit_denied(c, p.detail);
    call_gate_problem(c, &p);
}

void keys_issue(struct api_call *c)
{
    static const char *const names[] = {
        "account",    "owner",      "label",     "algorithm", "public_key", "scopes", "ip_allow",
        "rate_class", "not_before", "not_after", "reason",    "ticket",     NULL};
    struct key_body b = {.root = body_read(c, names)};
    const char *field;
    enum key_store_err err;

    if (b.root == NULL) {
        return;
    }
    field = spec_of(c, &b);
    if (field == NULL && !may_give(c, b.spec.scopes)) {
        json_decref(b.root);
        answer_error(c, KEY_STORE_SCOPES, NULL);
        return;
    }
    if (field == NULL &&
        !session_may_own(c, b.spec.scopes, b.spec.owner != NULL ? b.spec.owner : "")) {
        json_decref(b.root);
        refuse_owner(c);
        return;
    }
    err = field != NULL ? KEY_STORE_INVALID
                        : key_store_issue(c->api->opt.store, &b.change, &b.spec, &field, on_key, c);
    started(c, err, field);
    json_decref(b.root);
}

/* The successor is its owner's, and whoever rotates it has it. */
static bool may_rotate(const struct api_call *c, const char *id)
{
    const struct key *key = keys_find(c->api->opt.keys, id, strlen(id));

    return key == NULL || session_may_own(c, key->scopes, key->owner);
}

/* Whoever types something types the id. */
static json_t *read_confirmed(struct api_call *c, const char *const *names)
{
    c->word = http_param(c->req, "id");
    return body_read(c, names);
}

void keys_rotate(struct api_call *c)
{
    static const char *const names[] = {"public_key", "overlap_s", "not_after", "ip_allow",
                                        "reason",     "ticket",    NULL};
    struct key_body b = {.root = read_confirmed(c, names)};
    const json_t *overlap;
    const char *field = NULL;
    enum key_store_err err;

    if (b.root == NULL) {
        return;
    }
    if (!may_rotate(c, http_param(c->req, "id"))) {
        json_decref(b.root);
        refuse_owner(c);
        return;
    }
    overlap = json_object_get(b.root, "overlap_s");
    b.rotation.id = http_param(c->req, "id");
    b.rotation.scopes = c->scopes;
    b.rotation.overlap_s = OVERLAP_DEFAULT_S;
    if (overlap != NULL) {
        json_int_t s = json_is_integer(overlap) ? json_integer_value(overlap) : -1;

        field = s < 0 || s > KEY_OVERLAP_MAX_S ? "overlap_s" : NULL;
        b.rotation.overlap_s = field == NULL ? (uint32_t)s : 0;
    }
    if (field == NULL) {
        field = !change_of(c, &b)                                                ? "reason"
                : !public_key_of(&b, &b.rotation.public_key)                     ? "public_key"
                : !nets_of(&b, &b.rotation.ip_allow, &b.rotation.ip_allow_count) ? "ip_allow"
                : !time_of(b.root, "not_after", &b.rotation.not_after_ns)        ? "not_after"
                                                                                 : NULL;
    }
    err = field != NULL
              ? KEY_STORE_INVALID
              : key_store_rotate(c->api->opt.store, &b.change, &b.rotation, &field, on_key, c);
    started(c, err, field);
    json_decref(b.root);
}

void keys_revoke(struct api_call *c)
{
    static const char *const names[] = {"reason", "ticket", NULL};
    struct key_body b = {.root = read_confirmed(c, names)};
    const char *field = NULL;
    enum key_store_err err = KEY_STORE_INVALID;

    if (b.root == NULL) {
        return;
    }
    if (!change_of(c, &b)) {
        field = "reason";
    } else {
        err = key_store_revoke(c->api->opt.store, &b.change, http_param(c->req, "id"), &field,
                               on_key, c);
    }
    started(c, err, field);
    json_decref(b.root);
}

void keys_limits(struct api_call *c)
{
    static const char *const names[] = {"rate_class", "reason", "ticket", NULL};
    struct key_body b = {.root = body_read(c, names)};
    const char *rate_class = NULL;
    const char *field = NULL;
    enum key_store_err err = KEY_STORE_INVALID;

    if (b.root == NULL) {
        return;
    }
    if (!change_of(c, &b)) {
        field = "reason";
    } else if (!text_of(b.root, "rate_class", &rate_class) || rate_class == NULL ||
               admit_class_cost(rate_class) == 0) {
        field = "rate_class";
    } else {
        err = key_store_set_rate_class(c->api->opt.store, &b.change, http_param(c->req, "id"),
                                       rate_class, &field, on_key, c);
    }
    started(c, err, field);
    json_decref(b.root);
}

void keys_flag(struct api_call *c)
{
    static const char *const names[] = {"flagged", "reason", "ticket", NULL};
    struct key_body b = {.root = body_read(c, names)};
    const json_t *flagged = json_object_get(b.root, "flagged");
    const char *field = NULL;
    enum key_store_err err = KEY_STORE_INVALID;

    if (b.root == NULL) {
        return;
    }
    if (!change_of(c, &b)) {
        field = "reason";
    } else if (!json_is_boolean(flagged)) {
        field = "flagged";
    } else {
        err = key_store_set_flagged(c->api->opt.store, &b.change, http_param(c->req, "id"),
                                    json_is_true(flagged), &field, on_key, c);
    }
    started(c, err, field);
    json_decref(b.root);
}
