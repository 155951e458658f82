/* gateway/gate/debts.h - tickets that are owed.
 * Why: what tightens does not wait for a ticket, but is not done without one either: whoever halted
 * names it afterwards. What is owed is read off the audit log (the view ticket_debts), so a halt of
 * an hour without PostgreSQL owes its ticket as soon as its entry is in the chain, once, whichever
 * gateway enters it. The entry itself is never altered: naming the ticket is an entry of its own.
 *
 *   halt, no ticket -> journal -> chain, as entry N -> owed -> ticket named: entry M, ticket_payments
 *
 * Owed by: what a person or a key tightened, and orders cancelled. Not by the gateway's own acts
 * (actor "system"), nor by what changed nothing because it stood so already.
 *
 * Owner: the gate's loop; struct gate_debt and what judges it are pure.
 * Invariant: a ticket is named once for an entry, and only with its own entry in the chain. */
#ifndef GATEWAY_GATE_DEBTS_H
#define GATEWAY_GATE_DEBTS_H
#include "gateway/gate/gate.h"

#define GATE_DEBTS_MAX 1000u /* of one page */

/* Texts are borrowed. */
struct gate_debt {
    uint64_t audit;       /* number of the act's entry */
    int64_t time_ns;      /* when it was ordered */
    const char *actor;    /* "user:ana", "key:pk_..." */
    const char *person;   /* whom that counts as */
    const char *action;   /* "symbol.mode" */
    const char *target;   /* "BTC/USD" */
    const char *reason;   /* in the words of who did it */
    const char *incident; /* "": none */
    const char *ticket;   /* NULL: owed */
    int64_t paid_ns;      /* 0: owed; so are these */
    const char *paid_by;
    uint64_t paid_audit; /* number of the entry that names the ticket */
};
/* As an object. */
void gate_debt_print(struct buf *out, const struct gate_debt *d);

/* Who names TICKET; ANYBODYS: also for the act of another. */
struct gate_debt_payer {
    const char *actor;
    const char *person;
    bool anybodys;
};
enum gate_debt_verdict { DEBT_TO_PAY, DEBT_PAID_SO, DEBT_PAID_OTHERWISE, DEBT_ANOTHERS };
enum gate_debt_verdict gate_debt_judge(const struct gate_debt *d, const struct gate_debt_payer *by,
                                       const char *ticket);

struct gate_debt_filter {
    const char *actor; /* or person; NULL: any */
    uint64_t before;   /* entries before this number; 0: from the newest on */
    bool paid;         /* those that were named, instead */
    uint32_t limit;    /* 1..GATE_DEBTS_MAX */
};
/* Newest first; MORE: there are older ones. DEBTS NULL: PostgreSQL is away. */
typedef void gate_debts_fn(void *arg, const struct gate_debt *debts, size_t count, bool more);
GW_MUSTCHECK
bool gate_debts(struct gate *g, const struct gate_debt_filter *f, gate_debts_fn *cb, void *arg);

/* As counted last, every few seconds. */
struct gate_debts_now {
    bool known; /* else it was never counted */
    uint64_t count;
    int64_t oldest_ns; /* wall: when the oldest was ordered; 0: nothing is owed */
    int64_t as_of_ns;  /* wall */
};
struct gate_debts_now gate_debts_now(const struct gate *g);

struct gate_debt_pay {
    struct gate_actor actor;
    bool anybodys;
    uint64_t audit;
    const char *ticket;
    const struct gate_nonce *nonce; /* NULL: none */
};
/* DONE, and NOTHING when it was named before: `stored` is the debt as gate_debt_print() has it. CB comes
 * once, never inside the call. */
struct gate_wait *gate_debt_pay(struct gate *g, const struct gate_debt_pay *pay, gate_result_fn *cb,
                                void *arg);
#endif
