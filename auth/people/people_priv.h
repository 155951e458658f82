/* auth/people/people_priv.h - parts of people: table of sessions, calls under way, the loop. */
#ifndef AUTH_PEOPLE_PEOPLE_PRIV_H
#define AUTH_PEOPLE_PEOPLE_PRIV_H
#include "auth/people/password.h"
#include "auth/people/password_worker.h"
#include "auth/people/people.h"

/* clang-format off */
#define PEOPLE_METRICS(X)                                                                                       \
    X(PEOPLE_M_SESSIONS, "people_sessions",              GAUGE,   NULL, "sessions known")                       \
    X(PEOPLE_M_FRESH,    "people_fresh",                 GAUGE,   NULL, "1: PostgreSQL confirmed the sessions within 3 s") \
    X(PEOPLE_M_LOGINS,   "people_logins_total",          COUNTER, NULL, "log-ins that succeeded")               \
    X(PEOPLE_M_REFUSED,  "people_refused_total",         COUNTER, NULL, "log-ins and second factors that were refused") \
    X(PEOPLE_M_BUSY,     "people_busy_total",            COUNTER, NULL, "log-ins turned away: all places taken") \
    X(PEOPLE_M_RELOADS,  "people_reloads_total",         COUNTER, NULL, "times all sessions were read")         \
    X(PEOPLE_M_ERRORS,   "people_errors_total",          COUNTER, NULL, "reads of sessions or epoch that failed") \
    X(PEOPLE_M_ENDED,    "people_sessions_ended_total",  COUNTER, NULL, "sessions that ended")
/* clang-format on */
enum people_metric { PEOPLE_METRICS(METRIC_AS_ENUM) PEOPLE_M_COUNT };

/* --- table: what PostgreSQL held at one epoch -------------------------------------------------- */

struct people_slot {
    struct people_session s;
    uint8_t hash[SESSION_HASH_SIZE];
    bool touched; /* seen, and that is not yet written */
};
struct people_table {
    uint64_t epoch;
    size_t count;
    struct people_slot *slots; /* by hash */
};

extern const char people_table_sql[];
/* Of an answer to people_table_sql; NULL when it makes no sense. */
struct people_table *people_table_create(const struct pg_reply *reply);
void people_table_destroy(struct people_table **tp);
/* T may be NULL in both. */
struct people_slot *people_table_find(const struct people_table *t,
                                      const uint8_t hash[SESSION_HASH_SIZE]);
struct people_slot *people_table_by_id(const struct people_table *t, const char *id);

/* --- a call under way -------------------------------------------------------------------------- */

#define OP_STATEMENTS 8u
#define OP_PARAMS     64u
#define OP_KEPT       64u

/* What is shown once; in memory of secret_mem.h. */
struct people_secrets {
    char token[SESSION_TOKEN_SIZE];
    char csrf[SESSION_TOKEN_SIZE];
    char password[PASSWORD_MADE_SIZE];
    struct totp_secret totp;
    char codes[RECOVERY_CODES][RECOVERY_CODE_SIZE];
    const char *code_list[RECOVERY_CODES];
    /* what was sent, until it is judged */
    char sent_code[64];
    char sent_password[PASSWORD_BYTES_MAX + 1];
};

struct people_op {
    struct people_change change;
    struct people *p;
    people_answer_fn *cb;
    void *arg;
    struct people_op *next; /* of those that wait for the table */
    uv_timer_t timer;
    int64_t begun_ns; /* monotonic */
    struct pg_statement statements[OP_STATEMENTS];
    struct pg_param params[OP_PARAMS];
    size_t param_count;
    void *kept[OP_KEPT];
    size_t kept_len[OP_KEPT];
    size_t kept_count;
    enum people_err none; /* when the first statement changes nothing */
    /* The first statement tells more than CHANGED: what the entry needs, or why nothing was changed. */
    void (*heard)(struct people_op *op, const struct pg_reply *reply, bool changed);
    enum people_err state; /* so far */
    uint64_t epoch;
    struct people_answer answer;
    struct people_secrets *secrets; /* NULL: none */
    struct buf text;                /* uri, json */
    /* of a try */
    const char *name;
    const char *id;      /* of the session */
    const uint8_t *hash; /* of the old token */
    const char *agent;
    const char *next_password;
    const char *label;
    bool forget_factor;
    const struct people_ask *asking;      /* of people_ask() */
    void (*judged)(struct people_op *op); /* password and code are right, as far as is known */
    bool needs_code;                      /* where she has a factor */
    bool known;                           /* there is such a user, and she may try */
    bool counted;                         /* the try was, for a user */
    int64_t asked_ns;                     /* wall clock: when the code was given */
    const char *phc;
    const uint8_t *sealed;
    size_t sealed_len;
    int64_t last_step;
    int64_t step; /* of the code; -1: a recovery code */
    bool rehash;
    uint8_t code_hash[RECOVERY_HASH_SIZE];
};

struct people_op *people_op_create(struct people *p, enum people_act_kind kind,
                                   people_answer_fn *cb, void *arg);
/* Copies; wiped and freed with the op. NULL stays NULL. */
const char *people_keep(struct people_op *op, const char *s);
const uint8_t *people_keep_bytes(struct people_op *op, const void *bytes, size_t len);
void people_op_by(struct people_op *op, const struct people_by *by);
void people_op_secrets(struct people_op *op);
/* A new token and what goes with it; false: no randomness. */
bool people_op_token(struct people_op *op);

/* The next statement, and its parameters in order. Everything is borrowed: keep it first. */
void people_sql(struct people_op *op, const char *sql);
void people_text(struct people_op *op, const char *s);
void people_int(struct people_op *op, int64_t n);
void people_time(struct people_op *op, int64_t ns); /* microseconds; 0: NULL */
void people_bool(struct people_op *op, bool yes);
void people_bytes(struct people_op *op, const void *bytes, size_t len);

/* Each takes OP, and returns PEOPLE_OK: the answer will come. */
/* ERR is the answer, in a later turn of the loop; a refusal of a try on the next line of the grid. A
 * try that was counted and not refused is given back first: the storage's failures lock nobody out. */
enum people_err people_op_fail(struct people_op *op, enum people_err err);
enum people_err people_op_invalid(struct people_op *op, const char *field, const char *why);
/* Makes the change. */
enum people_err people_op_change(struct people_op *op);
/* The answer, now; from a callback. */
void people_op_answer(struct people_op *op);
/* Waits until the table has the epoch of OP, then answers. */
void people_op_settle(struct people_op *op);

/* A call of the session of TOKEN: op->name, id and hash, and who acts. When there is no such session,
 * NULL, and *ERR is what to return. */
struct people_op *people_op_of(struct people *p, enum people_act_kind kind, const char *token,
                               people_answer_fn *cb, void *arg, enum people_err *err);
/* Counts a try of op->name, judges PASSWORD (NULL: none is asked) and, where op->needs_code, the
 * code in the secrets; then calls op->judged. Takes OP. */
enum people_err people_try(struct people_op *op, const char *password);
/* The try was wrong. Takes OP. */
void people_op_refuse(struct people_op *op);
/* Makes the hash of the password that was right anew, quietly. */
void people_rehash(const struct people_op *from);
/* Hashes PASSWORD, then calls GO with OP. Fails with PEOPLE_BUSY. Takes OP. */
enum people_err people_hash(struct people_op *op, const char *password, password_result_fn *go);
bool people_is_name(const char *name);
/* Is PERSON the user NAME, by a session or by a key of hers? PERSON may be NULL. */
bool people_is_self(const char *person, const char *name);
/* What is wrong with BY, NULL: nothing. REASON: it needs one. */
const char *people_wrong_by(const struct people_by *by, bool reason);
/* The same of a grant. */
const char *people_wrong_grant(const struct people *p, enum role role, bool eligible,
                               int64_t until_ns);
/* Answers with the one value that STATEMENT gives, as JSON; NULL: PEOPLE_NOT_FOUND. */
enum people_err people_view(struct people *p, const struct pg_statement *statement,
                            people_answer_fn *cb, void *arg);
/* people_requests.c: enters that a request was not approved in time, one of those that are. */
void people_end_requests(struct people *p);
int64_t people_now(const struct people *p);

/* --- the loop ---------------------------------------------------------------------------------- */

struct people {
    uv_loop_t *loop;
    struct people_options opt;
    struct password_worker *worker;
    struct pg_listen *listen; /* NULL: none */
    uv_timer_t timer;
    struct people_table *table; /* NULL: not yet read */
    bool asking;
    bool reloading;
    bool again; /* announced while reloading */
    bool failing;
    bool ending_request; /* a request is being entered as expired */
    bool closing;
    uint32_t ending_roles; /* ends of roles being looked for, or entered */
    int64_t asked_ns;      /* monotonic, of the epoch that is awaited */
    int64_t reload_ns;     /* monotonic, of the sessions that are awaited */
    int64_t confirmed_ns;  /* monotonic; 0: never */
    int64_t swept_ns;      /* monotonic */
    struct people_op *waiting;
    uint32_t busy; /* calls and queries not yet answered */
    uint32_t to_close;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

/* One more thing that must end before the end; one less. */
void people_hold(struct people *p);
void people_release(struct people *p);
/* Reads all sessions, now or after what is being read. */
void people_reload(struct people *p);
/* Roles whose time is over are ended for good, each with its entry in the audit log. */
void people_end_roles(struct people *p);
#endif
