/* gateway/playbook/progress.h - how far an incident has come with its playbook. Pure.
 * Why: the same rules decide what a button may do, what is shown and what still keeps an incident
 * open. A step is locked until those it comes after are done, and while an answer forbids it; steps of
 * recovery also until somebody has said what kind of incident it is.
 * Owner: none. */
#ifndef GATEWAY_PLAYBOOK_PROGRESS_H
#define GATEWAY_PLAYBOOK_PROGRESS_H
#include "gateway/playbook/exit.h"

/* What was entered about a step. All texts may be NULL or "" for none, but `step`. */
struct playbook_row {
    const char *step;
    bool done; /* else skipped */
    const char *by;
    int64_t at_ns; /* wall */
    const char *notes;
    const char *answer;
};
/* An incident as far as its playbook is concerned. Rows in the order in which they were entered: of
 * two about one step the later one holds. */
struct playbook_view {
    const char *playbook; /* id; "" none */
    const struct playbook_row *rows;
    size_t row_count;
    bool root_cause;
    bool classified;   /* it is known of which class it is */
    int64_t opened_ns; /* wall */
    int64_t now_ns;    /* wall */
    int64_t mono_ns;   /* now */
};

#define PLAYBOOK_STATES(X)                X(OPEN, "open") X(DONE, "done") X(SKIPPED, "skipped") X(LOCKED, "locked")
#define PLAYBOOK_STATE_AS_ENUM(sym, word) STEP_##sym,
enum playbook_step_state { PLAYBOOK_STATES(PLAYBOOK_STATE_AS_ENUM) STEP_STATE_COUNT };
extern const char *const playbook_state_words[STEP_STATE_COUNT];

struct playbook_problem {
    const char *code;  /* "validation" (422), "step-locked" (409) */
    const char *field; /* "step", "answer", "notes"; NULL: none of them */
    char detail[400];  /* what to do */
};

/* May ROW be entered now? A step may be done, or skipped with notes; one with a guard is done by an
 * answer of it. False: PROBLEM says why not and what to do. */
GW_MUSTCHECK
bool playbook_step_allowed(const struct playbooks *all, const struct playbook_view *v,
                           const struct playbook_row *row, struct playbook_problem *problem);
/* Does an answer of V's playbook forbid to call METHOD PATH (as in the table of routes, `{symbol}`)
 * now? True: PROBLEM says which. */
bool playbook_locks_call(const struct playbooks *all, const struct playbook_view *v,
                         const char *method, const char *path, struct playbook_problem *problem);
/* What still keeps V open, each as a JSON string with a comma between: "step:ID" of mandatory steps
 * that are neither done nor skipped with notes, "exit:ID" of conditions that are not met. How many. */
size_t playbook_missing(const struct playbooks *all, const struct playbook_meter *m,
                        const struct playbook_view *v, struct buf *out);
/* `"steps":[..],"exit":[..]`; nothing when V has no playbook that is known. */
void playbook_progress_print(const struct playbooks *all, const struct playbook_meter *m,
                             const struct playbook_view *v, struct buf *out);
#endif
