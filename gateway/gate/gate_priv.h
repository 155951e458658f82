/* gateway/gate/gate_priv.h - the state behind gate.h, for gateway/gate only.
 *
 *   gate.c        what is in force, who has confirmed it, who waits for what
 *   tighten.c     orders that tighten: journal, effect, and their way into the chain
 *   loosen.c      requests, approvals
 *   transact.c    the transaction they share: head of the chain, entry, state
 *   debts.c       tickets that are owed, and named later
 *   replicas.c    what other gateways did: the head, and the stream of journaled orders */
#ifndef GATEWAY_GATE_GATE_PRIV_H
#define GATEWAY_GATE_GATE_PRIV_H
#include "gateway/audit/journal.h"
#include "gateway/audit/store.h"
#include "gateway/gate/debts.h"
#include "gateway/gate/gate.h"
#include "gateway/gate/record.h"
#include "gateway/gate/state_file.h"
#include "gateway/store/redis.h"

#define GATE_LOOPS_MAX 40u
#define GATE_RECENT    256u

/* clang-format off */
#define GATE_METRICS(X)                                                                                               \
    X(GATE_M_ORDERS,    "gate_orders_total",         COUNTER,   &outcome_label, "orders, by what became of them")      \
    X(GATE_M_EFFECT,    "gate_effect_seconds",       HISTOGRAM, NULL, "from an order to its effect in every loop")     \
    X(GATE_M_VERSION,   "gate_version",              GAUGE,     NULL, "version of the control state in force")         \
    X(GATE_M_PENDING,   "gate_journaled",            GAUGE,     NULL, "orders in force that the audit chain does not hold yet") \
    X(GATE_M_UNAUDITED, "gate_unaudited",            GAUGE,     NULL, "of those, orders no disk took")                 \
    X(GATE_M_LATE,      "gate_unconfirmed_total",    COUNTER,   NULL, "answers given before every loop had confirmed") \
    X(GATE_M_DUE,       "gate_decisions_due",        GAUGE,     NULL, "halts whose `until` has passed: somebody has to decide") \
    X(GATE_M_WAITS,     "gate_approval_wait_seconds", GAUGE,    NULL, "how long the oldest request to loosen has waited for a second person; 0: none waits") \
    X(GATE_M_ALONE,     "gate_break_glass_total",    COUNTER,   NULL, "loosenings that one person made alone, by break-glass") \
    X(GATE_M_DEBTS,     "tickets_owed",              GAUGE,     NULL, "acts that tightened without a ticket, and none was named since") \
    X(GATE_M_DEBT_AGE,  "tickets_owed_oldest_seconds", GAUGE,   NULL, "how long the oldest of those tickets has been owed; 0: none is")
/* clang-format on */
enum gate_metric { GATE_METRICS(METRIC_AS_ENUM) GATE_M_COUNT };

enum pending_disk { DISK_WRITING, DISK_HOLDS, DISK_REFUSED };

/* An order in force (or about to be) that the chain does not hold. */
struct pending {
    struct gate *gate;
    struct record *record;
    bool own;   /* this gateway's: in its journal. Else heard of through Redis */
    bool asked; /* not own: PostgreSQL is being asked whether the chain has it */
    enum pending_disk disk;
    char journal_id[ULID_SIZE]; /* its name there */
    bool effective;
    int64_t since_ns; /* mono: ordered, or heard of */
    struct gate_nonce nonce;
    struct gate_wait *wait; /* who wants to know, NULL: nobody (any more) */
    struct pending *prev;
    struct pending *next;
};

struct gate_wait {
    struct gate *gate;
    gate_result_fn *cb; /* NULL: the asker has gone */
    void *arg;
    struct gate_result result;
    struct buf stored;
    bool question;       /* nothing was ordered: not counted */
    bool ready;          /* but for the confirmations */
    uint64_t generation; /* whose confirmation is waited for, 0: none */
    int64_t ordered_ns;  /* mono */
    int64_t chain_by_ns; /* mono; INT64_MAX: as long as it takes */
    int64_t confirm_by_ns;
    struct pending *pending; /* until it is in the chain, NULL: not of that kind */
    struct gate_wait *prev;
    struct gate_wait *next;
};

struct gate {
    uv_loop_t *loop;
    struct gate_options opt;
    struct metric_set *metrics;
    const struct control *base;  /* what the chain holds, as far as known */
    const struct control *now;   /* in force */
    const struct control *older; /* what is remembered and PostgreSQL, set back, has forgotten;
                                    NULL: nothing */
    uint64_t base_seq;
    char base_id[GATE_ID_SIZE]; /* of the entry at base_seq, when another gateway wrote it */
    bool base_known;            /* read from PostgreSQL at least once */
    bool remembered;            /* read from the disk at the start */
    bool told_known;
    uint64_t generation;
    uint64_t confirmed[GATE_LOOPS_MAX];
    struct pending *pending; /* in the order in which they were given */
    struct gate_wait *waits;
    uv_timer_t tick;         /* while somebody waits */
    uv_timer_t watch;        /* always */
    struct journal *journal; /* NULL: no state_dir */
    struct state_file *file; /* NULL: no state_dir */
    struct job *entering;
    uint32_t jobs;          /* transactions under way */
    uint32_t lookups;       /* of answers */
    struct answer *answers; /* by actor and Idempotency-Key */
    int64_t answers_due_ns; /* mono: to be read (once) and swept */
    bool answers_read;
    int64_t enter_after_ns; /* mono: not before, after a failure */
    struct gate_debts_now debts;
    int64_t debts_due_ns; /* mono: to be counted */
    bool counting_debts;
    struct redis *redis;
    struct pg_listen *listen;
    int64_t head_due_ns; /* mono */
    struct entered {
        char id[GATE_ID_SIZE];
        int64_t out_ns;    /* mono: to be taken out of Redis, 0: it was */
    } recent[GATE_RECENT]; /* orders known to be in the chain, a ring */
    uint32_t recent_at;
    bool head_fails;     /* PostgreSQL did not answer when it was asked last */
    bool entering_fails; /* or did not take what is to be entered */
    bool asking_head;
    bool ask_head_again;
    uint64_t asked_version; /* of the base when the head was asked for */
    bool asking_redis;
    bool closing;
    unsigned open_handles;
    void (*done)(void *arg);
    void *done_arg;
};

/* --- gate.c ----------------------------------------------------------------------------------- */

/* Works out what is in force and tells the sink when it is another; CAUSE: id of the entry behind it. */
void gate_adopt(struct gate *g, const char *cause);
/* The chain holds NEXT now (a reference, taken), up to SEQ. */
void gate_set_base(struct gate *g, const struct control *next, uint64_t seq);
/* PostgreSQL holds NEXT, older than what it held before (a backup, a replica that lagged): what it has
 * forgotten stays in force and is entered into it. */
void gate_set_back(struct gate *g, const struct control *next, uint64_t seq);
/* PostgreSQL holds the state that was remembered. */
void gate_restored(struct gate *g);
struct gate_wait *wait_create(struct gate *g, gate_result_fn *cb, void *arg);
/* Complete but for the confirmations of generation G (0: none are needed). */
void wait_ready(struct gate_wait *w, enum gate_outcome outcome, uint64_t generation);
void wait_fail(struct gate_wait *w, const struct gate_problem *problem);

/* --- tighten.c -------------------------------------------------------------------------------- */
/* Takes RECORD. */
void tighten(struct gate *g, struct record **record, const struct gate_nonce *nonce,
             struct gate_wait *w);
/* An order in force that is not this gateway's, or was found in the journal at start. */
struct pending *pending_add(struct gate *g, struct record **record, bool own);
void pending_remove(struct pending *p);
/* P takes effect now. */
void tighten_now(struct pending *p);
struct pending *pending_find(const struct gate *g, const char *id);
/* Time has passed: makes effective what the disk keeps waiting, enters the next into the chain. */
void tighten_tick(struct gate *g);
/* P has been entered as SEQ (0: another gateway did). */
void tighten_entered(struct pending *p, uint64_t seq);

/* --- transact.c ------------------------------------------------------------------------------- */
/* Enters P; g->entering until it is done. */
void transact_enter(struct gate *g, struct pending *p);
/* Is that of P under way? It ends P. */
bool transact_enters(const struct gate *g, const struct pending *p);
/* Enters g->older; g->entering until it is done. */
void transact_restore(struct gate *g);
/* Takes RECORD: a request to loosen, or (break glass) the loosening itself. */
void transact_loosen(struct gate *g, struct record **record, const struct gate_order *order,
                     struct gate_wait *w);
void transact_decide(struct gate *g, const struct gate_decide *d, struct gate_wait *w);

/* --- answers.c -------------------------------------------------------------------------------- */
/* What was asked for under which Idempotency-Key. Borrowed. */
struct asked {
    const char *actor;
    const char *once; /* NULL: under none */
    const uint8_t *sha256;
};
/* It is being carried out; ALONE: and nobody waits for the answer (it was found in the journal). */
void answers_begin(struct gate *g, const struct asked *q, bool alone);
/* It was asked for before: W has been told. */
bool answers_known(struct gate *g, const struct asked *q, struct gate_wait *w);
/* The answer, once it is given: false: not (yet). Borrowed until the loop turns. */
bool answers_given(struct gate *g, const struct asked *q, unsigned *status, const char **body);
/* As answers_known(), but asks PostgreSQL, too, for TIMEOUT_MS at most; W is told in any case. */
void answers_look_up(struct gate *g, const struct asked *q, uint32_t timeout_ms,
                     struct gate_wait *w);
void answers_forget(struct gate *g, const struct asked *q);
void answers_forget_all(struct gate *g);
/* Reads those of the last day when PostgreSQL is there, and sweeps older ones. */
void answers_tick(struct gate *g);

/* --- debts.c ---------------------------------------------------------------------------------- */
/* Counts what is owed when that is due. */
void debts_tick(struct gate *g);

/* --- replicas.c ------------------------------------------------------------------------------- */
void replicas_open(struct gate *g);
/* CLOSED comes twice. */
void replicas_close(struct gate *g, void (*closed)(void *arg));
/* Asks for the head when it is due. */
void replicas_tick(struct gate *g);
void replicas_read_head(struct gate *g);
/* Tells the other gateways of a journaled order. */
void replicas_announce(struct gate *g, const struct record *r);
/* The chain holds the order ID: its announcement ends soon. */
void replicas_withdraw(struct gate *g, const char *id);

/* Do all cells that R would set stand at VERSION in STATE (or is any version right)? */
bool gate_match_ok(const struct control *state, const struct record *r, enum gate_match match,
                   uint64_t version, struct gate_problem *problem);
#endif
