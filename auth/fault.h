/* auth/fault.h - the one table of reasons why a request is not authentic.
 * Why: the metric label, the text and what a stranger may learn are one row, so that no two places
 * disagree. A row is shown when it follows from the request and the clock alone, or when the caller
 * has already proved to hold the key; every other row looks like AUTH_BAD_SIGNATURE outside: nobody
 * can ask which keys exist.
 * Owner: none, immutable. */
#ifndef AUTH_FAULT_H
#define AUTH_FAULT_H
#include <stdbool.h>

/* clang-format off */
/*    symbol                   metric label           shown  text */
#define AUTH_FAULTS(X)                                                                             \
    X(AUTH_OK,                 "ok",                  true,  "ok")                                 \
    X(AUTH_NO_SIGNATURE,       "no_signature",        true,  "a signature header is missing")      \
    X(AUTH_REPEATED_HEADER,    "repeated_header",     true,  "a signed header came twice")         \
    X(AUTH_TOO_LONG,           "too_long",            true,  "longer than a signed request may be")\
    X(AUTH_SYNTAX,             "syntax",              true,  "not a well-formed structured field") \
    X(AUTH_DUPLICATE,          "duplicate",           true,  "a label or parameter came twice")    \
    X(AUTH_LABEL,              "label",               true,  "exactly one signature is accepted")  \
    X(AUTH_SIGNATURE_FORM,     "signature_form",      true,  "the signature has the wrong form")   \
    X(AUTH_COMPONENT_MISSING,  "component_missing",   true,  "a component must be covered")        \
    X(AUTH_COMPONENT_REPEATED, "component_repeated",  true,  "a component is covered twice")       \
    X(AUTH_COMPONENT_FLAG,     "component_flag",      true,  "component parameters are refused")   \
    X(AUTH_COMPONENT_UNKNOWN,  "component_unknown",   true,  "a component is not known here")      \
    X(AUTH_COMPONENT_ABSENT,   "component_absent",    true,  "a covered header is not there")      \
    X(AUTH_REQUEST,            "request",             true,  "a covered value cannot be signed")   \
    X(AUTH_PARAM_MISSING,      "param_missing",       true,  "a signature parameter is missing")   \
    X(AUTH_PARAM_UNKNOWN,      "param_unknown",       true,  "a signature parameter is not known") \
    X(AUTH_PARAM_BAD,          "param_bad",           true,  "a signature parameter is malformed") \
    X(AUTH_TAG,                "tag",                 true,  "the tag is another application's")   \
    X(AUTH_NONCE,              "nonce",               true,  "the nonce is malformed or too short")\
    X(AUTH_LIFETIME,           "lifetime",            true,  "the validity span is not allowed")   \
    X(AUTH_CLOCK_SKEW,         "clock_skew",          true,  "created is too far from our time")   \
    X(AUTH_EXPIRED,            "expired",             true,  "the signature has expired")          \
    X(AUTH_ALG_UNSUPPORTED,    "alg_unsupported",     true,  "alg: ed25519 or hmac-sha256")        \
    X(AUTH_DIGEST_SYNTAX,      "digest_syntax",       true,  "Content-Digest is malformed")        \
    X(AUTH_DIGEST_UNKNOWN,     "digest_unknown",      true,  "Content-Digest: sha-256 or sha-512") \
    X(AUTH_DIGEST_MISMATCH,    "digest_mismatch",     true,  "Content-Digest is not the body's")  \
    X(AUTH_BAD_SIGNATURE,      "bad_signature",       true,  "the signature does not verify")      \
    X(AUTH_BEARER_ROUTE,       "bearer_route",        true,  "a bearer token opens report-in alone")\
    X(AUTH_BAD_TOKEN,          "bad_token",           true,  "the bearer token is not good here")  \
    X(AUTH_ALG_MISMATCH,       "alg_mismatch",        false, "another algorithm than the key's")   \
    X(AUTH_UNKNOWN_KEY,        "unknown_key",         false, "no such key")                        \
    X(AUTH_KEY_UNUSABLE,       "key_unusable",        false, "the key's record cannot be used")    \
    /* found by whoever keeps the keys and nonces, after the signature was verified */             \
    X(AUTH_KEY_INACTIVE,       "key_inactive",        false, "the key is revoked or out of date")  \
    X(AUTH_REPLAY,             "replay",              true,  "the nonce was used before")
/* clang-format on */

#define AUTH_FAULT_AS_ENUM(sym, word, shown, text) sym,
enum auth_fault { AUTH_FAULTS(AUTH_FAULT_AS_ENUM) AUTH_FAULT_COUNT };

struct auth_fault_row {
    const char *word; /* label of auth_fail_total{reason} */
    bool shown;       /* may the sender learn of it */
    const char *text;
};

/* Borrows the row of FAULT; valid for ever. */
const struct auth_fault_row *auth_fault_row(enum auth_fault fault);
/* What the sender may learn: FAULT itself, or AUTH_BAD_SIGNATURE. */
enum auth_fault auth_fault_shown(enum auth_fault fault);
#endif
