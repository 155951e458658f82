/* gateway/incident/act.c - what each act asks for, and what it leads to. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "gateway/base/utf8.h"
#include "gateway/incident/clock.h"
#include "gateway/incident/incident.h"
#include "gateway/incident/postmortem.h"

#define AS_ROW(sym, action, kind, in, words, least, most) {action, kind, in, words, least, most},
const struct incident_act_row incident_act_rows[INCIDENT_ACT_COUNT] = {INCIDENT_ACTS(AS_ROW)};

/* --- fields -------------------------------------------------------------------------------------
 */

/* UTF-8 of LEAST to MOST characters; line ends and tabs are characters of people. */
static bool text_ok(const char *s, unsigned least, unsigned most)
{
    size_t all = 0;

    for (;;) {
        size_t len = strcspn(s, "\n\t");
        size_t chars = 0;

        if (!utf8_plain(s, len, &chars)) {
            return false;
        }
        all += chars;
        if (s[len] == '\0') {
            return all >= least && all <= most;
        }
        all++;
        s += len + 1;
    }
}

static bool check_text(const char *name, const char *value, unsigned least, unsigned most,
                       struct incident_problem *p)
{
    if ((value == NULL && least == 0) || (value != NULL && text_ok(value, least, most))) {
        return true;
    }
    return incident_fail(p, INCIDENT_FIELD, name, "a text of %u to %u characters", least, most);
}

/* Ids of playbooks and their steps. */
static bool check_id(const char *name, const char *value, struct incident_problem *p)
{
    static const char rest[] = "abcdefghijklmnopqrstuvwxyz0123456789_";

    if (value == NULL || (value[0] >= 'a' && value[0] <= 'z' && strlen(value) <= 64 &&
                          strspn(value, rest) == strlen(value))) {
        return true;
    }
    return incident_fail(p, INCIDENT_FIELD, name, "a word of a-z 0-9 _, at most 64");
}

static bool check_url(const char *name, const char *value, struct incident_problem *p)
{
    if (value == NULL ||
        ((strncmp(value, "https://", 8) == 0 || strncmp(value, "http://", 7) == 0) &&
         text_ok(value, 9, 500) && strcspn(value, " \"<>\n\t") == strlen(value))) {
        return true;
    }
    return incident_fail(p, INCIDENT_FIELD, name, "an address, https://...");
}

static bool check_opening(const struct incident_ask *a, struct incident_problem *p)
{
    return (a->severity < SEVERITY_COUNT ||
            incident_fail(p, INCIDENT_FIELD, "severity", "SEV1, SEV2, SEV3 or SEV4")) &&
           check_text("title", a->title != NULL ? a->title : "", 1, 200, p) &&
           check_text("summary", a->summary, 0, 2000, p) && check_id("playbook", a->playbook, p) &&
           check_text("symbol", a->symbol, 0, 64, p) &&
           check_text("component", a->component, 0, 128, p) &&
           check_text("ticket", a->ticket, 0, 100, p);
}

bool incident_ask_check(const struct incident_ask *a, struct incident_problem *p)
{
    const struct incident_act_row *row = &incident_act_rows[a->act];
    const char *words = a->words != NULL ? a->words : "";

    if (row->words != NULL && !check_text(row->words, words, row->least, row->most, p)) {
        return false;
    }
    switch (a->act) {
    case ACT_OPEN:
    case ACT_FIRE:
        return check_opening(a, p);
    case ACT_ACK:
        return check_text("by", a->by, 0, 100, p);
    case ACT_ASSIGN:
        return (a->role < INCIDENT_ROLE_COUNT ||
                incident_fail(p, INCIDENT_FIELD, "role", "commander, scribe or assignee")) &&
               check_text("name", a->name != NULL ? a->name : "", 1, 100, p);
    case ACT_SEVERITY:
        return a->severity < SEVERITY_COUNT ||
               incident_fail(p, INCIDENT_FIELD, "severity", "SEV1, SEV2, SEV3 or SEV4");
    case ACT_CLASSIFY:
        return a->class_ < INCIDENT_CLASS_COUNT ||
               incident_fail(p, INCIDENT_FIELD, "class",
                             "data_quality, reconciliation or broker_connectivity");
    case ACT_MITIGATE:
        return a->mitigation < INCIDENT_MITIGATION_COUNT ||
               incident_fail(p, INCIDENT_FIELD, "mitigation", "none, partial or mitigated");
    case ACT_CLOSE:
        return check_url("postmortem_url", a->url, p);
    case ACT_NOTE:
        return !a->postmortem || check_url("text", a->words, p);
    case ACT_STEP:
        return (a->step != NULL || incident_fail(p, INCIDENT_FIELD, "step", "id of the step")) &&
               check_id("step", a->step, p) && check_text("answer", a->answer, 0, 200, p);
    case ACT_TASK:
        return check_text("owner", a->owner, 0, 100, p);
    default:
        return true;
    }
}

/* --- what follows -------------------------------------------------------------------------------
 */

void incident_effect_fini(struct incident_effect *e)
{
    buf_fini(&e->text);
    buf_fini(&e->data);
}

static void data_text(struct incident_effect *e, const char *name, const char *value)
{
    if (value != NULL) {
        buf_printf(&e->data, "%s\"%s\":", e->data.len != 0 ? "," : "", name);
        buf_json_str(&e->data, value, strlen(value));
    }
}

/* Whoever does more than looking has it. */
static void acknowledge(struct incident *i, const char *by, int64_t now_ns,
                        struct incident_effect *e)
{
    if (i->acked_ns == 0) {
        i->acked_ns = now_ns;
        incident_set(&i->acked_by, by);
        e->acked = e->acknowledge = true;
    }
}

static void reopen(struct incident *i, int64_t now_ns, struct incident_effect *e)
{
    i->state = INCIDENT_OPEN;
    i->reopened++;
    i->acked_ns = i->mitigated_ns = i->resolved_ns = i->closed_ns = 0;
    incident_set(&i->acked_by, NULL);
    incident_set(&i->root_cause, NULL); /* what was found then was not all of it */
    i->mitigation = MITIGATION_NONE;
    incident_restart(i, now_ns);
    postmortem_forget(i, e);
    e->trigger = true;
}

static void open_new(struct incident *i, const struct incident_ask *a, uint64_t number,
                     int64_t now_ns, struct incident_effect *e)
{
    bool person = a->act == ACT_OPEN;

    i->number = number;
    i->severity = a->severity;
    i->state = INCIDENT_OPEN;
    i->class_ = a->class_;
    incident_set(&i->title, a->title);
    incident_set(&i->summary, a->summary);
    i->source = a->source;
    i->detected_by = a->detected_by;
    incident_set(&i->signal_key, a->key);
    i->signal = a->key != NULL ? SIGNAL_FIRING : INCIDENT_SIGNAL_COUNT;
    i->signal_since_ns = a->key == NULL ? 0 : a->at_ns != 0 ? a->at_ns : now_ns;
    incident_set(&i->symbol, a->symbol);
    incident_set(&i->component, a->component);
    incident_set(&i->playbook, a->playbook);
    i->opened_ns = now_ns;
    incident_set(&i->opened_by, person ? a->person : "system");
    i->mitigation = MITIGATION_NONE;
    i->postmortem_required = a->severity == SEV1;
    incident_restart(i, now_ns);
    e->trigger = true;
    e->shown = ACT_OPEN;
    buf_printf(&e->text, "%s: %s", severity_rows[i->severity].word, i->title);
    if (a->words != NULL) {
        buf_printf(&e->text, " (%s)", a->words);
    }
    data_text(e, "severity", severity_rows[i->severity].word);
    data_text(e, "signal", a->key);
    data_text(e, "ticket", a->ticket);
}

static bool fire(struct incident *i, const struct incident_ask *a, uint64_t number, int64_t now_ns,
                 struct incident_effect *e, struct incident_problem *p)
{
    if (i->number == 0) {
        open_new(i, a, number, now_ns, e);
        return true;
    }
    if (i->signal == SIGNAL_FIRING) {
        return incident_fail(p, INCIDENT_NOTHING, "", "it is known");
    }
    i->signal = SIGNAL_FIRING;
    i->signal_since_ns = a->at_ns != 0 ? a->at_ns : now_ns;
    i->signal_cleared_ns = 0;
    buf_lit(&e->text, "the signal is back");
    if (i->state == INCIDENT_MITIGATED || i->state == INCIDENT_RESOLVED) {
        reopen(i, now_ns, e);
        e->shown = ACT_REOPEN;
        buf_lit(&e->text, ": opened again");
    }
    data_text(e, "key", i->signal_key);
    return true;
}

static bool clear(struct incident *i, const struct incident_ask *a, int64_t now_ns,
                  struct incident_effect *e, struct incident_problem *p)
{
    if (i->number == 0 || i->signal != SIGNAL_FIRING) {
        return incident_fail(p, INCIDENT_NOTHING, "", "it was over");
    }
    i->signal = SIGNAL_CLEARED;
    i->signal_cleared_ns = a->at_ns != 0 ? a->at_ns : now_ns;
    buf_lit(&e->text, "the signal is over; a person closes the incident");
    data_text(e, "key", i->signal_key);
    return true;
}

/* Raising begins the clocks anew unless a ladder of the same rungs is running already; lowering
 * keeps them. */
static bool set_severity(struct incident *i, const struct incident_ask *a, int64_t now_ns,
                         struct incident_effect *e, struct incident_problem *p)
{
    enum incident_severity from = i->severity;
    bool running = i->state == INCIDENT_OPEN && severity_critical(from);

    if (a->severity == from) {
        return incident_fail(p, INCIDENT_ILLEGAL, "severity", "it is %s already",
                             severity_rows[from].word);
    }
    i->severity = a->severity;
    if (a->severity < from) {
        e->trigger = true;
        if (!running) {
            incident_restart(i, now_ns);
        }
    }
    i->postmortem_required = i->postmortem_required || a->severity == SEV1;
    data_text(e, "from", severity_rows[from].word);
    data_text(e, "to", severity_rows[i->severity].word);
    return true;
}

static void mitigate(struct incident *i, const struct incident_ask *a, int64_t now_ns,
                     struct incident_effect *e)
{
    bool was = i->state == INCIDENT_MITIGATED;

    acknowledge(i, a->person, now_ns, e);
    i->mitigation = a->mitigation;
    i->state = a->mitigation == MITIGATION_MITIGATED ? INCIDENT_MITIGATED : INCIDENT_ACKNOWLEDGED;
    i->mitigated_ns = a->mitigation != MITIGATION_MITIGATED ? 0 : was ? i->mitigated_ns : now_ns;
    if (was && i->state != INCIDENT_MITIGATED) {
        incident_restart(i, now_ns); /* it did not hold: what runs, runs from now */
    } else if (i->state == INCIDENT_MITIGATED && i->l3 == L3_PROPOSED) {
        i->l3 = L3_NONE;
    }
    data_text(e, "mitigation", incident_mitigation_words[i->mitigation]);
}

static void resolve(struct incident *i, const struct incident_ask *a, int64_t now_ns,
                    struct incident_effect *e)
{
    acknowledge(i, a->person, now_ns, e);
    i->state = INCIDENT_RESOLVED;
    i->resolved_ns = now_ns;
    if (i->l3 == L3_PROPOSED) {
        i->l3 = L3_NONE;
    }
    e->resolve = true;
    postmortem_begin(i, now_ns, e);
}

static bool close_it(struct incident *i, const struct incident_ask *a, int64_t now_ns,
                     struct incident_effect *e, struct incident_problem *p)
{
    struct buf missing = {0};
    bool ok;

    incident_missing(i, a->url, &missing);
    ok = missing.len == 0 ||
         incident_fail(
             p, strstr(buf_cstr(&missing), "root_cause") != NULL ? INCIDENT_CAUSE : INCIDENT_UNMET,
             "", "before it is closed it needs %s", buf_cstr(&missing));
    buf_fini(&missing);
    if (!ok) {
        return false;
    }
    i->state = INCIDENT_CLOSED;
    i->closed_ns = now_ns;
    if (a->url != NULL) {
        postmortem_written(i, a->url, e);
    }
    data_text(e, "postmortem_url", a->url);
    return true;
}

static void reach(struct incident *i, const struct incident_ask *a, struct incident_effect *e)
{
    i->level = a->level;
    e->escalate = true;
    buf_printf(&e->text, "level %" PRIu64 ": %s", a->level,
               i->acked_ns != 0 ? "not mitigated in time" : "not acknowledged in time");
    if (a->level == 3) {
        i->l3 = a->halt ? L3_DUE : L3_PROPOSED;
        buf_puts(&e->text, a->halt ? "; SOFT_HALT of all symbols is performed"
                                   : "; SOFT_HALT of all symbols is proposed");
    }
    buf_printf(&e->data, "\"level\":%" PRIu64, a->level);
}

static bool level_due(const struct incident *i, const struct incident_ask *a, int64_t now_ns,
                      struct incident_problem *p)
{
    uint64_t level;
    int64_t due_ns = incident_next(i, &level);

    return (level == a->level && due_ns <= now_ns) ||
           incident_fail(p, INCIDENT_NOTHING, "", "level %" PRIu64 " is not due", a->level);
}

static void assign(struct incident *i, const struct incident_ask *a, struct incident_effect *e)
{
    char **members[INCIDENT_ROLE_COUNT] = {&i->commander, &i->scribe, &i->assignee};

    incident_set(members[a->role], a->name);
    buf_printf(&e->text, "%s: %s", incident_role_words[a->role], a->name);
    data_text(e, "role", incident_role_words[a->role]);
    data_text(e, "name", a->name);
}

static bool note(struct incident *i, const struct incident_ask *a, struct incident_effect *e,
                 struct incident_problem *p)
{
    if ((a->root_cause || a->postmortem) && i->state == INCIDENT_CLOSED) {
        return incident_fail(p, INCIDENT_ILLEGAL, "kind", "it is closed: reopen it first");
    }
    if (a->root_cause) {
        incident_set(&i->root_cause, a->words);
    } else if (a->postmortem) {
        postmortem_written(i, a->words, e);
    }
    data_text(e, "kind", a->root_cause ? "root_cause" : a->postmortem ? "postmortem" : "note");
    return true;
}

static bool put_task(const struct incident *i, const struct incident_ask *a,
                     struct incident_effect *e, struct incident_problem *p)
{
    if (a->act == ACT_TICK && a->task == i->postmortem_task && i->postmortem_due_ns != 0) {
        return incident_fail(p, INCIDENT_ILLEGAL, "",
                             "the postmortem is done when it has an address: note it (kind "
                             "postmortem), or close the incident with postmortem_url");
    }
    if (a->act == ACT_TICK) {
        buf_printf(&e->text, "task %" PRIu64 " is done", a->task);
        buf_printf(&e->data, "\"id\":%" PRIu64 ",\"done\":true", a->task);
    }
    data_text(e, "owner", a->owner);
    return true;
}

static bool reminder_due(const struct incident *i, const struct incident_ask *a, int64_t now_ns,
                         struct incident_problem *p)
{
    uint64_t which;
    int64_t due_ns = postmortem_next(i, &which);

    return (which == a->reminder && which != 0 && due_ns <= now_ns) ||
           incident_fail(p, INCIDENT_NOTHING, "", "reminder %" PRIu64 " is not due", a->reminder);
}

static bool apply(struct incident *i, const struct incident_ask *a, uint64_t number, int64_t now_ns,
                  struct incident_effect *e, struct incident_problem *p)
{
    switch (a->act) {
    case ACT_OPEN:
        open_new(i, a, number, now_ns, e);
        return true;
    case ACT_ACK:
        i->state = INCIDENT_ACKNOWLEDGED;
        acknowledge(i, a->by != NULL && a->by[0] != '\0' ? a->by : a->person, now_ns, e);
        data_text(e, "acked_by", i->acked_by);
        return true;
    case ACT_ASSIGN:
        assign(i, a, e);
        return true;
    case ACT_NOTE:
        return note(i, a, e, p);
    case ACT_SEVERITY:
        return set_severity(i, a, now_ns, e, p);
    case ACT_CLASSIFY:
        i->class_ = a->class_;
        buf_puts(&e->text, incident_class_words[a->class_]);
        data_text(e, "class", incident_class_words[a->class_]);
        return true;
    case ACT_MITIGATE:
        mitigate(i, a, now_ns, e);
        return true;
    case ACT_RESOLVE:
        resolve(i, a, now_ns, e);
        return true;
    case ACT_CLOSE:
        return close_it(i, a, now_ns, e, p);
    case ACT_REOPEN:
        reopen(i, now_ns, e);
        return true;
    case ACT_STEP:
        data_text(e, "step", a->step);
        data_text(e, "outcome", a->skipped ? "skipped" : "done");
        data_text(e, "answer", a->answer);
        return true;
    case ACT_TASK:
    case ACT_TICK:
        return put_task(i, a, e, p);
    case ACT_FIRE:
        return fire(i, a, number, now_ns, e, p);
    case ACT_CLEAR:
        return clear(i, a, now_ns, e, p);
    case ACT_LEVEL:
        reach(i, a, e);
        return true;
    case ACT_HALTED:
        i->l3 = L3_HALTED;
        buf_lit(&e->text, "SOFT_HALT of all symbols is in force");
        return true;
    case ACT_REMIND:
        postmortem_remind(i, a->reminder, now_ns, e);
        return true;
    default:
        GW_UNREACHABLE("each act has a case");
    }
}

static bool allowed(const struct incident *i, const struct incident_ask *a, int64_t now_ns,
                    struct incident_problem *p)
{
    const struct incident_act_row *row = &incident_act_rows[a->act];

    if (a->act == ACT_OPEN || a->act == ACT_FIRE || a->act == ACT_CLEAR) {
        return true;
    }
    if (i->number == 0) {
        return incident_fail(p, INCIDENT_UNKNOWN, "", "no such incident: see GET /v1/incidents");
    }
    if (a->match != 0 && a->match != i->version) {
        return incident_fail(p, INCIDENT_MOVED, "",
                             "it has version %" PRIu64 " now: look at it again", i->version);
    }
    if (a->act == ACT_LEVEL) {
        return level_due(i, a, now_ns, p);
    }
    if (a->act == ACT_REMIND) {
        return reminder_due(i, a, now_ns, p);
    }
    if (a->act == ACT_HALTED && i->l3 != L3_DUE) {
        return incident_fail(p, INCIDENT_NOTHING, "", "no halt is due");
    }
    if ((row->in & 1u << i->state) == 0 && a->act == ACT_ACK) {
        return incident_fail(p, INCIDENT_ILLEGAL, "", "it is %s, acknowledged by %s",
                             incident_state_words[i->state], i->acked_by);
    }
    return (row->in & 1u << i->state) != 0 ||
           incident_fail(p, INCIDENT_ILLEGAL, "", "it is %s", incident_state_words[i->state]);
}

bool incident_apply(struct incident *i, const struct incident_ask *a, uint64_t number,
                    int64_t now_ns, struct incident_effect *e, struct incident_problem *p)
{
    *e = (struct incident_effect){.shown = a->act};
    if (!allowed(i, a, now_ns, p) || !apply(i, a, number, now_ns, e, p)) {
        return false;
    }
    if (e->text.len == 0 && a->words != NULL) {
        buf_puts(&e->text, a->words);
    }
    if (e->text.len == 0) {
        buf_puts(&e->text, e->shown == ACT_STEP ? a->step : incident_act_rows[e->shown].kind);
    }
    incident_wind(i);
    i->version++;
    return true;
}
