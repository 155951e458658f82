/* gateway/control/control_json.h - control state as JSON: the canonical text, REST answers, bodies.
 * Why: the stored state is compared and hashed byte by byte, so it has one text; what operators send
 * is read strictly, because a typing mistake in an emergency must be seen.
 * Owner: none; any thread, after json_setup().
 * Invariant: print(parse(text)) == text for every canonical text, parse(print(c)) equals c. Numbers
 * are integers up to 2^53 - 1, times are texts. */
#ifndef GATEWAY_CONTROL_CONTROL_JSON_H
#define GATEWAY_CONTROL_CONTROL_JSON_H
#include "gateway/base/buf.h"
#include "gateway/control/change.h"

#define CONTROL_JSON_FORMAT 1 /* member "v": raised when a reader of today could not read it */
#define CONTROL_BODY_MAX    (256u * 1024u)

/* {"v":1,"version":7,"cells":[{"kind":"mode","target":"*","value":{"mode":"SOFT_HALT"},"reason":..,
 * "ticket":..,"by":..,"approved_by":..,"since":..,"until":null,"version":7,"audit":12,
 * "trigger":"hand"}]}; times with nine decimals. */
void control_print(struct buf *b, const struct control *c);
/* Every member must be there and none else; cells in order. OUT gets one reference. */
GW_MUSTCHECK
enum control_fault control_parse(const char *text, size_t len, const struct control **out,
                                 struct control_error *e);

/* The members of a value: `"mode":"SOFT_HALT"`, without braces. DIGITS of times: 6 or 9. */
void control_value_print(struct buf *b, enum control_kind kind, const struct control_value *v,
                         unsigned digits);
/* The cell of KIND and TARGET as REST shows it, present or not: {"kind","target", the value's
 * members, "reason","ticket","by","approved_by","since","until","decision_due","version","audit",
 * "trigger"}; what is not there is null. "version" is the ETag, 0 when never set. */
void control_cell_print(struct buf *b, const struct control *c, enum control_kind kind,
                        const char *target, int64_t now_ns);
/* {"direction":"LOOSEN","from_version":7,"to_version":8,"changes":[{"kind","target","direction",
 * "before":{..},"after":{..},"until":..}]} */
void control_diff_print(struct buf *b, const struct control_diff *d);

/* clang-format off */
/* Bodies of requests. All take `reason` (required), `ticket`, `incident`, `confirm`, most `until`.
 *    symbol        kind         target from  until  own members */
#define CONTROL_BODIES(X)                                                                            \
    X(MODE,         MODE,        PATH,        true,  "mode")                                          \
    X(SET_MODE,     MODE,        MEMBERS,     true,  "mode symbols scope")                            \
    X(KILL,         KILL,        SCOPE,       true,  "engaged scope")                                 \
    X(RELEASE,      KILL,        SCOPE,       true,  "engaged scope released_symbols released_percent") \
    X(WITHDRAWALS,  WITHDRAWALS, ASSET,       true,  "halted asset")                                  \
    X(THROTTLE,     THROTTLE,    PATH,        true,  "orders_per_s")                                  \
    X(ACCOUNT,      ACCOUNT,     PATH,        true,  "paused")                                        \
    X(FANOUT,       FANOUT,      EVERYTHING,  false, "profile conflation_ms default_depth sub_ops_per_s expires_at") \
    X(UPSTREAM,     UPSTREAM,    EVERYTHING,  true,  "active")                                        \
    X(ACCESS,       ACCESS,      PATH,        true,  "disabled")
/* clang-format on */
#define CONTROL_BODY_AS_ENUM(sym, kind, from, until, members) CONTROL_BODY_##sym,
enum control_body { CONTROL_BODIES(CONTROL_BODY_AS_ENUM) CONTROL_BODY_COUNT };

/* Reads a request's body into OUT (to be released by control_change_fini(), also after a failure).
 * TARGET comes from the path where the table says so, else it is NULL. EXTRA, ended by NULL, names
 * members that the caller reads itself; it may be NULL.
 * MODE, SET_MODE: SET_MODE has either `symbols` (a list) or `scope` (`all`, `group:NAME`).
 * KILL: `scope` is global, order_entry or adapter:ID, global when left out; engaging ends a stage.
 * RELEASE: the next stage: these symbols for this percent of keys; a member left out means all of
 * them; both all, or `"engaged":false` alone, is the end of the switch.
 * WITHDRAWALS: of `asset`, of all when left out. */
GW_MUSTCHECK
enum control_fault control_body_parse(enum control_body body, const char *target, const char *text,
                                      size_t len, const char *const *extra,
                                      struct control_change *out, struct control_error *e);
#endif
