/* gateway/incident/incident.h - one incident: its states, what leads from one to the next, what each
 * act may change.
 *
 *   open -> acknowledged -> mitigated -> resolved -> closed
 *     ^----------- reopened from resolved, closed -------'     (a later step implies the earlier ones)
 *
 * Owner: none, pure; clock is an argument.
 * Invariant: closed only by a person; a signal that is over closes nothing. */
#ifndef GATEWAY_INCIDENT_INCIDENT_H
#define GATEWAY_INCIDENT_INCIDENT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/paging/severity.h"

/* clang-format off */
#define INCIDENT_STATES(X)      \
    X(OPEN,         "open")         \
    X(ACKNOWLEDGED, "acknowledged") \
    X(MITIGATED,    "mitigated")    \
    X(RESOLVED,     "resolved")     \
    X(CLOSED,       "closed")
#define INCIDENT_CLASSES(X)                        \
    X(DATA_QUALITY,        "data_quality")         \
    X(RECONCILIATION,      "reconciliation")       \
    X(BROKER_CONNECTIVITY, "broker_connectivity")
#define INCIDENT_SOURCES(X) X(HUMAN, "human") X(ALERT, "alert") X(GATEWAY, "gateway") X(COMPONENT, "component")
#define INCIDENT_DETECTORS(X) X(HUMAN, "human") X(ALERT, "alert") X(GATEWAY, "gateway") X(CUSTOMER, "customer")
#define INCIDENT_MITIGATIONS(X) X(NONE, "none") X(PARTIAL, "partial") X(MITIGATED, "mitigated")
#define INCIDENT_SIGNALS(X) X(FIRING, "firing") X(CLEARED, "cleared")
#define INCIDENT_ROLES(X) X(COMMANDER, "commander") X(SCRIBE, "scribe") X(ASSIGNEE, "assignee")
/* what level 3 led to; DUE: a halt that is still to be performed */
#define INCIDENT_L3S(X) X(NONE, "none") X(PROPOSED, "proposed") X(DUE, "due") X(HALTED, "halted")
/* clang-format on */
#define INCIDENT_STATE_AS_ENUM(sym, word)      INCIDENT_##sym,
#define INCIDENT_CLASS_AS_ENUM(sym, word)      CLASS_##sym,
#define INCIDENT_SOURCE_AS_ENUM(sym, word)     SOURCE_##sym,
#define INCIDENT_DETECTOR_AS_ENUM(sym, word)   DETECTED_##sym,
#define INCIDENT_MITIGATION_AS_ENUM(sym, word) MITIGATION_##sym,
#define INCIDENT_SIGNAL_AS_ENUM(sym, word)     SIGNAL_##sym,
#define INCIDENT_ROLE_AS_ENUM(sym, word)       INCIDENT_ROLE_##sym,
#define INCIDENT_L3_AS_ENUM(sym, word)         L3_##sym,
enum incident_state { INCIDENT_STATES(INCIDENT_STATE_AS_ENUM) INCIDENT_STATE_COUNT };
/* the counts stand for: not said, none */
enum incident_class { INCIDENT_CLASSES(INCIDENT_CLASS_AS_ENUM) INCIDENT_CLASS_COUNT };
enum incident_source { INCIDENT_SOURCES(INCIDENT_SOURCE_AS_ENUM) INCIDENT_SOURCE_COUNT };
enum incident_detector { INCIDENT_DETECTORS(INCIDENT_DETECTOR_AS_ENUM) INCIDENT_DETECTOR_COUNT };
enum incident_mitigation {
    INCIDENT_MITIGATIONS(INCIDENT_MITIGATION_AS_ENUM) INCIDENT_MITIGATION_COUNT
};
enum incident_signal_state { INCIDENT_SIGNALS(INCIDENT_SIGNAL_AS_ENUM) INCIDENT_SIGNAL_COUNT };
enum incident_role { INCIDENT_ROLES(INCIDENT_ROLE_AS_ENUM) INCIDENT_ROLE_COUNT };
enum incident_l3 { INCIDENT_L3S(INCIDENT_L3_AS_ENUM) INCIDENT_L3_COUNT };
extern const char *const incident_state_words[INCIDENT_STATE_COUNT];
extern const char *const incident_class_words[INCIDENT_CLASS_COUNT];
extern const char *const incident_source_words[INCIDENT_SOURCE_COUNT];
extern const char *const incident_detector_words[INCIDENT_DETECTOR_COUNT];
extern const char *const incident_mitigation_words[INCIDENT_MITIGATION_COUNT];
extern const char *const incident_signal_words[INCIDENT_SIGNAL_COUNT];
extern const char *const incident_role_words[INCIDENT_ROLE_COUNT];
extern const char *const incident_l3_words[INCIDENT_L3_COUNT];
/* The place of WORD among COUNT words; COUNT when it is none of them. */
unsigned incident_word(const char *const *words, unsigned count, const char *word);
/* As incident_word(); "broker/connectivity", as runbooks spell it, too. */
enum incident_class incident_class_parse(const char *word);

struct incident_step {
    char *id;
    bool skipped; /* else done */
    char *by;
    int64_t at_ns;
    char *notes;  /* NULL: none */
    char *answer; /* NULL: none */
};

/* Texts are its own; NULL: none. Times are wall clock, 0: not yet, or never. */
struct incident {
    uint64_t number;
    uint64_t version;
    uint64_t audit; /* entry of its last change */
    enum incident_severity severity;
    enum incident_state state;
    enum incident_class class_;
    char *title;
    char *summary;
    enum incident_source source;
    enum incident_detector detected_by;
    char *signal_key;
    enum incident_signal_state signal;
    int64_t signal_since_ns;
    int64_t signal_cleared_ns;
    char *symbol;
    char *component;
    char *playbook;
    int64_t opened_ns;
    char *opened_by;
    int64_t clock_ns; /* from when its clocks run: opened, reopened, raised */
    int64_t ack_due_ns;
    int64_t acked_ns;
    char *acked_by;
    enum incident_mitigation mitigation;
    int64_t mitigated_ns;
    int64_t resolved_ns;
    int64_t closed_ns;
    uint64_t reopened;
    uint64_t level;
    int64_t level_next_ns;
    char *commander;
    char *scribe;
    char *assignee;
    char *root_cause;
    bool postmortem_required;
    char *postmortem_url;
    int64_t postmortem_due_ns; /* 0: none is owed (postmortem.h) */
    uint64_t reminded;         /* of it, so many times */
    int64_t remind_next_ns;
    enum incident_l3 l3;
    char *tasks;                 /* JSON array */
    uint64_t postmortem_task;    /* its open task; 0: there is none */
    struct incident_step *steps; /* of this round, by id */
    size_t step_count;
};

void incident_destroy(struct incident **ip);
/* Replaces a text of an incident by a copy of VALUE; "" is none. */
void incident_set(char **text, const char *value);
/* NULL: it was neither done nor skipped. */
const struct incident_step *incident_step(const struct incident *i, const char *id);
/* "INC-7" */
#define INCIDENT_NAME_MAX 32u
void incident_name(uint64_t number, char out[INCIDENT_NAME_MAX]);
/* "INC-7", "inc-7" or "7"; false: none of them. */
GW_MUSTCHECK
bool incident_name_parse(const char *text, uint64_t *number);
/* Does it keep others from loosening: open, critical, and nobody knows why? */
bool incident_blocks(const struct incident *i);

/* --- acts ------------------------------------------------------------------------------------- */

#define INCIDENT_IN(state) (1u << INCIDENT_##state)
#define INCIDENT_LIVE      (INCIDENT_IN(OPEN) | INCIDENT_IN(ACKNOWLEDGED) | INCIDENT_IN(MITIGATED))
#define INCIDENT_UNCLOSED  (INCIDENT_LIVE | INCIDENT_IN(RESOLVED))
#define INCIDENT_ANY       (INCIDENT_UNCLOSED | INCIDENT_IN(CLOSED))
/* clang-format off */
/*    act      audit log           timeline   allowed in                        words of who acts: member, least, most */
#define INCIDENT_ACTS(X)                                                                                          \
    X(OPEN,     "incident.open",     "opened",   0,                                "reason", 10, 500)             \
    X(ACK,      "incident.ack",      "ack",      INCIDENT_IN(OPEN),                "notes",  1,  500)             \
    X(ASSIGN,   "incident.assign",   "assign",   INCIDENT_UNCLOSED,                NULL,     0,  0)               \
    X(NOTE,     "incident.note",     "note",     INCIDENT_ANY,                     "text",   1,  500)             \
    X(SEVERITY, "incident.severity", "severity", INCIDENT_LIVE,                    "reason", 10, 500)             \
    X(CLASSIFY, "incident.classify", "class",    INCIDENT_UNCLOSED,                NULL,     0,  0)               \
    X(MITIGATE, "incident.mitigate", "mitigate", INCIDENT_LIVE,                    "notes",  1,  500)             \
    X(RESOLVE,  "incident.resolve",  "resolve",  INCIDENT_LIVE,                    "notes",  1,  500)             \
    X(CLOSE,    "incident.close",    "close",    INCIDENT_IN(RESOLVED),            "notes",  1,  500)             \
    X(REOPEN,   "incident.reopen",   "reopen",   INCIDENT_IN(RESOLVED) | INCIDENT_IN(CLOSED), "reason", 10, 500)  \
    X(STEP,     "incident.step",     "step",     INCIDENT_UNCLOSED,                "notes",  0,  500)             \
    X(TASK,     "incident.task",     "task",     INCIDENT_ANY,                     "text",   1,  500)             \
    X(TICK,     "incident.task",     "task",     INCIDENT_ANY,                     NULL,     0,  0)               \
    X(FIRE,     "incident.signal",   "alert",    INCIDENT_ANY,                     NULL,     0,  0)               \
    X(CLEAR,    "incident.signal",   "cleared",  INCIDENT_ANY,                     NULL,     0,  0)               \
    X(LEVEL,    "incident.level",    "level",    INCIDENT_LIVE,                    NULL,     0,  0)               \
    X(HALTED,   "incident.halted",   "level",    INCIDENT_ANY,                     NULL,     0,  0)               \
    X(REMIND,   "incident.reminder", "reminder", INCIDENT_IN(RESOLVED),            NULL,     0,  0)
/* clang-format on */
#define INCIDENT_ACT_AS_ENUM(sym, action, kind, in, words, least, most) ACT_##sym,
enum incident_act { INCIDENT_ACTS(INCIDENT_ACT_AS_ENUM) INCIDENT_ACT_COUNT };
struct incident_act_row {
    const char *action; /* in the audit log */
    const char *kind;   /* in the timeline */
    unsigned in;        /* bits of states */
    const char *words;  /* member of the body that has them; NULL: none */
    unsigned least, most;
};
extern const struct incident_act_row incident_act_rows[INCIDENT_ACT_COUNT];

/* clang-format off */
#define INCIDENT_ASK_TEXTS(X)                                                                    \
    X(person)    /* "user:ana" */                                                                  \
    X(actor) X(session) X(ip) X(trace)                                                             \
    X(once)      /* Idempotency-Key */                                                             \
    X(words)     /* reason, notes or text, as the row of the act says */                           \
    X(ticket) X(title) X(summary) X(playbook) X(symbol) X(component)                               \
    X(by)        /* who acknowledged, if another than who asks */                                  \
    X(name)      /* of who is assigned */                                                          \
    X(url)       /* of the postmortem */                                                           \
    X(step) X(answer) X(owner)                                                                     \
    X(key)       /* of a signal */                                                                 \
    X(signal_id) /* ULID of what is entered */                                                     \
    X(details)   /* JSON object of a signal */
/* clang-format on */
#define INCIDENT_ASK_MEMBER(m) const char *m;
/* What is asked. Texts: NULL none. */
struct incident_ask {
    enum incident_act act;
    uint64_t number;                 /* 0: OPEN, FIRE, CLEAR */
    uint64_t match;                  /* version it is based on; 0: any */
    enum incident_severity severity; /* OPEN, SEVERITY, FIRE */
    enum incident_class class_;
    enum incident_source source;
    enum incident_detector detected_by;
    enum incident_mitigation mitigation;
    enum incident_role role;
    bool root_cause;   /* NOTE: the words are why it happened */
    bool postmortem;   /* NOTE: the words are where the postmortem is */
    bool skipped;      /* STEP */
    uint64_t task;     /* TICK */
    int64_t due_ns;    /* TASK; 0: none */
    int64_t at_ns;     /* FIRE, CLEAR: since when */
    uint64_t level;    /* LEVEL */
    bool halt;         /* LEVEL 3 performs a halt */
    uint64_t reminder; /* REMIND */
    INCIDENT_ASK_TEXTS(INCIDENT_ASK_MEMBER)
};
/* A copy with texts of its own. */
struct incident_ask *incident_ask_copy(const struct incident_ask *a);
void incident_ask_destroy(struct incident_ask **ap);

/* clang-format off */
/*    why it was refused */
#define INCIDENT_FAULTS(X)                                                            \
    X(FINE)     /* */                                                                 \
    X(NOTHING)  /* fine, and nothing had to be changed */                             \
    X(FIELD)    /* a field is missing or not acceptable */                            \
    X(UNKNOWN)  /* no such incident, task or step */                                  \
    X(ILLEGAL)  /* not in this state */                                               \
    X(MOVED)    /* another version */                                                 \
    X(CAUSE)    /* no root cause */                                                   \
    X(UNMET)    /* something else is missing before it can be closed */               \
    X(LOCKED)   /* the step waits for something */                                    \
    X(REPEATED) /* the answer given before for this Idempotency-Key */                \
    X(MISMATCH) /* the Idempotency-Key was used for something else */                 \
    X(AWAY)     /* PostgreSQL: nothing happened */                                    \
    X(DOUBT)    /* PostgreSQL did not say whether it happened */
/* clang-format on */
#define INCIDENT_FAULT_AS_ENUM(sym) INCIDENT_##sym,
enum incident_fault { INCIDENT_FAULTS(INCIDENT_FAULT_AS_ENUM) INCIDENT_FAULT_COUNT };
struct incident_problem {
    enum incident_fault fault;
    char field[32]; /* "" none */
    char detail[400];
};
/* Fills P and returns false. */
bool incident_fail(struct incident_problem *p, enum incident_fault fault, const char *field,
                   const char *fmt, ...) GW_PRINTF(4, 5);

/* Are the fields of A there and acceptable? */
GW_MUSTCHECK
bool incident_ask_check(const struct incident_ask *a, struct incident_problem *p);

/* What an act leads to, beside the incident's new state. */
struct incident_effect {
    bool trigger;            /* page: it is new, reopened or raised */
    bool acknowledge;        /* page: somebody has it */
    bool escalate;           /* page: a level is reached */
    bool resolve;            /* page: it is over */
    bool acked;              /* it was acknowledged by this act */
    bool postmortem;         /* a task for it is to be made */
    bool written;            /* that task is done */
    bool remind;             /* page: the postmortem is due */
    bool unremind;           /* page: it is not any more */
    enum incident_act shown; /* as what it stands in the timeline: FIRE may open or reopen */
    struct buf text;         /* of the timeline */
    struct buf data;         /* members of its JSON object */
};
void incident_effect_fini(struct incident_effect *e);

/* Makes I what A leads to at NOW_NS. I is zero for what opens one: NUMBER is its own then. False: P,
 * and I is not to be used. NOTHING: also false. Whether it may be closed in the eyes of a playbook is
 * asked before. */
GW_MUSTCHECK
bool incident_apply(struct incident *i, const struct incident_ask *a, uint64_t number,
                    int64_t now_ns, struct incident_effect *e, struct incident_problem *p);
/* JSON strings, separated by commas, of what keeps it from being closed (but for its playbook); "":
 * nothing. URL: of a postmortem that comes with the closing, NULL none. */
void incident_missing(const struct incident *i, const char *url, struct buf *out);

/* --- as JSON ---------------------------------------------------------------------------------- */

/* The members, without braces. */
void incident_print(const struct incident *i, struct buf *out);
/* {"severity","state",..}: what the audit log keeps of it. */
void incident_print_state(const struct incident *i, struct buf *out);
#endif
