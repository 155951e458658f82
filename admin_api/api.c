#include "admin_api/api.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "admin_api/api_priv.h"
#include "admin_api/shapes.h"
#include "gateway/runtime/clock.h"

#define AUTH_ROW(...) CFG_ROW_OF(struct auth_config, __VA_ARGS__)
static const struct cfg_row config_rows[] = {AUTH_CONFIG(AUTH_ROW)};
const struct cfg_table auth_config_table = {"auth", config_rows, GW_LEN(config_rows)};

#define PEOPLE_ROW(...) CFG_ROW_OF(struct people_config, __VA_ARGS__)
static const struct cfg_row people_rows[] = {PEOPLE_CONFIG(PEOPLE_ROW)};
const struct cfg_table people_config_table = {"people", people_rows, GW_LEN(people_rows)};

#define API_VERDICT_AS_TEXT(sym, word) word,
const char *const api_verdict_names[API_VERDICT_COUNT] = {API_VERDICTS(API_VERDICT_AS_TEXT)};
#define API_FAULT_WORD(sym, word, shown, text) word,
static const char *const fault_words[] = {AUTH_FAULTS(API_FAULT_WORD)};
static const struct metric_label api_verdict_label = {"verdict", api_verdict_names,
                                                      API_VERDICT_COUNT};
static const struct metric_label api_fault_label = {"reason", fault_words, AUTH_FAULT_COUNT};
static const struct metric_row metric_rows[] = {API_METRICS(METRIC_AS_ROW)};
const struct metric_table api_metrics = {"api", metric_rows, API_M_COUNT};

/* clang-format off */
/*    symbol                 action                     body         target     kind */
#define API_MUTATIONS(X)                                                                             \
    X(mutate_mode,           "symbol.mode",             MODE,        "symbol",  MODE)                 \
    X(mutate_modes,          "symbol.mode",             SET_MODE,    NULL,      MODE)                 \
    X(mutate_throttle,       "symbol.throttle",         THROTTLE,    "symbol",  THROTTLE)             \
    X(mutate_kill,           "kill.engage",             KILL,        NULL,      KILL)                 \
    X(mutate_release,        "kill.release",            RELEASE,     NULL,      KILL)                 \
    X(mutate_withdrawals,    "withdrawals.set",         WITHDRAWALS, NULL,      WITHDRAWALS)          \
    X(mutate_account,        "account.trading",         ACCOUNT,     "id",      ACCOUNT)              \
    X(mutate_access,         "account.access",          ACCESS,      "id",      ACCESS)               \
    X(mutate_fanout,         "fanout.profile",          FANOUT,      NULL,      FANOUT)               \
    X(mutate_upstream,       "upstream.set",            UPSTREAM,    NULL,      UPSTREAM)
#define API_AS_MUTATION(sym, action, body, param, kind) \
    static const struct mutation sym = {action, CONTROL_BODY_##body, param, CONTROL_KIND_##kind};
API_MUTATIONS(API_AS_MUTATION)

/* Cost: units of the rate class that a call takes, about what it takes of PostgreSQL or of the loop
 * compared with a plain read; times the factor of the key's own class (lane.c).
 *    method, path, permission, rate class, cost, direction, handler, what it changes, help */
#define API_ROUTES(X)                                                                                                        \
    X(HTTP_GET,  "/v1/keys",                       PERM_KEYS_READ,       LIMITS_READ,   1, API_READ,  keys_list,      NULL, "keys; `account`, `state`, `after`, `limit`") \
    X(HTTP_POST, "/v1/keys",                       PERM_KEYS_WRITE,      LIMITS_WRITE,  1, API_WRITE, keys_issue,     NULL, "issue a key; an HMAC secret is shown once")  \
    X(HTTP_GET,  "/v1/keys/{id}",                  PERM_KEYS_READ,       LIMITS_READ,   1, API_READ,  keys_get,       NULL, "one key")                               \
    X(HTTP_GET,  "/v1/keys/{id}/usage",            PERM_KEYS_READ,       LIMITS_READ,   1, API_READ,  keys_usage,     NULL, "from where, for what and when it was used, and what it was refused")       \
    X(HTTP_POST, "/v1/keys/{id}/rotate",           PERM_KEYS_WRITE,      LIMITS_WRITE,  1, API_WRITE, keys_rotate,    NULL, "a successor; both are good for `overlap_s`") \
    X(HTTP_POST, "/v1/keys/{id}/revoke",           PERM_KEYS_REVOKE,     LIMITS_HALT,   1, API_WRITE, keys_revoke,    NULL, "for good; its connections are closed")  \
    X(HTTP_PUT,  "/v1/keys/{id}/limits",           PERM_KEYS_WRITE,      LIMITS_WRITE,  1, API_WRITE, keys_limits,    NULL, "its rate class")                        \
    X(HTTP_PUT,  "/v1/keys/{id}/flag",             PERM_KEYS_WRITE,      LIMITS_WRITE,  1, API_WRITE, keys_flag,      NULL, "watch it, or no longer: a new network of it opens an incident") \
    X(HTTP_GET,  "/v1/scopes",                     PERM_KEYS_READ,       LIMITS_READ,   1, API_READ,  keys_scopes,    NULL, "scopes that there are, what each opens and which of them need networks") \
    X(HTTP_POST, "/v1/ws-token",                   PERM_WS_TOKEN,        LIMITS_TOKEN,  1, API_READ,  token_issue,    NULL, "a token for one WebSocket connection")  \
    X(HTTP_GET,  "/v1/control",                    PERM_CONTROL_READ,    LIMITS_READ,   1, API_READ,  control_state,  NULL, "the whole control state, canonical")    \
    X(HTTP_GET,  "/v1/stats",                      PERM_STATUS_READ,     LIMITS_READ,   1, API_READ,  stats_get,      NULL, "`halt_reason`, `trading_halted_until`, what is halted") \
    X(HTTP_GET,  "/v1/symbols",                    PERM_CONTROL_READ,    LIMITS_READ,   1, API_READ,  symbols_list,   NULL, "symbols, their modes and what decides them") \
    X(HTTP_GET,  "/v1/symbols/{symbol}",           PERM_CONTROL_READ,    LIMITS_READ,   1, API_READ,  symbol_get,     NULL, "one symbol")                            \
    X(HTTP_GET,  "/v1/symbols/{symbol}/mode",      PERM_CONTROL_READ,    LIMITS_READ,   1, API_READ,  symbol_mode_get, NULL, "its mode, with ETag")                  \
    X(HTTP_PUT,  "/v1/symbols/{symbol}/mode",      PERM_CONTROL_TIGHTEN, LIMITS_HALT,   1, API_WRITE, control_mutate, &mutate_mode, "set it; `*` or `group:NAME` as symbol: all, a group") \
    X(HTTP_POST, "/v1/symbols:set-mode",           PERM_CONTROL_TIGHTEN, LIMITS_HALT,   1, API_WRITE, control_mutate, &mutate_modes, "set the mode of a list, a group or all") \
    X(HTTP_GET,  "/v1/symbols/{symbol}/throttle",  PERM_CONTROL_READ,    LIMITS_READ,   1, API_READ,  symbol_throttle_get, NULL, "its throttle, with ETag")          \
    X(HTTP_PUT,  "/v1/symbols/{symbol}/throttle",  PERM_CONTROL_TIGHTEN, LIMITS_HALT,   1, API_WRITE, control_mutate, &mutate_throttle, "new orders a second")        \
    X(HTTP_GET,  "/v1/kill-switch",                PERM_CONTROL_READ,    LIMITS_READ,   1, API_READ,  kill_get,       NULL, "the switch of `scope` (global), with ETag") \
    X(HTTP_PUT,  "/v1/kill-switch",                PERM_CONTROL_TIGHTEN, LIMITS_HALT,   1, API_WRITE, control_mutate, &mutate_kill, "engage it")                      \
    X(HTTP_POST, "/v1/kill-switch/release-requests", PERM_CONTROL_LOOSEN, LIMITS_WRITE,  1, API_WRITE, control_mutate, &mutate_release, "ask for its next stage or its end") \
    X(HTTP_GET,  "/v1/withdrawals",                PERM_CONTROL_READ,    LIMITS_READ,   1, API_READ,  withdrawals_get, NULL, "halted? of `asset`, or of all; with ETag") \
    X(HTTP_PUT,  "/v1/withdrawals",                PERM_CONTROL_TIGHTEN, LIMITS_HALT,   1, API_WRITE, control_mutate, &mutate_withdrawals, "halt or resume, all or one asset") \
    X(HTTP_GET,  "/v1/fanout/profile",             PERM_CONTROL_READ,    LIMITS_READ,   1, API_READ,  fanout_get,     NULL, "fan-out profile, with ETag")            \
    X(HTTP_PUT,  "/v1/fanout/profile",             PERM_FANOUT_SET,      LIMITS_WRITE,  1, API_WRITE, control_mutate, &mutate_fanout, "set it until `expires_at`")   \
    X(HTTP_GET,  "/v1/upstreams/active",           PERM_CONTROL_READ,    LIMITS_READ,   1, API_READ,  upstream_get,   NULL, "which feed is followed, with ETag")     \
    X(HTTP_PUT,  "/v1/upstreams/active",           PERM_UPSTREAM_SET,    LIMITS_WRITE,  1, API_WRITE, control_mutate, &mutate_upstream, "choose it")                 \
    X(HTTP_GET,  "/v1/accounts/{id}/trading",      PERM_CONTROL_READ,    LIMITS_READ,   1, API_READ,  account_get,    NULL, "paused? with ETag")                     \
    X(HTTP_PUT,  "/v1/accounts/{id}/trading",      PERM_CONTROL_TIGHTEN, LIMITS_HALT,   1, API_WRITE, control_mutate, &mutate_account, "pause or resume it")          \
    X(HTTP_GET,  "/v1/accounts/{id}/access",       PERM_CONTROL_READ,    LIMITS_READ,   1, API_READ,  account_access_get, NULL, "disabled? with ETag")               \
    X(HTTP_PUT,  "/v1/accounts/{id}/access",       PERM_CONTROL_TIGHTEN, LIMITS_HALT,   1, API_WRITE, control_mutate, &mutate_access, "disable it: its keys are refused, their connections closed; or enable it") \
    X(HTTP_GET,  "/v1/changes",                    PERM_CONTROL_READ,    LIMITS_READ,   1, API_READ,  changes_list,   NULL, "requests to loosen; `open=true`: those that wait") \
    X(HTTP_GET,  "/v1/changes/{id}",               PERM_CONTROL_READ,    LIMITS_READ,   1, API_READ,  change_get,     NULL, "one request")                           \
    X(HTTP_POST, "/v1/changes/{id}/approve",       PERM_CONTROL_APPROVE, LIMITS_WRITE,  1, API_WRITE, change_approve, NULL, "carry it out: another person than who asked") \
    X(HTTP_POST, "/v1/changes/{id}/reject",        PERM_CONTROL_APPROVE, LIMITS_WRITE,  1, API_WRITE, change_reject,  NULL, "refuse it")                             \
    X(HTTP_POST, "/v1/changes/{id}/cancel",        PERM_CONTROL_LOOSEN,  LIMITS_WRITE,  1, API_WRITE, change_cancel,  NULL, "take one's own request back") \
    X(HTTP_GET,  "/v1/tickets-owed",               PERM_CONTROL_READ,    LIMITS_READ,   1, API_READ,  tickets_owed_list, NULL, "acts that tightened without a ticket, newest first; `actor paid cursor limit`") \
    X(HTTP_PUT,  "/v1/tickets-owed/{audit}",       PERM_CONTROL_TIGHTEN, LIMITS_WRITE,  1, API_WRITE, ticket_owed_put, NULL, "name the ticket of one of them: by who did it, or an operator") \
    X(HTTP_POST, "/v1/symbols/{symbol}/cancel-all", PERM_CONTROL_TIGHTEN, LIMITS_HALT,  1, API_SPENT, cancel_all,     NULL, "ask the core to cancel all orders; `*`: of all symbols") \
    X(HTTP_GET,  "/v1/commands",                   PERM_CONTROL_READ,    LIMITS_READ,   1, API_READ,  commands_list,  NULL, "what was asked of the core and what it says; `symbol after`") \
    X(HTTP_GET,  "/v1/commands/{id}",              PERM_CONTROL_READ,    LIMITS_READ,   1, API_READ,  command_get,    NULL, "one command")                           \
    X(HTTP_POST, "/v1/commands/{id}/cancel",       PERM_CONTROL_TIGHTEN, LIMITS_WRITE,  1, API_SPENT, command_cancel, NULL, "give a command up")                     \
    X(HTTP_GET,  "/v1/circuits",                   PERM_CONTROL_READ,    LIMITS_READ,   1, API_READ,  circuits_get,   NULL, "what waits before it tries again, since when and why; circuit breakers of the core") \
    X(HTTP_POST, "/v1/circuits/{name}/reset",      PERM_CONTROL_TIGHTEN, LIMITS_WRITE,  1, API_SPENT, circuit_reset,  NULL, "try it now; `core:NAME`: ask the core to close its breaker, by two persons") \
    X(HTTP_POST, "/admin/reset-circuit",           PERM_CONTROL_TIGHTEN, LIMITS_WRITE,  1, API_SPENT, circuit_reset,  NULL, "the same; the body has `name`") \
    X(HTTP_GET,  "/v1/connections",                PERM_CONNECTIONS_READ, LIMITS_READ,  1, API_READ,  connections_list, NULL, "open connections, largest backlog first, and the last closed; `min_backlog key ip limit`") \
    X(HTTP_GET,  "/v1/connections/summary",        PERM_CONNECTIONS_READ, LIMITS_READ,  1, API_READ,  connections_summary, NULL, "how many, closes by reason, histogram of backlogs") \
    X(HTTP_DELETE, "/v1/connections/{id}",         PERM_CONNECTIONS_KICK, LIMITS_WRITE,  1, API_READ, connection_close, NULL, "close it (4014); its next connection is told why") \
    X(HTTP_GET,  "/v1/admin/events",               PERM_STATUS_READ,     LIMITS_READ,   1, API_READ,  events_open,    NULL, "server-sent events that one may see: `state`, `audit` (id: its number), `change`, `command`, `observed`, `incident`, `component`, `page`") \
    X(HTTP_GET,  "/v1/incidents",                  PERM_INCIDENTS_READ,  LIMITS_READ,   1, API_READ,  incidents_get_list, NULL, "incidents, newest first; `state` (open, closed, all) `severity class cursor limit`") \
    X(HTTP_POST, "/v1/incidents",                  PERM_INCIDENTS_ACT,   LIMITS_WRITE,  1, API_SPENT, incident_open,  NULL, "open one")                              \
    X(HTTP_GET,  "/v1/incidents/{id}",             PERM_INCIDENTS_READ,  LIMITS_READ,   1, API_READ,  incident_get,   NULL, "one, its steps and what is missing before it can be closed; with ETag") \
    X(HTTP_GET,  "/v1/incidents/{id}/timeline",    PERM_INCIDENTS_READ,  LIMITS_READ,   5, API_READ,  incident_timeline, NULL, "what happened, with the audit log of that time; `cursor limit`") \
    X(HTTP_GET,  "/v1/incidents/{id}/report",      PERM_INCIDENTS_READ,  LIMITS_READ,  10, API_READ,  incident_report, NULL, "a report to be pasted into a ticket; `format`: markdown, json") \
    X(HTTP_POST, "/v1/incidents/{id}/ack",         PERM_INCIDENTS_ACT,   LIMITS_WRITE,  1, API_SPENT, incident_ack,   NULL, "somebody has it: stops the ladder")     \
    X(HTTP_POST, "/v1/incidents/{id}/assign",      PERM_INCIDENTS_ACT,   LIMITS_WRITE,  1, API_SPENT, incident_assign, NULL, "who is commander, scribe, assignee")   \
    X(HTTP_POST, "/v1/incidents/{id}/note",        PERM_INCIDENTS_ACT,   LIMITS_WRITE,  1, API_SPENT, incident_note,  NULL, "a note; `kind: root_cause`: why it happened") \
    X(HTTP_POST, "/v1/incidents/{id}/severity",    PERM_INCIDENTS_ACT,   LIMITS_WRITE,  1, API_SPENT, incident_severity, NULL, "raise or lower it")                   \
    X(HTTP_POST, "/v1/incidents/{id}/classify",    PERM_INCIDENTS_ACT,   LIMITS_WRITE,  1, API_SPENT, incident_classify, NULL, "what kind it is")                    \
    X(HTTP_POST, "/v1/incidents/{id}/mitigate",    PERM_INCIDENTS_ACT,   LIMITS_WRITE,  1, API_SPENT, incident_mitigate, NULL, "none, partial, mitigated")           \
    X(HTTP_POST, "/v1/incidents/{id}/resolve",     PERM_INCIDENTS_ACT,   LIMITS_WRITE,  1, API_SPENT, incident_resolve, NULL, "it is over")                          \
    X(HTTP_POST, "/v1/incidents/{id}/close",       PERM_INCIDENTS_ACT,   LIMITS_WRITE,  1, API_SPENT, incident_close, NULL, "nothing is missing any more")           \
    X(HTTP_POST, "/v1/incidents/{id}/reopen",      PERM_INCIDENTS_ACT,   LIMITS_WRITE,  1, API_SPENT, incident_reopen, NULL, "it is not over: clocks begin anew")    \
    X(HTTP_POST, "/v1/incidents/{id}/step",        PERM_INCIDENTS_ACT,   LIMITS_WRITE,  1, API_SPENT, incident_do_step, NULL, "a step of its playbook was done or skipped") \
    X(HTTP_POST, "/v1/incidents/{id}/task",        PERM_INCIDENTS_ACT,   LIMITS_WRITE,  1, API_SPENT, incident_task,  NULL, "a task for later; `id`, `done`: it is done") \
    X(HTTP_GET,  "/v1/audit",                      PERM_AUDIT_READ,      LIMITS_READ,   2, API_READ,  audit_list,     NULL, "entries, newest first; `actor action target outcome ticket incident from to q cursor limit order`") \
    X(HTTP_GET,  "/v1/audit/export",               PERM_AUDIT_EXPORT,    LIMITS_READ,  20, API_READ,  audit_export,   NULL, "the same as NDJSON, oldest first: what `portctl audit verify` reads") \
    X(HTTP_GET,  "/v1/audit/verify",               PERM_AUDIT_READ,      LIMITS_READ,  50, API_READ,  audit_check,    NULL, "walks the whole chain and compares it with the last signed head") \
    X(HTTP_GET,  "/v1/paging",                     PERM_INCIDENTS_READ,  LIMITS_READ,   1, API_READ,  paging_get,     NULL, "pages that wait, and those given up") \
    X(HTTP_POST, "/v1/paging/test",                PERM_INCIDENTS_ACT,   LIMITS_WRITE,  1, API_SPENT, paging_test_post, NULL, "a test page, and what the receiver said") \
    X(HTTP_POST, "/v1/paging/dead/{id}/retry",     PERM_INCIDENTS_ACT,   LIMITS_WRITE,  1, API_SPENT, paging_retry_post, NULL, "send a dead letter again") \
    X(HTTP_GET,  "/v1/playbooks",                  PERM_INCIDENTS_READ,  LIMITS_READ,   1, API_READ,  playbooks_list, NULL, "what to do when: steps, guards, exit conditions") \
    X(HTTP_GET,  "/v1/playbooks/{id}",             PERM_INCIDENTS_READ,  LIMITS_READ,   1, API_READ,  playbook_get,   NULL, "one playbook")                           \
    X(HTTP_POST, "/v1/smoke/trades",               PERM_DRILLS_RUN,      LIMITS_WRITE,  1, API_SPENT, smoke_trade,    NULL, "a trade on SMOKE/USD: settled, then published; only where SMOKE_ENABLED=true") \
    X(HTTP_GET,  "/v1/smoke/trades",               PERM_DRILLS_RUN,      LIMITS_READ,   1, API_READ,  smoke_trades,   NULL, "what was settled, newest first; `limit`")   \
    X(HTTP_GET,  "/v1/audit/anchor",               PERM_AUDIT_READ,      LIMITS_READ,   1, API_READ,  audit_anchor_get, NULL, "the last signed head as a signed note, and the public key") \
    X(HTTP_GET,  "/v1/users",                      PERM_PEOPLE_READ,     LIMITS_READ,   1, API_READ,  people_users_list, NULL, "users, their roles and second factors") \
    X(HTTP_POST, "/v1/users",                      PERM_PEOPLE_WRITE,    LIMITS_WRITE,  1, API_SPENT, people_create_user, NULL, "a new user; the temporary password is shown once") \
    X(HTTP_POST, "/v1/users/{name}/enable",        PERM_PEOPLE_WRITE,    LIMITS_WRITE,  1, API_SPENT, people_enable,  NULL, "let a disabled user in again")          \
    X(HTTP_POST, "/v1/users/{name}/disable",       PERM_PEOPLE_LOCK,     LIMITS_WRITE,  1, API_SPENT, people_disable, NULL, "her sessions and keys end")             \
    X(HTTP_POST, "/v1/users/{name}/reset",         PERM_PEOPLE_WRITE,    LIMITS_WRITE,  1, API_SPENT, people_reset,   NULL, "a temporary password; `second_factor: true` takes that, too") \
    X(HTTP_POST, "/v1/users/{name}/roles",         PERM_PEOPLE_WRITE,    LIMITS_WRITE,  1, API_SPENT, people_role_grant, NULL, "grant a role; some take two persons (202: it waits for another)") \
    X(HTTP_GET,  "/v1/role-requests",              PERM_PEOPLE_READ,     LIMITS_READ,   1, API_READ,  role_requests_list, NULL, "grants of roles that take two persons; `open=true`: those that wait") \
    X(HTTP_GET,  "/v1/role-requests/{id}",         PERM_PEOPLE_READ,     LIMITS_READ,   1, API_READ,  role_request_get, NULL, "one of them")                         \
    X(HTTP_POST, "/v1/role-requests/{id}/approve", PERM_PEOPLE_WRITE,    LIMITS_WRITE,  1, API_SPENT, role_request_approve, NULL, "grant it: another person than who asked, by its `hash`") \
    X(HTTP_POST, "/v1/role-requests/{id}/reject",  PERM_PEOPLE_WRITE,    LIMITS_WRITE,  1, API_SPENT, role_request_reject, NULL, "refuse it")                        \
    X(HTTP_POST, "/v1/role-requests/{id}/cancel",  PERM_PEOPLE_WRITE,    LIMITS_WRITE,  1, API_SPENT, role_request_cancel, NULL, "take one's own back")              \
    X(HTTP_DELETE, "/v1/users/{name}/roles/{role}", PERM_PEOPLE_LOCK,    LIMITS_WRITE,  1, API_SPENT, people_role_end, NULL, "take a role back, however it was held") \
    X(HTTP_DELETE, "/v1/users/{name}/sessions",    PERM_PEOPLE_LOCK,     LIMITS_WRITE,  1, API_SPENT, people_user_log_out, NULL, "end all sessions of a user")      \
    X(HTTP_GET,  "/v1/sessions",                   PERM_PEOPLE_READ,     LIMITS_READ,   1, API_READ,  people_sessions_list, NULL, "sessions that live; `user`")     \
    X(HTTP_DELETE, "/v1/sessions/{id}",            PERM_PEOPLE_LOCK,     LIMITS_WRITE,  1, API_SPENT, people_session_kill, NULL, "end a session and its streams")   \
    X(HTTP_GET,  "/v1/access/review",              PERM_ACCESS_REVIEW,   LIMITS_READ,  20, API_READ,  people_review_get, NULL, "who may do what, when it was used last, when it was last signed off") \
    X(HTTP_POST, "/v1/access/review/sign",         PERM_ACCESS_SIGN,     LIMITS_WRITE,  1, API_SPENT, people_review_put, NULL, "sign it off by its `hash`")

/* Report-in, and what comes of it. */
#define API_REPORT_ROUTES(X)                                                                                                 \
    X(HTTP_PUT,  "/v1/components/{id}/status", PERM_REPORT_WRITE, LIMITS_REPORT,  1, API_SPENT, component_put, NULL, "heartbeat of a component: it lives for `ttl_s`") \
    X(HTTP_GET,  "/v1/components",             PERM_STATUS_READ,  LIMITS_READ,    1, API_READ,  components_get, NULL, "components, their state and how old it is; groups") \
    X(HTTP_POST, "/v1/signals",                PERM_REPORT_WRITE, LIMITS_REPORT,  1, API_SPENT, signals_post, NULL, "values that others measure") \
    X(HTTP_GET,  "/v1/signals",                PERM_STATUS_READ,  LIMITS_READ,    1, API_READ,  signals_get, NULL, "last values of signals, and how old they are") \
    X(HTTP_POST, "/v1/alerts/alertmanager",    PERM_REPORT_WRITE, LIMITS_REPORT,  1, API_SPENT, alertmanager_post, NULL, "Alertmanager's webhook (version 4); 200 when stored") \
    X(HTTP_GET,  "/v1/triage",                 PERM_STATUS_READ,  LIMITS_READ,    1, API_READ,  triage_get, NULL, "the first five minutes: halts, worst incidents, objectives, snapshots and their ages") \
    X(HTTP_GET,  "/v1/slo",                    PERM_STATUS_READ,  LIMITS_READ,    1, API_READ,  slo_get, NULL, "objectives: kept, missed or unknown")

/* Of one's own session, whatever the roles: no permission. */
#define API_OWN_ROUTES(X)                                                                                                    \
    X(HTTP_POST, "/v1/session",                    ANYBODY, LIMITS_LOGIN, NULL,                "log in: `name`, `password`, `code`; sets the cookie, answers with `csrf`") \
    X(HTTP_GET,  "/v1/session",                    SESSION, LIMITS_READ,  session_get,         "who, roles, permissions, ends, `csrf`")                  \
    X(HTTP_DELETE, "/v1/session",                  SESSION, LIMITS_WRITE, session_end,         "log out")                                                \
    X(HTTP_POST, "/v1/session/factor",             SESSION, LIMITS_WRITE, session_factor,      "prove the second factor again: `code`")                  \
    X(HTTP_POST, "/v1/session/password",           SESSION, LIMITS_WRITE, session_password,    "choose a password: `old`, `password`; other sessions end") \
    X(HTTP_POST, "/v1/session/enrol",              SESSION, LIMITS_WRITE, session_enrol,       "a new second factor is shown")                           \
    X(HTTP_POST, "/v1/session/enrol/confirm",      SESSION, LIMITS_WRITE, session_confirm,     "a `code` of it makes it the second factor; recovery codes are shown once") \
    X(HTTP_POST, "/v1/session/elevate",            SESSION, LIMITS_WRITE, session_elevate,     "take up a `role` for `seconds` (900 to 3600), with `reason` and `ticket`")
/* clang-format on */
#define API_AS_ROUTE(method, path, permission, class, cost, direction, handler, mutation, help)    \
    {method, path, permission, class, cost, direction, handler, mutation, help, ACCESS_PERMISSION},
#define API_AS_HTTP(method, path, permission, class, cost, direction, handler, mutation, help)     \
    {method, path, api_on_signed},
#define API_AS_OWN(method, path, access, class, handler, help)                                     \
    {method, path, PERM_STATUS_READ, class, 1, API_READ, handler, NULL, help, ACCESS_##access},
#define API_AS_OWN_HTTP(method, path, access, class, handler, help) {method, path, api_on_signed},
static const struct api_route routes[] = {API_ROUTES(API_AS_ROUTE) API_OWN_ROUTES(API_AS_OWN)
                                              API_REPORT_ROUTES(API_AS_ROUTE)};
const struct http_route api_admin_routes[] = {
    {HTTP_GET, "/v1/time", api_time},
    API_ROUTES(API_AS_HTTP) /* one handler: it finds the row again */
    API_OWN_ROUTES(API_AS_OWN_HTTP) API_REPORT_ROUTES(API_AS_HTTP)};
const size_t api_admin_route_count = GW_LEN(api_admin_routes);
const struct http_large api_large_bodies[] = {
    {"/v1/signals", REPORT_BODY_MAX},
    {"/v1/alerts/alertmanager", REPORT_BODY_MAX},
};
const size_t api_large_body_count = GW_LEN(api_large_bodies);
const struct http_route api_public_routes[] = {
    {HTTP_POST, "/0/private/GetWebSocketsToken", kraken_ws_token},
    {HTTP_POST, "/0/private/{method}", kraken_private_unknown},
};
const size_t api_public_route_count = GW_LEN(api_public_routes);

bool api_by_direction(const struct api_route *r)
{
    return r->permission == PERM_CONTROL_TIGHTEN &&
           (r->mutation != NULL || r->handler == circuit_reset);
}

/* "control.tighten or control.loosen"; NULL: none is needed. */
static const char *permission_text(const struct api_route *r)
{
    return r->access != ACCESS_PERMISSION ? NULL
           : api_by_direction(r)          ? "control.tighten or control.loosen"
                                          : permission_rows[r->permission].word;
}

const struct api_route *api_find_route(const struct http_req *req)
{
    struct http_text method = http_method_text(req);
    const char *path = http_path(req);

    for (unsigned i = 0; i < GW_LEN(routes); i++) {
        static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"};
        const char *name = names[routes[i].method];
        bool head =
            routes[i].method == HTTP_GET && method.len == 4 && memcmp(method.s, "HEAD", 4) == 0;

        if (strcmp(routes[i].path, path) == 0 &&
            (head || (method.len == strlen(name) && memcmp(method.s, name, method.len) == 0))) {
            return &routes[i];
        }
    }
    GW_UNREACHABLE("both tables are made from one");
}

const struct api_route *api_routes(size_t *count)
{
    *count = GW_LEN(routes);
    return routes;
}

void api_describe(struct buf *out)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"};

    buf_lit(out, "| method | path | permission | rate class | cost | what |\n"
                 "|---|---|---|---|---|---|\n");
    for (unsigned i = 0; i < GW_LEN(routes); i++) {
        const struct api_route *r = &routes[i];

        buf_printf(out, "| %s | `%s` | %s%s%s | `%s` | %u | %s |\n", names[r->method], r->path,
                   r->access == ACCESS_PERMISSION ? "`" : "",
                   r->access == ACCESS_PERMISSION ? permission_text(r)
                   : r->access == ACCESS_SESSION  ? "one's own session"
                                                  : "anybody",
                   r->access == ACCESS_PERMISSION ? "`" : "", limits_classes[r->class].name,
                   r->cost, r->help);
    }
}

size_t api_operations(struct shape_op *out, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < api_public_route_count && n < max; i++) {
        const struct http_route *r = &api_public_routes[i];

        out[n++] = (struct shape_op){"public",
                                     r->method,
                                     r->path,
                                     "a call in Kraken's scheme",
                                     NULL,
                                     NULL,
                                     api_shape(r->method, r->path),
                                     false,
                                     false};
    }
    if (n < max) {
        out[n++] = (struct shape_op){"admin",
                                     HTTP_GET,
                                     api_admin_routes[0].path,
                                     "the clock",
                                     NULL,
                                     NULL,
                                     api_shape(HTTP_GET, api_admin_routes[0].path),
                                     false,
                                     false};
    }
    for (unsigned i = 0; i < GW_LEN(routes) && n < max; i++) {
        const struct api_route *r = &routes[i];

        out[n++] =
            (struct shape_op){"admin",
                              r->method,
                              r->path,
                              r->help,
                              permission_text(r),
                              limits_classes[r->class].name,
                              api_shape(r->method, r->path),
                              r->access == ACCESS_SESSION,
                              r->access == ACCESS_PERMISSION && r->permission == PERM_REPORT_WRITE};
    }
    return n;
}

/* The whole text has to match. What is no expression was refused when the configuration was read. */
static void set_ticket_pattern(struct api *a, const char *pattern)
{
    struct buf whole = {0};

    buf_printf(&whole, "^(%s)$", pattern);
    a->ticket_set = regcomp(&a->ticket, buf_cstr(&whole), REG_EXTENDED | REG_NOSUB) == 0;
    buf_fini(&whole);
}

uv_timer_t *api_timer(uv_loop_t *loop, void *data)
{
    uv_timer_t *timer = gw_malloc(sizeof *timer);

    GW_ASSERT(uv_timer_init(loop, timer) == 0);
    timer->data = data;
    uv_unref((uv_handle_t *)timer);
    return timer;
}

static void on_timer_closed(uv_handle_t *timer)
{
    free(timer);
}

void api_timer_end(uv_timer_t **timer)
{
    uv_close((uv_handle_t *)*timer, on_timer_closed);
    *timer = NULL;
}

struct api *api_create(uv_loop_t *loop, const struct api_options *opt)
{
    struct api *a = gw_calloc(1, sizeof *a);
    struct siphash_key seed;

    late_init(a, loop);
    GW_ASSERT(getrandom(&seed, sizeof seed, 0) == (ssize_t)sizeof seed);
    a->opt = *opt;
    if (opt->gate != NULL && opt->gate_config->ticket_pattern[0] != '\0') {
        set_ticket_pattern(a, opt->gate_config->ticket_pattern);
    }
    owed_init(a, loop);
    spend_init(a, loop);
    circuits_init(a, loop);
    events_init(a, loop);
    a->metrics = metrics_create(&api_metrics);
    lane_init(a, &seed);
    return a;
}

void api_configure(struct api *a)
{
    lane_configure(a);
    limits_configure(a->opt.limits, a->opt.limits_config);
}

void api_destroy(struct api **ap)
{
    struct api *a = *ap;

    *ap = NULL;
    if (a->ticket_set) {
        regfree(&a->ticket);
    }
    events_fini(a);
    circuits_fini(a);
    owed_fini(a);
    spend_fini(a);
    late_fini(a);
    lane_fini(a);
    free(a);
}

/* --- calls -------------------------------------------------------------------------------------
 */

static void on_gone(void *arg)
{
    struct api_call *c = arg;

    c->req = NULL;
    late_forget(c);
    if (c->wait != NULL) {
        limits_cancel(c->wait);
        c->wait = NULL;
    }
    if (c->gate_wait != NULL) { /* what was ordered goes on; its answer is kept for a repetition */
        if (c->once[0] == '\0' || c->asking) {
            gate_cancel(c->gate_wait);
            c->gate_wait = NULL;
            call_end(c);
        }
    } else if (!c->owed) {
        call_end(c);
    }
}

/* W3C traceparent: 00-32 hex-16 hex-2 hex, the first not all zero; else a trace begins here. */
static void take_trace(struct api_call *c)
{
    const char *text = http_header(c->req, "traceparent");
    uint8_t random[16];

    if (text != NULL && strlen(text) == 55 && memcmp(text, "00-", 3) == 0 && text[35] == '-' &&
        strspn(text + 3, "0123456789abcdef") == 32 && strspn(text + 3, "0") < 32) {
        memcpy(c->trace, text + 3, 32);
        return;
    }
    GW_ASSERT(getrandom(random, sizeof random, 0) == (ssize_t)sizeof random);
    for (unsigned i = 0; i < sizeof random; i++) {
        (void)snprintf(c->trace + (size_t)2 * i, 3, "%02x", random[i]);
    }
}

struct api_call *call_create(struct api *a, struct http_req *req, const struct api_route *route)
{
    struct api_call *c = gw_calloc(1, sizeof *c);

    c->api = a;
    c->req = req;
    c->route = route;
    take_trace(c);
    a->in_flight++;
    metrics_set(a->metrics, API_M_IN_FLIGHT, 0, a->in_flight);
    http_req_on_gone(req, on_gone, c);
    return c;
}

void call_end(struct api_call *c)
{
    c->api->in_flight--;
    metrics_set(c->api->metrics, API_M_IN_FLIGHT, 0, c->api->in_flight);
    explicit_bzero(c->token, sizeof c->token);
    if (c->many != NULL) {
        control_change_fini(c->many);
        free(c->many);
    }
    free(c);
}

bool call_back(struct api_call *c)
{
    c->owed = false;
    if (c->req == NULL) {
        call_end(c);
        return false;
    }
    return true;
}

void call_reply(struct api_call *c, unsigned status, const struct buf *body)
{
    call_reply_as(c, status, "application/json", body);
}

void call_reply_as(struct api_call *c, unsigned status, const char *type, const struct buf *body)
{
    struct http_req *req = c->req;

    http_req_on_gone(req, NULL, NULL);
    http_set_header(req, "cache-control", "no-store");
    http_reply(req, status, type, body->data, body->len);
    call_end(c);
}

/* RFC 6901; NAME may be anything that the client has sent. */
static void put_pointer(struct buf *out, const char *name)
{
    struct buf text = {0};

    buf_putc(&text, '/');
    for (const char *p = name; *p != '\0'; p++) {
        if (*p == '~' || *p == '/') {
            buf_puts(&text, *p == '~' ? "~0" : "~1");
        } else {
            buf_putc(&text, *p);
        }
    }
    buf_json_str(out, text.data, text.len);
    buf_fini(&text);
}

void call_problem(struct api_call *c, const struct api_problem *p)
{
    struct http_req *req = c->req;
    struct buf body = {0};

    buf_printf(&body, "{\"type\":\"/problems/%s\",\"title\":", p->code);
    buf_json_str(&body, p->title, strlen(p->title));
    buf_printf(&body, ",\"status\":%u,\"code\":\"%s\"", p->status, p->code);
    if (p->detail != NULL) {
        buf_lit(&body, ",\"detail\":");
        buf_json_str(&body, p->detail, strlen(p->detail));
    }
    if (p->pointer != NULL) {
        buf_lit(&body, ",\"errors\":[{\"pointer\":");
        put_pointer(&body, p->pointer);
        buf_lit(&body, ",\"detail\":");
        buf_json_str(&body, p->detail, strlen(p->detail));
        buf_lit(&body, "}]");
    }
    if (c->current != NULL) {
        buf_printf(&body, ",\"current\":%s", c->current);
    }
    buf_printf(&body, ",\"instance\":\"/traces/%s\"", c->trace);
    buf_lit(&body, ",\"time\":\"");
    buf_rfc3339(&body, clock_real_ns(), 6);
    buf_lit(&body, "\"}");
    http_req_on_gone(req, NULL, NULL);
    http_set_header(req, "cache-control", "no-store");
    http_reply(req, p->status, "application/problem+json", body.data, body.len);
    buf_fini(&body);
    call_end(c);
}

void call_invalid(struct api_call *c, const char *name, const char *detail)
{
    call_problem(c, &(struct api_problem){422, "validation", "a field is missing or not acceptable",
                                          detail, name});
}

bool call_query_number(struct api_call *c, const char *name, uint64_t least, uint64_t most,
                       const char *wanted, uint64_t *out)
{
    const char *text = http_query(c->req, name);
    char range[64];

    if (text == NULL ||
        (u64_parse(text, strlen(text), out) == GW_OK && *out >= least && *out <= most)) {
        return true;
    }
    (void)snprintf(range, sizeof range, "a whole number from %llu to %llu",
                   (unsigned long long)least, (unsigned long long)most);
    call_invalid(c, name, wanted != NULL ? wanted : range);
    return false;
}

bool call_ticket_fits(const struct api_call *c, const char *ticket)
{
    return !c->api->ticket_set || regexec(&c->api->ticket, ticket, 0, NULL, 0) == 0;
}

void api_time(struct http_req *req, void *arg)
{
    struct buf body = {0};
    int64_t now = clock_real_ns();

    (void)arg;
    buf_lit(&body, "{\"time\":\"");
    buf_rfc3339(&body, now, 9);
    buf_printf(&body, "\",\"unix_ns\":%lld}", (long long)now);
    http_set_header(req, "cache-control", "no-store");
    http_reply(req, 200, "application/json", body.data, body.len);
    buf_fini(&body);
}
