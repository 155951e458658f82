/* The glue to jansson: what control_json.h reads. */
#include "gateway/control/control_json.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/base/fixed.h"
#include "gateway/control/state_priv.h"
#include "gateway/runtime/json.h"

#define POINTER_MAX sizeof(((struct control_error *)0)->pointer)

/* Puts PREFIX before E's pointer. */
static enum control_fault within(struct control_error *e, const char *prefix)
{
    char rest[POINTER_MAX];

    memcpy(rest, e->pointer, sizeof rest);
    if ((size_t)snprintf(e->pointer, sizeof e->pointer, "%s%s", prefix, rest) >= POINTER_MAX) {
        e->pointer[POINTER_MAX - 1] = '\0';
    }
    return e->fault;
}

static enum control_fault fail_member(struct control_error *e, const char *member, const char *fmt,
                                      ...) GW_PRINTF(3, 4);
static enum control_fault fail_member(struct control_error *e, const char *member, const char *fmt,
                                      ...)
{
    char text[sizeof e->text];
    char pointer[POINTER_MAX];
    size_t n = 0;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    pointer[n++] = '/';
    for (; *member != '\0' && n < POINTER_MAX - 2; member++) { /* RFC 6901 */
        if (*member == '/' || *member == '~') {
            pointer[n++] = '~';
            pointer[n++] = *member == '/' ? '1' : '0';
        } else {
            pointer[n++] = *member;
        }
    }
    pointer[n] = '\0';
    return control_fail(e, CONTROL_INVALID, pointer, "%s", text);
}

/* Is WORD one of LIST, which has one space between words? */
static bool listed(const char *list, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = list; at != NULL && len != 0;) {
        const char *space = strchr(at, ' ');
        size_t n = space != NULL ? (size_t)(space - at) : strlen(at);

        if (n == len && memcmp(at, word, n) == 0) {
            return true;
        }
        at = space != NULL ? space + 1 : NULL;
    }
    return false;
}

static enum control_fault only_members(const json_t *object, const char *list, const char *more,
                                       const char *const *extra, struct control_error *e)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        bool known = listed(list, name) || listed(more, name);

        for (const char *const *x = extra; x != NULL && *x != NULL && !known; x++) {
            known = strcmp(*x, name) == 0;
        }
        if (!known) {
            return fail_member(e, name, "unknown member; allowed: %s%s%s", list,
                               more[0] != '\0' ? " " : "", more);
        }
    }
    return CONTROL_FINE;
}

/* TEXT becomes the string in MEMBER, borrowed; NULL when it is not there or null. */
static enum control_fault read_text(const json_t *object, const char *member, const char **text,
                                    struct control_error *e)
{
    const json_t *v = json_object_get(object, member);

    *text = NULL;
    if (v == NULL || json_is_null(v)) {
        return CONTROL_FINE;
    }
    if (!json_is_string(v)) {
        return fail_member(e, member, "must be a string");
    }
    *text = json_string_value(v);
    return CONTROL_FINE;
}

static enum control_fault read_time(const json_t *object, const char *member, int64_t *ns,
                                    struct control_error *e)
{
    const json_t *v = json_object_get(object, member);

    *ns = 0;
    if (v == NULL || json_is_null(v)) {
        return CONTROL_FINE;
    }
    if (!json_is_string(v) ||
        rfc3339_parse(json_string_value(v), json_string_length(v), ns) != GW_OK || *ns <= 0 ||
        *ns > CONTROL_TIME_MOST) {
        return fail_member(e, member,
                           "must be a time in UTC as 2026-11-20T23:51:47.101000Z, before 2200");
    }
    return CONTROL_FINE;
}

static enum control_fault read_number(const json_t *object, const char *member, uint64_t *out,
                                      struct control_error *e)
{
    const json_t *v = json_object_get(object, member);

    if (!json_is_integer(v) || json_integer_value(v) < 0 ||
        json_integer_value(v) > CONTROL_NUMBER_MOST) {
        return fail_member(e, member, "must be an integer from 0 to %lld", CONTROL_NUMBER_MOST);
    }
    *out = (uint64_t)json_integer_value(v);
    return CONTROL_FINE;
}

/* A list of different symbols, or ["*"] where ALL may be set. */
static enum control_fault read_symbols(const json_t *list, const char *member, bool all,
                                       struct control_symbols *out, struct control_error *e)
{
    enum control_form form;
    const char *name;

    if (!json_is_array(list) || json_array_size(list) > CONTROL_SYMBOLS_MOST) {
        return fail_member(e, member, "must be a list of at most %d different symbols%s",
                           CONTROL_SYMBOLS_MOST, all ? ", or [\"*\"]" : "");
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        const char *bad = NULL;

        if (!json_is_string(v)) {
            bad = "must be a string";
        } else if (all && json_array_size(list) == 1 && strcmp(json_string_value(v), "*") == 0) {
            out->all = true;
        } else if (!control_target_parse(CONTROL_KIND_THROTTLE, json_string_value(v), &form,
                                         &name)) {
            bad = "must be a symbol as BTC/USD";
        } else if (!control_symbols_add(out, json_string_value(v))) {
            bad = "stands in the list already";
        }
        if (bad != NULL) {
            char pointer[POINTER_MAX];

            (void)snprintf(pointer, sizeof pointer, "/%s/%zu", member, i);
            return control_fail(e, CONTROL_INVALID, pointer, "%s", bad);
        }
    }
    return CONTROL_FINE;
}

static bool read_word(const json_t *v, const char *const *words, uint32_t count, uint32_t *out)
{
    for (*out = 0; json_is_string(v) && *out < count; (*out)++) {
        if (strcmp(words[*out], json_string_value(v)) == 0) {
            return true;
        }
    }
    *out = 0;
    return false;
}

/* Reads field F of the value from OBJECT; it must be there, as null at least where that is
 * allowed. */
static enum control_fault read_field(const json_t *object, const struct control_field *f,
                                     struct control_value *value, struct control_error *e)
{
    const json_t *v = json_object_get(object, f->member);
    void *at = (char *)value + f->offset;
    uint32_t count;
    const char *const *words = control_field_words(f->type, &count);
    bool good = false;

    if (v == NULL) {
        return fail_member(e, f->member, "is missing; must be %s", f->allowed);
    }
    if (f->nullable && json_is_null(v)) {
        return CONTROL_FINE;
    }
    if (f->type == CONTROL_FIELD_SYMBOLS) {
        return read_symbols(v, f->member, true, at, e);
    }
    if (words != NULL) {
        good = read_word(v, words, count, at);
    } else if (f->type == CONTROL_FIELD_BOOL) {
        good = json_is_boolean(v);
        *(bool *)at = json_is_true(v);
    } else if (f->type == CONTROL_FIELD_TIME) {
        good = read_time(object, f->member, at, e) == CONTROL_FINE;
    } else if (json_is_integer(v) && json_integer_value(v) >= 0 &&
               control_field_number(f->type, (uint64_t)json_integer_value(v))) {
        good = true;
        *(uint32_t *)at = (uint32_t)json_integer_value(v);
    }
    return good ? CONTROL_FINE : fail_member(e, f->member, "must be %s", f->allowed);
}

/* ---- the stored state ---- */

static const char cell_members[] =
    "kind target value reason ticket by approved_by since until version audit trigger";

/* A value of which every member is there and none else. */
static enum control_fault read_value(const json_t *object, enum control_kind kind,
                                     struct control_value *value, struct control_error *e)
{
    char members[128] = "";

    if (!json_is_object(object)) {
        return control_fail(e, CONTROL_INVALID, "", "must be an object");
    }
    for (unsigned i = 0; i < CONTROL_FIELD_COUNT; i++) {
        if (control_fields[i].kind != kind) {
            continue;
        }
        if (members[0] != '\0') {
            strncat(members, " ", sizeof members - strlen(members) - 1);
        }
        strncat(members, control_fields[i].member, sizeof members - strlen(members) - 1);
        if (read_field(object, &control_fields[i], value, e) != CONTROL_FINE) {
            return e->fault;
        }
    }
    return only_members(object, members, "", NULL, e) != CONTROL_FINE
               ? e->fault
               : control_value_check(kind, value, e);
}

static enum control_fault read_cell_texts(const json_t *object, struct control_cell *cell,
                                          struct control_error *e)
{
    const struct {
        const char *member;
        const char **text;
        size_t least;
        size_t most;
    } texts[] = {
        {"reason", &cell->reason, CONTROL_REASON_LEAST, CONTROL_REASON_MOST},
        {"ticket", &cell->ticket, 0, CONTROL_TICKET_MOST},
        {"by", &cell->by, 1, CONTROL_PERSON_MOST},
        {"approved_by", &cell->approved_by, 0, CONTROL_PERSON_MOST},
    };

    for (unsigned i = 0; i < GW_LEN(texts); i++) {
        char pointer[32] = "/";

        strncat(pointer, texts[i].member, sizeof pointer - 2);
        if (read_text(object, texts[i].member, texts[i].text, e) != CONTROL_FINE) {
            return e->fault;
        }
        if (*texts[i].text == NULL) {
            return control_fail(e, CONTROL_INVALID, pointer, "is missing");
        }
        if (control_check_text(*texts[i].text, texts[i].least, texts[i].most, pointer, e) !=
            CONTROL_FINE) {
            return e->fault;
        }
    }
    return CONTROL_FINE;
}

static enum control_fault read_key(const json_t *object, struct control_cell *cell,
                                   struct control_error *e)
{
    enum control_form form;
    const char *text;
    const char *name;
    char allowed[160];

    if (read_text(object, "kind", &text, e) != CONTROL_FINE) {
        return e->fault;
    }
    if (text == NULL || !control_kind_parse(text, &cell->kind)) {
        return fail_member(e, "kind", "`%.32s` is not a kind", text != NULL ? text : "");
    }
    if (read_text(object, "target", &text, e) != CONTROL_FINE) {
        return e->fault;
    }
    if (text == NULL || !control_target_parse(cell->kind, text, &form, &name)) {
        return fail_member(e, "target", "must be %s",
                           control_target_allowed(cell->kind, allowed, sizeof allowed));
    }
    memcpy(cell->target, text, strlen(text) + 1);
    return CONTROL_FINE;
}

static enum control_fault read_cell(const json_t *object, struct control_cell *cell,
                                    struct control_error *e)
{
    uint32_t trigger;

    if (!json_is_object(object)) {
        return control_fail(e, CONTROL_INVALID, "", "must be an object");
    }
    if (only_members(object, cell_members, "", NULL, e) != CONTROL_FINE ||
        read_key(object, cell, e) != CONTROL_FINE ||
        read_cell_texts(object, cell, e) != CONTROL_FINE ||
        read_time(object, "since", &cell->since_ns, e) != CONTROL_FINE ||
        read_time(object, "until", &cell->until_ns, e) != CONTROL_FINE ||
        read_number(object, "version", &cell->version, e) != CONTROL_FINE ||
        read_number(object, "audit", &cell->audit, e) != CONTROL_FINE) {
        return e->fault;
    }
    if (cell->since_ns == 0 || json_object_get(object, "until") == NULL) {
        return fail_member(e, cell->since_ns == 0 ? "since" : "until", "is missing");
    }
    if (!read_word(json_object_get(object, "trigger"), control_trigger_words, CONTROL_TRIGGER_COUNT,
                   &trigger)) {
        return fail_member(e, "trigger", "must be hand, alert, incident or policy");
    }
    cell->trigger = (enum control_trigger)trigger;
    if (read_value(json_object_get(object, "value"), cell->kind, &cell->value, e) != CONTROL_FINE) {
        return within(e, "/value");
    }
    return control_check_until(cell->kind, &cell->value, cell->until_ns, e);
}

static enum control_fault read_cells(const json_t *cells, struct control *c,
                                     struct control_error *e)
{
    for (size_t i = 0; i < json_array_size(cells); i++) {
        struct control_cell cell = {0};
        const struct control_cell *last =
            control_count(c) != 0 ? control_at(c, control_count(c) - 1) : NULL;
        enum control_fault fault = read_cell(json_array_get(cells, i), &cell, e);

        if (fault == CONTROL_FINE && last != NULL &&
            control_key_order(last->kind, last->target, cell.kind, cell.target) >= 0) {
            fault = fail_member(e, "target", "the cell is out of order, or there twice");
        }
        if (fault == CONTROL_FINE && (cell.version == 0 || cell.version > control_version(c))) {
            fault = fail_member(e, "version", "must be from 1 to the version of the state");
        }
        if (fault == CONTROL_FINE) {
            control_push_copy(c, &cell);
        }
        control_value_fini(&cell.value);
        if (fault != CONTROL_FINE) {
            char place[32];

            (void)snprintf(place, sizeof place, "/cells/%zu", i);
            return within(e, place);
        }
    }
    return CONTROL_FINE;
}

enum control_fault control_parse(const char *text, size_t len, const struct control **out,
                                 struct control_error *e)
{
    json_t *root = json_parse_strict(text, len, 5);
    const json_t *cells = json_object_get(root, "cells");
    const struct control *c = NULL;
    uint64_t version = 0;
    enum control_fault fault;

    if (!json_is_object(root)) {
        fault = control_fail(e, CONTROL_MALFORMED, "", "the control state is not a JSON object");
    } else if (json_integer_value(json_object_get(root, "v")) != CONTROL_JSON_FORMAT) {
        fault = fail_member(e, "v",
                            "the control state has a format other than %d; a newer release "
                            "wrote it: run that one",
                            CONTROL_JSON_FORMAT);
    } else if (only_members(root, "v version cells", "", NULL, e) != CONTROL_FINE ||
               read_number(root, "version", &version, e) != CONTROL_FINE) {
        fault = e->fault;
    } else if (!json_is_array(cells) || json_array_size(cells) > CONTROL_CELLS_MOST) {
        fault = fail_member(e, "cells", "must be a list of at most %d cells", CONTROL_CELLS_MOST);
    } else {
        struct control *building = control_begin(version, (uint32_t)json_array_size(cells));

        fault = read_cells(cells, building, e);
        c = building;
    }
    if (fault == CONTROL_FINE) {
        *out = c;
    } else if (c != NULL) {
        control_unref(&c);
    }
    json_decref(root);
    return fault;
}

/* ---- bodies of requests ---- */

enum target_from { FROM_PATH, FROM_MEMBERS, FROM_SCOPE, FROM_ASSET, FROM_EVERYTHING };

struct body_row {
    enum control_kind kind;
    enum target_from from;
    bool until;
    const char *members;
};
#define BODY_AS_ROW(sym, kind, from, until, members)                                               \
    {CONTROL_KIND_##kind, FROM_##from, until, members},
static const struct body_row bodies[CONTROL_BODY_COUNT] = {CONTROL_BODIES(BODY_AS_ROW)};

/* A release: members left out mean "all of them"; nothing of one is nothing at all. */
static enum control_fault read_release(const json_t *root, struct control_value *v,
                                       struct control_error *e)
{
    const json_t *engaged = json_object_get(root, "engaged");
    const json_t *symbols = json_object_get(root, "released_symbols");
    const json_t *percent = json_object_get(root, "released_percent");

    if (engaged != NULL && !json_is_boolean(engaged)) {
        return fail_member(e, "engaged", "must be true or false");
    }
    if (json_is_false(engaged)) {
        return symbols == NULL && percent == NULL
                   ? CONTROL_FINE
                   : fail_member(e, "engaged", "false ends the switch; leave the stage out");
    }
    if (symbols == NULL && percent == NULL) {
        return fail_member(e, "released_symbols",
                           "name the stage: released_symbols, released_percent or both; or end "
                           "the switch with \"engaged\":false");
    }
    if (symbols != NULL &&
        read_symbols(symbols, "released_symbols", true, &v->released, e) != CONTROL_FINE) {
        return e->fault;
    }
    if (percent != NULL && (!json_is_integer(percent) || json_integer_value(percent) < 0 ||
                            json_integer_value(percent) > 100)) {
        return fail_member(e, "released_percent", "must be an integer from 0 to 100");
    }
    v->released.all = v->released.all || symbols == NULL;
    v->released_percent = percent != NULL ? (uint32_t)json_integer_value(percent) : 100;
    v->engaged = !v->released.all || v->released_percent != 100;
    if (!v->engaged || v->released_percent == 0 || (!v->released.all && v->released.count == 0)) {
        bool still = v->engaged;

        control_value_fini(v);
        v->engaged = still;
    }
    return CONTROL_FINE;
}

/* The value's fields as the body has them. Members that may be null may also be left out, but for
 * the only one of a kind. */
static enum control_fault read_body_value(enum control_body body, const json_t *root,
                                          struct control_value *v, struct control_error *e)
{
    const struct body_row *row = &bodies[body];

    if (body == CONTROL_BODY_RELEASE) {
        return read_release(root, v, e);
    }
    for (unsigned i = 0; i < CONTROL_FIELD_COUNT; i++) {
        const struct control_field *f = &control_fields[i];
        bool optional = f->nullable && row->kind == CONTROL_KIND_FANOUT;

        if (f->kind == row->kind && listed(row->members, f->member) &&
            !(optional && json_object_get(root, f->member) == NULL) &&
            read_field(root, f, v, e) != CONTROL_FINE) {
            return e->fault;
        }
    }
    return control_value_check(row->kind, v, e);
}

/* One assignment of a copy of V. */
static enum control_fault assign(struct control_change *out, enum control_kind kind,
                                 const char *target, const char *pointer,
                                 const struct control_value *v, struct control_error *e)
{
    enum control_form form;
    const char *name;
    char allowed[160];
    struct control_value copy;

    if (!control_target_parse(kind, target, &form, &name)) {
        return control_fail(e, CONTROL_INVALID, pointer, "`%.64s` must be %s", target,
                            control_target_allowed(kind, allowed, sizeof allowed));
    }
    control_value_copy(&copy, v);
    if (!control_change_add(out, kind, target, &copy)) {
        return control_fail(e, CONTROL_INVALID, pointer, "more than %d at once",
                            CONTROL_ASSIGNMENTS_MOST);
    }
    return CONTROL_FINE;
}

static enum control_fault assign_list(const json_t *list, struct control_change *out,
                                      const struct control_value *v, struct control_error *e)
{
    struct control_symbols symbols = {0};
    enum control_fault fault = read_symbols(list, "symbols", false, &symbols, e);

    if (fault == CONTROL_FINE && symbols.count == 0) {
        fault = fail_member(e, "symbols", "must name at least one symbol");
    }
    for (uint32_t i = 0; fault == CONTROL_FINE && i < symbols.count; i++) {
        fault = assign(out, CONTROL_KIND_MODE, symbols.names[i], "/symbols", v, e);
    }
    free(symbols.names);
    return fault;
}

/* `symbols`, or `scope`: all, group:NAME. */
static enum control_fault assign_members(const json_t *root, struct control_change *out,
                                         const struct control_value *v, struct control_error *e)
{
    const json_t *list = json_object_get(root, "symbols");
    const char *scope;

    if (read_text(root, "scope", &scope, e) != CONTROL_FINE) {
        return e->fault;
    }
    if ((list != NULL) == (scope != NULL)) {
        return fail_member(e, "scope",
                           "give either `symbols`, a list, or `scope`: all or "
                           "group:NAME");
    }
    if (list != NULL) {
        return assign_list(list, out, v, e);
    }
    if (strcmp(scope, "all") == 0) {
        return assign(out, CONTROL_KIND_MODE, "*", "/scope", v, e);
    }
    if (strncmp(scope, "group:", 6) != 0) {
        return fail_member(e, "scope", "must be all or group:NAME");
    }
    return assign(out, CONTROL_KIND_MODE, scope, "/scope", v, e);
}

static enum control_fault assign_all(enum control_body body, const char *target, const json_t *root,
                                     struct control_change *out, const struct control_value *v,
                                     struct control_error *e)
{
    const struct body_row *row = &bodies[body];
    const char *text;

    switch (row->from) {
    case FROM_PATH:
        GW_ASSERT(target != NULL);
        return assign(out, row->kind, target, "", v, e);
    case FROM_MEMBERS:
        return assign_members(root, out, v, e);
    case FROM_SCOPE:
        return read_text(root, "scope", &text, e) != CONTROL_FINE
                   ? e->fault
                   : assign(out, row->kind, text != NULL ? text : "global", "/scope", v, e);
    case FROM_ASSET:
        return read_text(root, "asset", &text, e) != CONTROL_FINE
                   ? e->fault
                   : assign(out, row->kind, text != NULL ? text : "*", "/asset", v, e);
    case FROM_EVERYTHING:
        return assign(out, row->kind, "*", "", v, e);
    }
    GW_UNREACHABLE("a row has a source of its target");
}

/* reason, ticket, incident, confirm, until. */
static enum control_fault read_common(const json_t *root, struct control_change *out,
                                      struct control_error *e)
{
    const char *reason;
    const char *ticket;
    const char *incident;
    const char *confirm;

    if (read_text(root, "reason", &reason, e) != CONTROL_FINE ||
        read_text(root, "ticket", &ticket, e) != CONTROL_FINE ||
        read_text(root, "incident", &incident, e) != CONTROL_FINE ||
        read_text(root, "confirm", &confirm, e) != CONTROL_FINE ||
        read_time(root, "until", &out->until_ns, e) != CONTROL_FINE) {
        return e->fault;
    }
    if (reason == NULL) {
        return fail_member(e, "reason", "is missing: say why in %d to %d characters",
                           CONTROL_REASON_LEAST, CONTROL_REASON_MOST);
    }
    if (control_check_text(reason, CONTROL_REASON_LEAST, CONTROL_REASON_MOST, "/reason", e) !=
            CONTROL_FINE ||
        (ticket != NULL &&
         control_check_text(ticket, 1, CONTROL_TICKET_MOST, "/ticket", e) != CONTROL_FINE) ||
        (incident != NULL &&
         control_check_text(incident, 1, CONTROL_INCIDENT_MOST, "/incident", e) != CONTROL_FINE)) {
        return e->fault;
    }
    out->reason = gw_strdup(reason);
    out->ticket = ticket != NULL ? gw_strdup(ticket) : NULL;
    out->incident = incident != NULL ? gw_strdup(incident) : NULL;
    out->confirm = confirm != NULL ? gw_strdup(confirm) : NULL;
    return CONTROL_FINE;
}

enum control_fault control_body_parse(enum control_body body, const char *target, const char *text,
                                      size_t len, const char *const *extra,
                                      struct control_change *out, struct control_error *e)
{
    const struct body_row *row = &bodies[body];
    json_t *root = len <= CONTROL_BODY_MAX ? json_parse_strict(text, len, 3) : NULL;
    struct control_value v = {0};

    *out = (struct control_change){0};
    *e = (struct control_error){0};
    if (!json_is_object(root)) {
        (void)control_fail(e, CONTROL_MALFORMED, "",
                           "the body must be one JSON object of at most %u bytes, each member once",
                           CONTROL_BODY_MAX);
    } else if (only_members(root, row->members,
                            row->until ? "reason ticket incident until confirm"
                                       : "reason ticket incident confirm",
                            extra, e) == CONTROL_FINE &&
               read_common(root, out, e) == CONTROL_FINE &&
               read_body_value(body, root, &v, e) == CONTROL_FINE &&
               assign_all(body, target, root, out, &v, e) == CONTROL_FINE) {
        (void)control_check_until(row->kind, &v, out->until_ns, e);
    }
    control_value_fini(&v);
    json_decref(root);
    return e->fault;
}
