#include "gateway/core/entry.h"

#include <stdlib.h>
#include <string.h>
#include "gateway/base/err.h"
#include "gateway/runtime/json.h"

#define DEPTH_MAX    8u
#define DEADLINE_MAX 86400000u

#define AS_WORD(sym, word, ...) word,
const char *const core_kind_words[] = {CORE_KINDS(AS_WORD)};
const char *const core_mode_words[] = {CORE_MODES(AS_WORD)};
#define STATE_AS_ROW(sym, word, settled, what) {word, settled},
const struct core_state_row core_states[] = {CORE_STATES(STATE_AS_ROW)};
#define VERDICT_AS_ROW(sym, word, must) {word, must},
const struct entry_verdict_row entry_verdicts[] = {CORE_ENTRY_VERDICTS(VERDICT_AS_ROW)};

bool core_kind_parse(const char *word, enum core_kind *out)
{
    for (unsigned i = 0; i < CORE_KIND_COUNT; i++) {
        if (strcmp(core_kind_words[i], word) == 0) {
            *out = (enum core_kind)i;
            return true;
        }
    }
    return false;
}

bool core_state_parse(const char *word, enum core_state *out)
{
    for (unsigned i = 0; i < CORE_STATE_COUNT; i++) {
        if (strcmp(core_states[i].word, word) == 0) {
            *out = (enum core_state)i;
            return true;
        }
    }
    return false;
}

/* --- fields ------------------------------------------------------------------------------------
 */

static bool made_of(const char *text, const char *more)
{
    for (const char *p = text; *p != '\0'; p++) {
        bool letter = (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');

        if (!letter && strchr(more, *p) == NULL) {
            return false;
        }
    }
    return text[0] != '\0';
}

bool core_name_valid(const char *name)
{
    return strlen(name) < CORE_NAME_MAX && made_of(name, "abcdefghijklmnopqrstuvwxyz_.:-");
}

bool core_circuit_valid(const char *name)
{
    return strlen(name) < CORE_CIRCUIT_MAX && made_of(name, "abcdefghijklmnopqrstuvwxyz_.:-");
}

static bool symbol_valid(const char *text)
{
    return strlen(text) < CORE_SYMBOL_MAX && made_of(text, "./-");
}

static bool target_valid(const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (*p <= ' ' || *p > '~') {
            return false;
        }
    }
    return text[0] != '\0' && strlen(text) < CORE_TARGET_MAX;
}

static bool printable(const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f) {
            return false;
        }
    }
    return true;
}

/* The text of member NAME, shorter than SIZE and without NUL, into OUT; false when it is not that. */
static bool text_of(const json_t *root, const char *name, char *out, size_t size)
{
    const json_t *v = json_object_get(root, name);
    size_t len = json_string_length(v);

    if (!json_is_string(v) || len >= size || strlen(json_string_value(v)) != len) {
        return false;
    }
    memcpy(out, json_string_value(v), len + 1);
    return true;
}

static bool has(const json_t *root, const char *name)
{
    return json_object_get(root, name) != NULL;
}

static bool number_of(const json_t *root, const char *name, uint64_t *out)
{
    return json_read_u64(json_object_get(root, name), out) && *out <= CORE_NUMBER_MAX;
}

static bool id_of(const json_t *root, char out[CORE_ID_SIZE])
{
    return text_of(root, "id", out, CORE_ID_SIZE) && core_id_valid(out, strlen(out));
}

static bool mode_of(const json_t *root, enum core_mode *out)
{
    const char *word = json_string_value(json_object_get(root, "mode"));

    for (unsigned i = 0; word != NULL && i < CORE_MODE_COUNT; i++) {
        if (strcmp(core_mode_words[i], word) == 0) {
            *out = (enum core_mode)i;
            return true;
        }
    }
    return false;
}

static json_t *object_of(const char *json, size_t len)
{
    json_t *root = len <= CORE_ENTRY_MAX ? json_parse_strict(json, len, DEPTH_MAX) : NULL;

    if (root != NULL && !json_is_object(root)) {
        json_decref(root);
        return NULL;
    }
    return root;
}

/* --- acks --------------------------------------------------------------------------------------
 */

static enum entry_verdict read_command_ack(const json_t *root, struct core_ack *a)
{
    char word[16];

    a->type = CORE_ACK_COMMAND;
    if (!id_of(root, a->id)) {
        return ENTRY_ID;
    }
    if (!text_of(root, "state", word, sizeof word) || !core_state_parse(word, &a->state) ||
        a->state == CORE_REQUESTED || a->state == CORE_TIMED_OUT) {
        return ENTRY_STATE;
    }
    a->has_count = has(root, "count");
    if (a->has_count && !number_of(root, "count", &a->count)) {
        return ENTRY_COUNT;
    }
    if (has(root, "detail") &&
        (!text_of(root, "detail", a->detail, sizeof a->detail) || !printable(a->detail))) {
        return ENTRY_DETAIL;
    }
    return ENTRY_OK;
}

static enum entry_verdict read_applied(const json_t *root, struct core_ack *a)
{
    a->type = CORE_ACK_APPLIED;
    if (!a->has_version) {
        return ENTRY_VERSION;
    }
    if (!text_of(root, "symbol", a->symbol, sizeof a->symbol) || !symbol_valid(a->symbol)) {
        return ENTRY_SYMBOL;
    }
    return mode_of(root, &a->mode) ? ENTRY_OK : ENTRY_MODE;
}

static bool circuit_state_of(const json_t *root, enum circuit_state *out)
{
    const char *word = json_string_value(json_object_get(root, "state"));

    for (unsigned i = 0; word != NULL && i < CIRCUIT_STATE_COUNT; i++) {
        if (strcmp(circuit_state_words[i], word) == 0) {
            *out = (enum circuit_state)i;
            return true;
        }
    }
    return false;
}

static enum entry_verdict read_circuit(const json_t *root, struct core_ack *a)
{
    a->type = CORE_ACK_CIRCUIT;
    if (!text_of(root, "circuit", a->circuit, sizeof a->circuit) ||
        !core_circuit_valid(a->circuit)) {
        return ENTRY_CIRCUIT;
    }
    if (!circuit_state_of(root, &a->circuit_state)) {
        return ENTRY_STATE;
    }
    if (has(root, "detail") &&
        (!text_of(root, "detail", a->detail, sizeof a->detail) || !printable(a->detail))) {
        return ENTRY_DETAIL;
    }
    return ENTRY_OK;
}

static enum entry_verdict read_alive(const json_t *root, struct core_ack *a)
{
    char word[16];

    a->type = CORE_ACK_ALIVE;
    a->need_snapshot = has(root, "need");
    if (a->need_snapshot &&
        (!text_of(root, "need", word, sizeof word) || strcmp(word, "snapshot") != 0)) {
        return ENTRY_NEED;
    }
    return a->has_version ? ENTRY_OK : ENTRY_VERSION;
}

static enum entry_verdict read_ack(const json_t *root, struct core_ack *a)
{
    if (!text_of(root, "core", a->core, sizeof a->core) || !core_name_valid(a->core)) {
        return ENTRY_CORE;
    }
    a->has_version = has(root, "version");
    if (a->has_version && !number_of(root, "version", &a->version)) {
        return ENTRY_VERSION;
    }
    if (has(root, "id")) {
        return read_command_ack(root, a);
    }
    return has(root, "symbol")    ? read_applied(root, a)
           : has(root, "circuit") ? read_circuit(root, a)
                                  : read_alive(root, a);
}

enum entry_verdict core_ack_parse(const char *json, size_t len, struct core_ack *out)
{
    json_t *root = object_of(json, len);
    enum entry_verdict verdict = ENTRY_JSON;

    *out = (struct core_ack){0};
    if (root != NULL) {
        verdict = read_ack(root, out);
        json_decref(root);
    }
    return verdict;
}

/* --- commands ----------------------------------------------------------------------------------
 */

/* ARGS as compact text; NULL when it is no object or too long, or not what KIND needs. */
static char *compact_args(enum core_kind kind, const json_t *args)
{
    enum core_mode mode;
    char *text;

    if (!json_is_object(args) || (kind == CORE_KIND_MODE && !mode_of(args, &mode))) {
        return NULL;
    }
    text = json_dumps(args, JSON_COMPACT | JSON_SORT_KEYS);
    if (text != NULL && strlen(text) > CORE_ARGS_MAX) {
        free(text);
        return NULL;
    }
    return text;
}

static enum entry_verdict read_asked(const json_t *root, struct core_request *r)
{
    uint64_t ns;

    if (!text_of(root, "target", r->target, sizeof r->target) || !target_valid(r->target)) {
        return ENTRY_TARGET;
    }
    if (!text_of(root, "by", r->by, sizeof r->by) || !printable(r->by)) {
        return ENTRY_BY;
    }
    if (!json_read_u64(json_object_get(root, "ts_ns"), &ns) || ns > INT64_MAX) {
        return ENTRY_TS;
    }
    r->asked_ns = (int64_t)ns;
    if (!number_of(root, "deadline_ms", &r->deadline_ms) || r->deadline_ms == 0 ||
        r->deadline_ms > DEADLINE_MAX) {
        return ENTRY_DEADLINE;
    }
    r->args = compact_args(r->kind, json_object_get(root, "args"));
    return r->args != NULL ? ENTRY_OK : ENTRY_ARGS;
}

static bool hash_of(const json_t *root, const char *name, char out[CORE_HASH_SIZE])
{
    return text_of(root, name, out, CORE_HASH_SIZE) && strlen(out) == CORE_HASH_SIZE - 1 &&
           strspn(out, "0123456789abcdef") == CORE_HASH_SIZE - 1;
}

/* What a cancel was answered with, as it was. */
static bool answer_of(const json_t *root, char **out)
{
    const json_t *v = json_object_get(root, "answer");
    const char *text = json_string_value(v);
    json_t *object = text != NULL ? object_of(text, json_string_length(v)) : NULL;

    if (object == NULL) {
        return false;
    }
    json_decref(object);
    *out = gw_strdup(text);
    return true;
}

static enum entry_verdict read_once(const json_t *root, struct core_request *r)
{
    if (!has(root, "once")) {
        return ENTRY_OK;
    }
    return hash_of(root, "once", r->once.key) && hash_of(root, "request", r->once.request) &&
                   (!r->cancel || answer_of(root, &r->answer))
               ? ENTRY_OK
               : ENTRY_ONCE;
}

static enum entry_verdict read_request(const json_t *root, struct core_request *r)
{
    char word[32];

    if (!id_of(root, r->id)) {
        return ENTRY_ID;
    }
    if (!text_of(root, "gateway", r->gateway, sizeof r->gateway) || !core_name_valid(r->gateway)) {
        return ENTRY_GATEWAY;
    }
    if (!text_of(root, "kind", word, sizeof word)) {
        return ENTRY_KIND;
    }
    r->cancel = strcmp(word, "cancel") == 0;
    if (!r->cancel && !core_kind_parse(word, &r->kind)) {
        return ENTRY_KIND;
    }
    if (!r->cancel) {
        enum entry_verdict verdict = read_asked(root, r);

        if (verdict != ENTRY_OK) {
            return verdict;
        }
    }
    return read_once(root, r);
}

enum entry_verdict core_request_parse(const char *json, size_t len, struct core_request *out)
{
    json_t *root = object_of(json, len);
    enum entry_verdict verdict = ENTRY_JSON;

    *out = (struct core_request){0};
    if (root != NULL) {
        verdict = read_request(root, out);
        json_decref(root);
    }
    return verdict;
}

enum entry_verdict core_request_check(enum core_kind kind, const char *target, const char *args,
                                      const char *by, uint64_t deadline_ms, char **compact)
{
    json_t *root;

    if (!target_valid(target)) {
        return ENTRY_TARGET;
    }
    if (strlen(by) >= CORE_BY_MAX || !printable(by)) {
        return ENTRY_BY;
    }
    if (deadline_ms == 0 || deadline_ms > DEADLINE_MAX) {
        return ENTRY_DEADLINE;
    }
    root = object_of(args, strlen(args));
    *compact = root != NULL ? compact_args(kind, root) : NULL;
    json_decref(root);
    return *compact != NULL ? ENTRY_OK : ENTRY_ARGS;
}

void core_request_fini(struct core_request *r)
{
    free(r->args);
    free(r->answer);
    r->args = NULL;
    r->answer = NULL;
}
