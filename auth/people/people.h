/* auth/people/people.h - people: who they are, what they may do, and that they are still there.
 * Why: a person acts on the market through a session of a browser. It is judged in memory, so that a
 * known session can tighten while PostgreSQL is dead; all else, logging in among it, fails closed
 * without it. Every change is one transaction, which whoever keeps the audit log joins.
 *
 *   log-in:  try is counted -> password and code are judged -> session is made      (PostgreSQL)
 *   request: token -> SHA-256 -> table in memory -> role, age of the second factor  (no waiting)
 *   table:   NOTIFY portcullis_people, or poll of the epoch (1 s) -> all living sessions, swapped in
 *
 * Owner: the loop it was created on. No call blocks, but people_create() for one hash.
 * Invariant: an accepted call (PEOPLE_OK) is answered exactly once, never inside the call, and after
 * this process's table has what it changed; a secret is shown once, in that answer, and wiped after
 * it; only hashes of tokens and codes are stored. A refused log-in does not tell what was wrong. */
#ifndef AUTH_PEOPLE_PEOPLE_H
#define AUTH_PEOPLE_PEOPLE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "auth/envelope.h"
#include "auth/people/roles.h"
#include "auth/people/totp.h"
#include "gateway/runtime/metrics.h"
#include "gateway/store/pg.h"

#define PEOPLE_NAME_MAX      32u
#define PEOPLE_LABEL_MAX     100u /* characters */
#define PEOPLE_SESSION_ID    23u  /* "s_" and 20 of a-z 2-7, NUL */
#define PEOPLE_GRANTS_MAX    32u
#define PEOPLE_REASON_MIN    10u
#define PEOPLE_REASON_MAX    500u
#define PEOPLE_TICKET_MAX    100u
#define PEOPLE_SESSIONS_MAX  10u /* of one user: a newer one replaces the oldest */
#define PEOPLE_IDLE_NS       (900 * 1000000000LL)
#define PEOPLE_ABSOLUTE_NS   (8 * 3600 * 1000000000LL)
#define PEOPLE_FRESH_NS      3000000000LL /* older news of the epoch is none */
#define PEOPLE_TRIES         5u           /* then a wait of 30 s, doubled by each further try */
#define PEOPLE_TEMPORARY_S   (3 * 86400)  /* life of a password that another has chosen */
#define PEOPLE_ELEVATE_MIN_S 900u
#define PEOPLE_ELEVATE_MAX_S 3600u

/* clang-format off */
/*    symbol               http  text */
#define PEOPLE_ERRORS(X)                                                                                       \
    X(PEOPLE_OK,           200,  "ok")                                                                         \
    X(PEOPLE_INVALID,      422,  "a field is missing or not acceptable")                                       \
    X(PEOPLE_REFUSED,      401,  "name, password or code is wrong, or there were too many tries: after five wrong ones none is judged for 30 s, then for twice as long each time, 15 min at most") \
    X(PEOPLE_NO_SESSION,   401,  "no such session, or it has ended; log in")                                   \
    X(PEOPLE_FORBIDDEN,    403,  "none of your roles allows it")                                               \
    X(PEOPLE_FACTOR,       403,  "the second factor is older than five minutes; renew the session with a code") \
    X(PEOPLE_DUTY,         403,  "first choose a password and enrol a second factor")                          \
    X(PEOPLE_SELF,         403,  "nobody does this for herself; ask another")                                  \
    X(PEOPLE_TWO,          403,  "this role takes two persons; have the grant approved")                       \
    X(PEOPLE_NOT_ELIGIBLE, 403,  "not eligible for this role, or it is off, or it is taken up already")        \
    X(PEOPLE_NOT_FOUND,    404,  "no such user, role, session or request")                                     \
    X(PEOPLE_CONFLICT,     409,  "it is so already, or not possible in this state")                            \
    X(PEOPLE_MOVED,        409,  "who may do what has changed since; read the review again")                   \
    X(PEOPLE_SAME_PERSON,  403,  "who asked cannot be who approves")                                           \
    X(PEOPLE_LATE,         409,  "the request was not approved in time")                                       \
    X(PEOPLE_DECIDED,      409,  "the request was decided before")                                             \
    X(PEOPLE_ALTERED,      412,  "what was approved is not what was asked for")                                \
    X(PEOPLE_BUSY,         503,  "too many log-ins at once; try again in a second")                            \
    X(PEOPLE_NO_MASTER,    503,  "no master key to seal a second factor with")                                 \
    X(PEOPLE_STALE,        503,  "sessions cannot be confirmed without PostgreSQL; looking and tightening go on") \
    X(PEOPLE_UNAVAILABLE,  503,  "storage unavailable; nothing was changed")                                   \
    X(PEOPLE_UNKNOWN,      503,  "storage did not answer; look whether it was changed, then try again")
/*    symbol               action in the audit log   target              what */
#define PEOPLE_ACTS(X)                                                                                         \
    X(ACT_LOGIN,           "session.open",           "user:NAME",        "logged in, or was refused")          \
    X(ACT_RENEW,           "session.renew",          "session:ID",       "proved the second factor again")     \
    X(ACT_LOGOUT,          "session.close",          "session:ID",       "logged out")                         \
    X(ACT_KILL,            "session.kill",           "session:ID or user:NAME", "ended another's sessions")    \
    X(ACT_USER_CREATE,     "user.create",            "user:NAME",        "created a user")                     \
    X(ACT_USER_DISABLE,    "user.disable",           "user:NAME",        "disabled a user and her keys")       \
    X(ACT_USER_ENABLE,     "user.enable",            "user:NAME",        "enabled a user")                     \
    X(ACT_USER_RESET,      "user.reset",             "user:NAME",        "gave a temporary password, perhaps took the second factor") \
    X(ACT_PASSWORD,        "user.password",          "user:NAME",        "chose a password")                   \
    X(ACT_FACTOR_SHOW,     "user.factor_show",       "user:NAME",        "was shown a new second factor")      \
    X(ACT_FACTOR,          "user.factor",            "user:NAME",        "enrolled a second factor")           \
    X(ACT_ROLE_GRANT,      "role.grant",             "user:NAME",        "granted a role")                     \
    X(ACT_ROLE_END,        "role.end",               "user:NAME",        "took a role back")                   \
    X(ACT_ROLE_ELEVATE,    "role.elevate",           "user:NAME",        "took up a role for a while")         \
    X(ACT_ROLE_EXPIRE,     "role.expire",            "user:NAME",        "(the clock) ended a role that was held for a while") \
    X(ACT_REVIEW_SIGN,     "access.sign",            "access",           "signed an access review off")
/* clang-format on */
#define PEOPLE_AS_ENUM(sym, http, text)          sym,
#define PEOPLE_ACT_AS_ENUM(sym, word, tgt, text) sym,
enum people_err { PEOPLE_ERRORS(PEOPLE_AS_ENUM) PEOPLE_ERR_COUNT };
enum people_act_kind { PEOPLE_ACTS(PEOPLE_ACT_AS_ENUM) PEOPLE_ACT_COUNT };

struct people_err_row {
    const char *name;
    uint16_t http_status;
    const char *text;
};
const struct people_err_row *people_err_row(enum people_err err);
struct people_act_row {
    const char *word;
    const char *target;
    const char *text;
};
extern const struct people_act_row people_act_rows[PEOPLE_ACT_COUNT];
/* Markdown: roles_describe(), then what is refused and what is entered in the audit log. */
void people_describe(struct buf *out);

/* --- the audit log's side ---------------------------------------------------------------------- */

/* What an entry of the audit log needs; borrowed. NULL: none. */
struct people_act {
    enum people_act_kind kind;
    const char *id;      /* ULID for the entry; NULL: any */
    const char *outcome; /* "done", "denied"; of a request: "requested", "approved", ... */
    const char *actor;   /* "user:ana", "key:pk_..." */
    const char *target;
    const char *session;
    const char *ip;
    const char *reason;
    const char *ticket;
    const char *before; /* JSON; known after people_change_rows(), as all below */
    const char *after;
    const char *approvals; /* of what took two persons: who asked, and for what */
};
/* A change that is to be made: its statements, all or none of them. */
struct people_change {
    struct people_act act;
    const struct pg_statement *statements;
    size_t count;
};
/* To be called by a writer with the reply that begins with those of the statements. False: there is
 * nothing to change, roll back. */
GW_MUSTCHECK
bool people_change_rows(struct people_change *change, const struct pg_reply *reply);
/* To be called by a writer exactly once, with the reply to the commit or to what failed before it.
 * CHANGE is gone afterwards. */
void people_change_end(struct people_change *change, const struct pg_reply *reply);
/* Instead of it, when there is no reply that says so: the change was rolled back. */
void people_change_undone(struct people_change *change);

struct people_writer {
    /* Makes CHANGE and the entry for it in one transaction:
     *     begin; the statements; people_change_rows(); the entry; commit; people_change_end()
     * False: refused now, nothing is called. Without a writer there is no entry. */
    bool (*write)(void *arg, struct people_change *change);
    /* Something was refused and nothing was changed: an entry of its own, or a number. May be NULL. */
    void (*refused)(void *arg, const struct people_act *act);
};

/* --- life -------------------------------------------------------------------------------------- */

struct people;

struct people_options {
    struct pg *pg;                         /* borrowed; closed after this */
    const char *dsn;                       /* for LISTEN; copied; NULL: no LISTEN */
    const struct envelope_master *masters; /* borrowed; none: nobody can enrol or use a code */
    size_t master_count;
    const char *issuer;           /* name of the service in an authenticator; borrowed */
    bool two_persons;             /* roles that take two, take two */
    bool break_glass;             /* that role may be taken up, and counts */
    uint32_t poll_ms;             /* 0: 1000 */
    int64_t (*now_ns)(void *arg); /* wall clock; NULL: clock_real_ns(); for tests */
    void *now_arg;
    const struct people_writer *writer; /* NULL: none */
    void *writer_arg;
    /* The session is over, for whatever reason: its streams are to be closed. Called from the loop,
     * never inside a call of this module. May be NULL. */
    void (*on_ended)(void *arg, const char *session_id);
    void *on_ended_arg;
    /* The session is known here. As on_ended; may be NULL. */
    void (*on_begun)(void *arg, const char *session_id);
    struct metric_set *metrics;       /* of people_metrics */
    struct metric_set *store_metrics; /* of store_metrics */
};
extern const struct metric_table people_metrics;

struct people *people_create(uv_loop_t *loop, const struct people_options *opt);
/* New calls are refused, accepted ones still answered, as far as PG lives. DONE when nothing is
 * under way. */
void people_close(struct people *p, void (*done)(void *arg), void *arg);
void people_destroy(struct people **pp);
/* The sessions have been read once. */
bool people_ready(const struct people *p);
/* PostgreSQL confirmed the epoch within PEOPLE_FRESH_NS. MONO_NS: clock_mono_ns(). */
bool people_fresh(const struct people *p, int64_t mono_ns);
size_t people_session_count(const struct people *p);

/* --- judging a request: from memory ------------------------------------------------------------ */

struct people_grant {
    enum role role;
    bool temporary;
    int64_t until_ns; /* 0: no end */
};
struct people_session {
    char id[PEOPLE_SESSION_ID];
    char user[PEOPLE_NAME_MAX + 1];
    char person[PEOPLE_NAME_MAX + 6]; /* "user:ana", as key_person() has it */
    char label[4 * PEOPLE_LABEL_MAX + 1];
    char ip[46];
    struct people_grant grants[PEOPLE_GRANTS_MAX];
    unsigned grant_count;
    bool enrolled;      /* the user has a second factor */
    bool must_choose;   /* a password: hers is temporary */
    int64_t created_ns; /* wall clock, all of them */
    int64_t seen_ns;
    int64_t factor_ns; /* 0: never */
    int64_t ends_ns;
};

/* The session of TOKEN, borrowed until the loop turns. ACTIVE: a person did this, which puts the idle
 * end off; not for what a page asks by itself. PEOPLE_NO_SESSION; PEOPLE_UNAVAILABLE: the sessions
 * have not been read yet. */
GW_MUSTCHECK
enum people_err people_find(struct people *p, const char *token, size_t len, bool active,
                            const struct people_session **out);
/* The living session of that id, as above. */
GW_MUSTCHECK
bool people_find_id(struct people *p, const char *id, const struct people_session **out);
/* Bits of enum role that S has now. */
uint64_t people_roles(const struct people *p, const struct people_session *s);
/* May S do it now? PEOPLE_FORBIDDEN, _DUTY, _FACTOR, _STALE. */
GW_MUSTCHECK
enum people_err people_may(const struct people *p, const struct people_session *s,
                           enum permission permission);
/* For GET /v1/session: who, roles, permissions, ends, as one object. */
void people_session_json(const struct people *p, const struct people_session *s, struct buf *out);

/* --- calls ------------------------------------------------------------------------------------- */

struct people_answer {
    enum people_err err;
    const char *field; /* INVALID: which; else NULL */
    const char *why;   /* INVALID: in words, or NULL */
    /* log-in, renewal, own password, enrolment, elevation: a new token; the old one is void */
    const char *token;
    const char *csrf;
    const struct people_session *session;
    uint32_t failures;        /* log-in: tries that failed since the last good one */
    const char *password;     /* create, reset: the temporary one */
    const char *secret;       /* enrolment, first step: base32 */
    const char *uri;          /* the same as otpauth: */
    const char *const *codes; /* enrolment, second step: recovery codes */
    size_t code_count;
    const char *json; /* views, and a request as it is now */
    size_t json_len;
    const char *request_id; /* people_ask(), people_decide(): of the request */
    bool waits;             /* and it waits for another person */
};
typedef void people_answer_fn(void *arg, const struct people_answer *answer);

/* Who asks, in which words. */
struct people_by {
    const char *actor;   /* "user:ana", "key:pk_...", "os:root" */
    const char *session; /* may be NULL, as all below */
    const char *ip;
    const char *reason; /* at most 500 characters */
    const char *ticket; /* at most 100 */
};

/* All calls copy what they need. FIELD of PEOPLE_INVALID is told by the answer, which comes then as
 * well: PEOPLE_OK means that there will be one. Other than that: refused now, no answer. */

struct people_login {
    const char *name;
    const char *password;
    const char *code; /* of the second factor, or a recovery code; "": she has none yet */
    const char *ip;
    const char *user_agent;
};
GW_MUSTCHECK
enum people_err people_login(struct people *p, const struct people_login *login,
                             people_answer_fn *cb, void *arg);
/* The second factor again, for what needs a fresh one: a new token of the same session. */
GW_MUSTCHECK
enum people_err people_renew(struct people *p, const char *token, const char *code,
                             people_answer_fn *cb, void *arg);
GW_MUSTCHECK
enum people_err people_logout(struct people *p, const char *token, people_answer_fn *cb, void *arg);
/* Her other sessions end. */
GW_MUSTCHECK
enum people_err people_choose_password(struct people *p, const char *token, const char *old,
                                       const char *password, people_answer_fn *cb, void *arg);
/* Two steps: the secret is shown; a code of it makes it the second factor, and gives recovery codes.
 * Who has a factor already must have proved it freshly. */
GW_MUSTCHECK
enum people_err people_enrol(struct people *p, const char *token, people_answer_fn *cb, void *arg);
GW_MUSTCHECK
enum people_err people_enrol_confirm(struct people *p, const char *token, const char *code,
                                     people_answer_fn *cb, void *arg);
/* Takes up ROLE for SECONDS (900..3600), where the user is eligible for it. Reason and ticket are
 * required. Needs a fresh second factor. */
GW_MUSTCHECK
enum people_err people_elevate(struct people *p, const char *token, enum role role,
                               uint32_t seconds, const char *reason, const char *ticket,
                               people_answer_fn *cb, void *arg);

/* Whether BY may do these is judged by the caller (permission of the route). */
GW_MUSTCHECK
enum people_err people_user_create(struct people *p, const struct people_by *by, const char *name,
                                   const char *label, people_answer_fn *cb, void *arg);
/* ENABLE or disable; disabling ends her sessions and her keys. */
GW_MUSTCHECK
enum people_err people_user_enable(struct people *p, const struct people_by *by, const char *name,
                                   bool enable, people_answer_fn *cb, void *arg);
/* A temporary password; FACTOR: and no second factor any more. Ends her sessions. Unlocks. */
GW_MUSTCHECK
enum people_err people_user_reset(struct people *p, const struct people_by *by, const char *name,
                                  bool factor, people_answer_fn *cb, void *arg);
/* ELIGIBLE: she may take it up; else she holds it, until UNTIL_NS (0: no end). A role that takes two
 * persons is refused: people_ask(). */
GW_MUSTCHECK
enum people_err people_grant(struct people *p, const struct people_by *by, const char *name,
                             enum role role, bool eligible, int64_t until_ns, people_answer_fn *cb,
                             void *arg);
/* A person as four eyes see her: two keys of one owner are one, and a key without an owner may be
 * anybody's of its account. */
struct people_person {
    const char *name;    /* "user:ana", "account:desk" */
    const char *account; /* of her key; "": none */
};
/* A grant that takes two persons. */
struct people_ask {
    struct people_person person; /* who asks */
    const char *id;              /* for the request and its entry, when one is made: a ULID */
    const char *name;            /* who is to have it */
    enum role role;
    bool eligible;
    int64_t until_ns; /* 0: no end */
    uint32_t ttl_ms;  /* it waits so long */
};
/* The first asks: the answer `waits`. Who asks for what another asked for (user, role, kind, end)
 * approves that; who asks again in the same words gets her own request. */
GW_MUSTCHECK
enum people_err people_ask(struct people *p, const struct people_by *by,
                           const struct people_ask *ask, people_answer_fn *cb, void *arg);
enum people_decision { PEOPLE_APPROVE, PEOPLE_REJECT, PEOPLE_CANCEL, PEOPLE_DECISION_COUNT };
struct people_decide {
    struct people_person person; /* who decides */
    const char *id;
    enum people_decision decision;
    const char *hash; /* hex SHA-256 of the request as she saw it; required for PEOPLE_APPROVE */
};
/* The grant is made in the transaction that finds the request pending, in time, unaltered, and
 * another's. The reason of BY may be NULL: then the request's stands. */
GW_MUSTCHECK
enum people_err people_decide(struct people *p, const struct people_by *by,
                              const struct people_decide *d, people_answer_fn *cb, void *arg);
/* {"requests":[...]}, newest first: those that wait when OPEN, else all of late. */
GW_MUSTCHECK
enum people_err people_requests(struct people *p, bool open, people_answer_fn *cb, void *arg);
/* {"request":{...}} */
GW_MUSTCHECK
enum people_err people_request(struct people *p, const char *id, people_answer_fn *cb, void *arg);
/* All she has of ROLE: held, eligible, taken up. */
GW_MUSTCHECK
enum people_err people_revoke(struct people *p, const struct people_by *by, const char *name,
                              enum role role, people_answer_fn *cb, void *arg);
/* Session ID, or all of the user NAME when ID is NULL. */
GW_MUSTCHECK
enum people_err people_kill(struct people *p, const struct people_by *by, const char *id,
                            const char *name, people_answer_fn *cb, void *arg);

/* Views, as JSON: {"users":[...]}; {"sessions":[...]} of NAME or of all when it is NULL;
 * {"at","hash","content","use","last_review"}: who may do what. */
GW_MUSTCHECK
enum people_err people_users(struct people *p, people_answer_fn *cb, void *arg);
GW_MUSTCHECK
enum people_err people_sessions(struct people *p, const char *name, people_answer_fn *cb,
                                void *arg);
GW_MUSTCHECK
enum people_err people_review(struct people *p, people_answer_fn *cb, void *arg);
/* HASH: of the review that was read. NOTE: 10..500 characters. PEOPLE_MOVED: it has changed. */
GW_MUSTCHECK
enum people_err people_review_sign(struct people *p, const struct people_by *by, const char *hash,
                                   const char *note, people_answer_fn *cb, void *arg);
#endif
