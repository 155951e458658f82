#include "gateway/incident/row.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/base/fixed.h"
#include "gateway/incident/postmortem.h"

enum column_kind { COLUMN_INT, COLUMN_TEXT, COLUMN_TIME, COLUMN_BOOL, COLUMN_WORD };

/* clang-format off */
/*    column             member             kind  words */
#define INCIDENT_COLUMNS(X)                                                          \
    X("number",              number,              INT,  NULL, 0)                     \
    X("version",             version,             INT,  NULL, 0)                     \
    X("audit",               audit,               INT,  NULL, 0)                     \
    X("severity",            severity,            WORD, NULL, SEVERITY_COUNT)        \
    X("state",               state,               WORD, incident_state_words, INCIDENT_STATE_COUNT) \
    X("class",               class_,              WORD, incident_class_words, INCIDENT_CLASS_COUNT) \
    X("title",               title,               TEXT, NULL, 0)                     \
    X("summary",             summary,             TEXT, NULL, 0)                     \
    X("source",              source,              WORD, incident_source_words, INCIDENT_SOURCE_COUNT) \
    X("detected_by",         detected_by,         WORD, incident_detector_words, INCIDENT_DETECTOR_COUNT) \
    X("signal_key",          signal_key,          TEXT, NULL, 0)                     \
    X("signal_state",        signal,              WORD, incident_signal_words, INCIDENT_SIGNAL_COUNT) \
    X("signal_since",        signal_since_ns,     TIME, NULL, 0)                     \
    X("signal_cleared_at",   signal_cleared_ns,   TIME, NULL, 0)                     \
    X("symbol",              symbol,              TEXT, NULL, 0)                     \
    X("component",           component,           TEXT, NULL, 0)                     \
    X("playbook",            playbook,            TEXT, NULL, 0)                     \
    X("opened_at",           opened_ns,           TIME, NULL, 0)                     \
    X("opened_by",           opened_by,           TEXT, NULL, 0)                     \
    X("clock_at",            clock_ns,            TIME, NULL, 0)                     \
    X("ack_due_at",          ack_due_ns,          TIME, NULL, 0)                     \
    X("acked_at",            acked_ns,            TIME, NULL, 0)                     \
    X("acked_by",            acked_by,            TEXT, NULL, 0)                     \
    X("mitigation",          mitigation,          WORD, incident_mitigation_words, INCIDENT_MITIGATION_COUNT) \
    X("mitigated_at",        mitigated_ns,        TIME, NULL, 0)                     \
    X("resolved_at",         resolved_ns,         TIME, NULL, 0)                     \
    X("closed_at",           closed_ns,           TIME, NULL, 0)                     \
    X("reopened",            reopened,            INT,  NULL, 0)                     \
    X("level",               level,               INT,  NULL, 0)                     \
    X("level_next_at",       level_next_ns,       TIME, NULL, 0)                     \
    X("commander",           commander,           TEXT, NULL, 0)                     \
    X("scribe",              scribe,              TEXT, NULL, 0)                     \
    X("assignee",            assignee,            TEXT, NULL, 0)                     \
    X("root_cause",          root_cause,          TEXT, NULL, 0)                     \
    X("postmortem_required", postmortem_required, BOOL, NULL, 0)                     \
    X("postmortem_url",      postmortem_url,      TEXT, NULL, 0)                     \
    X("postmortem_due_at",   postmortem_due_ns,   TIME, NULL, 0)                     \
    X("reminded",            reminded,            INT,  NULL, 0)                     \
    X("remind_next_at",      remind_next_ns,      TIME, NULL, 0)                     \
    X("l3",                  l3,                  WORD, incident_l3_words, INCIDENT_L3_COUNT)
/* clang-format on */
static const struct column {
    const char *name;
    size_t offset;
    enum column_kind kind;
    const char *const *words; /* NULL: those of severities */
    unsigned count;
} columns[] = {
#define AS_COLUMN(name, member, kind, words, count)                                                \
    {name, offsetof(struct incident, member), COLUMN_##kind, words, count},
    INCIDENT_COLUMNS(AS_COLUMN)};
_Static_assert(GW_LEN(columns) == ROW_PARAMS, "each column is a parameter");
_Static_assert(sizeof(enum incident_state) == sizeof(unsigned) &&
                   sizeof(enum incident_severity) == sizeof(unsigned),
               "words are read and written as unsigned numbers");

void row_columns(struct buf *out)
{
    for (unsigned i = 0; i < GW_LEN(columns); i++) {
        const char *name = columns[i].name;

        buf_puts(out, i != 0 ? ", " : "");
        if (columns[i].kind == COLUMN_TIME) {
            buf_printf(out, "(extract(epoch FROM i.%s) * 1000000)::bigint", name);
        } else {
            buf_printf(out, "i.%s", name);
        }
    }
    buf_puts(
        out,
        ", (SELECT coalesce(json_agg(json_build_object('id', t.id, 'text', t.text, 'owner',"
        " t.owner, 'due_at', " ROW_UTC("t.due_at") ", 'done_at', " ROW_UTC(
            "t.done_at") ") ORDER BY t.id), '[]')::text FROM incident_tasks t"
                         " WHERE t.incident = i.number)"
                         ", (SELECT json_agg(json_build_object('id', s.step, 'outcome',"
                         " s.outcome, 'by', s.by, 'at', (extract(epoch FROM s.at)"
                         " * 1000000)::bigint, 'notes', s.notes, 'answer', s.answer)"
                         " ORDER BY s.at, s.step)::text FROM incident_steps s"
                         " WHERE s.incident = i.number AND s.round = i.reopened)"
                         ", (SELECT max(t.id) FROM incident_tasks t WHERE t.incident = i.number"
                         " AND t.text = '" POSTMORTEM_TASK "' AND t.done_at IS NULL)");
}

/* --- reading ------------------------------------------------------------------------------------
 */

static bool read_word(const struct column *c, const char *text, unsigned *out)
{
    *out = c->count;
    if (text == NULL) {
        return true; /* the count stands for none */
    }
    if (c->words != NULL) {
        *out = incident_word(c->words, c->count, text);
    } else {
        enum incident_severity severity;

        *out = severity_parse(text, strlen(text), &severity) ? severity : c->count;
    }
    return *out < c->count;
}

static bool read_column(const struct column *c, struct incident *i, const struct pg_reply *r,
                        size_t statement, size_t row, size_t at)
{
    void *member = (char *)i + c->offset;
    const char *text = pg_value(r, statement, row, at, NULL);
    int64_t number = 0;

    switch (c->kind) {
    case COLUMN_TEXT:
        *(char **)member = text != NULL ? gw_strdup(text) : NULL;
        return true;
    case COLUMN_BOOL:
        return pg_value_bool(r, statement, row, at, member);
    case COLUMN_WORD:
        return read_word(c, text, member);
    case COLUMN_TIME:
        if (text == NULL) {
            return true;
        }
        if (!pg_value_i64(r, statement, row, at, &number)) {
            return false;
        }
        *(int64_t *)member = number * 1000;
        return true;
    case COLUMN_INT:
        if (!pg_value_i64(r, statement, row, at, &number) || number < 0) {
            return false;
        }
        *(uint64_t *)member = (uint64_t)number;
        return true;
    }
    return false;
}

static char *copy_member(const json_t *v, const char *name)
{
    const char *text = json_string_value(json_object_get(v, name));

    return text != NULL ? gw_strdup(text) : NULL;
}

/* What row_columns() has made, so it is not checked. */
static void read_steps(struct incident *i, const char *text)
{
    json_t *list = text != NULL ? json_loads(text, 0, NULL) : NULL;
    const json_t *v;
    size_t n;

    i->step_count = json_array_size(list);
    i->steps = i->step_count != 0 ? gw_calloc(i->step_count, sizeof *i->steps) : NULL;
    json_array_foreach(list, n, v)
    {
        struct incident_step *s = &i->steps[n];

        s->id = copy_member(v, "id");
        s->by = copy_member(v, "by");
        s->notes = copy_member(v, "notes");
        s->answer = copy_member(v, "answer");
        s->at_ns = json_integer_value(json_object_get(v, "at")) * 1000;
        s->skipped = strcmp(json_string_value(json_object_get(v, "outcome")), "skipped") == 0;
    }
    json_decref(list);
}

struct incident *row_read(const struct pg_reply *r, size_t statement, size_t row, size_t first)
{
    struct incident *i = gw_calloc(1, sizeof *i);
    int64_t task = 0;

    for (unsigned c = 0; c < GW_LEN(columns); c++) {
        if (!read_column(&columns[c], i, r, statement, row, first + c)) {
            incident_destroy(&i);
            return NULL;
        }
    }
    i->tasks = gw_strdup(pg_value(r, statement, row, first + GW_LEN(columns), NULL));
    read_steps(i, pg_value(r, statement, row, first + GW_LEN(columns) + 1, NULL));
    if (pg_value_i64(r, statement, row, first + GW_LEN(columns) + 2, &task)) {
        i->postmortem_task = (uint64_t)task;
    }
    return i;
}

/* --- writing ------------------------------------------------------------------------------------
 */

struct pg_param row_time(int64_t ns)
{
    return ns != 0 ? pg_int8(ns / 1000) : pg_null();
}

static void put_values(struct buf *out)
{
    for (unsigned i = 0; i < GW_LEN(columns); i++) {
        char n[8];

        (void)snprintf(n, sizeof n, "$%u", i + 1);
        buf_puts(out, i != 0 ? ", " : "");
        if (columns[i].kind == COLUMN_TIME) {
            buf_printf(out, "'epoch'::timestamptz + %s::bigint * interval '1 microsecond'", n);
        } else {
            buf_puts(out, n);
        }
    }
}

void row_write_sql(struct buf *out, bool new_one)
{
    buf_puts(out, new_one ? "INSERT INTO incidents AS i (" : "UPDATE incidents AS i SET (");
    for (unsigned i = 0; i < GW_LEN(columns); i++) {
        buf_printf(out, "%s%s", i != 0 ? ", " : "", columns[i].name);
    }
    buf_puts(out, new_one ? ") VALUES (" : ") = ROW(");
    put_values(out);
    buf_puts(out,
             new_one ? ") RETURNING " : ") WHERE i.number = $1 AND i.version = $2 - 1 RETURNING ");
    row_columns(out);
    (void)buf_cstr(out);
}

void row_params(const struct incident *i, struct pg_param params[ROW_PARAMS])
{
    for (unsigned n = 0; n < GW_LEN(columns); n++) {
        const struct column *c = &columns[n];
        const void *member = (const char *)i + c->offset;
        unsigned word;

        switch (c->kind) {
        case COLUMN_TEXT:
            params[n] = pg_text(*(char *const *)member);
            break;
        case COLUMN_BOOL:
            params[n] = pg_bool(*(const bool *)member);
            break;
        case COLUMN_TIME:
            params[n] = row_time(*(const int64_t *)member);
            break;
        case COLUMN_INT:
            params[n] = pg_int8((int64_t) * (const uint64_t *)member);
            break;
        case COLUMN_WORD:
            memcpy(&word, member, sizeof word);
            params[n] = pg_text(word >= c->count   ? NULL
                                : c->words != NULL ? c->words[word]
                                                   : severity_rows[word].word);
            break;
        }
    }
}
