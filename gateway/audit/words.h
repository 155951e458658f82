/* gateway/audit/words.h - the words of actions and outcomes, for metrics and the pages of operators.
 * Why: a label of a metric has values that are known beforehand; a record may have any word of the
 * right form, but is counted as "other" until its row is here.
 * Owner: none, immutable. */
#ifndef GATEWAY_AUDIT_WORDS_H
#define GATEWAY_AUDIT_WORDS_H
#include "gateway/audit/entry.h"
#include "gateway/runtime/metrics.h"

/* clang-format off */
/*    action                what it is */
#define AUDIT_ACTIONS(X)                                                          \
    X("symbol.mode",        "mode of a symbol")                                   \
    X("group.mode",         "mode of a group of symbols")                         \
    X("global.mode",        "mode of the whole market")                           \
    X("symbol.throttle",    "orders a second of a symbol")                        \
    X("symbol.cancel_all",  "all orders of a symbol cancelled")                   \
    X("kill.engage",        "kill switch engaged")                                \
    X("kill.release",       "kill switch released, or a stage of it")             \
    X("withdrawals.set",    "withdrawals halted or resumed")                      \
    X("account.trading",    "trading of an account paused or resumed")            \
    X("account.access",     "keys of an account refused, or accepted again")      \
    X("fanout.profile",     "profile of the fan-out")                             \
    X("upstream.set",       "upstream chosen")                                    \
    X("connection.close",   "connections closed")                                 \
    X("circuit.reset",      "circuit tried at once, or one of the core closed")   \
    X("change.request",     "change proposed that a second person must approve")  \
    X("change.approve",     "change approved")                                    \
    X("change.reject",      "change rejected")                                    \
    X("change.cancel",      "change withdrawn")                                   \
    X("key.bootstrap",      "first key made on the host")                         \
    X("key.issue",          "key issued")                                         \
    X("key.rotate",         "key rotated")                                        \
    X("key.revoke",         "key revoked")                                        \
    X("key.limits",         "rate class of a key")                                \
    X("key.flag",           "key watched, or no longer")                          \
    X("session.open",       "log-in of a person")                                 \
    X("session.renew",      "second factor proved again")                         \
    X("session.close",      "log-out")                                            \
    X("session.kill",       "sessions of another ended")                          \
    X("user.create",        "person entered")                                     \
    X("user.disable",       "person disabled")                                    \
    X("user.enable",        "person enabled")                                     \
    X("user.reset",         "temporary password given")                           \
    X("user.password",      "password chosen")                                    \
    X("user.factor_show",   "new second factor shown")                            \
    X("user.factor",        "second factor enrolled")                             \
    X("role.grant",         "role granted")                                       \
    X("role.end",           "role taken back")                                    \
    X("role.elevate",       "role taken up for a while")                          \
    X("role.expire",        "end of a role that was held for a while")            \
    X("access.sign",        "access review signed off")                           \
    X("incident.open",      "incident opened")                                    \
    X("incident.ack",       "incident acknowledged")                              \
    X("incident.assign",    "commander, scribe or assignee of an incident")       \
    X("incident.note",      "note, or root cause, of an incident")                \
    X("incident.severity",  "severity of an incident")                            \
    X("incident.classify",  "class of an incident")                               \
    X("incident.mitigate",  "incident mitigated, in part, or not any more")       \
    X("incident.resolve",   "incident over")                                      \
    X("incident.close",     "incident closed")                                    \
    X("incident.reopen",    "incident opened again")                              \
    X("incident.step",      "step of a playbook done or skipped")                 \
    X("incident.task",      "task of an incident, new or done")                   \
    X("incident.signal",    "signal of an incident is back, or over")             \
    X("incident.level",     "level of escalation reached")                        \
    X("incident.halted",    "halt of level 3 performed")                          \
    X("incident.reminder",  "a postmortem is due: people were reminded")          \
    X("ticket.attach",      "ticket named for an act that took effect without one")   \
    X("paging.test",        "test page sent")                                     \
    X("paging.retry",       "dead letter sent again")                             \
    X("config.update",      "configuration read")                                 \
    X("audit.read",         "audit log exported or verified")                     \
    X("journal.replay",     "records of the emergency journal entered")           \
    X("smoke.trade",        "trade of the smoke test settled")                    \
    X("state.restore",      "halts remembered after the database was set back")   \
    X("gateway.start",      "gateway started")                                    \
    X("gateway.stop",       "gateway stopped")                                    \
    X("other",              "any other word")
#define AUDIT_RESULTS(X, action)                                                  \
    X(action, "done") X(action, "requested") X(action, "approved") X(action, "rejected") \
    X(action, "denied") X(action, "failed") X(action, "expired") X(action, "other")

#define AUDIT_METRICS(X)                                                                            \
    X(AUDIT_M_RECORDS,      "audit_records_total",           COUNTER,   &audit_pairs, "records entered into the chain, by action and result") \
    X(AUDIT_M_FAILED,       "audit_write_fail_total",        COUNTER,   NULL, "records that could not be entered into the chain") \
    X(AUDIT_M_RETRIED,      "audit_write_retried_total",     COUNTER,   NULL, "transactions of records that were tried again") \
    X(AUDIT_M_WAITING,      "audit_waiting_records",         GAUGE,     NULL, "records that wait for the chain") \
    X(AUDIT_M_COMMIT,       "audit_commit_seconds",          HISTOGRAM, NULL, "time from the offer of a record to its commit") \
    X(AUDIT_M_HEAD,         "audit_head_seq",                GAUGE,     NULL, "seq of the newest record this process knows") \
    X(AUDIT_M_ANCHORED,     "audit_anchored_seq",            GAUGE,     NULL, "seq of the newest signed head") \
    X(AUDIT_M_ANCHOR_TIME,  "audit_anchor_timestamp_seconds", GAUGE,    NULL, "when the chain was last seen whole and signed up to its head, seconds since 1970") \
    X(AUDIT_M_ANCHORS,      "audit_anchors_total",           COUNTER,   NULL, "heads signed") \
    X(AUDIT_M_ANCHOR_FILE,  "audit_anchor_file_fail_total",  COUNTER,   NULL, "signed heads that could not be written to the anchors file") \
    X(AUDIT_M_ANCHOR_REDIS, "audit_anchor_redis_fail_total", COUNTER,   NULL, "signed heads that could not be sent to Redis") \
    X(AUDIT_M_BROKEN,       "audit_chain_broken",            GAUGE,     NULL, "1: the chain does not follow from the last signed head")
/* clang-format on */
enum audit_metric { AUDIT_METRICS(METRIC_AS_ENUM) AUDIT_M_COUNT };
extern const struct metric_table audit_metrics;

/* Counts a record that was committed: audit_append() does it itself. */
void audit_count(struct metric_set *metrics, const struct audit_entry *e);
#endif
