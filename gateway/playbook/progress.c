#include "gateway/playbook/progress.h"

#include <stdio.h>
#include <string.h>
#include "gateway/base/json_put.h"

#define NOTES_LEAST 10u

#define PLAYBOOK_STATE_AS_WORD(sym, word) word,
const char *const playbook_state_words[STEP_STATE_COUNT] = {
    PLAYBOOK_STATES(PLAYBOOK_STATE_AS_WORD)};

static bool is_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static const struct playbook *playbook_of(const struct playbooks *all,
                                          const struct playbook_view *v)
{
    return is_given(v->playbook) ? playbooks_find(all, v->playbook) : NULL;
}

/* The last of them about the step; NULL: nothing was entered. */
static const struct playbook_row *row_of(const struct playbook_view *v, const char *step)
{
    for (size_t i = v->row_count; i > 0; i--) {
        if (strcmp(v->rows[i - 1].step, step) == 0) {
            return &v->rows[i - 1];
        }
    }
    return NULL;
}

/* A guard has to be answered: to skip it opens nothing. */
static bool is_passed(const struct playbook_view *v, const struct playbook_step *s)
{
    const struct playbook_row *row = row_of(v, s->id);

    return row != NULL && (row->done || s->guard.question == NULL);
}

/* The answer that was given and locks STEP; NULL: none. *GUARD is its step. */
static const struct playbook_answer *locking(const struct playbook *p,
                                             const struct playbook_view *v, const char *step,
                                             const struct playbook_step **guard)
{
    for (size_t i = 0; i < p->step_count; i++) {
        const struct playbook_step *s = &p->steps[i];
        const struct playbook_row *row = s->guard.count != 0 ? row_of(v, s->id) : NULL;

        for (size_t k = 0; row != NULL && row->done && is_given(row->answer) && k < s->guard.count;
             k++) {
            const struct playbook_answer *a = &s->guard.answers[k];

            if (strcmp(a->word, row->answer) == 0 && playbook_has(&a->locks, step)) {
                *guard = s;
                return a;
            }
        }
    }
    return NULL;
}

/* True: P says why S cannot be done now. */
static bool is_locked(const struct playbook *p, const struct playbook_view *v,
                      const struct playbook_step *s, struct playbook_problem *problem)
{
    const struct playbook_step *guard = NULL;
    const struct playbook_answer *a = locking(p, v, s->id, &guard);

    problem->code = "step-locked";
    problem->field = NULL;
    if (a != NULL) {
        (void)snprintf(problem->detail, sizeof problem->detail,
                       "%s was answered with %s, which locks this step; if that has changed, "
                       "answer %s again with a note why",
                       guard->id, a->word, guard->id);
        return true;
    }
    for (size_t i = 0; i < s->after.count; i++) {
        const struct playbook_step *before = playbook_step(p, s->after.items[i]);

        if (!is_passed(v, before)) {
            (void)snprintf(problem->detail, sizeof problem->detail, "first %s: %s", before->id,
                           before->guard.question != NULL ? before->guard.question : before->title);
            return true;
        }
    }
    if (s->phase == PHASE_RECOVERY && !v->classified) {
        (void)snprintf(
            problem->detail, sizeof problem->detail, "%s",
            "first say of which class the incident is: POST /v1/incidents/{id}/classify, "
            "or portctl incident classify INC-7 CLASS; recovery begins after that");
        return true;
    }
    return false;
}

static enum playbook_step_state state_of(const struct playbook *p, const struct playbook_view *v,
                                         const struct playbook_step *s)
{
    const struct playbook_row *row = row_of(v, s->id);
    struct playbook_problem unused;

    if (row != NULL) {
        return row->done ? STEP_DONE : STEP_SKIPPED;
    }
    return is_locked(p, v, s, &unused) ? STEP_LOCKED : STEP_OPEN;
}

/* --- entering a step ---------------------------------------------------------------------------
 */

static bool refuse(struct playbook_problem *problem, const char *field, const char *detail)
{
    problem->code = "validation";
    problem->field = field;
    (void)snprintf(problem->detail, sizeof problem->detail, "%s", detail);
    return false;
}

static bool refuse_listing(struct playbook_problem *problem, const char *field, const char *what,
                           const char *const *words, size_t count)
{
    size_t at;

    (void)refuse(problem, field, what);
    at = strlen(problem->detail);
    for (size_t i = 0; i < count && at + strlen(words[i]) + 2 < sizeof problem->detail; i++) {
        at += (size_t)snprintf(problem->detail + at, sizeof problem->detail - at, "%s%s",
                               i != 0 ? " " : "", words[i]);
    }
    return false;
}

static bool answer_fits(const struct playbook_guard *g, const struct playbook_row *row,
                        struct playbook_problem *problem)
{
    const char *words[16];
    size_t count = 0;

    if (g->question == NULL) {
        return !is_given(row->answer) ||
               refuse(problem, "answer", "this step asks no question: leave the answer out");
    }
    for (size_t i = 0; i < g->count && count < GW_LEN(words); i++) {
        if (is_given(row->answer) && strcmp(row->answer, g->answers[i].word) == 0) {
            return true;
        }
        words[count++] = g->answers[i].word;
    }
    return refuse_listing(problem, "answer", "answer the question with one of: ", words, count);
}

bool playbook_step_allowed(const struct playbooks *all, const struct playbook_view *v,
                           const struct playbook_row *row, struct playbook_problem *problem)
{
    const struct playbook *p = playbook_of(all, v);
    const struct playbook_step *s = p != NULL ? playbook_step(p, row->step) : NULL;

    if (p == NULL) {
        return refuse(problem, "step",
                      is_given(v->playbook)
                          ? "the playbook of this incident is not in playbooks.dir any more"
                          : "this incident has no playbook: write a note instead");
    }
    if (s == NULL) {
        const char *ids[PLAYBOOK_STEPS_MAX];

        for (size_t i = 0; i < p->step_count; i++) {
            ids[i] = p->steps[i].id;
        }
        return refuse_listing(problem, "step", "no such step; there are: ", ids, p->step_count);
    }
    if (!row->done) {
        if (is_given(row->answer)) {
            return refuse(problem, "answer", "a step that is skipped has no answer: leave it out");
        }
        return (row->notes != NULL && strlen(row->notes) >= NOTES_LEAST) ||
               refuse(problem, "notes", "say in 10 characters or more why this step is skipped");
    }
    return answer_fits(&s->guard, row, problem) && !is_locked(p, v, s, problem);
}

bool playbook_locks_call(const struct playbooks *all, const struct playbook_view *v,
                         const char *method, const char *path, struct playbook_problem *problem)
{
    const struct playbook *p = playbook_of(all, v);

    for (size_t i = 0; p != NULL && i < p->step_count; i++) {
        const struct playbook_step *s = &p->steps[i];
        const struct playbook_step *guard;

        if (s->action.method != NULL && strcmp(s->action.method, method) == 0 &&
            strcmp(s->action.path, path) == 0 && locking(p, v, s->id, &guard) != NULL) {
            return is_locked(p, v, s, problem);
        }
    }
    return false;
}

/* --- what is missing ---------------------------------------------------------------------------
 */

static struct playbook_case case_of(const struct playbook_view *v)
{
    return (struct playbook_case){v->now_ns - v->opened_ns, v->mono_ns, v->root_cause};
}

static void put_missing(struct buf *out, size_t n, const char *kind, const char *id)
{
    buf_printf(out, "%s\"%s:%s\"", n != 0 ? "," : "", kind, id);
}

size_t playbook_missing(const struct playbooks *all, const struct playbook_meter *m,
                        const struct playbook_view *v, struct buf *out)
{
    const struct playbook *p = playbook_of(all, v);
    const struct playbook_case c = case_of(v);
    size_t n = 0;

    for (size_t i = 0; p != NULL && i < p->step_count; i++) {
        const struct playbook_row *row = row_of(v, p->steps[i].id);

        if (p->steps[i].mandatory && (row == NULL || (!row->done && !is_given(row->notes)))) {
            put_missing(out, n++, "step", p->steps[i].id);
        }
    }
    for (size_t i = 0; p != NULL && i < p->exit_count; i++) {
        if (!playbook_exit_judge(m, &p->exits[i], &c).met) {
            put_missing(out, n++, "exit", p->exits[i].id);
        }
    }
    return n;
}

/* --- as JSON -----------------------------------------------------------------------------------
 */

static void put_step(struct buf *out, const struct playbook *p, const struct playbook_view *v,
                     const struct playbook_step *s)
{
    const struct playbook_row *row = row_of(v, s->id);
    struct playbook_problem lock;
    bool locked = row == NULL && is_locked(p, v, s, &lock);

    buf_printf(out, "{\"id\":\"%s\",\"state\":\"%s\"", s->id,
               playbook_state_words[state_of(p, v, s)]);
    json_put_given(out, "by", row != NULL ? row->by : NULL);
    buf_lit(out, ",\"at\":");
    if (row != NULL) {
        buf_putc(out, '"');
        buf_rfc3339(out, row->at_ns, 6);
        buf_putc(out, '"');
    } else {
        buf_lit(out, "null");
    }
    json_put_given(out, "notes", row != NULL ? row->notes : NULL);
    json_put_given(out, "answer", row != NULL ? row->answer : NULL);
    json_put_given(out, "why", locked ? lock.detail : NULL);
    buf_putc(out, '}');
}

static void put_exit(struct buf *out, const struct playbook_exit *e,
                     const struct playbook_verdict *j)
{
    buf_printf(out, "{\"id\":\"%s\"", e->id);
    json_put_given(out, "text", e->text);
    buf_printf(out, ",\"met\":%s,\"known\":%s,\"have\":%llu,\"need\":%llu,\"unit\":\"%s\"",
               j->met ? "true" : "false", j->known ? "true" : "false", (unsigned long long)j->have,
               (unsigned long long)e->need, playbook_counter_rows[e->counter].unit);
    json_put_given(out, "why", j->why);
    buf_putc(out, '}');
}

void playbook_progress_print(const struct playbooks *all, const struct playbook_meter *m,
                             const struct playbook_view *v, struct buf *out)
{
    const struct playbook *p = playbook_of(all, v);
    const struct playbook_case c = case_of(v);

    if (p == NULL) {
        return;
    }
    buf_lit(out, "\"steps\":[");
    for (size_t i = 0; i < p->step_count; i++) {
        buf_puts(out, i != 0 ? "," : "");
        put_step(out, p, v, &p->steps[i]);
    }
    buf_lit(out, "],\"exit\":[");
    for (size_t i = 0; i < p->exit_count; i++) {
        const struct playbook_verdict j = playbook_exit_judge(m, &p->exits[i], &c);

        buf_puts(out, i != 0 ? "," : "");
        put_exit(out, &p->exits[i], &j);
    }
    buf_putc(out, ']');
}
