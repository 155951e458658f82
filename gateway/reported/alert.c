#include "gateway/reported/alert.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "gateway/base/buf.h"
#include "gateway/base/fixed.h"

#define TITLE_MAX   200u
#define SUMMARY_MAX 2000u

/* --- texts -------------------------------------------------------------------------------------
 */

static const char *text_of(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));

    return s != NULL ? s : "";
}

/* The first of NAMES (ended by NULL) that OBJECT has and that says something. */
static const char *first_of(const json_t *object, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (text_of(object, *names)[0] != '\0') {
            return text_of(object, *names);
        }
    }
    return "";
}

/* At most MOST characters of S, on one line when LINE; never half a character. */
static void put_text(struct buf *out, const char *s, size_t most, bool line)
{
    size_t n = 0;

    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        bool control = c < 0x20 || c == 0x7f;

        if ((c & 0xc0) != 0x80 && ++n > most) {
            break;
        }
        buf_putc(out, control && (line || c != '\n') ? ' ' : *s);
    }
}

/* S when it fits whole and is a plain word, else "". */
static void take_word(char *out, size_t size, const char *s)
{
    size_t len = strlen(s);

    out[0] = '\0';
    for (size_t i = 0; i < len; i++) {
        if (s[i] <= 0x20 || s[i] == 0x7f || s[i] == '"' || s[i] == '\\') {
            return;
        }
    }
    if (len < size) {
        memcpy(out, s, len + 1);
    }
}

/* --- times -------------------------------------------------------------------------------------
 */

static bool all_digits(const char *s, size_t n)
{
    return strspn(s, "0123456789") >= n;
}

/* RFC 3339 with any offset and any number of digits; false: none, or before 1970 (Go's zero time). */
static bool read_time(const char *s, int64_t *ns)
{
    char utc[32];
    size_t digits = 0;
    const char *zone;
    long offset = 0;

    if (strlen(s) < 20 || strlen(s) > 64 || !all_digits(s, 4) || strncmp(s, "1970", 4) < 0) {
        return false;
    }
    zone = s + 19;
    if (*zone == '.') {
        digits = strspn(zone + 1, "0123456789");
        zone += 1 + digits;
    }
    digits = digits < 9 ? digits : 9;
    if ((*zone == '+' || *zone == '-') && strlen(zone) == 6 && all_digits(zone + 1, 2) &&
        zone[3] == ':' && all_digits(zone + 4, 2)) {
        offset = (strtol(zone + 1, NULL, 10) * 60 + strtol(zone + 4, NULL, 10)) * 60;
        offset = *zone == '-' ? -offset : offset;
    } else if ((*zone != 'Z' && *zone != 'z') || zone[1] != '\0') {
        return false;
    }
    (void)snprintf(utc, sizeof utc, "%.19s%.*sZ", s, digits != 0 ? (int)digits + 1 : 0, s + 19);
    utc[10] = utc[10] == 't' || utc[10] == ' ' ? 'T' : utc[10];
    if (rfc3339_parse(utc, strlen(utc), ns) != GW_OK) {
        return false;
    }
    *ns -= (int64_t)offset * 1000000000;
    return *ns > 0;
}

/* --- identity ----------------------------------------------------------------------------------
 */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static uint64_t mix(uint64_t hash, const char *s)
{
    for (; *s != '\0'; s++) {
        hash = (hash ^ (unsigned char)*s) * UINT64_C(1099511628211);
    }
    return (hash ^ 0xff) * UINT64_C(1099511628211);
}

/* As Alertmanager has it: FNV-1a 64 over the sorted labels, a 0xff behind each name and value. */
static void make_fingerprint(const json_t *labels, char out[65])
{
    size_t count = json_object_size(labels);
    const char **names = gw_calloc(count + 1, sizeof *names);
    json_t *members = (json_t *)(uintptr_t)labels; /* jansson's loop takes no const */
    uint64_t hash = UINT64_C(14695981039346656037);
    const char *name;
    const json_t *v;
    size_t n = 0;

    json_object_foreach(members, name, v)
    {
        names[n++] = name;
    }
    qsort(names, n, sizeof *names, by_text);
    for (size_t i = 0; i < n; i++) {
        hash = mix(mix(hash, names[i]), text_of(labels, names[i]));
    }
    (void)snprintf(out, 65, "%016" PRIx64, hash);
    free(names);
}

static void make_key(struct alert *a)
{
    struct buf key = {0};

    buf_printf(&key, "alert:%s:", a->fingerprint);
    buf_rfc3339(&key, a->starts_ns, 6);
    (void)snprintf(a->key, sizeof a->key, "%s", buf_cstr(&key));
    buf_fini(&key);
}

/* --- one alert ---------------------------------------------------------------------------------
 */

static enum incident_severity severity_of(const json_t *labels)
{
    static const char *const names[] = {"sev", "severity", NULL};
    enum incident_severity severity;

    for (unsigned i = 0; names[i] != NULL; i++) {
        const char *s = text_of(labels, names[i]);
        char word[8] = "SEV";

        if (severity_parse(s, strlen(s), &severity)) {
            return severity;
        }
        if (strlen(s) == 1) { /* sev="2" */
            word[3] = s[0];
            if (severity_parse(word, 4, &severity)) {
                return severity;
            }
        }
    }
    return SEV3; /* somebody thought it worth an alert */
}

static void take_class(struct alert *a, const char *s)
{
    static const char *const words[] = {"data_quality", "reconciliation", "broker_connectivity"};

    if (strcmp(s, "broker/connectivity") == 0) {
        s = words[2];
    }
    for (unsigned i = 0; i < GW_LEN(words); i++) {
        if (strcmp(words[i], s) == 0) {
            (void)snprintf(a->class_, sizeof a->class_, "%s", s);
        }
    }
}

static void take_texts(struct alert *a, const json_t *labels, const json_t *annotations)
{
    static const char *const titles[] = {"summary", "title", NULL};
    static const char *const summaries[] = {"description", "message", NULL};
    const char *title = first_of(annotations, titles);
    struct buf b = {0};

    put_text(&b, title[0] != '\0' ? title : text_of(labels, "alertname"), TITLE_MAX, true);
    if (b.len == 0) {
        buf_printf(&b, "alert %s", a->fingerprint);
    }
    (void)snprintf(a->title, sizeof a->title, "%s", buf_cstr(&b));
    buf_reset(&b);
    put_text(&b, first_of(annotations, summaries), SUMMARY_MAX, false);
    a->summary = gw_strdup(buf_cstr(&b));
    buf_fini(&b);
    take_word(a->playbook, sizeof a->playbook, text_of(labels, "playbook"));
    take_word(a->symbol, sizeof a->symbol, text_of(labels, "symbol"));
    take_word(a->component, sizeof a->component, text_of(labels, "component"));
    take_class(a, text_of(labels, "class"));
}

/* The texts of OBJECT: other members are none of an alert. */
static void put_strings(struct buf *out, const char *name, const json_t *object)
{
    json_t *members = (json_t *)(uintptr_t)object;
    const char *comma = "";
    const char *key;
    const json_t *v;

    buf_printf(out, "\"%s\":{", name);
    json_object_foreach(members, key, v)
    {
        if (json_is_string(v)) {
            buf_puts(out, comma);
            buf_json_str(out, key, strlen(key));
            buf_putc(out, ':');
            buf_json_str(out, json_string_value(v), strlen(json_string_value(v)));
            comma = ",";
        }
    }
    buf_putc(out, '}');
}

static void put_string(struct buf *out, const char *name, const char *s)
{
    if (s[0] != '\0') {
        buf_printf(out, ",\"%s\":", name);
        buf_json_str(out, s, strlen(s));
    }
}

static void take_content(struct alert *a, const json_t *root, const json_t *alert)
{
    struct buf b = {0};

    buf_putc(&b, '{');
    put_strings(&b, "labels", json_object_get(alert, "labels"));
    buf_putc(&b, ',');
    put_strings(&b, "annotations", json_object_get(alert, "annotations"));
    put_string(&b, "generator_url", text_of(alert, "generatorURL"));
    put_string(&b, "external_url", text_of(root, "externalURL"));
    put_string(&b, "receiver", text_of(root, "receiver"));
    put_string(&b, "reason", text_of(root, "notification_reason"));
    buf_putc(&b, '}');
    a->content = gw_strdup(buf_cstr(&b));
    buf_fini(&b);
}

static bool says_resolved(const json_t *root, const json_t *alert, int64_t ends_ns, int64_t now_ns)
{
    const char *word = text_of(alert, "status");

    if (word[0] == '\0') {
        word = text_of(root, "status");
    }
    if (strcasecmp(word, "resolved") == 0) {
        return true;
    }
    return word[0] == '\0' && ends_ns != 0 && ends_ns <= now_ns;
}

/* False: it says nothing by which it could be known. */
static bool decode_one(const json_t *root, const json_t *alert, int64_t now_ns, struct alert *a)
{
    const json_t *labels = json_object_get(alert, "labels");
    const char *fingerprint = text_of(alert, "fingerprint");

    if (json_object_size(labels) == 0 && fingerprint[0] == '\0' &&
        json_object_size(json_object_get(alert, "annotations")) == 0) {
        return false;
    }
    take_word(a->fingerprint, sizeof a->fingerprint, fingerprint);
    if (a->fingerprint[0] == '\0') {
        make_fingerprint(labels, a->fingerprint);
    }
    if (!read_time(text_of(alert, "startsAt"), &a->starts_ns)) {
        a->starts_ns = 0; /* the same again is the same alert */
    }
    if (!read_time(text_of(alert, "endsAt"), &a->ends_ns)) {
        a->ends_ns = 0;
    }
    a->firing = !says_resolved(root, alert, a->ends_ns, now_ns);
    if (a->firing) {
        a->ends_ns = 0;
    } else if (a->ends_ns == 0) {
        a->ends_ns = now_ns;
    }
    a->severity = severity_of(labels);
    take_texts(a, labels, json_object_get(alert, "annotations"));
    take_content(a, root, alert);
    make_key(a);
    return true;
}

/* --- all of them -------------------------------------------------------------------------------
 */

static void fini_one(struct alert *a)
{
    free(a->summary);
    free(a->content);
}

/* Where A is, or would be. */
static size_t place_of(const struct alerts *all, const struct alert *a)
{
    size_t low = 0;
    size_t high = all->count;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (strcmp(all->v[mid].key, a->key) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

/* Takes A; of two of one key the later counts. */
static void put_one(struct alerts *all, const struct alert *a)
{
    size_t at = place_of(all, a);

    if (at < all->count && strcmp(all->v[at].key, a->key) == 0) {
        fini_one(&all->v[at]);
        all->v[at] = *a;
        return;
    }
    memmove(&all->v[at + 1], &all->v[at], (all->count - at) * sizeof *all->v);
    all->v[at] = *a;
    all->count++;
}

/* No form is refused but what is no JSON: twice the same member, numbers of any size, NUL in a text. */
static json_t *read_json(const char *text, size_t len)
{
    json_error_t error;

    return json_loadb(text, len, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL,
                      &error);
}

enum alerts_verdict alerts_decode(const char *text, size_t len, int64_t now_ns, struct alerts *out)
{
    json_t *root = read_json(text, len);
    const json_t *list = json_is_array(root) ? root : json_object_get(root, "alerts");
    enum alerts_verdict verdict = root != NULL ? ALERTS_READ : ALERTS_UNREADABLE;
    size_t i;
    const json_t *v;

    *out = (struct alerts){0};
    if (json_array_size(list) > ALERTS_MAX) {
        verdict = ALERTS_TOO_MANY;
        list = NULL;
    }
    out->v = gw_calloc(json_array_size(list) + 1, sizeof *out->v);
    json_array_foreach(list, i, v)
    {
        struct alert a = {0};

        if (decode_one(root, v, now_ns, &a)) {
            put_one(out, &a);
        } else {
            out->skipped++;
        }
    }
    json_decref(root);
    return verdict;
}

void alerts_fini(struct alerts *a)
{
    for (size_t i = 0; i < a->count; i++) {
        fini_one(&a->v[i]);
    }
    free(a->v);
    *a = (struct alerts){0};
}

struct incident_signal alert_signal(const struct alert *a)
{
    return (struct incident_signal){
        .key = a->key,
        .source = "alert",
        .cleared = !a->firing,
        .severity = a->severity,
        .title = a->title,
        .summary = a->summary,
        .class_ = a->class_,
        .playbook = a->playbook,
        .symbol = a->symbol,
        .component = a->component,
        .details = a->content,
        .at_ns = a->firing ? a->starts_ns : a->ends_ns,
    };
}
