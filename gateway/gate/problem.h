/* gateway/gate/problem.h - why an order was refused: one table (RFC 9457).
 * Why: a caller acts on the word and the status; people read the sentence.
 * Owner: the caller, on its stack. */
#ifndef GATEWAY_GATE_PROBLEM_H
#define GATEWAY_GATE_PROBLEM_H
#include <stdint.h>
#include "gateway/base/err.h"

/* clang-format off */
/*    symbol            http  word                     title */
#define GATE_PROBLEMS(X)                                                                                       \
    X(NONE,             200,  "ok",                    "ok")                                                    \
    X(MALFORMED,        400,  "malformed",             "not strict JSON")                                       \
    X(KEY_MISSING,      400,  "idempotency-key-missing", "the request needs an Idempotency-Key")                \
    X(UNAUTHENTICATED,  401,  "unauthenticated",       "not signed and not signed in")                          \
    X(REPLAY,           401,  "replay-detected",       "the nonce was used before")                             \
    X(FORBIDDEN,        403,  "forbidden-role",        "this person or key may not do this")                    \
    X(SECOND_FACTOR,    403,  "second-factor-required", "this needs a second factor that is fresh")             \
    X(CROSS_SITE,       403,  "cross-site",            "the request does not come from a page of this gateway") \
    X(DUTY,             403,  "enrolment-required",    "first choose a password and enrol a second factor")    \
    X(SELF_APPROVAL,    403,  "self-approval",         "who asked cannot be who approves")                      \
    X(APPROVAL,         403,  "approval-required",     "this needs a second person")                            \
    X(UNKNOWN,          404,  "not-found",             "there is no such thing")                                \
    X(ILLEGAL,          409,  "illegal-transition",    "this state cannot follow the present one")              \
    X(EXPIRED,          409,  "approval-expired",      "the request was not approved in time")                  \
    X(DECIDED_ALREADY,  409,  "change-decided",        "the request was decided before")                        \
    X(STAGE_HOLD,       409,  "stage-hold",            "the present stage has to hold longer")                  \
    X(ROOT_CAUSE,       409,  "root-cause-missing",    "an open critical incident has no root cause yet")       \
    X(LOCKED,           409,  "step-locked",           "the step waits for something else")                     \
    X(IN_PROGRESS,      409,  "idempotency-in-progress", "the same request is still under way")                 \
    X(VERSION,          412,  "version-conflict",      "it has changed since it was looked at")                 \
    X(PAYLOAD,          412,  "payload-differs",       "what was approved is not what was asked for")           \
    X(VALIDATION,       422,  "validation",            "a field is missing or not acceptable")                  \
    X(ONCE_MISMATCH,    422,  "idempotency-mismatch",  "the Idempotency-Key was used for something else")       \
    X(PRECONDITION,     428,  "precondition-required", "say which version this is based on")                    \
    X(RATE,             429,  "rate-limited",          "rate limit exceeded")                                   \
    X(UNAVAILABLE,      503,  "audit-unavailable",     "PostgreSQL cannot take it: nothing is loosened without durable audit") \
    X(JOURNAL_OPEN,     503,  "journal-not-entered",   "halts of the journal are not in the chain yet")
/* clang-format on */
#define GATE_PROBLEM_AS_ENUM(sym, http, word, title) PROBLEM_##sym,
enum gate_problem_kind { GATE_PROBLEMS(GATE_PROBLEM_AS_ENUM) GATE_PROBLEM_COUNT };

struct gate_problem_row {
    uint16_t http_status;
    const char *word; /* last part of the type's URI, and `code` */
    const char *title;
};
extern const struct gate_problem_row gate_problem_rows[GATE_PROBLEM_COUNT];

struct gate_problem {
    enum gate_problem_kind kind;
    char pointer[96]; /* of the field, "" none */
    char detail[400]; /* what to do next */
};
/* Fills P and returns false. */
bool gate_fail(struct gate_problem *p, enum gate_problem_kind kind, const char *fmt, ...)
    GW_PRINTF(3, 4);
#endif
