#include "gateway/incident/report.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#define SECOND_NS INT64_C(1000000000)

void incident_event_print(const struct incident_event *e, struct buf *out)
{
    buf_printf(out, "{\"seq\":%" PRIu64 ",\"at\":\"", e->seq);
    buf_rfc3339(out, e->at_ns, 6);
    buf_printf(out, "\",\"kind\":\"%s\",\"by\":", e->kind);
    buf_json_str(out, e->by, strlen(e->by));
    buf_lit(out, ",\"text\":");
    buf_json_str(out, e->text, strlen(e->text));
    if (e->audit != 0) {
        buf_printf(out, ",\"audit\":%" PRIu64, e->audit);
    } else {
        buf_lit(out, ",\"audit\":null");
    }
    buf_printf(out, ",\"data\":%s}", e->data != NULL && e->data[0] != '\0' ? e->data : "{}");
}

/* --- durations ----------------------------------------------------------------------------------
 */

/* From the opening on; -1: it did not come to that. */
static int64_t after_s(const struct incident *i, int64_t at_ns)
{
    return at_ns != 0 ? (at_ns - i->opened_ns) / SECOND_NS : -1;
}

struct duration {
    const char *name;
    const char *member;
    int64_t s;
};
#define DURATIONS 4u

static void durations(const struct incident *i, int64_t now_ns, struct duration out[DURATIONS])
{
    int64_t end_ns = i->closed_ns != 0     ? i->closed_ns
                     : i->resolved_ns != 0 ? i->resolved_ns
                                           : now_ns;

    out[0] = (struct duration){"to acknowledge", "ack_s", after_s(i, i->acked_ns)};
    out[1] = (struct duration){"to mitigate", "mitigate_s", after_s(i, i->mitigated_ns)};
    out[2] = (struct duration){"to resolve", "resolve_s", after_s(i, i->resolved_ns)};
    out[3] = (struct duration){"open in all", "open_s", after_s(i, end_ns)};
}

static void put_duration(struct buf *out, int64_t s)
{
    if (s < 0) {
        buf_lit(out, "-");
    } else if (s >= 3600) {
        buf_printf(out, "%" PRId64 " h %02" PRId64 " min", s / 3600, s / 60 % 60);
    } else {
        buf_printf(out, "%" PRId64 " min %02" PRId64 " s", s / 60, s % 60);
    }
}

/* --- Markdown -----------------------------------------------------------------------------------
 */

/* TEXT on one line, and nothing of it is markup. */
static void put_plain(struct buf *out, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (strchr("\\`*_{}[]<>|#~", *p) != NULL) {
            buf_putc(out, '\\');
        }
        buf_putc(out, *p == '\n' || *p == '\t' ? ' ' : *p);
    }
}

static void put_row(struct buf *out, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0') {
        buf_printf(out, "| %s | ", name);
        put_plain(out, value);
        buf_lit(out, " |\n");
    }
}

static void put_time_row(struct buf *out, const char *name, int64_t ns, const char *by)
{
    if (ns != 0) {
        buf_printf(out, "| %s | ", name);
        buf_rfc3339(out, ns / SECOND_NS * SECOND_NS, 0);
        if (by != NULL) {
            buf_lit(out, " by ");
            put_plain(out, by);
        }
        buf_lit(out, " |\n");
    }
}

static void put_facts(struct buf *out, const struct incident *i, int64_t now_ns)
{
    struct duration d[DURATIONS];

    buf_lit(out, "\n| | |\n|---|---|\n");
    put_row(out, "severity", severity_rows[i->severity].word);
    put_row(out, "state", incident_state_words[i->state]);
    put_row(out, "class",
            i->class_ != INCIDENT_CLASS_COUNT ? incident_class_words[i->class_] : "not classified");
    put_row(out, "detected by", incident_detector_words[i->detected_by]);
    put_row(out, "symbol", i->symbol);
    put_row(out, "component", i->component);
    put_row(out, "playbook", i->playbook);
    put_row(out, "signal", i->signal_key);
    put_row(out, "commander", i->commander);
    put_row(out, "scribe", i->scribe);
    put_row(out, "assignee", i->assignee);
    put_time_row(out, "opened", i->opened_ns, i->opened_by);
    put_time_row(out, "acknowledge by", i->ack_due_ns, NULL);
    put_time_row(out, "acknowledged", i->acked_ns, i->acked_by);
    put_time_row(out, "mitigated", i->mitigated_ns, NULL);
    put_time_row(out, "resolved", i->resolved_ns, NULL);
    put_time_row(out, "closed", i->closed_ns, NULL);
    buf_printf(out, "| level of escalation | %" PRIu64 " |\n", i->level);
    buf_printf(out, "| reopened | %" PRIu64 " times |\n", i->reopened);
    durations(i, now_ns, d);
    for (unsigned n = 0; n < DURATIONS; n++) {
        buf_printf(out, "| %s | ", d[n].name);
        put_duration(out, d[n].s);
        buf_lit(out, " |\n");
    }
    put_row(out, "postmortem",
            i->postmortem_url != NULL ? i->postmortem_url
            : i->postmortem_required  ? "required, none yet"
                                      : NULL);
}

static void put_tasks(struct buf *out, const struct incident *i)
{
    json_t *list = i->tasks != NULL ? json_loads(i->tasks, 0, NULL) : NULL;
    const json_t *task;
    size_t n;

    if (json_array_size(list) != 0) {
        buf_lit(out, "\n## Tasks\n\n");
    }
    json_array_foreach(list, n, task)
    {
        const char *owner = json_string_value(json_object_get(task, "owner"));
        const char *due = json_string_value(json_object_get(task, "due_at"));

        buf_printf(out, "- [%c] ", json_is_string(json_object_get(task, "done_at")) ? 'x' : ' ');
        put_plain(out, json_string_value(json_object_get(task, "text")));
        if (owner != NULL) {
            buf_lit(out, ", ");
            put_plain(out, owner);
        }
        if (due != NULL) {
            buf_printf(out, ", due %.19sZ", due);
        }
        buf_putc(out, '\n');
    }
    json_decref(list);
}

static void put_steps(struct buf *out, const struct incident *i)
{
    if (i->step_count != 0) {
        buf_lit(out, "\n## Steps of the playbook\n\n");
    }
    for (size_t n = 0; n < i->step_count; n++) {
        const struct incident_step *s = &i->steps[n];

        buf_printf(out, "- `%s`: %s by ", s->id, s->skipped ? "skipped" : "done");
        put_plain(out, s->by);
        if (s->answer != NULL) {
            buf_lit(out, "; answer: ");
            put_plain(out, s->answer);
        }
        if (s->notes != NULL) {
            buf_lit(out, "; ");
            put_plain(out, s->notes);
        }
        buf_putc(out, '\n');
    }
}

void incident_report_markdown(const struct incident *i, const struct incident_event *events,
                              size_t count, int64_t now_ns, struct buf *out)
{
    buf_printf(out, "# INC-%" PRIu64 ": ", i->number);
    put_plain(out, i->title);
    buf_putc(out, '\n');
    if (i->summary != NULL) {
        buf_putc(out, '\n');
        put_plain(out, i->summary);
        buf_putc(out, '\n');
    }
    put_facts(out, i, now_ns);
    buf_lit(out, "\n## Root cause\n\n");
    put_plain(out, i->root_cause != NULL ? i->root_cause : "Not known yet.");
    buf_putc(out, '\n');
    put_steps(out, i);
    put_tasks(out, i);
    buf_lit(out, "\n## Timeline (UTC)\n\n| time | what | by | |\n|---|---|---|---|\n");
    for (size_t n = 0; n < count; n++) {
        const struct incident_event *e = &events[n];

        buf_lit(out, "| ");
        buf_rfc3339(out, e->at_ns / SECOND_NS * SECOND_NS, 0);
        buf_printf(out, " | %s: ", e->kind);
        put_plain(out, e->text);
        buf_lit(out, " | ");
        put_plain(out, e->by);
        if (e->audit != 0) {
            buf_printf(out, " | audit %" PRIu64 " |\n", e->audit);
        } else {
            buf_lit(out, " | |\n");
        }
    }
    buf_lit(out, "\nWritten ");
    buf_rfc3339(out, now_ns / SECOND_NS * SECOND_NS, 0);
    buf_lit(out, " from the incident and the audit log.\n");
}

void incident_report_json(const struct incident *i, const struct incident_event *events,
                          size_t count, int64_t now_ns, struct buf *out)
{
    struct duration d[DURATIONS];

    buf_lit(out, "{\"incident\":{");
    incident_print(i, out);
    buf_lit(out, "},\"durations\":{");
    durations(i, now_ns, d);
    for (unsigned n = 0; n < DURATIONS; n++) {
        buf_printf(out, "%s\"%s\":", n != 0 ? "," : "", d[n].member);
        if (d[n].s >= 0) {
            buf_printf(out, "%" PRId64, d[n].s);
        } else {
            buf_lit(out, "null");
        }
    }
    buf_lit(out, "},\"timeline\":[");
    for (size_t n = 0; n < count; n++) {
        buf_puts(out, n != 0 ? "," : "");
        incident_event_print(&events[n], out);
    }
    buf_lit(out, "],\"written_at\":\"");
    buf_rfc3339(out, now_ns, 6);
    buf_lit(out, "\"}");
}
