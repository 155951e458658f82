/* incident list, show, report; incident open, ack, ...: one function for all acts, from a table of what
 * goes where in the body. */
#include "admin_api/portctl/incident_rows.h"

#include <stdlib.h>
#include <string.h>
#include "admin_api/portctl/fields.h"
#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/text.h"

#define CLASSES    "data_quality reconciliation broker_connectivity"
#define SEVERITIES "SEV1 SEV2 SEV3 SEV4"

/* clang-format off */
const struct opt incident_list_options[] = {
    {"state",    "STATE", "open (if left out), closed or all", "open closed all", OPT_STRICT, '\0'},
    {"severity", "SEV",   "of this severity",              SEVERITIES, 0, '\0'},
    {"class",    "CLASS", "of this class",                 CLASSES, 0, '\0'},
    {"limit",    "N",     "so many at once (50)",          NULL, 0, '\0'},
    {"cursor",   "TEXT",  "go on where an answer ended",   NULL, 0, '\0'},
    {0},
};
const struct opt incident_open_options[] = {
    {"severity",  "SEV",    "SEV1 (worst) to SEV4; P0 to P3 are understood", SEVERITIES, OPT_REQUIRED, '\0'},
    {"title",     "TEXT",   "in one line, 1 to 200 characters", NULL, OPT_REQUIRED, '\0'},
    {"reason",    "TEXT",   "why, 10 to 500 characters, for the audit log", NULL, OPT_REQUIRED, '\0'},
    {"ticket",    "ID",     "its ticket",                  NULL, 0, '\0'},
    {"summary",   "TEXT",   "in more words",               NULL, 0, '\0'},
    {"class",     "CLASS",  "what kind",                   CLASSES, 0, '\0'},
    {"playbook",  "ID",     "what to do",                  NULL, 0, '\0'},
    {"symbol",    "SYMBOL", "the one it is about",         NULL, 0, '\0'},
    {"component", "ID",     "the system it is about",      NULL, 0, '\0'},
    {"detected-by", "WHO",  "human (if left out), alert, gateway or customer", "human alert gateway customer", OPT_STRICT, '\0'},
    {0},
};
const struct opt incident_ack_options[] = {
    {"notes",       "TEXT", "what is being done, 1 to 500 characters", NULL, OPT_REQUIRED, '\0'},
    {"by",          "NAME", "who has it, if another than who says so", NULL, 0, '\0'},
    {"ack-by",      "NAME", "the same",                    NULL, 0, '\0'},
    {"incident-id", "ID",   "the incident",                NULL, 0, '\0'},
    {"run-id",      "R",    "of a run; goes into the notes", NULL, 0, '\0'},
    {0},
};
const struct opt incident_assign_options[] = {
    {"role", "ROLE", "commander, scribe or assignee",      "commander scribe assignee", OPT_REQUIRED | OPT_STRICT, '\0'},
    {"name", "NAME", "who",                                NULL, OPT_REQUIRED, '\0'},
    {0},
};
const struct opt incident_note_options[] = {
    {"text",       "TEXT", "1 to 500 characters",          NULL, OPT_REQUIRED, '\0'},
    {"root-cause", NULL,   "it says why it happened",      NULL, 0, '\0'},
    {"postmortem", NULL,   "it is the address of the postmortem, which ends its reminders", NULL, 0, '\0'},
    {0},
};
const struct opt incident_notes_options[] = {
    {"notes", "TEXT", "1 to 500 characters",               NULL, OPT_REQUIRED, '\0'},
    {0},
};
const struct opt incident_reason_options[] = {
    {"reason", "TEXT", "why, 10 to 500 characters",        NULL, OPT_REQUIRED, '\0'},
    {0},
};
const struct opt incident_close_options[] = {
    {"notes",      "TEXT", "1 to 500 characters",          NULL, OPT_REQUIRED, '\0'},
    {"postmortem", "URL",  "where it is",                  NULL, 0, '\0'},
    {0},
};
const struct opt incident_step_options[] = {
    {"skip",   NULL,   "it was skipped, and the notes say why", NULL, 0, '\0'},
    {"notes",  "TEXT", "at most 500 characters",           NULL, 0, '\0'},
    {"answer", "TEXT", "to the question of its guard",     NULL, 0, '\0'},
    {0},
};
const struct opt incident_task_options[] = {
    {"text",  "TEXT", "what is to be done",                NULL, 0, '\0'},
    {"owner", "NAME", "by whom",                           NULL, 0, '\0'},
    {"due",   "TIME", "until when: RFC 3339, or 24h, 7d from now", NULL, 0, '\0'},
    {"done",  "N",    "that task is done",                 NULL, 0, '\0'},
    {0},
};

/* Options that go into the body as they are, and the second word. */
static const struct {
    const char *command;
    const char *word;   /* member of the second word; NULL: there is none */
    const char *const members[11][2]; /* option, member */
} acts[] = {
    {"open",     NULL,         {{"severity", "severity"}, {"title", "title"}, {"reason", "reason"}, {"ticket", "ticket"},
                                {"summary", "summary"}, {"class", "class"}, {"playbook", "playbook"}, {"symbol", "symbol"},
                                {"component", "component"}, {"detected-by", "detected_by"}}},
    {"ack",      NULL,         {{"notes", "notes"}, {"by", "by"}, {"ack-by", "by"}}},
    {"assign",   NULL,         {{"role", "role"}, {"name", "name"}}},
    {"note",     NULL,         {{"text", "text"}}},
    {"severity", "severity",   {{"reason", "reason"}}},
    {"classify", "class",      {{NULL, NULL}}},
    {"mitigate", "mitigation", {{"notes", "notes"}}},
    {"resolve",  NULL,         {{"notes", "notes"}}},
    {"close",    NULL,         {{"notes", "notes"}, {"postmortem", "postmortem_url"}}},
    {"reopen",   NULL,         {{"reason", "reason"}}},
    {"step",     "step",       {{"notes", "notes"}, {"answer", "answer"}}},
    {"task",     NULL,         {{"text", "text"}, {"owner", "owner"}}},
};

static const struct field columns[] = {
    {"ID", "id", FIELD_PLAIN},           {"SEVERITY", "severity", FIELD_PLAIN}, {"STATE", "state", FIELD_PLAIN},
    {"LEVEL", "level", FIELD_PLAIN},     {"OPENED", "opened_at", FIELD_TIME},   {"ACK DUE", "ack_due_at", FIELD_TIME},
    {"ACKED BY", "acked_by", FIELD_PLAIN}, {"TITLE", "title", FIELD_PLAIN},
};
static const struct field shown[] = {
    {"id", "id", FIELD_PLAIN},               {"title", "title", FIELD_PLAIN},         {"severity", "severity", FIELD_PLAIN},
    {"state", "state", FIELD_PLAIN},         {"class", "class", FIELD_PLAIN},         {"summary", "summary", FIELD_PLAIN},
    {"symbol", "symbol", FIELD_PLAIN},       {"component", "component", FIELD_PLAIN}, {"playbook", "playbook", FIELD_PLAIN},
    {"signal", "signal.state", FIELD_PLAIN}, {"opened", "opened_at", FIELD_TIME},     {"opened by", "opened_by", FIELD_PLAIN},
    {"acknowledge by", "ack_due_at", FIELD_TIME}, {"acknowledged", "acked_at", FIELD_TIME},
    {"acknowledged by", "acked_by", FIELD_PLAIN}, {"level", "level", FIELD_PLAIN},    {"next level", "level_next_at", FIELD_TIME},
    {"mitigation", "mitigation", FIELD_PLAIN}, {"commander", "commander", FIELD_PLAIN}, {"scribe", "scribe", FIELD_PLAIN},
    {"assignee", "assignee", FIELD_PLAIN},   {"root cause", "root_cause", FIELD_PLAIN},
    {"postmortem", "postmortem_url", FIELD_PLAIN}, {"postmortem due", "postmortem_due_at", FIELD_TIME}, {"missing to close", "may_close.missing", FIELD_WORDS},
};
static const struct field step_columns[] = {
    {"STEP", "id", FIELD_PLAIN}, {"STATE", "state", FIELD_PLAIN}, {"BY", "by", FIELD_PLAIN}, {"NOTES", "notes", FIELD_PLAIN},
    {"WAITS FOR", "why", FIELD_PLAIN}};
static const struct field task_columns[] = {
    {"TASK", "id", FIELD_PLAIN}, {"TEXT", "text", FIELD_PLAIN}, {"OWNER", "owner", FIELD_PLAIN}, {"DUE", "due_at", FIELD_TIME},
    {"DONE", "done_at", FIELD_TIME}};
static const struct field event_columns[] = {
    {"AT", "at", FIELD_TIME}, {"WHAT", "kind", FIELD_PLAIN}, {"BY", "by", FIELD_PLAIN}, {"TEXT", "text", FIELD_PLAIN}};
/* clang-format on */

/* --- looking ------------------------------------------------------------------------------------
 */

static void put_table(struct buf *out, const json_t *list, const struct field *fields, size_t count)
{
    if (json_array_size(list) != 0) {
        buf_puts(out, out->len != 0 ? "\n" : "");
        fields_list(out, list, fields, count);
    }
}

/* What the gateway holds while PostgreSQL does not answer is said to be so. */
static void say_stale(const json_t *root)
{
    if (json_is_true(json_object_get(root, "stale"))) {
        say("PostgreSQL does not answer: as it was %" JSON_INTEGER_FORMAT
            " s ago, without what is closed; %zu signals wait to be entered",
            json_integer_value(json_object_get(root, "age_s")),
            json_array_size(json_object_get(root, "waiting")));
    }
}

static void put_path(struct buf *out, const char *id, const char *tail)
{
    buf_lit(out, "/v1/incidents/");
    put_segment(out, id);
    buf_puts(out, tail);
}

static void print_list(const json_t *root, const json_t *list, const struct args *a)
{
    struct buf out = {0};

    (void)a;
    if (json_array_size(list) == 0) {
        say("no incident");
    } else {
        put_table(&out, list, columns, GW_LEN(columns));
        print_buf(&out);
    }
    say_stale(root);
    if (json_is_string(json_object_get(root, "next"))) {
        say("there are more: --cursor %s", text_member(root, "next"));
    }
}

enum portctl_exit incident_list(struct client *c, const struct args *a)
{
    static const char *const filters[] = {"state", "severity", "class", "limit", "cursor"};
    struct buf target = {0};
    enum portctl_exit code;
    char lead = '?';

    buf_lit(&target, "/v1/incidents");
    for (size_t i = 0; i < GW_LEN(filters); i++) {
        const char *value = args_get(a, filters[i]);

        if (value != NULL) {
            buf_printf(&target, "%c%s=", lead, filters[i]);
            put_segment(&target, value);
            lead = '&';
        }
    }
    code = show_list(c, a, buf_cstr(&target), "incidents", print_list);
    buf_fini(&target);
    return code;
}

/* Members that have a value, a line each. */
static void put_incident(struct buf *out, const json_t *incident)
{
    fields_given(out, incident, shown, GW_LEN(shown));
    put_table(out, json_object_get(incident, "steps"), step_columns, GW_LEN(step_columns));
    put_table(out, json_object_get(incident, "tasks"), task_columns, GW_LEN(task_columns));
}

static enum portctl_exit put_timeline(struct client *c, const char *id, struct buf *out)
{
    struct buf target = {0};
    struct answer answer;
    enum portctl_exit code;

    put_path(&target, id, "/timeline?limit=1000");
    code = client_call(c, &(struct call){.method = "GET", .target = buf_cstr(&target)}, &answer);
    if (code == PORTCTL_DONE) {
        put_table(out, json_object_get(answer.root, "timeline"), event_columns,
                  GW_LEN(event_columns));
    }
    answer_fini(&answer);
    buf_fini(&target);
    return code;
}

enum portctl_exit incident_show(struct client *c, const struct args *a)
{
    struct buf target = {0};
    struct buf out = {0};
    struct answer answer;
    enum portctl_exit code;

    put_path(&target, a->words[0], "");
    code = client_call(c, &(struct call){.method = "GET", .target = buf_cstr(&target)}, &answer);
    if (code == PORTCTL_DONE && client_settings(c)->json) {
        print_json(&answer);
    } else if (code == PORTCTL_DONE) {
        put_incident(&out, answer.root);
        if (!json_is_true(json_object_get(answer.root, "stale"))) {
            code = put_timeline(c, a->words[0], &out);
        }
        print_buf(&out);
        say_stale(answer.root);
    }
    answer_fini(&answer);
    buf_fini(&target);
    buf_fini(&out);
    return code;
}

enum portctl_exit incident_report(struct client *c, const struct args *a)
{
    bool json = client_settings(c)->json;
    struct buf target = {0};
    struct answer answer;
    enum portctl_exit code;

    put_path(&target, a->words[0], json ? "/report?format=json" : "/report");
    code = client_call(c,
                       &(struct call){.method = "GET",
                                      .target = buf_cstr(&target),
                                      .accept = json ? NULL : "text/markdown",
                                      .as_is = !json},
                       &answer);
    if (code == PORTCTL_DONE) {
        print_json(&answer); /* the text as it came */
    }
    answer_fini(&answer);
    buf_fini(&target);
    return code;
}

/* --- acting -------------------------------------------------------------------------------------
 */

static const char *verb_of(const struct args *a)
{
    return a->command->name + sizeof "incident";
}

static bool set(json_t *body, const char *member, const char *value)
{
    json_t *v = value != NULL ? json_string(value) : NULL;

    if (value != NULL && v == NULL) {
        say_not_utf8();
        return false;
    }
    return v == NULL || json_object_set_new(body, member, v) == 0;
}

/* --text with --owner and --due, or --done alone. */
static bool set_task(const struct args *a, json_t *body)
{
    const char *done = args_get(a, "done");
    const char *due = args_get(a, "due");
    json_t *time;
    uint64_t id;

    if ((done == NULL) == (args_get(a, "text") == NULL)) {
        say("incident task needs --text TEXT, or --done N");
        say_next("portctl help incident task");
        return false;
    }
    if (done != NULL && !number_parse(done, 1, 1000000, &id)) {
        say("--done %s: expected the number of a task", done);
        say_next("portctl incident show %s", a->words[0]);
        return false;
    }
    if (done != NULL) {
        (void)json_object_set_new(body, "id", json_integer((json_int_t)id));
        (void)json_object_set_new(body, "done", json_true());
    }
    time = due != NULL ? time_value("due", due) : NULL;
    if (time != NULL) {
        (void)json_object_set_new(body, "due_at", time);
    }
    return due == NULL || time != NULL;
}

/* What an older runbook names --run-id is kept where people read it. */
static bool set_run(const struct args *a, json_t *body)
{
    const char *run = args_get(a, "run-id");
    struct buf notes = {0};
    bool ok = true;

    if (run != NULL) {
        buf_printf(&notes, "[run %s] %s", run, args_get(a, "notes"));
        ok = set(body, "notes", buf_cstr(&notes));
    }
    buf_fini(&notes);
    return ok;
}

/* NULL: said why. */
static json_t *body_of(const struct args *a)
{
    const char *verb = verb_of(a);
    json_t *body = json_object();
    size_t row = 0;
    bool ok = true;

    while (strcmp(acts[row].command, verb) != 0) {
        row++;
        GW_ASSERT(row < GW_LEN(acts));
    }
    for (size_t i = 0; acts[row].members[i][0] != NULL; i++) {
        ok = ok && set(body, acts[row].members[i][1], args_get(a, acts[row].members[i][0]));
    }
    if (acts[row].word != NULL) {
        ok = ok && set(body, acts[row].word, a->words[1]);
    }
    if (strcmp(verb, "note") == 0 && args_get(a, "root-cause") != NULL) {
        ok = ok && set(body, "kind", "root_cause");
    } else if (strcmp(verb, "note") == 0 && args_get(a, "postmortem") != NULL) {
        ok = ok && set(body, "kind", "postmortem");
    } else if (strcmp(verb, "step") == 0) {
        ok = ok && set(body, "outcome", args_get(a, "skip") != NULL ? "skipped" : "done");
    } else if (strcmp(verb, "task") == 0) {
        ok = ok && set_task(a, body);
    } else if (strcmp(verb, "ack") == 0) {
        ok = ok && set_run(a, body);
    }
    if (!ok) {
        json_decref(body);
        return NULL;
    }
    return body;
}

/* The incident of the line; NULL: there is none, which has been said. */
static const char *id_of(const struct args *a)
{
    const char *option = args_get(a, "incident-id");
    const char *word = a->word_count != 0 ? a->words[0] : NULL;

    if ((option == NULL) == (word == NULL)) {
        say("incident ack needs the incident once: ID, or --incident-id ID");
        say_next("portctl incident list");
        return NULL;
    }
    return option != NULL ? option : word;
}

static void tell(const struct answer *a)
{
    struct buf text = {0};
    const char *next = text_member(a->root, "level_next_at");

    buf_printf(&text, "%s is %s, %s", text_member(a->root, "id"), text_member(a->root, "state"),
               text_member(a->root, "severity"));
    if (next[0] != '\0') {
        buf_lit(&text, "; its next level is due at ");
        put_time(&text, next);
    }
    buf_putc(&text, '\n');
    print_buf(&text);
}

enum portctl_exit incident_act(struct client *c, const struct args *a)
{
    bool opens = strcmp(verb_of(a), "open") == 0;
    const char *id = opens ? NULL : id_of(a);
    json_t *body = opens || id != NULL ? body_of(a) : NULL;
    struct buf target = {0};
    struct answer answer;
    enum portctl_exit code = PORTCTL_USAGE;

    if (body == NULL) {
        return code;
    }
    if (opens) {
        buf_lit(&target, "/v1/incidents");
    } else {
        put_path(&target, id, "/");
        buf_puts(&target, verb_of(a));
    }
    code = client_call(
        c,
        &(struct call){
            .method = "POST", .target = buf_cstr(&target), .body = body, .repeatable = true},
        &answer);
    if (code == PORTCTL_DONE && client_settings(c)->json) {
        print_json(&answer);
    } else if (code == PORTCTL_DONE) {
        tell(&answer);
    }
    answer_fini(&answer);
    buf_fini(&target);
    return code;
}
