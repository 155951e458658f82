/* admin_api/incidents.c - incidents over REST: one handler for all acts of people, driven by a table of
 * the members that their bodies have; lists, timeline and report as gateway/incident writes them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "admin_api/api_priv.h"
#include "gateway/base/fixed.h"
#include "gateway/gate/record.h"
#include "gateway/incident/incidents.h"
#include "gateway/playbook/playbook.h"

#define MEMBERS_MAX 11u

/* clang-format off */
static const struct act_row {
    api_handler_fn *handler;
    enum incident_act act;
    const char *const members[MEMBERS_MAX]; /* ended by NULL */
} acts[] = {
    {incident_open,     ACT_OPEN,     {"severity", "title", "reason", "ticket", "summary", "class", "playbook", "symbol",
                                       "component", "detected_by", NULL}},
    {incident_ack,      ACT_ACK,      {"notes", "by", NULL}},
    {incident_assign,   ACT_ASSIGN,   {"role", "name", NULL}},
    {incident_note,     ACT_NOTE,     {"text", "kind", NULL}},
    {incident_severity, ACT_SEVERITY, {"severity", "reason", NULL}},
    {incident_classify, ACT_CLASSIFY, {"class", NULL}},
    {incident_mitigate, ACT_MITIGATE, {"mitigation", "notes", NULL}},
    {incident_resolve,  ACT_RESOLVE,  {"notes", NULL}},
    {incident_close,    ACT_CLOSE,    {"notes", "postmortem_url", NULL}},
    {incident_reopen,   ACT_REOPEN,   {"reason", NULL}},
    {incident_do_step,  ACT_STEP,     {"step", "outcome", "notes", "answer", NULL}},
    {incident_task,     ACT_TASK,     {"text", "owner", "due_at", "id", "done", NULL}},
};
/* clang-format on */

static const struct act_row *row_of(const struct api_call *c)
{
    for (unsigned i = 0; i < GW_LEN(acts); i++) {
        if (acts[i].handler == c->route->handler) {
            return &acts[i];
        }
    }
    GW_UNREACHABLE("each act of the routes has a row");
}

/* NULL: answered. */
static struct incidents *incidents_of(struct api_call *c)
{
    struct incidents *all = c->api->opt.incidents;
    struct gate_problem p;

    if (all == NULL) {
        (void)gate_fail(&p, PROBLEM_UNAVAILABLE, "this gateway keeps no incidents");
        call_gate_problem(c, &p);
    }
    return all;
}

static bool read_number(struct api_call *c, uint64_t *number)
{
    struct gate_problem p;

    if (incident_name_parse(http_param(c->req, "id"), number)) {
        return true;
    }
    (void)gate_fail(&p, PROBLEM_UNKNOWN, "an incident is called INC-7: see GET /v1/incidents");
    call_gate_problem(c, &p);
    return false;
}

/* --- problems -----------------------------------------------------------------------------------
 */

static const struct {
    enum gate_problem_kind kind; /* PROBLEM_NONE: the words are beside it */
    const char *code;
    const char *title;
} problems[INCIDENT_FAULT_COUNT] = {
    [INCIDENT_NOTHING] = {PROBLEM_ILLEGAL, NULL, NULL},
    [INCIDENT_FIELD] = {PROBLEM_VALIDATION, NULL, NULL},
    [INCIDENT_UNKNOWN] = {PROBLEM_UNKNOWN, NULL, NULL},
    [INCIDENT_ILLEGAL] = {PROBLEM_ILLEGAL, NULL, NULL},
    [INCIDENT_MOVED] = {PROBLEM_VERSION, NULL, NULL},
    [INCIDENT_CAUSE] = {PROBLEM_ROOT_CAUSE, NULL, NULL},
    [INCIDENT_UNMET] = {PROBLEM_NONE, "exit-conditions-unmet",
                        "something is missing before it can be closed"},
    [INCIDENT_LOCKED] = {PROBLEM_NONE, "step-locked", "the step waits for something else"},
    [INCIDENT_MISMATCH] = {PROBLEM_ONCE_MISMATCH, NULL, NULL},
    [INCIDENT_AWAY] = {PROBLEM_UNAVAILABLE, NULL, NULL},
    [INCIDENT_DOUBT] = {PROBLEM_UNAVAILABLE, NULL, NULL},
};

static void answer_problem(struct api_call *c, const struct incident_problem *p)
{
    const char *code = problems[p->fault].code;
    struct gate_problem gate;

    if (code != NULL) {
        call_problem(c, &(struct api_problem){409, code, problems[p->fault].title, p->detail,
                                              p->field[0] != '\0' ? p->field : NULL});
        return;
    }
    (void)gate_fail(&gate, problems[p->fault].kind, "%s", p->detail);
    if (p->field[0] != '\0') {
        (void)snprintf(gate.pointer, sizeof gate.pointer, "/%s", p->field);
    }
    call_gate_problem(c, &gate);
}

/* --- bodies -------------------------------------------------------------------------------------
 */

/* A text member; absent, null and "" are the same: NULL. False: answered. */
static bool text(struct api_call *c, const json_t *root, const char *name, const char **out)
{
    const json_t *v = json_object_get(root, name);

    *out = json_string_value(v);
    if (v != NULL && !json_is_null(v) && *out == NULL) {
        call_invalid(c, name, "a text");
        return false;
    }
    if (*out != NULL && (*out)[0] == '\0') {
        *out = NULL;
    }
    return true;
}

/* One of COUNT WORDS; absent: MISSING. False: answered. */
static bool word(struct api_call *c, const json_t *root, const char *name, const char *const *words,
                 unsigned count, unsigned missing, unsigned *out)
{
    const char *value;
    struct buf wanted = {0};

    if (!text(c, root, name, &value)) {
        return false;
    }
    *out = value != NULL ? incident_word(words, count, value) : missing;
    if (value == NULL || *out < count) {
        return true;
    }
    for (unsigned i = 0; i < count; i++) {
        buf_printf(&wanted, "%s%s", i != 0 ? ", " : "", words[i]);
    }
    call_invalid(c, name, buf_cstr(&wanted));
    buf_fini(&wanted);
    return false;
}

static bool read_words(struct api_call *c, const json_t *root, struct incident_ask *a)
{
    static const char *const kinds[] = {"note", "root_cause", "postmortem"};
    static const char *const outcomes[] = {"done", "skipped"};
    const char *severity;
    const char *class_;
    unsigned detected_by, mitigation, role, kind, outcome;

    if (!text(c, root, "severity", &severity) || !text(c, root, "class", &class_) ||
        !word(c, root, "detected_by", incident_detector_words, INCIDENT_DETECTOR_COUNT,
              DETECTED_HUMAN, &detected_by) ||
        !word(c, root, "mitigation", incident_mitigation_words, INCIDENT_MITIGATION_COUNT,
              INCIDENT_MITIGATION_COUNT, &mitigation) ||
        !word(c, root, "role", incident_role_words, INCIDENT_ROLE_COUNT, INCIDENT_ROLE_COUNT,
              &role) ||
        !word(c, root, "kind", kinds, GW_LEN(kinds), 0, &kind) ||
        !word(c, root, "outcome", outcomes, GW_LEN(outcomes), GW_LEN(outcomes), &outcome)) {
        return false;
    }
    a->severity = SEVERITY_COUNT;
    if (severity != NULL && !severity_parse(severity, strlen(severity), &a->severity)) {
        call_invalid(c, "severity", "SEV1, SEV2, SEV3 or SEV4");
        return false;
    }
    a->class_ = class_ != NULL ? incident_class_parse(class_) : INCIDENT_CLASS_COUNT;
    if (class_ != NULL && a->class_ == INCIDENT_CLASS_COUNT) {
        call_invalid(c, "class", "data_quality, reconciliation or broker_connectivity");
        return false;
    }
    if (a->act == ACT_STEP && outcome == GW_LEN(outcomes)) {
        call_invalid(c, "outcome", "done or skipped");
        return false;
    }
    a->detected_by = (enum incident_detector)detected_by;
    a->mitigation = (enum incident_mitigation)mitigation;
    a->role = (enum incident_role)role;
    a->root_cause = kind == 1;
    a->postmortem = kind == 2;
    a->skipped = outcome == 1;
    return true;
}

/* {text, owner?, due_at?} is a new one, {id, done: true} ends one. */
static bool read_task(struct api_call *c, const json_t *root, struct incident_ask *a)
{
    const json_t *id = json_object_get(root, "id");
    const json_t *done = json_object_get(root, "done");
    const char *due;

    if (!text(c, root, "due_at", &due)) {
        return false;
    }
    if (due != NULL && rfc3339_parse(due, strlen(due), &a->due_ns) != GW_OK) {
        call_invalid(c, "due_at", "a time in UTC as 2026-11-20T23:51:47Z");
        return false;
    }
    if (id == NULL && done == NULL) {
        return true;
    }
    if (!json_is_integer(id) || json_integer_value(id) < 1) {
        call_invalid(c, "id", "number of the task");
        return false;
    }
    if (!json_is_true(done) || a->words != NULL || a->owner != NULL || due != NULL) {
        call_invalid(c, "done", "true, beside `id` and nothing else");
        return false;
    }
    a->act = ACT_TICK;
    a->task = (uint64_t)json_integer_value(id);
    return true;
}

static bool read_texts(struct api_call *c, const json_t *root, struct incident_ask *a)
{
    const char *words = incident_act_rows[a->act].words;
    const struct {
        const char *name;
        const char **out;
    } texts[] = {{"ticket", &a->ticket},       {"title", &a->title},   {"summary", &a->summary},
                 {"playbook", &a->playbook},   {"symbol", &a->symbol}, {"by", &a->by},
                 {"component", &a->component}, {"name", &a->name},     {"postmortem_url", &a->url},
                 {"step", &a->step},           {"answer", &a->answer}, {"owner", &a->owner}};

    for (unsigned i = 0; i < GW_LEN(texts); i++) {
        if (!text(c, root, texts[i].name, texts[i].out)) {
            return false;
        }
    }
    if (a->playbook != NULL && playbooks_find(c->api->opt.playbooks, a->playbook) == NULL) {
        call_invalid(c, "playbook", "there is none of that name here: see GET /v1/playbooks");
        return false;
    }
    return words == NULL || text(c, root, words, &a->words);
}

/* If-Match of one ETag; absent or *: any. */
static bool read_match(struct api_call *c, struct incident_ask *a)
{
    const char *match = http_header(c->req, "if-match");
    size_t len = match != NULL ? strlen(match) : 0;
    struct gate_problem p;

    if (match == NULL || strcmp(match, "*") == 0 ||
        (len >= 3 && match[0] == '"' && match[len - 1] == '"' &&
         u64_parse(match + 1, len - 2, &a->match) == GW_OK && a->match != 0)) {
        return true;
    }
    (void)gate_fail(&p, PROBLEM_VALIDATION, "If-Match is * or one ETag as given, as \"7\"");
    call_gate_problem(c, &p);
    return false;
}

/* --- acts ---------------------------------------------------------------------------------------
 */

static void set_version(struct api_call *c, uint64_t version)
{
    char etag[24];

    (void)snprintf(etag, sizeof etag, "\"%" PRIu64 "\"", version);
    http_set_header(c->req, "etag", etag);
}

static void answer_done(struct api_call *c, const struct incident_answer *answer)
{
    struct buf body = {0};

    if (answer->incident != NULL) {
        char location[64];

        set_version(c, answer->incident->version);
        if (answer->status == 201) {
            (void)snprintf(location, sizeof location, "/v1/incidents/INC-%" PRIu64,
                           answer->incident->number);
            http_set_header(c->req, "location", location);
        }
    }
    if (answer->problem.fault == INCIDENT_REPEATED) {
        http_set_header(c->req, "idempotency-replayed", "true");
    }
    buf_puts(&body, answer->body);
    call_reply(c, answer->status, &body);
    buf_fini(&body);
}

static void on_answer(void *arg, const struct incident_answer *answer)
{
    struct api_call *c = arg;
    struct buf current = {0};

    if (!call_back(c)) {
        return;
    }
    if (answer->problem.fault == INCIDENT_FINE || answer->problem.fault == INCIDENT_REPEATED) {
        answer_done(c, answer);
        return;
    }
    if (answer->incident != NULL && answer->problem.fault != INCIDENT_FIELD) {
        buf_putc(&current, '{');
        incident_print(answer->incident, &current);
        buf_putc(&current, '}');
        c->current = buf_cstr(&current);
    }
    answer_problem(c, &answer->problem);
    buf_fini(&current);
}

static bool read_ask(struct api_call *c, const json_t *root, struct incident_ask *a)
{
    return read_words(c, root, a) && read_texts(c, root, a) &&
           (a->act != ACT_TASK || read_task(c, root, a)) && read_match(c, a);
}

static void act(struct api_call *c)
{
    const struct act_row *row = row_of(c);
    struct incidents *all = incidents_of(c);
    struct incident_ask a = {.act = row->act, .source = SOURCE_HUMAN};
    struct gate_problem p;
    uint8_t sha256[32];
    const char *body;
    size_t len;
    json_t *root;

    if (all == NULL || (row->act != ACT_OPEN && !read_number(c, &a.number))) {
        return;
    }
    if (!call_once(c, true, &p)) {
        call_gate_problem(c, &p);
        return;
    }
    root = body_read(c, row->members);
    if (root == NULL) {
        return;
    }
    if (read_ask(c, root, &a)) {
        body = http_body(c->req, &len);
        record_hash(incident_act_rows[row->act].action, http_param(c->req, "id"), body, len,
                    sha256);
        a.person = c->person;
        a.actor = c->actor;
        a.session = c->session;
        a.ip = http_peer_ip(c->req);
        a.trace = c->trace;
        a.once = c->once;
        c->owed = true;
        incidents_act(all, &a, sha256, on_answer, c);
    }
    json_decref(root);
}

#define ACT_HANDLER(name)                                                                          \
    void name(struct api_call *c)                                                                  \
    {                                                                                              \
        act(c);                                                                                    \
    }
ACT_HANDLER(incident_open)
ACT_HANDLER(incident_ack)
ACT_HANDLER(incident_assign)
ACT_HANDLER(incident_note)
ACT_HANDLER(incident_severity)
ACT_HANDLER(incident_classify)
ACT_HANDLER(incident_mitigate)
ACT_HANDLER(incident_resolve)
ACT_HANDLER(incident_close)
ACT_HANDLER(incident_reopen)
ACT_HANDLER(incident_do_step)
ACT_HANDLER(incident_task)

/* --- looking ------------------------------------------------------------------------------------
 */

static void answer_text(struct api_call *c, enum incident_fault fault, const char *said, size_t len,
                        const char *type)
{
    struct buf body = {0};
    struct incident_problem p;

    if (fault == INCIDENT_UNKNOWN) {
        (void)incident_fail(&p, fault, "", "%s", "no such incident: see GET /v1/incidents");
        answer_problem(c, &p);
        return;
    }
    if (fault != INCIDENT_FINE) {
        http_set_header(c->req, "retry-after", "2");
        call_problem(c, &(struct api_problem){503, "unavailable",
                                              "a store or a thread does not answer",
                                              "PostgreSQL does not answer, and this gateway holds "
                                              "open incidents only, without their timelines: see "
                                              "GET /v1/incidents, or try again (see /readyz)",
                                              NULL});
        return;
    }
    buf_append(&body, said, len);
    call_reply_as(c, 200, type, &body);
    buf_fini(&body);
}

static void on_text(void *arg, enum incident_fault fault, const char *said, size_t len,
                    uint64_t version)
{
    struct api_call *c = arg;

    if (call_back(c)) {
        if (version != 0) {
            set_version(c, version);
        }
        answer_text(c, fault, said, len, "application/json");
    }
}

static bool read_limit(struct api_call *c, uint32_t most, uint32_t usual, uint32_t *out)
{
    const char *said = http_query(c->req, "limit");
    uint64_t limit = usual;

    if (said != NULL &&
        (u64_parse(said, strlen(said), &limit) != GW_OK || limit < 1 || limit > most)) {
        char wanted[40];

        (void)snprintf(wanted, sizeof wanted, "1 to %" PRIu32, most);
        call_invalid(c, "limit", wanted);
        return false;
    }
    *out = (uint32_t)limit;
    return true;
}

static bool read_cursor(struct api_call *c, uint64_t *out)
{
    const char *said = http_query(c->req, "cursor");

    *out = 0;
    if (said == NULL ||
        (u64_parse(said, strlen(said), out) == GW_OK && *out >= 1 && *out <= INT64_MAX)) {
        return true;
    }
    call_invalid(c, "cursor", "as an answer gave it");
    return false;
}

static bool read_filter(struct api_call *c, struct incidents_filter *f)
{
    const char *state = http_query(c->req, "state");
    const char *severity = http_query(c->req, "severity");
    const char *class_ = http_query(c->req, "class");

    *f = (struct incidents_filter){.severity = SEVERITY_COUNT, .class_ = INCIDENT_CLASS_COUNT};
    state = state != NULL ? state : "open";
    f->open = strcmp(state, "open") == 0 || strcmp(state, "all") == 0;
    f->closed = strcmp(state, "closed") == 0 || strcmp(state, "all") == 0;
    if (!f->open && !f->closed) {
        call_invalid(c, "state", "open, closed or all");
        return false;
    }
    if (severity != NULL && !severity_parse(severity, strlen(severity), &f->severity)) {
        call_invalid(c, "severity", "SEV1, SEV2, SEV3 or SEV4");
        return false;
    }
    f->class_ = class_ != NULL ? incident_class_parse(class_) : INCIDENT_CLASS_COUNT;
    if (class_ != NULL && f->class_ == INCIDENT_CLASS_COUNT) {
        call_invalid(c, "class", "data_quality, reconciliation or broker_connectivity");
        return false;
    }
    return read_cursor(c, &f->before) && read_limit(c, 200, 50, &f->limit);
}

void incidents_get_list(struct api_call *c)
{
    struct incidents *all = incidents_of(c);
    struct incidents_filter f;

    if (all != NULL && read_filter(c, &f)) {
        c->owed = true;
        incidents_list(all, &f, on_text, c);
    }
}

void incident_get(struct api_call *c)
{
    struct incidents *all = incidents_of(c);
    uint64_t number;

    if (all != NULL && read_number(c, &number)) {
        c->owed = true;
        incidents_get(all, number, on_text, c);
    }
}

void incident_timeline(struct api_call *c)
{
    struct incidents *all = incidents_of(c);
    uint64_t number;
    uint64_t after;
    uint32_t limit;

    if (all != NULL && read_number(c, &number) && read_cursor(c, &after) &&
        read_limit(c, 1000, 200, &limit)) {
        c->owed = true;
        incidents_timeline(all, number, after, limit, on_text, c);
    }
}

static void on_markdown(void *arg, enum incident_fault fault, const char *said, size_t len,
                        uint64_t version)
{
    struct api_call *c = arg;

    (void)version;
    if (call_back(c)) {
        answer_text(c, fault, said, len, "text/markdown; charset=utf-8");
    }
}

void incident_report(struct api_call *c)
{
    struct incidents *all = incidents_of(c);
    const char *format = http_query(c->req, "format");
    const char *accept = http_header(c->req, "accept");
    bool json = format != NULL ? strcmp(format, "json") == 0
                               : accept != NULL && strcmp(accept, "application/json") == 0;
    uint64_t number;

    if (format != NULL && !json && strcmp(format, "markdown") != 0) {
        call_invalid(c, "format", "markdown or json");
    } else if (all != NULL && read_number(c, &number)) {
        c->owed = true;
        incidents_report(all, number, json, json ? on_text : on_markdown, c);
    }
}
