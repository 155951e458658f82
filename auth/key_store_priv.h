/* auth/key_store_priv.h - parts of the store of keys: judging what is asked, doing it. */
#ifndef AUTH_KEY_STORE_PRIV_H
#define AUTH_KEY_STORE_PRIV_H
#include "auth/key_make.h"
#include "auth/key_store.h"
#include "gateway/audit/store.h"

/* Each: NULL when acceptable, else the name of the field that is not. */
const char *key_check_change(const struct key_change *change, bool reason_required);
const char *key_check_spec(const struct key_spec *spec, int64_t now_ns);
const char *key_check_rotation(const struct key_rotation *rotation, int64_t now_ns);
const char *key_check_filter(const struct key_filter *filter);
const char *key_check_rate_class(const char *rate_class);
/* Does PUBLIC_KEY fit ALG? */
bool key_check_public_key(enum key_alg alg, const uint8_t *public_key);
/* May a key with SCOPES have so many networks? None is all of the world. */
bool key_check_bound(uint64_t scopes, size_t nets);
/* Could there be a key of that id? */
bool key_check_id(const char *id);

struct key_store {
    struct pg *pg;
    struct keys *keys; /* NULL: nobody to tell */
    const struct envelope_master *masters;
    size_t master_count;
    struct metric_set *audit_metrics;
    size_t unswept; /* nonces entered since the old ones were last looked for */
};

#define KEY_STATEMENTS_MAX 8u /* of a change, with the lock of the chain's head */
struct key_plan;

/* One call, until its answer. */
struct key_op {
    struct key_store *s;
    key_answer_fn *cb;
    void *arg;
    uint32_t limit; /* of rows */
    bool one;       /* there must be one */
    /* which statement is which, -1: none */
    int at_nonce;
    int at_account;
    int at_change;
    int at_view;
    int at_epoch;
    int at_others;
    bool rotates;
    bool committing;           /* what is not answered now may have been done */
    struct key_secret *secret; /* NULL: none */
    struct key_rotate *rotate; /* between its two steps */
    /* of a change: its transaction, and what is answered when that is over */
    struct key_plan *plan;
    struct pg_tx *tx;
    struct audit_entry *entry; /* NULL: none */
    struct audit_batch *batch;
    struct buf after;
    struct key_row *rows;
    size_t count;
    uint64_t epoch;
    enum key_store_err verdict;
};

void key_rotate_destroy(struct key_rotate **r); /* may hold NULL */
struct key_op *key_op_create(struct key_store *s, key_answer_fn *cb, void *arg);
/* Without an answer. */
void key_op_destroy(struct key_op **op);
/* Takes OP. */
void key_op_answer(struct key_op *op, struct key_answer *answer);
/* What REPLY means for OP; FIELD is told with KEY_STORE_INVALID, when it is known. */
enum key_store_err key_op_judge(const struct key_op *op, const struct pg_reply *reply,
                                const char **field);
/* The statements of a change, the entry that goes with it, and the answer. False: nothing was begun. */
GW_MUSTCHECK
bool key_op_transact(struct key_op *op, const struct pg_statement *statements, size_t count);
void key_op_end_tx(struct key_op *op);
/* A change of OP is in force: who keeps keys hears of it. */
void key_store_changed(struct key_store *s, const struct key_op *op);
/* COUNT nonces were entered: now and then the old ones go. */
void key_store_swept(struct key_store *s, size_t count);
/* In the transaction of a change: key, nonce, expiry in us. */
#define KEY_NONCE_SQL                                                                              \
    "INSERT INTO admin_nonces (key_id, nonce, expires_at) VALUES ($1, $2, " KEY_TIME_PARAM("$3") ")"
/* KEY_STORE_INVALID, because of the field NAME. */
enum key_store_err key_refuse(const char *name, const char **field);

/* key_store_issue() under another name of the event; ALONE: only when no active key has a scope that
 * administers, else KEY_STORE_NOT_FIRST. */
GW_MUSTCHECK
enum key_store_err key_store_issue_as(struct key_store *s, const char *action, bool alone,
                                      const struct key_change *change, const struct key_spec *spec,
                                      const char **field, key_answer_fn *cb, void *arg);
#endif
