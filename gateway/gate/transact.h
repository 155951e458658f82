/* gateway/gate/transact.h - one transaction on the head of the chain, as steps; for gateway/gate only.
 * Why: entering a halt, asking for a loosening and deciding one differ in what they judge and write;
 * how the head is locked, moved and adopted is the same.
 * Owner: the gate's loop. A job ends itself.
 * Invariant: row->ended() runs exactly once. */
#ifndef GATEWAY_GATE_TRANSACT_H
#define GATEWAY_GATE_TRANSACT_H
#include "gateway/gate/gate_priv.h"

#define JOB_STATEMENTS 6u
#define JOB_PARAMS     32u

struct job;
struct job_row {
    const char *name;
    /* The head is locked and j->base is the state it holds: ends in job_write(), job_refuse() or
     * job_leave(). R has the row of j->change_id or j->debt as statement 1, when there is one. */
    void (*judge)(struct job *j, const struct pg_reply *r);
    void (*ended)(struct job *j, bool done);
    bool guarded; /* the guard of the options is asked */
};

struct job {
    struct gate *gate;
    const struct job_row *row;
    struct gate_wait *wait;  /* NULL: nobody */
    struct pending *pending; /* being entered */
    struct pg_tx *tx;
    int64_t now_ns; /* wall, at its beginning */
    struct audit_head head;
    size_t guard_at;            /* statement of the guard, 0: it was not asked */
    const struct control *base; /* what the head holds */
    const struct control *next; /* what it is to hold; NULL: the same */
    uint64_t seq;               /* of the entry that was written */
    bool repeated;              /* it was in the database already */
    bool unknown;               /* nobody said whether it was done */
    struct record *record;
    struct gate_nonce nonce;
    /* of a decision */
    enum gate_match match;
    uint64_t version;
    bool alone; /* break glass */
    enum gate_decision decision;
    char *person;
    char *actor;
    char *session;
    char *ip;
    char *trace;
    char *why;
    char *change_id; /* NULL: none is decided */
    char *hash;
    char *confirm; /* what was typed; NULL: nothing */
    char *account;
    char *once;    /* of a decision; orders have it in their record */
    char *radius;  /* of a request */
    uint64_t debt; /* number of the entry whose ticket is named; 0: none is */
    char *ticket;
    bool anybodys; /* may name that of another's act */
    uint8_t sha256[32];
    char made_id[GATE_ID_SIZE]; /* of a request that was written */
    struct audit_batch *batch;
    struct pg_statement statements[JOB_STATEMENTS];
    size_t statement_count;
    struct pg_param params[JOB_PARAMS];
    size_t param_count;
    struct buf target, before, after, approvals, text, extra, answer;
};

struct job *job_create(struct gate *g, const struct job_row *row, struct gate_wait *w);
/* Who asks; copied. */
void job_take_actor(struct job *j, const struct gate_actor *by);
void job_take_nonce(struct job *j, const struct gate_nonce *n);
void job_start(struct job *j);
/* Refuses and ends J. */
void job_refuse(struct job *j, const struct gate_problem *problem);
/* Ends J, whose wait has its answer, without having written. */
void job_leave(struct job *j);
void job_fail(struct job *j, enum gate_problem_kind kind, const char *detail);
/* One more statement; its params are copied, what they point to is borrowed until J ends. */
void job_add(struct job *j, const char *sql, const struct pg_param *params, size_t count);
/* Fills j->before and j->after. */
void job_describe(struct job *j, const struct control *before, const struct control *after);
/* Writes ENTRY, j->next and what was added, and commits. */
void job_write(struct job *j, struct audit_entry *entry);

/* The request $1, locked: columns of enum job_change_column. */
extern const char job_change_sql[];
/* The debt of entry $1: columns of enum debt_column. */
extern const char job_debt_sql[];
#endif
