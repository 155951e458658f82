/* gateway/reported/rules_read.c - the file of rules; every mistake is told, with its line. */
#include <stdlib.h>
#include <string.h>
#include "gateway/base/fixed.h"
#include "gateway/base/utf8.h"
#include "gateway/reported/rules_priv.h"
#include "gateway/runtime/yaml.h"

#define S_NS ((int64_t)1000000000)

#define OP_AS_WORD(sym, word) word,
const char *const rule_op_words[RULE_OP_COUNT] = {RULE_OPS(OP_AS_WORD)};

struct reading {
    const char *path;
    struct buf *errors;
    bool ok;
};

static void wrong(struct reading *r, const struct yaml_node *at, const char *what)
{
    buf_printf(r->errors, "%s:%u: %s\n", r->path, yaml_line(at), what);
    r->ok = false;
}

/* The scalar NAME of MAP; NULL: absent, or no scalar, which is told. */
static const char *scalar(struct reading *r, const struct yaml_node *map, const char *name)
{
    const struct yaml_node *n = yaml_get(map, name);

    if (n != NULL && yaml_kind(n) != YAML_SCALAR) {
        wrong(r, n, "expected a plain value");
        return NULL;
    }
    return n != NULL ? yaml_text(n) : NULL;
}

static void take_text(struct reading *r, const struct yaml_node *map, const char *name, char *out,
                      size_t size)
{
    const char *s = scalar(r, map, name);
    size_t characters = 0;

    if (s == NULL) {
        return;
    }
    if (!utf8_plain(s, strlen(s), &characters) || strlen(s) >= size) {
        wrong(r, yaml_get(map, name), "the text is too long, or has control characters");
        return;
    }
    memcpy(out, s, strlen(s) + 1);
}

/* "90", "90s", "15m", "24h" */
static bool read_span(const char *s, int64_t *ns)
{
    size_t n = strspn(s, "0123456789");
    int64_t unit = s[n] == '\0' || strcmp(s + n, "s") == 0 ? S_NS
                   : strcmp(s + n, "m") == 0               ? 60 * S_NS
                   : strcmp(s + n, "h") == 0               ? 3600 * S_NS
                                                           : 0;
    uint64_t v = 0;

    if (unit == 0 || u64_parse(s, n, &v) != GW_OK || v > 86400) {
        return false;
    }
    *ns = (int64_t)v * unit;
    return true;
}

static bool read_op(const char *s, enum rule_op *out)
{
    for (unsigned i = 0; i < RULE_OP_COUNT; i++) {
        if (strcmp(rule_op_words[i], s) == 0) {
            *out = (enum rule_op)i;
            return true;
        }
    }
    return false;
}

static void take_labels(struct reading *r, const struct yaml_node *map, struct rule *rule)
{
    const struct yaml_node *labels = yaml_get(map, "labels");

    if (labels == NULL) {
        return;
    }
    if (yaml_kind(labels) != YAML_MAP || yaml_count(labels) > SIGNAL_LABELS_MAX) {
        wrong(r, labels, "labels: expected at most 8, as {name: value}");
        return;
    }
    for (size_t i = 0; i < yaml_count(labels); i++) {
        struct signal_label *l = &rule->labels.labels[rule->labels.label_count];
        const struct yaml_node *value = yaml_value(labels, i);
        const char *name = yaml_text(yaml_key(labels, i));

        if (yaml_kind(value) != YAML_SCALAR || strlen(name) >= sizeof l->name ||
            strlen(yaml_text(value)) >= sizeof l->value) {
            wrong(r, value, "labels: a name or value is too long, or no plain value");
            return;
        }
        (void)snprintf(l->name, sizeof l->name, "%s", name);
        (void)snprintf(l->value, sizeof l->value, "%s", yaml_text(value));
        rule->labels.label_count++;
    }
}

static void take_signal(struct reading *r, const struct yaml_node *map, struct rule *rule)
{
    const char *op = scalar(r, map, "op");
    const char *value = scalar(r, map, "value");

    if (!signal_name_valid(rule->name)) {
        wrong(r, map, "name: expected the name of a signal");
    }
    if (op == NULL || !read_op(op, &rule->op)) {
        wrong(r, map, "op: expected <, <=, >, >=, ==, != (in quotes) or stale");
        return;
    }
    take_labels(r, map, rule);
    if (rule->op == RULE_STALE) {
        if (value != NULL) {
            wrong(r, map, "value: stale takes none");
        }
        return;
    }
    if (value == NULL || strlen(value) >= sizeof rule->value ||
        !decimal_valid(value, strlen(value))) {
        wrong(r, map, "value: expected a decimal number such as 0.25");
        return;
    }
    memcpy(rule->value, value, strlen(value) + 1);
}

static void take_states(struct reading *r, const struct yaml_node *map, struct rule *rule)
{
    const char *s = scalar(r, map, "states");

    if (s == NULL) {
        rule->states = 1u << COMPONENT_DOWN | 1u << COMPONENT_DISCONNECTED;
        return;
    }
    while (*s != '\0') {
        size_t len = strcspn(s, " ,");
        bool known = len == 0;

        for (unsigned i = 0; i < COMPONENT_STATE_COUNT; i++) {
            if (strlen(component_state_words[i]) == len &&
                memcmp(component_state_words[i], s, len) == 0) {
                rule->states |= 1u << i;
                known = true;
            }
        }
        if (!known) {
            wrong(r, map, "states: expected some of UNKNOWN OK DEGRADED DOWN PAUSED DISCONNECTED");
            return;
        }
        s += len + (s[len] != '\0');
    }
}

static void check_names(struct reading *r, const struct yaml_node *map)
{
    static const char *const known[] = {"id",    "name",  "component", "group", "labels",
                                        "op",    "value", "states",    "for",   "severity",
                                        "title", "class", "playbook"};

    for (size_t i = 0; i < yaml_count(map); i++) {
        bool found = false;

        for (unsigned k = 0; k < GW_LEN(known); k++) {
            found = found || strcmp(known[k], yaml_text(yaml_key(map, i))) == 0;
        }
        if (!found) {
            wrong(r, yaml_key(map, i),
                  "not known here: id name component group labels op value states for severity "
                  "title class playbook");
        }
    }
}

static void take_subject(struct reading *r, const struct yaml_node *map, struct rule *rule)
{
    static const char *const subjects[] = {"name", "component", "group"};
    unsigned given = 0;

    for (unsigned i = 0; i < GW_LEN(subjects); i++) {
        if (yaml_get(map, subjects[i]) != NULL) {
            rule->about = (enum rule_about)i;
            take_text(r, map, subjects[i], rule->name, sizeof rule->name);
            given++;
        }
    }
    if (given != 1) {
        wrong(r, map, "expected one of name (of a signal), component and group");
    } else if (rule->about == RULE_SIGNAL) {
        take_signal(r, map, rule);
    } else {
        take_states(r, map, rule);
    }
}

static void take_rule(struct reading *r, const struct yaml_node *map, struct rule *rule)
{
    const char *span = yaml_kind(map) == YAML_MAP ? scalar(r, map, "for") : NULL;
    const char *severity = yaml_kind(map) == YAML_MAP ? scalar(r, map, "severity") : NULL;

    if (yaml_kind(map) != YAML_MAP) {
        wrong(r, map, "expected a rule, with name, op, value, for and severity");
        return;
    }
    check_names(r, map);
    take_subject(r, map, rule);
    if (span != NULL && !read_span(span, &rule->for_ns)) {
        wrong(r, map, "for: expected 30s, 5m or 1h");
    }
    if (severity == NULL || !severity_parse(severity, strlen(severity), &rule->severity)) {
        wrong(r, map, "severity: expected SEV1 to SEV4, or critical, warning, info");
    }
    take_text(r, map, "id", rule->id, sizeof rule->id);
    take_text(r, map, "playbook", rule->playbook, sizeof rule->playbook);
    take_text(r, map, "class", rule->class_, sizeof rule->class_);
    take_text(r, map, "title", rule->title, sizeof rule->title);
    if (rule->id[0] == '\0') {
        memcpy(rule->id, rule->name, sizeof rule->id);
    }
}

static void take_all(struct reading *r, const struct yaml_node *root, struct rules *rules)
{
    const struct yaml_node *list = yaml_kind(root) == YAML_MAP ? yaml_get(root, "rules") : NULL;

    if (list == NULL || yaml_kind(list) != YAML_LIST || yaml_count(root) != 1) {
        wrong(r, root, "expected one member, rules: a list");
        return;
    }
    if (yaml_count(list) > RULES_MAX) {
        wrong(r, list, "more than 256 rules");
        return;
    }
    rules->v = gw_calloc(yaml_count(list) + 1, sizeof *rules->v);
    for (size_t i = 0; i < yaml_count(list); i++) {
        take_rule(r, yaml_item(list, i), &rules->v[rules->count++]);
    }
}

struct rules *rules_read(const char *path, struct buf *errors)
{
    struct rules *rules = gw_calloc(1, sizeof *rules);
    struct reading r = {.path = path, .errors = errors, .ok = true};
    const struct yaml_node *root = NULL;
    struct yaml_doc *doc = NULL;

    if (path[0] != '\0') {
        r.ok = yaml_open(path, &doc, &root, errors) == GW_OK;
        if (r.ok && root != NULL) {
            take_all(&r, root, rules);
        }
        if (doc != NULL) {
            yaml_close(&doc);
        }
    }
    if (!r.ok) {
        rules_destroy(&rules);
    }
    return rules;
}
