/* gateway/reported/signal_json.c - signals from JSON: names and labels as Prometheus takes them, the
 * value a decimal text. */
#include <stdlib.h>
#include <string.h>
#include "gateway/base/fixed.h"
#include "gateway/base/utf8.h"
#include "gateway/reported/signal.h"
#include "gateway/runtime/json.h"

#define AHEAD_NS ((int64_t)60 * 1000000000)

static bool word(const char *s, size_t most, bool colon)
{
    size_t len = strlen(s);

    for (size_t i = 0; i < len; i++) {
        bool letter = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') || s[i] == '_' ||
                      (colon && s[i] == ':');

        if (!letter && (i == 0 || s[i] < '0' || s[i] > '9')) {
            return false;
        }
    }
    return len > 0 && len <= most;
}

bool signal_name_valid(const char *name)
{
    return word(name, SIGNAL_NAME_MAX, true);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct signal_label *)a)->name, ((const struct signal_label *)b)->name);
}

static bool take_labels(const json_t *labels, struct signal_sample *out)
{
    json_t *members = (json_t *)(uintptr_t)labels; /* jansson's loop takes no const */
    const char *name;
    const json_t *v;

    if (labels == NULL || json_is_null(labels)) {
        return true;
    }
    if (!json_is_object(labels) || json_object_size(labels) > SIGNAL_LABELS_MAX) {
        return false;
    }
    json_object_foreach(members, name, v)
    {
        struct signal_label *l = &out->labels[out->label_count];
        const char *text = json_string_value(v);
        size_t characters = 0;

        if (!word(name, SIGNAL_LABEL_NAME, false) || strncmp(name, "__", 2) == 0 || text == NULL ||
            !utf8_plain(text, strlen(text), &characters) || characters > 64) {
            return false;
        }
        if (text[0] == '\0') {
            continue; /* to Prometheus, an empty label is none */
        }
        memcpy(l->name, name, strlen(name) + 1);
        memcpy(l->value, text, strlen(text) + 1);
        out->label_count++;
    }
    qsort(out->labels, out->label_count, sizeof out->labels[0], by_name);
    return true;
}

bool signal_labels_parse(const char *json, size_t len, struct signal_sample *s)
{
    json_t *root = json_parse_strict(json, len, 2);
    bool ok = root != NULL && take_labels(root, s);

    json_decref(root);
    return ok;
}

static bool take_value(const json_t *v, char out[DECIMAL_TEXT_SIZE])
{
    const char *text = json_string_value(v);

    if (json_is_integer(v)) {
        (void)snprintf(out, DECIMAL_TEXT_SIZE, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        return true;
    }
    if (text == NULL || strlen(text) >= DECIMAL_TEXT_SIZE || !decimal_valid(text, strlen(text))) {
        return false;
    }
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static bool take_time(const json_t *v, const struct reported_now *now, int64_t *out)
{
    const char *text = json_string_value(v);

    *out = now->real_ns;
    if (v == NULL || json_is_null(v)) {
        return true;
    }
    return text != NULL && rfc3339_parse(text, strlen(text), out) == GW_OK &&
           *out <= now->real_ns + AHEAD_NS && *out > 0;
}

static bool take_unit(const json_t *v, struct signal_sample *out)
{
    const char *text = json_string_value(v);
    size_t characters = 0;

    if (v == NULL || json_is_null(v)) {
        return true;
    }
    if (text == NULL || !utf8_plain(text, strlen(text), &characters) || characters > 32) {
        return false;
    }
    memcpy(out->unit, text, strlen(text) + 1);
    return true;
}

static bool refuse(const char *name, const char *what, const char **field, const char **wanted)
{
    *field = name;
    *wanted = what;
    return false;
}

bool signal_parse(const json_t *v, const struct reported_now *now, uint32_t ttl_s,
                  struct signal_sample *out, const char **field, const char **wanted)
{
    const char *name = json_string_value(json_object_get(v, "name"));
    const json_t *ttl = json_object_get(v, "ttl_s");
    uint64_t seconds = ttl_s;

    if (!json_is_object(v)) {
        return refuse("", "an object with name and value", field, wanted);
    }
    if (name == NULL || !signal_name_valid(name)) {
        return refuse("name", "1 to 100 of letters, digits, _ and :, as a metric of Prometheus",
                      field, wanted);
    }
    memcpy(out->name, name, strlen(name) + 1);
    if (!take_labels(json_object_get(v, "labels"), out)) {
        return refuse("labels",
                      "an object of at most 8: names of letters, digits and _ (not __), "
                      "values texts of at most 64 characters",
                      field, wanted);
    }
    if (!take_value(json_object_get(v, "value"), out->value)) {
        return refuse("value", "a decimal number as text, such as \"0.25\", or a whole number",
                      field, wanted);
    }
    if (!take_unit(json_object_get(v, "unit"), out)) {
        return refuse("unit", "a text of at most 32 characters", field, wanted);
    }
    if (!take_time(json_object_get(v, "ts"), now, &out->at_ns)) {
        return refuse("ts", "a time such as 2026-11-20T00:00:00Z, at most a minute ahead", field,
                      wanted);
    }
    if (ttl != NULL && !json_is_null(ttl) &&
        (!json_read_u64(ttl, &seconds) || seconds < COMPONENT_TTL_MIN_S ||
         seconds > SIGNAL_TTL_MAX_S)) {
        return refuse("ttl_s", "seconds, 5 to 86400: then it counts as unknown", field, wanted);
    }
    out->ttl_s = (uint32_t)seconds;
    return true;
}
