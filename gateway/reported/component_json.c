/* gateway/reported/component_json.c - heartbeats from JSON, leniently for what is not ours, strictly for
 * what is. */
#include <inttypes.h>
#include <string.h>
#include "gateway/base/utf8.h"
#include "gateway/reported/component.h"
#include "gateway/runtime/json.h"

struct text_row {
    const char *name;
    size_t offset;
    size_t most; /* characters */
    size_t size;
};
struct number_row {
    const char *name;
    size_t offset;
};
#define AT(member) offsetof(struct component_report, member)
static const struct text_row texts[] = {
    {"session", AT(session), 32, COMPONENT_TEXT_SIZE},
    {"version", AT(version), 32, COMPONENT_TEXT_SIZE},
    {"resend_state", AT(resend_state), 32, COMPONENT_TEXT_SIZE},
    {"detail", AT(detail), 500, sizeof((struct component_report *)0)->detail},
};
static const struct number_row numbers[] = {
    {"seq_in", AT(seq_in)},
    {"seq_out", AT(seq_out)},
    {"gap_from", AT(gap_from)},
    {"gap_to", AT(gap_to)},
    {"fencing_token", AT(fencing_token)},
};

static char *text_at(struct component_report *r, const struct text_row *row)
{
    return (char *)r + row->offset;
}

static struct component_number *number_at(struct component_report *r, const struct number_row *row)
{
    return (struct component_number *)(void *)((char *)r + row->offset);
}

static bool none(const json_t *v)
{
    return v == NULL || json_is_null(v);
}

static bool take_text(const json_t *v, size_t most, char *out, size_t size)
{
    const char *s = json_string_value(v);
    size_t characters = 0;

    if (none(v)) {
        return true;
    }
    if (s == NULL || !utf8_plain(s, strlen(s), &characters) || characters > most ||
        strlen(s) >= size) {
        return false;
    }
    memcpy(out, s, strlen(s) + 1);
    return true;
}

static bool take_number(const json_t *v, struct component_number *out)
{
    if (none(v)) {
        return true;
    }
    out->given = json_read_u64(v, &out->v);
    return out->given;
}

static bool take_bool(const json_t *v, struct component_number *out)
{
    if (none(v)) {
        return true;
    }
    *out = (struct component_number){json_is_boolean(v), json_is_true(v)};
    return out->given;
}

/* The members that component_details_print() prints; the name of the first that is not acceptable. */
static const char *take_details(const json_t *root, struct component_report *r)
{
    for (size_t i = 0; i < GW_LEN(texts); i++) {
        if (!take_text(json_object_get(root, texts[i].name), texts[i].most, text_at(r, &texts[i]),
                       texts[i].size)) {
            return texts[i].name;
        }
    }
    for (size_t i = 0; i < GW_LEN(numbers); i++) {
        if (!take_number(json_object_get(root, numbers[i].name), number_at(r, &numbers[i]))) {
            return numbers[i].name;
        }
    }
    return take_bool(json_object_get(root, "lease_holder"), &r->lease_holder) ? NULL
                                                                              : "lease_holder";
}

static const char *wanted_of(const char *field)
{
    for (size_t i = 0; i < GW_LEN(numbers); i++) {
        if (strcmp(numbers[i].name, field) == 0) {
            return "a whole number, or a text of one above 2^53";
        }
    }
    return strcmp(field, "detail") == 0         ? "a text of at most 500 characters on one line"
           : strcmp(field, "lease_holder") == 0 ? "true or false"
                                                : "a text of at most 32 characters on one line";
}

static bool refuse(const char *name, const char *what, const char **field, const char **wanted)
{
    *field = name;
    *wanted = what;
    return false;
}

static bool take_state(const json_t *v, enum component_state *out)
{
    static const enum component_state said[] = {COMPONENT_OK, COMPONENT_DEGRADED, COMPONENT_DOWN,
                                                COMPONENT_PAUSED};
    const char *word = json_string_value(v);

    for (size_t i = 0; word != NULL && i < GW_LEN(said); i++) {
        if (strcmp(component_state_words[said[i]], word) == 0) {
            *out = said[i];
            return true;
        }
    }
    return false;
}

bool component_parse(const json_t *root, struct component_report *out, const char **field,
                     const char **wanted)
{
    const char *bad;
    uint64_t ttl = 0;

    if (!take_state(json_object_get(root, "state"), &out->state)) {
        return refuse("state", "OK, DEGRADED, DOWN or PAUSED", field, wanted);
    }
    if (!json_read_u64(json_object_get(root, "ttl_s"), &ttl) || ttl < COMPONENT_TTL_MIN_S ||
        ttl > COMPONENT_TTL_MAX_S) {
        return refuse("ttl_s", "seconds, 5 to 3600: silent for longer, it is DISCONNECTED", field,
                      wanted);
    }
    out->ttl_s = (uint32_t)ttl;
    if (!take_text(json_object_get(root, "group"), COMPONENT_ID_MAX, out->group,
                   sizeof out->group) ||
        (out->group[0] != '\0' && !component_id_valid(out->group))) {
        return refuse("group", "1 to 64 of letters, digits and : _ . @ -", field, wanted);
    }
    if (!take_text(json_object_get(root, "role"), 7, out->role, sizeof out->role) ||
        (out->role[0] != '\0' && strcmp(out->role, "primary") != 0 &&
         strcmp(out->role, "standby") != 0)) {
        return refuse("role", "primary or standby", field, wanted);
    }
    bad = take_details(root, out);
    return bad == NULL || refuse(bad, wanted_of(bad), field, wanted);
}

/* --- kept and read back ------------------------------------------------------------------------
 */

void component_details_print(struct buf *out, const struct component_report *r)
{
    const char *comma = "";
    struct component_report copy = *r;

    buf_putc(out, '{');
    for (size_t i = 0; i < GW_LEN(texts); i++) {
        const char *s = text_at(&copy, &texts[i]);

        if (s[0] != '\0') {
            buf_printf(out, "%s\"%s\":", comma, texts[i].name);
            buf_json_str(out, s, strlen(s));
            comma = ",";
        }
    }
    for (size_t i = 0; i < GW_LEN(numbers); i++) {
        const struct component_number *n = number_at(&copy, &numbers[i]);

        if (n->given) {
            buf_printf(out, "%s\"%s\":\"%" PRIu64 "\"", comma, numbers[i].name, n->v);
            comma = ",";
        }
    }
    if (r->lease_holder.given) {
        buf_printf(out, "%s\"lease_holder\":%s", comma, r->lease_holder.v != 0 ? "true" : "false");
    }
    buf_putc(out, '}');
}

void component_details_parse(const char *json, size_t len, struct component_report *r)
{
    json_t *root = json_parse_strict(json, len, 4);

    if (root != NULL) {
        (void)take_details(root, r); /* what an older program wrote may lack something */
    }
    json_decref(root);
}
