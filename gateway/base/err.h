/* gateway/base/err.h - the one table of failures and the assertions.
 * Why: a failure is a row; its name, HTTP status, WebSocket close code and text follow from it, so
 * no two places can disagree. Bytes from outside are answered with a row; our own invariants are
 * asserted, in release builds too.
 * Owner: none, immutable. */
#ifndef GATEWAY_BASE_ERR_H
#define GATEWAY_BASE_ERR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GW_MUSTCHECK          __attribute__((warn_unused_result))
#define GW_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

/* clang-format off */
/*    symbol         http  ws    retry  text */
#define GW_ERRORS(X)                                                                             \
    X(GW_OK,          200, 1000, false, "ok")                                                    \
    X(GW_EINVAL,      400, 1008, false, "malformed input")                                       \
    X(GW_EFIELD,      400, 1008, false, "a field is missing or has the wrong type")              \
    X(GW_ERANGE,      400, 1008, false, "a value is outside its range")                          \
    X(GW_EPRECISION,  400, 1008, false, "a number has more decimals than its symbol allows")     \
    X(GW_ETYPE,       400, 1008, false, "unknown message type")                                  \
    X(GW_ESYMBOL,     404, 1008, false, "unknown symbol")                                        \
    X(GW_ENOTFOUND,   404, 1008, false, "not found")                                             \
    X(GW_EMETHOD,     405, 1008, false, "method not allowed")                                    \
    X(GW_ETOOBIG,     413, 1009, false, "message too big")                                       \
    X(GW_ERATE,       429, 4029, true,  "rate limit exceeded")                                   \
    X(GW_ECROSSED,    500, 1011, false, "bid is not below ask")                                  \
    X(GW_EGAP,        503, 1013, true,  "sequence gap")                                          \
    X(GW_EDUP,        200, 1000, false, "sequence number already applied")                       \
    X(GW_ESTALE,      200, 1000, false, "entry of an epoch that has ended")                      \
    X(GW_ENOMEM,      503, 1013, true,  "out of memory or over a memory budget")                 \
    X(GW_EFULL,       503, 1013, true,  "queue is full")                                         \
    X(GW_ESTORE,      503, 1013, true,  "storage unavailable")                                   \
    X(GW_ETIMEOUT,    503, 1013, true,  "timed out")                                             \
    X(GW_ENOTREADY,   503, 1013, true,  "no data yet")                                           \
    X(GW_ESLOW,       200, 4008, true,  "SLOW_CONSUMER")                                         \
    X(GW_EIDLE,       200, 4010, true,  "no subscription within the idle limit")                 \
    X(GW_EHALTED,     503, 1013, true,  "the book is withdrawn while its symbol is halted")      \
    X(GW_EREVOKED,    401, 4003, false, "the key was revoked")                                   \
    X(GW_EKICKED,     403, 4014, true,  "KICKED")                                                \
    X(GW_EFLOOD,      429, 1008, false, "too many bytes received")                               \
    X(GW_ECONNS,      429, 4013, true,  "too many connections")                                  \
    X(GW_EDRAIN,      503, 1012, true,  "service restart")                                       \
    X(GW_ESYS,        500, 1011, true,  "system call failed")                                    \
    X(GW_ECONFIG,     500, 1011, false, "bad configuration")
/* clang-format on */

#define GW_ERR_AS_ENUM(sym, http, ws, retry, text) sym,
enum gw_err { GW_ERRORS(GW_ERR_AS_ENUM) GW_ERR_COUNT };

struct gw_err_row {
    const char *name; /* "GW_EGAP" */
    uint16_t http_status;
    uint16_t ws_close;
    bool retry; /* may the caller try the same again */
    const char *text;
};

/* Borrows the row of ERR; valid for ever. */
const struct gw_err_row *gw_err_row(enum gw_err err);
static inline const char *gw_err_text(enum gw_err err)
{
    return gw_err_row(err)->text;
}

/* Prints the failed expression with its place and aborts: a broken invariant must not serve money.
 */
_Noreturn void gw_assert_failed(const char *expr, const char *file, int line);
#define GW_ASSERT(expr) ((expr) ? (void)0 : gw_assert_failed(#expr, __FILE__, __LINE__))

/* A place that cannot be reached, with the reason. */
#define GW_UNREACHABLE(why) gw_assert_failed(why, __FILE__, __LINE__)

/* Allocation that cannot fail: an edge without memory restarts, it does not guess. */
void *gw_malloc(size_t bytes);
void *gw_calloc(size_t count, size_t bytes);
void *gw_realloc(void *p, size_t bytes);
char *gw_strdup(const char *s);

#define GW_LEN(array) (sizeof(array) / sizeof((array)[0]))
#endif
