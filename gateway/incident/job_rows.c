/* gateway/incident/job_rows.c - what a change writes: the incident, its steps and tasks, a row of its
 * timeline, pages. */
#include <string.h>
#include "gateway/incident/job_priv.h"
#include "gateway/incident/postmortem.h"
#include "gateway/incident/row.h"

void job_put(struct job *j, const char *sql, const struct pg_param *params, size_t count)
{
    struct pg_param *own = &j->params[j->param_count];

    GW_ASSERT(j->statement_count < STATEMENTS && j->param_count + count <= PARAMS);
    if (count != 0) {
        memcpy(own, params, count * sizeof *params);
    }
    j->statements[j->statement_count++] = (struct pg_statement){sql, own, count};
    j->param_count += count;
}

static void add_step(struct job *j)
{
    const struct incident_ask *a = j->ask;
    const struct pg_param params[] = {pg_int8((int64_t)j->i->number),
                                      pg_int8((int64_t)j->i->reopened),
                                      pg_text(a->step),
                                      pg_text(a->skipped ? "skipped" : "done"),
                                      pg_text(a->person),
                                      row_time(j->now_ns),
                                      pg_text(a->words),
                                      pg_text(a->answer)};

    job_put(
        j,
        "INSERT INTO incident_steps (incident, round, step, outcome, by, at, notes, answer)"
        " VALUES ($1, $2, $3, $4, $5, " ROW_AT(
            "$6") ", $7, $8)"
                  " ON CONFLICT (incident, round, step) DO UPDATE SET outcome = excluded.outcome,"
                  " by = excluded.by, at = excluded.at, notes = excluded.notes,"
                  " answer = excluded.answer",
        params, GW_LEN(params));
}

static void add_task(struct job *j, const char *text, const char *owner, int64_t due_ns)
{
    const struct pg_param params[] = {pg_int8((int64_t)j->i->number), pg_text(text), pg_text(owner),
                                      row_time(due_ns)};

    job_put(j,
            "INSERT INTO incident_tasks (incident, id, text, owner, due_at)"
            " SELECT $1, coalesce(max(id), 0) + 1, $2, $3, " ROW_AT(
                "$4") " FROM incident_tasks WHERE incident = $1",
            params, GW_LEN(params));
}

static void add_tick(struct job *j, uint64_t task)
{
    const struct pg_param params[] = {pg_int8((int64_t)j->i->number), pg_int8((int64_t)task),
                                      row_time(j->now_ns), pg_text(j->ask->person)};

    j->at_tick = j->statement_count;
    job_put(j,
            "UPDATE incident_tasks SET done_at = " ROW_AT(
                "$3") ", done_by = $4"
                      " WHERE incident = $1 AND id = $2 AND done_at IS NULL",
            params, GW_LEN(params));
}

/* The task of the postmortem: one that is open from an earlier round gets the new time. */
static void add_postmortem(struct job *j)
{
    const struct pg_param params[] = {pg_int8((int64_t)j->i->number),
                                      pg_int8((int64_t)j->i->postmortem_task),
                                      row_time(j->i->postmortem_due_ns)};

    if (j->i->postmortem_task != 0) {
        job_put(
            j,
            "UPDATE incident_tasks SET due_at = " ROW_AT("$3") " WHERE incident = $1 AND id = $2",
            params, GW_LEN(params));
    } else {
        add_task(j, POSTMORTEM_TASK, j->i->commander, j->i->postmortem_due_ns);
    }
}

void job_put_parts(struct job *j)
{
    const struct incident_ask *a = j->ask;

    if (a->act == ACT_STEP) {
        add_step(j);
    } else if (a->act == ACT_TASK) {
        add_task(j, a->words, a->owner, a->due_ns);
    } else if (a->act == ACT_TICK) {
        add_tick(j, a->task);
    }
    if (j->effect.postmortem) {
        add_postmortem(j);
    } else if (j->effect.written && j->i->postmortem_task != 0) {
        add_tick(j, j->i->postmortem_task);
    }
}

void job_put_row(struct job *j, bool new_one)
{
    struct pg_param params[ROW_PARAMS];

    row_params(j->i, params);
    j->at_row = j->statement_count;
    job_put(j, buf_cstr(new_one ? &j->all->sql_insert : &j->all->sql_update), params,
            GW_LEN(params));
}

/* Whoever reads that something is wrong reads, too, that nobody was told. */
static void say_page_off(struct job *j)
{
    struct incident_effect *e = &j->effect;
    bool wakes = e->trigger || e->escalate || e->remind;
    bool ends = e->acknowledge || e->resolve || e->unremind;

    if (j->page_off == NULL || (!wakes && !ends) ||
        severity_rows[j->i->severity].paging[0] == '\0') {
        return;
    }
    if (wakes) {
        buf_printf(&e->text, "; nobody was paged: %s", j->page_off);
    }
    buf_printf(&e->data, "%s\"paged\":false", e->data.len != 0 ? "," : "");
}

static void put_timeline(struct job *j)
{
    const struct incident_ask *a = j->ask;
    struct incident_effect *e = &j->effect;
    bool reminds = e->shown == ACT_REMIND;
    struct pg_param params[] = {pg_int8((int64_t)j->i->number),
                                row_time(j->now_ns),
                                pg_text(incident_act_rows[e->shown].kind),
                                pg_text(a->person != NULL ? a->person : "system"),
                                pg_text(buf_cstr(&e->text)),
                                pg_int8((int64_t)j->i->audit),
                                pg_text(NULL),
                                pg_text(a->signal_id),
                                e->escalate ? pg_int8((int64_t)j->i->level) : pg_null(),
                                e->escalate ? row_time(j->i->clock_ns) : pg_null(),
                                reminds ? pg_int8((int64_t)a->reminder) : pg_null(),
                                reminds ? row_time(j->i->postmortem_due_ns) : pg_null()};

    buf_printf(&j->data, "{%s", buf_cstr(&e->data));
    if (a->details != NULL && a->details[0] != '\0') {
        buf_printf(&j->data, "%s\"details\":%s", e->data.len != 0 ? "," : "", a->details);
    }
    buf_putc(&j->data, '}');
    params[6] = pg_text(buf_cstr(&j->data));
    job_put(j,
            "INSERT INTO incident_timeline (incident, seq, at, kind, by, text, audit, data,"
            " signal_id, level, clock_at, reminder, due_at) SELECT $1, coalesce(max(seq), 0) + "
            "1, " ROW_AT("$2") ", $3, $4, $5, $6, $7, $8, $9, " ROW_AT("$10") ", $11, " ROW_AT(
                "$12") " FROM incident_timeline WHERE incident = $1",
            params, GW_LEN(params));
}

void job_put_timeline(struct job *j)
{
    say_page_off(j);
    put_timeline(j);
}

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

static struct page page_of(const struct job *j, enum page_kind kind)
{
    const struct incident *i = j->i;
    struct page p = {
        .kind = kind,
        .severity = i->severity,
        .level = (unsigned)i->level,
        .list = i->level == 3 ? "stakeholders" : "oncall",
        .title = i->title,
        .summary = or_empty(i->summary),
        .symbol = or_empty(i->symbol),
        .component = or_empty(i->component),
        .class_ = i->class_ != INCIDENT_CLASS_COUNT ? incident_class_words[i->class_] : "",
        .playbook = or_empty(i->playbook),
        .at_ns = j->now_ns,
        .suppressed = j->page_off,
    };

    memcpy(p.incident, j->name, sizeof p.incident);
    return p;
}

static void put_page(struct job *j, const struct page *p)
{
    const struct incidents_sink *sink = &j->all->opt.sink;

    if (sink->page != NULL) {
        GW_ASSERT(j->statement_count < STATEMENTS && j->pages < PAGES);
        j->page[j->pages] = *p;
        j->statements[j->statement_count++] =
            sink->page(&j->page[j->pages], j->page_params[j->pages]);
        j->pages++;
    }
}

static void add_page(struct job *j, enum page_kind kind)
{
    const struct page p = page_of(j, kind);

    put_page(j, &p);
}

/* To whoever is on call, as of SEV2: it goes out, and is not the worst that can come at night. */
static void add_reminder(struct job *j, enum page_kind kind)
{
    struct page p = page_of(j, kind);

    postmortem_title(j->i, j->now_ns, &j->title);
    postmortem_key(j->i->number, p.incident);
    p.title = buf_cstr(&j->title);
    p.severity = SEV2;
    p.level = 1;
    p.list = "oncall";
    put_page(j, &p);
}

void job_put_pages(struct job *j)
{
    const struct incident_effect *e = &j->effect;

    if (e->trigger) {
        add_page(j, PAGE_TRIGGER);
    }
    if (e->acknowledge && !e->resolve) {
        add_page(j, PAGE_ACKNOWLEDGE);
    }
    if (e->escalate) {
        add_page(j, PAGE_ESCALATE);
    }
    if (e->resolve) {
        add_page(j, PAGE_RESOLVE);
    }
    if (e->remind || e->unremind) {
        add_reminder(j, e->remind ? PAGE_TRIGGER : PAGE_RESOLVE);
    }
}
