/* admin_api/api_priv.h - what admission and handlers of admin_api share. */
#ifndef ADMIN_API_API_PRIV_H
#define ADMIN_API_API_PRIV_H
#include <jansson.h>
#include <regex.h>
#include "admin_api/api.h"
#include "auth/people/people.h"
#include "gateway/audit/store.h"
#include "gateway/gate/gate.h"
#include "auth/signature.h"
#include "ratelimit/halt_lane.h"

#define API_FIELDS_MAX  64u
#define API_JSON_DEPTH  8u
#define API_LATE_SLOTS  256u
#define REPORT_BODY_MAX (1u << 20)

/* API_SPENT: changes something, in a transaction that does not take the nonce: it is spent before. */
enum api_direction { API_READ, API_WRITE, API_SPENT };
/* Who may come at all: who has the row's permission; whoever has a session, for itself; anybody. */
enum api_access { ACCESS_PERMISSION, ACCESS_SESSION, ACCESS_ANYBODY };

struct api_call;
typedef void api_handler_fn(struct api_call *c);

struct api_route {
    enum http_method method;
    const char *path;
    enum permission permission;
    enum limits_class class;
    uint32_t cost; /* units of the class, before the factor of a key's rate class */
    enum api_direction direction;
    api_handler_fn *handler;
    const struct mutation *mutation; /* what it changes of the control state; NULL: nothing */
    const char *help;
    enum api_access access;
};

/* Its direction, which only the request shows, says which of control.tighten and control.loosen R
 * needs: either lets in, and the handler asks for the one. */
bool api_by_direction(const struct api_route *r);

/* A row of the routes that changes control state: everything else about it follows. */
struct mutation {
    const char *action; /* word in the audit log */
    enum control_body body;
    const char *param; /* of the path, that is the target; NULL: the body says it */
    enum control_kind kind;
};

/* Answers of admission: api_admissions_total{verdict}. */
#define API_VERDICTS(X)                                                                            \
    X(ADMITTED, "admitted")                                                                        \
    X(UNAUTHENTICATED, "unauthenticated")                                                          \
    X(LIMITED, "limited") X(FORBIDDEN, "forbidden") X(UNAVAILABLE, "unavailable")
#define API_VERDICT_AS_ENUM(sym, word) API_##sym,
enum api_verdict { API_VERDICTS(API_VERDICT_AS_ENUM) API_VERDICT_COUNT };

/* clang-format off */
#define API_METRICS(X)                                                                                               \
    X(API_M_ADMISSIONS, "api_admissions_total", COUNTER, &api_verdict_label, "requests of keys and sessions, by what became of them")  \
    X(API_M_FAULTS,     "auth_fail_total",      COUNTER, &api_fault_label,   "requests that were not authentic, by reason") \
    X(API_M_NONCE_LOST, "auth_nonce_not_kept_total", COUNTER, NULL, "reads whose nonce only Redis remembers: PostgreSQL was away") \
    X(API_M_NONCE_LATE, "auth_nonce_late_total", COUNTER, NULL, "requests that went on without PostgreSQL's word on their nonce: it took over 50 ms") \
    X(API_M_TOKENS,     "auth_ws_tokens_total", COUNTER, NULL, "WebSocket tokens given")                              \
    X(API_M_IN_FLIGHT,  "api_in_flight",        GAUGE,   NULL, "signed requests under way")
/* clang-format on */
enum api_metric { API_METRICS(METRIC_AS_ENUM) API_M_COUNT };

struct api {
    struct api_options opt;
    struct preauth *preauth;
    struct halt_lane *halts; /* the same for routes of halts */
    struct metric_set *metrics;
    uint32_t in_flight;
    regex_t ticket;
    bool ticket_set;
    struct circuit_desk *circuits;
    struct owed *owed;
    uv_timer_t *events_timer;
    struct api_call *late[API_LATE_SLOTS]; /* refusals held back (late.c) */
    unsigned late_at;
    unsigned late_count;
    uv_timer_t *late_timer;
    struct spends *spends; /* nonces on their way to PostgreSQL */
};

/* One request. Lives until it was answered and nobody owes it an answer. */
struct api_call {
    struct api *api;
    const struct api_route *route; /* NULL: Kraken's scheme */
    struct http_req *req;          /* NULL: the client has gone */
    struct limits_wait *wait;
    bool owed; /* a store or the tokens will call back */
    char keyid[KEY_ID_MAX + 1];
    char account[KEY_ACCOUNT_MAX + 1];
    uint64_t scopes;             /* of a key */
    uint64_t may;                /* bits of enum permission */
    char person[GATE_ACTOR_MAX]; /* "user:ana", "account:desk" */
    char actor[GATE_ACTOR_MAX];  /* "user:ana", "key:pk_..." */
    char session[64];
    char trace[33];
    char why[4 * KEY_REASON_MAX +
             1]; /* reason and ticket of a change of keys, for its audit entry */
    char ticket[401];
    bool fresh;                     /* the second factor is, or none is asked of it */
    char token[SESSION_TOKEN_SIZE]; /* of a session; "": a key's call */
    struct gate_wait *gate_wait;
    const char *current; /* for call_problem(): JSON of what stands in the way; NULL: not told */
    char target[CONTROL_TARGET_MAX]; /* of the path or the body; "": several, or none */
    struct control_change *many;     /* what set-mode names; NULL: one target, or none yet */
    const char *word;         /* what `confirm` of the body must be; NULL: not compared (here) */
    char once[256];           /* Idempotency-Key of what was ordered; "": none */
    bool asking;              /* gate_wait is a question, nothing was ordered */
    enum limits_class class;  /* of the limits taken */
    bool narrow;              /* let in by its key's bucket: bad, it was not looked at */
    int64_t address_retry_ns; /* then; else 0 */
    bool bearer;              /* came with a token: there is no nonce */
    bool nonce_unsure;        /* Redis could not vouch for the nonce: the database must */
    bool nonce_sent;          /* of a halt: the database has been asked */
    int64_t created_ns;
    int64_t expires_ns;
    char nonce[SIGNATURE_NONCE_MAX + 1];
    void (*limited)(struct api_call *c, const struct limits_answer *answer);
    void (*admitted)(struct api_call *c);
    void (*late)(struct api_call *c); /* answers it */
    unsigned late_slot;
    struct api_call *late_prev; /* NULL: not held back */
    struct api_call *late_next;
};

struct api_call *call_create(struct api *a, struct http_req *req, const struct api_route *route);
/* The client has its answer, or never will. */
void call_end(struct api_call *c);
/* A callback has come: true when there is still somebody to answer; else the call has ended. */
bool call_back(struct api_call *c);

/* --- answers ---------------------------------------------------------------------------------- */

/* Sends BODY (JSON) and ends C. */
void call_reply(struct api_call *c, unsigned status, const struct buf *body);
struct api_problem {
    unsigned status;
    const char *code; /* "validation" */
    const char *title;
    const char *detail;  /* what to do; NULL: none */
    const char *pointer; /* name of the field, told as a JSON pointer; NULL: none */
};
/* RFC 9457, and ends C. */
void call_problem(struct api_call *c, const struct api_problem *p);
/* 422 of the field NAME. */
void call_invalid(struct api_call *c, const char *name, const char *detail);
/* The parameter NAME of the query, LEAST to MOST; absent: OUT stays. False: answered with WANTED (NULL: the
 * range). */
bool call_query_number(struct api_call *c, const char *name, uint64_t least, uint64_t most,
                       const char *wanted, uint64_t *out);
/* TICKET looks as configured; or nothing is configured. */
bool call_ticket_fits(const struct api_call *c, const char *ticket);

/* --- timers (api.c) --------------------------------------------------------------------------- */

/* A timer of the loop that does not keep it alive; DATA is in its data. */
uv_timer_t *api_timer(uv_loop_t *loop, void *data);
/* Stops it at once; its memory is given back by the loop, later, and no more of DATA is touched. */
void api_timer_end(uv_timer_t **timer);

/* --- refusals held back (late.c) -------------------------------------------------------------- */

void late_init(struct api *a, uv_loop_t *loop);
void late_fini(struct api *a);
/* ANSWER is called about a second from now, unless the client goes away before. */
void late_answer(struct api_call *c, void (*answer)(struct api_call *c));
void late_forget(struct api_call *c);

/* --- spend.c ---------------------------------------------------------------------------------- */

enum spend_end {
    SPEND_NEW,    /* PostgreSQL has it, for this request */
    SPEND_KNOWN,  /* and had it before: a replay */
    SPEND_NO_KEY, /* the key is gone */
    SPEND_UNSURE, /* it did not answer in time */
};
enum spend_patience {
    SPEND_HALT,  /* 50 ms, whatever PostgreSQL does */
    SPEND_BUSY,  /* as long as PostgreSQL answers at all: 50 ms from its last answer */
    SPEND_ALONE, /* nobody else can vouch for it: 250 ms */
};
typedef void spend_fn(struct api_call *c, enum spend_end end);
void spend_init(struct api *a, uv_loop_t *loop);
void spend_fini(struct api *a);
/* C's nonce goes to PostgreSQL; DONE when it has answered, or C's patience has ended. False: DONE does
 * not come, since PostgreSQL does not answer (of late). */
bool spend_nonce(struct api_call *c, enum spend_patience patience, spend_fn *done);
/* PostgreSQL has every nonce that this gateway let in and that may still be good. */
bool spend_kept(const struct api *a);
/* Nobody else can be shown what this gateway has let in: it is configured to be the only one, and no other
 * has reported at the database. */
bool spend_only_gateway(const struct api *a);
/* Wall clock: PostgreSQL alone cannot vouch for what was signed before. */
int64_t spend_fence_ns(const struct api *a);

/* --- admission (admit.c) ---------------------------------------------------------------------- */

/* May this address have something verified that is no halt? False: Retry-After and the fields of its
 * bucket are set, the caller says the rest, late. */
bool admit_address(struct api *a, struct http_req *req);
/* The last step for every scheme: one trip for rate and nonce; then C->limited (refused) or
 * C->admitted. */
void admit_trip(struct api_call *c, enum limits_class class, const struct limits_nonce *nonce);
/* What END means for C: false, and it was answered, of a replay and of a key that is gone. */
bool admit_spent(struct api_call *c, enum spend_end end);
void admit_count_fault(struct api *a, enum auth_fault fault);
/* The key of C, which has signed, is refused what it asked for. */
void admit_note_refusal(const struct api_call *c, enum key_refusal cause);
void admit_count(struct api *a, enum api_verdict verdict);
/* C->limited and C->admitted as they are for all but Kraken's scheme. */
void admit_prepare(struct api_call *c);
/* Tells the client how much is left to it. */
void admit_tell_limits(struct api_call *c, const struct limits_left *left);
/* Factor of the cost of a call under a key's rate class; 0: no such class. */
uint32_t admit_class_cost(const char *rate_class);
/* The one handler of signed routes: finds the row, admits, calls it. */
void api_on_signed(struct http_req *req, void *arg);
const struct api_route *api_find_route(const struct http_req *req);

/* --- what is taken from where (lane.c) ---------------------------------------------------------- */

void lane_init(struct api *a, const struct siphash_key *seed);
void lane_configure(struct api *a);
void lane_fini(struct api *a);
/* Units C costs in CLASS; never more than its burst. */
uint32_t lane_cost(const struct api_call *c, enum limits_class class, uint32_t factor);
/* The class C takes from: that of its row, but what is no halt, by its body and the state of now, is
 * not let into the reserved one: a loosening takes from LIMITS_WRITE, a dry run from LIMITS_READ. What
 * cannot be told may tighten. C is authentic. */
enum limits_class lane_class(const struct api_call *c);
/* May a request of R (NULL: Kraken's scheme) from IP have its signature verified? Halts: see
 * halt_lane.h; false is not the last word on them. */
bool lane_admit(struct api *a, const struct api_route *r, const char *ip, int64_t *retry_ns);
/* Of a halt whose address is not admitted; its key is known and good from there. */
bool lane_admit_key(struct api_call *c);
/* What lane_admit() let in was not authentic. */
void lane_failed(struct api_call *c);
/* Retry-After and the fields of the address's bucket, which is empty. */
void lane_tell_address(struct api *a, struct http_req *req, int64_t retry_ns);

/* --- confirm.c -------------------------------------------------------------------------------- */

/* Are the keys known to be those of now, as far as that can be said? */
bool confirm_known(const struct api *a);
/* The same, of C, which does more than read or tighten. False: answered. */
bool confirm_call(struct api_call *c);
/* May C's route go on with the keys as they are known? False: answered. */
bool confirm_route(struct api_call *c);

/* --- sessions (session.c) ---------------------------------------------------------------------- */

/* Admits REQ by the cookie of a known session. False: it has none, and nothing was answered. */
bool session_admit(struct api *a, struct http_req *req);
/* A change comes from a page of ours, as JSON; with the token of the session, if C has one. False:
 * it has been answered. */
bool session_from_page(struct api_call *c);
/* May the session do PERMISSION now? False: it has been answered. */
bool session_allowed(struct api_call *c, enum permission permission);
/* Whoever speaks for another with a key could approve what she asked for herself. May C make or
 * rotate a key with SCOPES of OWNER ("": nobody's)? */
bool session_may_own(const struct api_call *c, uint64_t scopes, const char *owner);

/* --- people (people.c, people_session.c) -------------------------------------------------------- */

/* Problem of ERR; FIELD and WHY as in struct people_answer. */
/* Code of the problem of ERR; what to do then, NULL: its title says it. */
const char *people_problem_code(enum people_err err);
const char *people_problem_next(enum people_err err);
void call_people_problem(struct api_call *c, enum people_err err, const char *field,
                         const char *why);
/* NULL: there are none here, and C has been answered. */
struct people *call_people(struct api_call *c);
/* C waits for its answer, unless ERR refused it now, which has been answered. */
void people_started(struct api_call *c, enum people_err err);
/* Text member NAME of the body; absent: NULL when not REQUIRED. False: answered. */
bool people_text_of(struct api_call *c, const json_t *root, const char *name, bool required,
                    const char **out);
void session_log_in(struct api *a, struct http_req *req);
api_handler_fn session_get, session_end, session_factor, session_password, session_enrol,
    session_confirm, session_elevate;
api_handler_fn people_users_list, people_create_user, people_enable, people_disable, people_reset,
    people_role_grant, people_role_end, people_sessions_list, people_session_kill,
    people_user_log_out, people_review_get, people_review_put;
/* --- role_requests.c: grants that take two persons ---------------------------------------------- */
api_handler_fn role_requests_list, role_request_get, role_request_approve, role_request_reject,
    role_request_cancel;
/* Answers POST of a role that takes two; fills in the rest of ASK. */
void role_request_ask(struct api_call *c, const struct people_by *by, struct people_ask *ask);

/* --- control (control.c, control_read.c, changes.c) --------------------------------------------- */
api_handler_fn control_mutate, control_state, stats_get, symbols_list, symbol_get, symbol_mode_get,
    symbol_throttle_get, kill_get, withdrawals_get, fanout_get, upstream_get, account_get,
    account_access_get, changes_list, change_get, change_approve, change_reject, change_cancel;
bool control_is_dry(const struct api_call *c);
/* Answers with what the gate says. */
void control_on_result(void *arg, const struct gate_result *r);
/* Of gate_repeated() and the like: GO is called when it is no repetition; else it was answered. */
void control_on_repeated(void *arg, const struct gate_result *r, void (*go)(struct api_call *c));
/* radius.c: who would feel DIFF: {"symbols":..,"subscriptions":..,"clients":..,"keys":..,"accounts":..,"version":..};
 * null: not known. */
void control_blast_radius(const struct api *a, struct buf *out, const struct control_diff *diff);
/* The same as it was stored, TEXT (NULL: null); what was not counted then is null. */
void control_radius_asked(struct buf *out, const char *text);
/* The same of CELLS, as struct gate_change has them, in the state of now. */
void control_radius_now(const struct api *a, struct buf *out, const char *cells);
/* Subscriptions on this gateway: of a symbol, of all (SYMBOL_NONE). */
uint64_t control_followers(const struct api *a, uint32_t symbol);
struct gate_actor call_actor(const struct api_call *c);
void call_gate_problem(struct api_call *c, const struct gate_problem *p);
/* Idempotency-Key, "" when there is none and none is REQUIRED. False: P says why not. */
bool call_once(struct api_call *c, bool required, struct gate_problem *p);
/* May the caller do PERMISSION now? False: it has been answered. */
bool call_allowed(struct api_call *c, enum permission permission);

/* --- audit (audit.c) -------------------------------------------------------------------------- */
struct call_act {
    const char *action; /* a word of gateway/audit/words.h */
    const char *target;
    const char *outcome;
    const char *reason;
    const char *ticket;
    const char *after; /* JSON without secrets */
};
/* Enters ACT of C's caller into the chain; CB (may be NULL) hears its number. False: refused, no
 * callback. */
bool call_audit(struct api_call *c, const struct call_act *act, audit_append_fn *cb, void *arg);
void call_audit_denied(struct api_call *c, const char *why);
/* The entry of ACT under ID, as of now; borrows all of them. */
struct audit_entry call_entry(const struct api_call *c, const struct call_act *act, const char *id);
api_handler_fn audit_list, audit_export, audit_check, audit_anchor_get;
/* RFC 8288: the next page is this request with CURSOR. */
void call_link_next(struct api_call *c, const char *cursor);

/* --- tickets.c -------------------------------------------------------------------------------- */
api_handler_fn tickets_owed_list, ticket_owed_put;
void call_reply_as(struct api_call *c, unsigned status, const char *type, const struct buf *body);

/* --- paging.c -------------------------------------------------------------------------------- */
api_handler_fn paging_get, paging_test_post, paging_retry_post;

/* --- commands.c ------------------------------------------------------------------------------ */
api_handler_fn events_open, cancel_all, commands_list, command_get, command_cancel;
/* Events that whoever may do MAY gets, a blank between them; NAMES has SSE_NAMES_MAX bytes. */
void events_names(uint64_t may, char *names);
struct core_once;
/* What C asks for of TARGET, and under which Idempotency-Key, by their hashes. */
void command_hash(const struct api_call *c, const char *target, struct core_once *once);
/* Was it asked before, or is that not known yet? Then it has been answered. */
bool command_repeated(struct api_call *c, const struct core_once *once);
/* The command that the core was given under ONCE. */
void command_answer(struct api_call *c, const struct core_once *once);

/* --- events.c -------------------------------------------------------------------------------- */
/* Streams are judged anew while they are open. */
void events_init(struct api *a, uv_loop_t *loop);
void events_fini(struct api *a);

/* --- circuits.c ------------------------------------------------------------------------------ */
api_handler_fn circuits_get, circuit_reset;
void circuits_init(struct api *a, uv_loop_t *loop);
void circuits_fini(struct api *a);

/* --- owed.c ---------------------------------------------------------------------------------- */
void owed_init(struct api *a, uv_loop_t *loop);
void owed_fini(struct api *a);
/* Enters ACT like call_audit(); while PostgreSQL is away it is kept, and entered when it is back. For
 * acts that are there to repair just that. */
void call_audit_owed(struct api_call *c, const struct call_act *act);

/* --- incidents.c ------------------------------------------------------------------------------ */
api_handler_fn incidents_get_list, incident_get, incident_timeline, incident_report, incident_open,
    incident_ack, incident_assign, incident_note, incident_severity, incident_classify,
    incident_mitigate, incident_resolve, incident_close, incident_reopen, incident_do_step,
    incident_task;

/* --- handlers --------------------------------------------------------------------------------- */
api_handler_fn keys_list, keys_issue, keys_get, keys_rotate, keys_revoke, keys_limits, keys_usage,
    keys_flag, keys_scopes, token_issue;
http_handler_fn api_time, kraken_ws_token, kraken_private_unknown;

/* The body as a JSON object; PARAMETERS: of the media type are let pass. NULL: answered. The caller
 * releases it. */
json_t *body_object(struct api_call *c, bool parameters);
/* The body as a JSON object with no members but those in NAMES (ended by NULL), and `confirm` where
 * C->word says what it must be; NULL: answered. The caller releases it. */
json_t *body_read(struct api_call *c, const char *const *names);
/* `confirm` of ROOT is WORD, exactly, or was left out: nobody typed. False: answered. */
bool body_confirmed(struct api_call *c, const json_t *root, const char *word);
/* Reason (10 to 500 characters) and ticket of the body into C, for the audit entry. False: answered. */
bool body_why(struct api_call *c);
/* The same, of a body that has the text member MORE as well: 1 to CAP - 1 bytes, into OUT. */
bool body_why_of(struct api_call *c, const char *more, char *out, size_t cap);

/* --- playbooks.c ----------------------------------------------------------------------------- */
api_handler_fn playbooks_list, playbook_get;
/* All rows, COUNT of them. */
const struct api_route *api_routes(size_t *count);

/* --- smoke_routes.c -------------------------------------------------------------------------- */
api_handler_fn smoke_trade, smoke_trades;

/* --- connections.c --------------------------------------------------------------------------- */
api_handler_fn connections_list, connections_summary, connection_close;
/* --- reported.c, triage.c -------------------------------------------------------------------- */
api_handler_fn component_put, components_get, signals_post, signals_get, alertmanager_post,
    triage_get, slo_get;
/* "expires":... and the like. */
extern const char *const api_verdict_names[API_VERDICT_COUNT];
#endif
