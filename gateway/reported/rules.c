#include "gateway/reported/rules.h"

#include <stdlib.h>
#include <string.h>
#include "gateway/reported/rules_priv.h"

#define KEY_LEN_MAX 200u

void rules_destroy(struct rules **rp)
{
    struct rules *rules = *rp;
    struct watch *w;
    struct watch *next;

    *rp = NULL;
    HASH_ITER(hh, rules->watches, w, next)
    {
        HASH_DEL(rules->watches, w);
        free(w);
    }
    free(rules->v);
    free(rules);
}

uint32_t rules_count(const struct rules *rules)
{
    return rules->count;
}

/* What is judged, and how it stands. */
struct subject {
    const char *what;      /* "bus_lag{topic=\"trades\"}", "ea:1" */
    const char *component; /* "" none */
    const char *symbol;    /* "" none */
    const char *now;       /* "6000", "DISCONNECTED" */
    bool known;            /* HOLDS means something */
    bool holds;
};
struct judging {
    struct rules *rules;
    const struct reported_now *now;
    rules_fn *cb;
    void *arg;
};

/* A key that is too long keeps its beginning and a hash of all. */
static void put_key(struct buf *out, const struct rule *rule, const char *what)
{
    static const char *const kinds[] = {"signal", "component", "group"};
    size_t at;

    buf_printf(out, "%s:%s:%s", kinds[rule->about], rule->id, what);
    if (out->len > KEY_LEN_MAX) {
        uint64_t hash = UINT64_C(14695981039346656037);

        for (at = 0; at < out->len; at++) {
            hash = (hash ^ (unsigned char)out->data[at]) * UINT64_C(1099511628211);
        }
        for (at = KEY_LEN_MAX - 17; at > 0 && ((unsigned char)out->data[at] & 0xc0) == 0x80; at--) {
        }
        out->len = at;
        buf_printf(out, "~%016llx", (unsigned long long)hash);
    }
}

static struct watch *watch_of(struct rules *rules, const struct buf *key)
{
    struct watch *w;

    HASH_FIND(hh, rules->watches, key->data, key->len, w);
    if (w == NULL) {
        w = gw_calloc(1, sizeof *w + key->len + 1);
        memcpy(w->key, key->data, key->len);
        HASH_ADD_KEYPTR(hh, rules->watches, w->key, key->len, w);
    }
    return w;
}

static void put_title(struct buf *out, const struct rule *rule, const struct subject *s)
{
    if (rule->title[0] != '\0') {
        buf_puts(out, rule->title);
    } else if (rule->about != RULE_SIGNAL) {
        buf_printf(out, "%s%s is %s", rule->about == RULE_GROUP ? "group " : "", s->what, s->now);
    } else if (rule->op == RULE_STALE) {
        buf_printf(out, "%s is not reported any more", rule->name);
    } else {
        buf_printf(out, "%s is %s (%s %s)", rule->name, s->now, rule_op_words[rule->op],
                   rule->value);
    }
}

static void speak(const struct judging *j, const struct rule *rule, const struct watch *w,
                  const struct subject *s, bool cleared)
{
    struct buf title = {0};
    struct buf summary = {0};
    struct incident_signal signal = {
        .key = w->key,
        .source = rule->about == RULE_SIGNAL ? "alert" : "component",
        .cleared = cleared,
        .severity = rule->severity,
        .class_ = rule->class_,
        .playbook = rule->playbook,
        .symbol = s->symbol,
        .component = s->component,
        .details = "",
        .at_ns = cleared ? j->now->real_ns : j->now->real_ns - (j->now->mono_ns - w->since_ns),
    };

    put_title(&title, rule, s);
    buf_printf(&summary, "rule %s: %s is %s", rule->id, s->what, s->now);
    signal.title = buf_cstr(&title);
    signal.summary = buf_cstr(&summary);
    j->cb(j->arg, &signal);
    buf_fini(&title);
    buf_fini(&summary);
}

/* The one place where a watch changes. */
static void step(const struct judging *j, const struct rule *rule, const struct subject *s)
{
    struct buf key = {0};
    struct watch *w;

    put_key(&key, rule, s->what);
    w = watch_of(j->rules, &key);
    buf_fini(&key);
    if (!s->known) {
        return; /* unknown is neither better nor worse */
    }
    if (!s->holds) {
        if (w->state == WATCH_NEW || w->state == WATCH_FIRING) {
            speak(j, rule, w, s, true);
        }
        w->state = WATCH_QUIET;
        return;
    }
    if (w->state == WATCH_NEW || w->state == WATCH_QUIET) {
        w->state = WATCH_PENDING;
        w->since_ns = j->now->mono_ns;
    }
    if (w->state == WATCH_PENDING && j->now->mono_ns - w->since_ns >= rule->for_ns) {
        w->state = WATCH_FIRING;
        speak(j, rule, w, s, false);
    }
}

/* --- signals -----------------------------------------------------------------------------------
 */

static const char *label_of(const struct signal_sample *s, const char *name)
{
    for (uint32_t i = 0; i < s->label_count; i++) {
        if (strcmp(s->labels[i].name, name) == 0) {
            return s->labels[i].value;
        }
    }
    return "";
}

static bool meant(const struct rule *rule, const struct signal_sample *s)
{
    for (uint32_t i = 0; i < rule->labels.label_count; i++) {
        const struct signal_label *l = &rule->labels.labels[i];

        if (strcmp(label_of(s, l->name), l->value) != 0) {
            return false;
        }
    }
    return true;
}

static bool compare(const struct rule *rule, const char *value)
{
    int order = decimal_compare(value, rule->value);

    switch (rule->op) {
    case RULE_LESS:
        return order < 0;
    case RULE_LESS_EQ:
        return order <= 0;
    case RULE_MORE:
        return order > 0;
    case RULE_MORE_EQ:
        return order >= 0;
    case RULE_EQUAL:
        return order == 0;
    default:
        return order != 0;
    }
}

static void judge_signals(const struct judging *j, const struct rule *rule,
                          const struct signals *all)
{
    for (uint32_t i = signals_first(all, rule->name); i < signals_count(all); i++) {
        const struct signal *s = signals_at(all, i);
        bool stale = signal_stale(s, j->now);
        struct subject subject = {
            .what = s->key,
            .component = label_of(&s->last, "component"),
            .symbol = label_of(&s->last, "symbol"),
            .now = stale ? "unknown: too old" : s->last.value,
            .known = rule->op == RULE_STALE || !stale,
        };

        if (strcmp(s->last.name, rule->name) != 0) {
            break;
        }
        if (meant(rule, &s->last)) {
            subject.holds = rule->op == RULE_STALE ? stale : compare(rule, s->last.value);
            step(j, rule, &subject);
        }
    }
}

/* --- components --------------------------------------------------------------------------------
 */

static void judge_state(const struct judging *j, const struct rule *rule, const char *what,
                        enum component_state state)
{
    const struct subject subject = {
        .what = what,
        .component = rule->about == RULE_COMPONENT ? what : "",
        .symbol = "",
        .now = component_state_words[state],
        .known = state != COMPONENT_UNKNOWN || (rule->states & 1u << COMPONENT_UNKNOWN) != 0,
        .holds = (rule->states & 1u << state) != 0,
    };

    step(j, rule, &subject);
}

static bool name_matches(const char *pattern, const char *id)
{
    size_t len = strlen(pattern);

    return len > 0 && pattern[len - 1] == '*' ? strncmp(pattern, id, len - 1) == 0
                                              : strcmp(pattern, id) == 0;
}

static void judge_components(const struct judging *j, const struct rule *rule,
                             const struct components *all)
{
    for (uint32_t i = 0; i < components_count(all); i++) {
        const struct component *c = components_at(all, i);

        if (name_matches(rule->name, c->said.id)) {
            judge_state(j, rule, c->said.id, c->state);
        }
    }
}

void rules_judge(struct rules *rules, const struct signals *signals,
                 const struct components *components, const struct reported_now *now, rules_fn *cb,
                 void *arg)
{
    const struct judging j = {rules, now, cb, arg};

    for (uint32_t i = 0; i < rules->count; i++) {
        const struct rule *rule = &rules->v[i];

        if (rule->about == RULE_SIGNAL) {
            judge_signals(&j, rule, signals);
        } else if (rule->about == RULE_COMPONENT) {
            judge_components(&j, rule, components);
        } else {
            judge_state(&j, rule, rule->name, components_group(components, rule->name, NULL));
        }
    }
}
