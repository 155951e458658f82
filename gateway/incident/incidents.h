/* gateway/incident/incidents.h - what is wrong, since when, who has it: open incidents and their clocks.
 * Why: a person's attention is what runs out first. An incident has one severity, one owner and clocks
 * that a restart neither loses nor repeats.
 *
 *   person (REST, portctl) ---\
 *   alert, silent component ---> incidents_signal() / incidents_act() -> transaction: row, timeline,
 *   the gateway's detectors --/      audit entry, pages -> in memory -> on_change (SSE), wake of paging
 *   clock (due times in PostgreSQL) -> a replica claims the level once -> the same transaction
 *   PostgreSQL away: a signal is kept on this disk and in memory, paged from there, entered when it is back
 *
 * Owner: the control loop.
 * Invariant: the same signal opens one incident, whoever sees it and how often; each level of an
 * incident is announced once over all replicas; what was acknowledged to a caller is in PostgreSQL. */
#ifndef GATEWAY_INCIDENT_INCIDENTS_H
#define GATEWAY_INCIDENT_INCIDENTS_H
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "gateway/audit/entry.h"
#include "gateway/incident/incident.h"
#include "gateway/paging/paging.h"
#include "gateway/runtime/config.h"
#include "gateway/runtime/metrics.h"
#include "gateway/store/pg.h"

/* clang-format off */
#define INCIDENTS_CONFIG(X) /* key, type, default, min, max, help */                                              \
    X(l3_action, TEXT_LIVE, "propose", 4, 7, "what level 3 of a critical incident does: `propose` a global SOFT_HALT to people, or `halt`: perform it (ESCALATION_L3_ACTION wins)")
#define INCIDENT_METRICS(X)                                                                                        \
    X(INCIDENT_M_OPEN,      "incidents_open",                 GAUGE,     &severity_label, "incidents that are not closed, by severity") \
    X(INCIDENT_M_WAITING,   "incident_ack_waiting",           GAUGE,     NULL, "incidents that nobody has acknowledged, of those that somebody has to") \
    X(INCIDENT_M_REMAINING, "incident_ack_remaining_seconds", GAUGE,     NULL, "until the next of them is overdue; below 0: it is; 0: none waits") \
    X(INCIDENT_M_ACK,       "incident_ack_seconds",      HISTOGRAM_LONG, &severity_label, "from the beginning of an incident's clocks to its acknowledgement") \
    X(INCIDENT_M_POSTMORTEM, "postmortem_overdue",            GAUGE,     NULL, "incidents whose postmortem is overdue") \
    X(INCIDENT_M_LEVELS,    "incident_escalations_total",     COUNTER,   &level_label, "levels of escalation announced by this gateway") \
    X(INCIDENT_M_ACTS,      "incident_acts_total",            COUNTER,   &act_label, "changes of incidents made by this gateway, by their action") \
    X(INCIDENT_M_QUEUE,     "incident_signals_waiting",       GAUGE,     NULL, "signals that PostgreSQL does not hold yet") \
    X(INCIDENT_M_LOST,      "incident_signals_refused_total", COUNTER,   NULL, "signals that neither PostgreSQL nor this disk took") \
    X(INCIDENT_M_HALTS,     "incident_halts_total",           COUNTER,   NULL, "halts that level 3 asked the gate for") \
    X(INCIDENT_M_AGE,       "incidents_read_age_seconds",     GAUGE,     NULL, "since PostgreSQL last said which incidents are open")
/* clang-format on */
enum incident_metric { INCIDENT_METRICS(METRIC_AS_ENUM) INCIDENT_M_COUNT };
struct incidents_config {
    INCIDENTS_CONFIG(CFG_FIELD)
};
extern const struct cfg_table incidents_config_table;
extern const struct metric_table incident_metrics;
/* Is the word of l3_action (or of the environment) one? */
bool incidents_action_parse(const char *word, bool *halt);

struct incidents;

/* Something says that a thing is wrong, or that it is no more. Texts are borrowed for the call. */
struct incident_signal {
    const char
        *key; /* what it is about, for ever: "alert:FINGERPRINT:STARTSAT", "gateway:redis_away" */
    const char *source; /* "alert", "gateway", "component" */
    bool cleared;       /* it is over: the incident is told so, and stays open */
    enum incident_severity severity;
    const char *title;   /* 1..200 characters */
    const char *summary; /* "" none */
    const char *class_;  /* "data_quality", "reconciliation", "broker_connectivity", "" not known */
    const char *playbook;  /* id, "" none */
    const char *symbol;    /* "" none */
    const char *component; /* "" none */
    const char *details;   /* JSON object, "" none */
    int64_t at_ns;         /* wall clock: since when; 0: now */
};

/* STORED: it is durable (in PostgreSQL, or on this disk while that is away); NUMBER is that of the
 * incident it opened or belongs to, 0 while not known (or cleared and never open). */
typedef void incident_signal_fn(void *arg, bool stored, uint64_t number);
/* CB may be NULL; else it comes exactly once, never inside the call. */
void incidents_signal(struct incidents *all, const struct incident_signal *s,
                      incident_signal_fn *cb, void *arg);

/* --- acts of people ---------------------------------------------------------------------------- */

/* Borrowed for the callback. */
struct incident_answer {
    struct incident_problem problem; /* FINE, or why not; REPEATED: status and body */
    const struct incident *incident; /* as it is now; NULL: none */
    uint64_t audit;                  /* number of the entry; 0: none */
    unsigned status;
    const char *body; /* the answer, JSON; NULL: none */
};
typedef void incident_answer_fn(void *arg, const struct incident_answer *answer);
/* ASK is copied; of a person: its Idempotency-Key is remembered with the answer. SHA256: of what is
 * asked (32 bytes), for repetitions; NULL without a key. CB comes once, never inside the call. */
void incidents_act(struct incidents *all, const struct incident_ask *ask, const uint8_t *sha256,
                   incident_answer_fn *cb, void *arg);

/* --- looking ----------------------------------------------------------------------------------- */

struct incidents_filter {
    bool open, closed;               /* which of them */
    enum incident_severity severity; /* SEVERITY_COUNT: any */
    enum incident_class class_;      /* INCIDENT_CLASS_COUNT: any */
    uint64_t before;                 /* of a page before: numbers below it; 0: from the newest on */
    uint32_t limit;                  /* 1..200 */
};
/* TEXT: a whole answer. NULL: AWAY, or UNKNOWN. VERSION: of the one incident, 0: none. */
typedef void incidents_text_fn(void *arg, enum incident_fault fault, const char *text, size_t len,
                               uint64_t version);
/* While PostgreSQL does not answer: what this gateway holds, which is said to be so (`stale`). */
void incidents_list(struct incidents *all, const struct incidents_filter *f, incidents_text_fn *cb,
                    void *arg);
void incidents_get(struct incidents *all, uint64_t number, incidents_text_fn *cb, void *arg);
/* From the row AFTER on (0: the first). */
void incidents_timeline(struct incidents *all, uint64_t number, uint64_t after, uint32_t limit,
                        incidents_text_fn *cb, void *arg);
void incidents_report(struct incidents *all, uint64_t number, bool json, incidents_text_fn *cb,
                      void *arg);

/* What this gateway knows of those that are not closed, newest first; false: it has not read them
 * yet. Borrowed until the loop turns. */
bool incidents_each(struct incidents *all, void (*fn)(void *arg, const struct incident *i),
                    void *arg);
/* How old that is; -1: it has not read them yet. */
int64_t incidents_age_ns(const struct incidents *all);
/* Signals that PostgreSQL does not hold yet, as this gateway has them, oldest first. */
void incidents_waiting(const struct incidents *all,
                       void (*fn)(void *arg, const struct incident_ask *signal), void *arg);
/* NULL: not known here. */
const struct incident *incidents_find(struct incidents *all, uint64_t number);

/* May something be loosened? False: WHY. Refuses, too, while it is not known what is open. */
bool incidents_may_loosen(struct incidents *all, char *why, size_t size);
/* The same as SQL, for the transaction that loosens: a row with one text is why not. */
extern const struct pg_statement incidents_loosen_guard;

/* --- life -------------------------------------------------------------------------------------- */

struct incidents_sink {
    /* I has changed, here or at another gateway. */
    void (*on_change)(void *arg, const struct incident *i);
    /* The audit chain has grown by E. */
    void (*on_entry)(void *arg, const struct audit_entry *e);
    /* Level 3 performs a global SOFT_HALT. May come again until incidents_halted(). */
    void (*halt)(void *arg, const struct incident *i);
    /* The INSERT of a page; NULL: nobody is paged. */
    struct pg_statement (*page)(const struct page *p, struct pg_param params[PAGE_PARAMS]);
    /* Nobody sends pages: why; NULL: somebody does, or may. NULL itself: so it is. */
    const char *(*page_off)(void *arg);
    /* Pages were committed, so many of them as suppressed. */
    void (*paged)(void *arg, unsigned suppressed);
    /* PostgreSQL is away. */
    bool (*spool)(void *arg, const struct page *p);
};
/* What a playbook says of an incident that has one. */
struct incident_playbooks {
    /* May step A->step be done (or skipped) so, now? False: P. */
    bool (*step_allowed)(void *arg, const struct incident *i, const struct incident_ask *a,
                         struct incident_problem *p);
    /* Appends JSON strings, separated by commas: "step:halt_withdrawals", "exit:quiet". */
    void (*may_close)(void *arg, const struct incident *i, struct buf *missing);
    /* Appends `,"steps":[..],"exit":[..]`. */
    void (*describe)(void *arg, const struct incident *i, struct buf *out);
};
struct incidents_options {
    const struct incidents_config *config;
    struct pg *pg;
    const char *state_dir; /* "": signals are not kept while PostgreSQL is away */
    const char *now_sql;   /* NULL: PostgreSQL's clock; tests have another */
    struct metric_set *metrics;
    struct incidents_sink sink;
    void *arg;
};
/* Reads what is kept on the disk (blocks: at start only); NULL: WHY. */
struct incidents *incidents_create(uv_loop_t *loop, const struct incidents_options *opt,
                                   struct buf *why);
/* PLAYBOOKS is copied; before the loop runs. */
void incidents_playbooks(struct incidents *all, const struct incident_playbooks *playbooks,
                         void *arg);
/* The audit chain has grown, here or elsewhere: look for incidents that have changed. */
void incidents_look(struct incidents *all);
/* The halt of an incident was performed. */
void incidents_halted(struct incidents *all, uint64_t number);
/* DONE when nothing is under way; before pg_close(). */
void incidents_close(struct incidents *all, void (*done)(void *arg), void *arg);
/* After pg_close(). */
void incidents_destroy(struct incidents **allp);
#endif
