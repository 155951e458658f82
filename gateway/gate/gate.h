/* gateway/gate/gate.h - the one way into and out of the control state.
 * Why: "the gate drops at once and is raised by two" is kept here and nowhere else. What tightens
 * goes to the disk of this machine, takes effect, and is entered into the chain afterwards; what
 * loosens is written down as a request and takes effect in the transaction in which a second person
 * approves it.
 *
 *   order, tightens:  journal (fsync) -> in force -> loops confirm -> chain, in order, when PostgreSQL
 *                                                                     takes it -> retired
 *   order, loosens:   transaction: request + audit entry
 *   approval:         transaction: request + state + audit entry -> in force -> loops confirm
 *   other replicas:   NOTIFY / poll of the head; Redis stream `gate:journal` for what only a journal
 *                     holds yet
 *
 *   in force = what the database holds + what journals hold and it does not, tightened by it
 *
 * Owner: the loop it was created on.
 * Invariant: an order is answered exactly once, unless its asker cancelled; nothing acknowledged is
 * lost by a crash of this process or of PostgreSQL; the state in force is never looser than the
 * database's. */
#ifndef GATEWAY_GATE_GATE_H
#define GATEWAY_GATE_GATE_H
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "gateway/audit/entry.h"
#include "gateway/control/control_json.h"
#include "gateway/control/word.h"
#include "gateway/gate/problem.h"
#include "gateway/runtime/config.h"
#include "gateway/runtime/metrics.h"
#include "gateway/store/pg.h"

/* clang-format off */
#define GATE_CONFIG(X) /* key, type, default, min, max, help */                                                        \
    X(state_dir,       TEXT,      "",     0,   4096,    "folder for the emergency journal, the last state and the signed heads of the audit log; \"\": none, so that halts are not kept while PostgreSQL is away") \
    X(change_ttl,      MSEC_LIVE, "15m",  1000, 86400000, "a request to loosen waits so long for its second person")    \
    X(stage_hold,      MSEC_LIVE, "60s",  0,    86400000, "least time between two stages of releasing a kill switch")   \
    X(confirm,         MSEC_LIVE, "1s",   50,   10000,  "loops and the core are waited for so long; then the answer is 202 and says who has not confirmed") \
    X(chain_wait,      MSEC_LIVE, "250ms", 0,   5000,   "an effective halt waits so long for its audit number before it is answered as journaled") \
    X(ticket_pattern,  TEXT,      "[A-Z][A-Z0-9]+-[0-9]+", 0, 200, "what a ticket looks like (POSIX extended, whole text); \"\": anything") \
    X(people_approve,  BOOL_LIVE, "false", 0,   0,      "only people, or keys that have an owner, may approve; else keys of another account may, too") \
    X(break_glass,     BOOL_LIVE, "false", 0,   0,      "the role break_glass may loosen alone")
/* clang-format on */
struct gate_config {
    GATE_CONFIG(CFG_FIELD)
};
extern const struct cfg_table gate_config_table;
extern const struct metric_table gate_metrics;

struct gate;

/* Who asks. Texts are borrowed for the call. */
struct gate_actor {
    const char *person;  /* "user:ana": whom four eyes are counted by */
    const char *actor;   /* "user:ana", "key:pk_..." */
    const char *account; /* whose key it is, "" none: keys without a person are their account's */
    const char *session; /* "" none */
    const char *ip;
    const char *trace; /* 32 hex digits or "" */
    bool alone;        /* may loosen alone (break glass) */
};

/* If-Match: absent, `*`, a version; FREE: none is asked for (POST of many). */
enum gate_match { GATE_MATCH_NONE, GATE_MATCH_ANY, GATE_MATCH_VERSION, GATE_MATCH_FREE };

/* Nonce of a signed request, for the transaction. */
struct gate_nonce {
    const char *key_id;
    const char *text;
    int64_t expires_ns;
};

/* What is asked. Everything is copied. */
struct gate_order {
    struct gate_actor actor;
    const char *action; /* "symbol.mode" */
    enum control_body body;
    const char *target; /* from the path; NULL where the body says it */
    const char *text;   /* the body, as it came */
    size_t len;
    enum gate_match match;
    uint64_t version;               /* GATE_MATCH_VERSION */
    const struct gate_nonce *nonce; /* NULL: none */
    const char *once;               /* Idempotency-Key; NULL: none */
    const char
        *radius; /* whom it reaches, JSON, kept with a request to loosen; NULL: not counted */
};

/* clang-format off */
#define GATE_OUTCOMES(X)                                                                             \
    X(FAILED,    "failed")    /* see problem; nothing happened */                                     \
    X(NOTHING,   "nothing")   /* nothing was to be held back, and all was as asked */                             \
    X(DONE,      "done")      /* in force and in the chain */                                         \
    X(JOURNALED, "journaled") /* in force and on this disk; it enters the chain later */              \
    X(UNAUDITED, "unaudited") /* in force; no disk took it: it lives in memory alone */               \
    X(REQUESTED, "requested") /* waits for a second person */                                         \
    X(DECIDED,   "decided")   /* a request was rejected or cancelled */                               \
    X(REPLAYED,  "replayed")  /* the answer given before for this Idempotency-Key */
/* clang-format on */
#define GATE_OUTCOME_AS_ENUM(sym, word) GATE_##sym,
enum gate_outcome { GATE_OUTCOMES(GATE_OUTCOME_AS_ENUM) GATE_OUTCOME_COUNT };
extern const char *const gate_outcome_words[GATE_OUTCOME_COUNT];

#define GATE_ACTOR_MAX 160u /* with NUL: of person and actor */
#define GATE_ID_SIZE   27u  /* a ULID and its NUL */

/* Borrowed for the callback. */
struct gate_result {
    enum gate_outcome outcome;
    struct gate_problem problem;
    uint64_t audit;                /* number in the chain, 0: not yet */
    uint64_t version;              /* of the state in force */
    char journal_id[GATE_ID_SIZE]; /* "" when not through the journal */
    char change_id[GATE_ID_SIZE];  /* REQUESTED, DECIDED, and DONE by approval; else "" */
    int64_t effect_ns;  /* from the order to its effect in every loop, 0: not confirmed */
    uint64_t missing;   /* bit mask of loops that have not confirmed */
    const char *stored; /* REPLAYED: body */
    unsigned stored_status;
    const struct control *state; /* in force */
};
typedef void gate_result_fn(void *arg, const struct gate_result *r);

/* --- life ------------------------------------------------------------------------------------- */

/* The state in force is NOW; GENERATION grows with each call. Who enforces it answers with
 * gate_confirm(). KNOWN: it was read from PostgreSQL or from the disk; else this gateway does not know
 * yet what is halted. */
struct gate_sink {
    void (*on_state)(void *arg, const struct control *now, uint64_t generation, const char *cause,
                     bool known);
    /* A committed or journaled change, in order, for the core and the dashboards. */
    void (*on_change)(void *arg, const struct control_diff *diff, uint64_t audit, const char *id);
    /* The chain reaches to SEQ, whoever wrote it. */
    void (*on_head)(void *arg, uint64_t seq);
    /* The chain has grown by E, which the gate has written. */
    void (*on_entry)(void *arg, const struct audit_entry *e);
    /* May this loosening go on? False: PROBLEM says why (an open incident without root cause). */
    bool (*may_loosen)(void *arg, const struct control_diff *diff, struct gate_problem *problem);
};

struct gate_options {
    const struct gate_config *config; /* live keys are read where they are used */
    struct pg *pg;
    const char *dsn; /* for LISTEN */
    const char *redis_endpoint;
    struct metric_set *store_metrics;
    struct metric_set *redis_metrics;
    uint32_t loops; /* that confirm: numbers 0..loops-1 */
    const struct control_names *names;
    struct gate_sink sink;
    void *arg;
    /* Asked in the transaction that loosens, or writes the request down, behind the lock of the head: a
     * row is why not. NULL: none. Borrowed. */
    const struct pg_statement *guard;
};

/* Reads journal and last state from the disk (blocks, at start only); NULL: WHY says what is wrong
 * and what to do. The first on_state() comes inside the call. */
struct gate *gate_create(uv_loop_t *loop, const struct gate_options *opt, struct buf *why);
void gate_close(struct gate *g, void (*done)(void *arg), void *arg);
void gate_destroy(struct gate **gp);

/* LOOP has made GENERATION effective. */
void gate_confirm(struct gate *g, uint32_t loop, uint64_t generation);

/* --- orders ----------------------------------------------------------------------------------- */

struct gate_wait;

/* CB comes once, never inside the call. */
struct gate_wait *gate_order(struct gate *g, const struct gate_order *order, gate_result_fn *cb,
                             void *arg);
/* The asker has gone: no callback. What was ordered goes on. */
void gate_cancel(struct gate_wait *w);

/* What the order would do, at the state in force: {"direction":..,"from_version":..,"changes":[..]}
 * into OUT. False: PROBLEM. Nothing is changed or written. */
GW_MUSTCHECK
bool gate_preview(struct gate *g, const struct gate_order *order, struct control_diff *diff,
                  struct gate_problem *problem);

/* Was ORDER, which has an Idempotency-Key, given before? REPLAYED: the answer of then; FAILED: it is
 * under way, or the key was used for something else; NOTHING: it is new, or nobody can say. CB comes
 * once, never inside the call. What would tighten is ordered without asking, once the gate remembers
 * the answers of the last day; what does not loosen asks for a moment only. */
bool gate_remembers(const struct gate *g);
struct gate_wait *gate_repeated(struct gate *g, const struct gate_order *order, bool loosens,
                                gate_result_fn *cb, void *arg);

/* The answer that was given under Idempotency-Key ONCE, so that a repetition gets it again. */
void gate_answered(struct gate *g, const char *actor, const char *once, unsigned status,
                   const char *body, size_t len);

/* --- requests to loosen ----------------------------------------------------------------------- */

enum gate_decision { GATE_APPROVE, GATE_REJECT, GATE_CANCEL };

struct gate_decide {
    struct gate_actor actor;
    const char *change_id;
    enum gate_decision decision;
    const char *hash;    /* hex SHA-256 the approver saw; required for GATE_APPROVE */
    const char *reason;  /* NULL: none */
    const char *confirm; /* what was typed (gateway/control/word.h); NULL: nothing */
    const char *once;    /* Idempotency-Key; NULL: none */
    const struct gate_nonce *nonce;
};
/* As gate_repeated(). */
struct gate_wait *gate_decide_repeated(struct gate *g, const struct gate_decide *d,
                                       gate_result_fn *cb, void *arg);
struct gate_wait *gate_decide(struct gate *g, const struct gate_decide *d, gate_result_fn *cb,
                              void *arg);

/* A request. Borrowed for the callback. */
struct gate_change {
    const char *json; /* an object */
    size_t len;
    const char *radius; /* as it was asked for; NULL: not counted */
    const char *cells;  /* what it would set, while it waits: [["mode","BTC/USD"],..]; else NULL */
    char confirm[CONTROL_WORD_SIZE]; /* what is typed to decide it, while it waits; else "" */
};
/* Newest first, those still open when OPEN; at most LIMIT. NULL: PostgreSQL is away. */
typedef void gate_list_fn(void *arg, const struct gate_change *changes, size_t count);
GW_MUSTCHECK
bool gate_changes(struct gate *g, bool open, const char *id, uint32_t limit, gate_list_fn *cb,
                  void *arg);

/* --- looking ---------------------------------------------------------------------------------- */

/* Borrowed until the loop turns. */
const struct control *gate_now(const struct gate *g);
/* What PostgreSQL has been told and what not yet, for /readyz and people. */
struct gate_health {
    bool database;      /* the head is known and fresh */
    uint32_t journaled; /* records that wait for the chain */
    uint32_t unaudited; /* of those, records no disk took */
    uint64_t audit;     /* head of the chain as last seen */
    uint64_t version;   /* of the state in the database */
};
struct gate_health gate_health(const struct gate *g);
#endif
