#include "gateway/gate/record.h"

#include <inttypes.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/audit/ulid.h"
#include "gateway/base/fixed.h"
#include "gateway/control/word.h"
#include "gateway/runtime/json.h"

#define BODY_AS_WORD(sym, kind, from, until, members) #sym,
static const char *const body_words[CONTROL_BODY_COUNT] = {CONTROL_BODIES(BODY_AS_WORD)};

static char *copy(const char *s)
{
    return gw_strdup(s != NULL ? s : "");
}

void record_hash(const char *what, const char *target, const char *text, size_t len,
                 uint8_t out[32])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();

    if (target == NULL) {
        target = "";
    }
    /* their NULs keep the parts apart */
    GW_ASSERT(md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
              EVP_DigestUpdate(md, what, strlen(what) + 1) == 1 &&
              EVP_DigestUpdate(md, target, strlen(target) + 1) == 1 &&
              EVP_DigestUpdate(md, text, len) == 1 && EVP_DigestFinal_ex(md, out, NULL) == 1);
    EVP_MD_CTX_free(md);
}

void record_order_hash(const struct gate_order *order, uint8_t out[32])
{
    record_hash(body_words[order->body], order->target, order->text, order->len, out);
}

static void hash(struct record *r)
{
    record_hash(body_words[r->body], r->target, r->text, r->len, r->sha256);
}

static bool fail(struct gate_problem *problem, enum control_fault fault,
                 const struct control_error *e)
{
    static const enum gate_problem_kind kinds[CONTROL_FAULT_COUNT] = {
        [CONTROL_MALFORMED] = PROBLEM_MALFORMED, [CONTROL_INVALID] = PROBLEM_VALIDATION,
        [CONTROL_UNKNOWN] = PROBLEM_UNKNOWN,     [CONTROL_ILLEGAL] = PROBLEM_ILLEGAL,
        [CONTROL_NOTHING] = PROBLEM_ILLEGAL,
    };

    (void)gate_fail(problem, kinds[fault], "%s", e->text);
    (void)snprintf(problem->pointer, sizeof problem->pointer, "%s", e->pointer);
    return false;
}

static bool read_change(struct record *r, struct gate_problem *problem)
{
    struct control_error e = {0};
    enum control_fault fault =
        control_body_parse(r->body, r->target, r->text, r->len, NULL, &r->change, &e);

    return fault == CONTROL_FINE || fail(problem, fault, &e);
}

/* Of a new order alone: what was once journaled or asked for stays in force whatever has to be typed
 * by then. */
static bool confirmed(const struct record *r, struct gate_problem *problem)
{
    struct control_error e = {0};
    enum control_fault fault = control_word_check(&r->change, &e);

    return fault == CONTROL_FINE || fail(problem, fault, &e);
}

struct record *record_create(const struct gate_order *order, int64_t now_ns,
                             struct gate_problem *problem)
{
    struct record *r = gw_calloc(1, sizeof *r);

    ulid_make(r->id, now_ns);
    r->time_ns = now_ns;
    r->person = copy(order->actor.person);
    r->actor = copy(order->actor.actor);
    r->account = copy(order->actor.account);
    r->session = copy(order->actor.session);
    r->ip = copy(order->actor.ip);
    r->trace = copy(order->actor.trace);
    r->action = copy(order->action);
    r->body = order->body;
    r->target = order->target != NULL ? gw_strdup(order->target) : NULL;
    r->text = gw_malloc(order->len + 1);
    memcpy(r->text, order->text, order->len);
    r->text[order->len] = '\0';
    r->len = order->len;
    r->once = order->once != NULL ? gw_strdup(order->once) : NULL;
    hash(r);
    if (!read_change(r, problem) || !confirmed(r, problem)) {
        record_destroy(&r);
    }
    return r;
}

void record_destroy(struct record **rp)
{
    struct record *r = *rp;

    *rp = NULL;
    if (r == NULL) {
        return;
    }
    control_change_fini(&r->change);
    free(r->person);
    free(r->actor);
    free(r->account);
    free(r->session);
    free(r->ip);
    free(r->trace);
    free(r->action);
    free(r->target);
    free(r->text);
    free(r->once);
    free(r);
}

/* --- JSON ---------------------------------------------------------------------------------------
 */

static void put(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, ",\"%s\":", name);
    if (value == NULL) {
        buf_lit(out, "null");
    } else {
        buf_json_str(out, value, strlen(value));
    }
}

void record_print(const struct record *r, struct buf *out)
{
    buf_printf(out, "{\"id\":\"%s\",\"time_ns\":\"%" PRId64 "\"", r->id, r->time_ns);
    put(out, "person", r->person);
    put(out, "actor", r->actor);
    put(out, "account", r->account);
    put(out, "session", r->session);
    put(out, "ip", r->ip);
    put(out, "trace", r->trace);
    put(out, "action", r->action);
    put(out, "body", body_words[r->body]);
    put(out, "target", r->target);
    put(out, "once", r->once);
    put(out, "text", r->text);
    buf_putc(out, '}');
}

static bool take(const json_t *root, const char *name, bool nullable, char **out)
{
    const json_t *v = json_object_get(root, name);

    if (nullable && json_is_null(v)) {
        return true;
    }
    if (!json_is_string(v)) {
        return false;
    }
    *out = gw_strdup(json_string_value(v));
    return true;
}

static bool take_body(const json_t *root, enum control_body *out)
{
    const char *word = json_string_value(json_object_get(root, "body"));

    for (unsigned i = 0; word != NULL && i < CONTROL_BODY_COUNT; i++) {
        if (strcmp(word, body_words[i]) == 0) {
            *out = (enum control_body)i;
            return true;
        }
    }
    return false;
}

static bool take_all(const json_t *root, struct record *r)
{
    const char *id = json_string_value(json_object_get(root, "id"));
    uint64_t time_ns;
    struct gate_problem ignored;

    if (id == NULL || !ulid_valid(id, strlen(id)) ||
        !json_read_u64(json_object_get(root, "time_ns"), &time_ns) || time_ns > INT64_MAX ||
        !take(root, "person", false, &r->person) || !take(root, "actor", false, &r->actor) ||
        !take(root, "account", false, &r->account) || !take(root, "session", false, &r->session) ||
        !take(root, "ip", false, &r->ip) || !take(root, "trace", false, &r->trace) ||
        !take(root, "action", false, &r->action) || !take_body(root, &r->body) ||
        !take(root, "target", true, &r->target) || !take(root, "once", true, &r->once) ||
        !take(root, "text", false, &r->text)) {
        return false;
    }
    memcpy(r->id, id, sizeof r->id);
    r->time_ns = (int64_t)time_ns;
    r->len = strlen(r->text);
    hash(r);
    return read_change(r, &ignored);
}

struct record *record_parse(const char *text, size_t len)
{
    json_t *root = len <= RECORD_BYTES_MAX ? json_parse_strict(text, len, 2) : NULL;
    struct record *r = gw_calloc(1, sizeof *r);

    if (root == NULL || !json_is_object(root) || !take_all(root, r)) {
        record_destroy(&r);
    }
    json_decref(root);
    return r;
}

/* --- what it means ------------------------------------------------------------------------------
 */

void record_target(const struct record *r, struct buf *out)
{
    const struct control_change *c = &r->change;

    if (c->count == 1) {
        buf_puts(out, c->items[0].target);
    } else {
        buf_printf(out, "%" PRIu32 " targets", c->count);
    }
}

void record_tightening(const struct record *r, const struct control *state,
                       struct control_change *out)
{
    const struct control_change *c = &r->change;

    *out = (struct control_change){
        .reason = gw_strdup(c->reason),
        .ticket = c->ticket != NULL ? gw_strdup(c->ticket) : NULL,
        .incident = c->incident != NULL ? gw_strdup(c->incident) : NULL,
        .until_ns = c->until_ns,
        .trigger = c->trigger,
    };
    for (uint32_t i = 0; i < c->count; i++) {
        const struct control_assignment *a = &c->items[i];
        const struct control_value *now = control_value_of(state, a->kind, a->target);
        enum control_direction d = control_value_direction(a->kind, now, &a->value);
        struct control_value value = {0};

        if (d != CONTROL_LOOSEN) { /* equal ones may carry a new `until` */
            control_value_copy(&value, &a->value);
            GW_ASSERT(control_change_add(out, a->kind, a->target, &value));
        }
    }
}
