/* gateway/control/kind.h - the kinds of control state: their targets, values, and what is tighter.
 * Why: one row per kind drives checking, comparing, merging, printing and parsing; a new kind is a
 * row here and its fields below.
 * Owner: none, immutable.
 * Invariant: a zeroed value is every kind's default, and the default is the loosest value. A kind's
 * and a member's place in the tables is the order of the canonical JSON: rows are only appended. */
#ifndef GATEWAY_CONTROL_KIND_H
#define GATEWAY_CONTROL_KIND_H
#include <stdint.h>
#include "gateway/control/error.h"
#include "gateway/control/modes.h"

#define CONTROL_TARGET_MAX   64                /* with NUL */
#define CONTROL_SYMBOL_MAX   32                /* with NUL */
#define CONTROL_SYMBOLS_MOST 2000              /* of a change, and of a release stage */
#define CONTROL_NUMBER_MOST  ((1LL << 53) - 1) /* versions, audit numbers: exact in any reader */
#define CONTROL_TIME_MOST    7258118399999999999LL /* the end of 2199 */

/* clang-format off */
/* Forms of targets. A fixed word, or an optional prefix and a name of `chars`.
 *    symbol        fixed          prefix      first         chars          most  what */
#define CONTROL_FORMS(X)                                                                             \
    X(ALL,          "*",           "",         "",           "",            0,    "`*`")              \
    X(GROUP,        NULL,          "group:",   "a-z0-9_-",   "a-z0-9_-",    32,   "`group:NAME`")     \
    X(SYMBOL,       NULL,          "",         "A-Z0-9.-",   "A-Z0-9./-",   31,   "a symbol as BTC/USD") \
    X(GLOBAL,       "global",      "",         "",           "",            0,    "`global`")         \
    X(ORDER_ENTRY,  "order_entry", "",         "",           "",            0,    "`order_entry`")    \
    X(ADAPTER,      NULL,          "adapter:", "a-z0-9_-",   "a-z0-9_-",    32,   "`adapter:ID`")     \
    X(ASSET,        NULL,          "",         "A-Z0-9.-",   "A-Z0-9.-",    31,   "an asset as BTC")  \
    X(ACCOUNT,      NULL,          "",         "a-z0-9",     "a-z0-9_.-",   63,   "an account id")

#define CF(form) (1u << CONTROL_FORM_##form)
/*    symbol        word           forms of the target                       neutral  help */
#define CONTROL_KINDS(X)                                                                             \
    X(MODE,         "mode",        CF(ALL) | CF(GROUP) | CF(SYMBOL),         false,   "trading mode of all symbols, a group, a symbol") \
    X(KILL,         "kill",        CF(GLOBAL) | CF(ORDER_ENTRY) | CF(ADAPTER), false, "kill switch: no orders but those of the release stage") \
    X(WITHDRAWALS,  "withdrawals", CF(ALL) | CF(ASSET),                      false,   "withdrawals of all assets or of one are halted") \
    X(THROTTLE,     "throttle",    CF(SYMBOL),                               false,   "most new orders a second of a symbol") \
    X(ACCOUNT,      "account",     CF(ACCOUNT),                              false,   "an account may not send orders") \
    X(FANOUT,       "fanout",      CF(ALL),                                  true,    "how hard market data is sent out; ends by itself") \
    X(UPSTREAM,     "upstream",    CF(ALL),                                  true,    "which feed is followed") \
    X(ACCESS,       "access",      CF(ACCOUNT),                              false,   "no key of an account is accepted")

/* Members of the values. Zero of a NULLABLE one is `null`: not set. `allowed` completes "must be".
 *    kind          member              type     field             nullable  allowed */
#define CONTROL_FIELDS(X)                                                                            \
    X(MODE,         "mode",             MODE,    mode,             false,    "NORMAL, CANCEL_ONLY, SOFT_HALT or HARD_HALT") \
    X(KILL,         "engaged",          BOOL,    engaged,          false,    "true or false")         \
    X(KILL,         "released_symbols", SYMBOLS, released,         false,    "a list of different symbols, or [\"*\"]") \
    X(KILL,         "released_percent", PERCENT, released_percent, false,    "an integer from 0 to 100") \
    X(WITHDRAWALS,  "halted",           BOOL,    halted,           false,    "true or false")         \
    X(THROTTLE,     "orders_per_s",     RATE,    orders_per_s,     true,     "an integer from 1 to 1000000, or null for no throttle") \
    X(ACCOUNT,      "paused",           BOOL,    paused,           false,    "true or false")         \
    X(FANOUT,       "profile",          PROFILE, profile,          false,    "normal, degraded or emergency") \
    X(FANOUT,       "conflation_ms",    CONFLATION, conflation_ms, true,     "20, 50, 100, 250 or 1000, or null for the profile's own") \
    X(FANOUT,       "default_depth",    DEPTH,   default_depth,    true,     "10, 25, 100, 500 or 1000, or null for the profile's own") \
    X(FANOUT,       "sub_ops_per_s",    SUB_OPS, sub_ops_per_s,    true,     "an integer from 1 to 100000, or null for the profile's own") \
    X(FANOUT,       "expires_at",       TIME,    expires_ns,       true,     "a time in UTC as 2026-11-20T23:51:47.101000Z; null only for the profile normal") \
    X(UPSTREAM,     "active",           UPSTREAM, upstream,        false,    "primary or alternate") \
    X(ACCESS,       "disabled",         BOOL,    disabled,         false,    "true or false")

#define CONTROL_PROFILES(X)  X(NORMAL, "normal") X(DEGRADED, "degraded") X(EMERGENCY, "emergency")
#define CONTROL_UPSTREAMS(X) X(PRIMARY, "primary") X(ALTERNATE, "alternate")

/* Of a change: the worst of its assignments, so the order matters. */
#define CONTROL_DIRECTIONS(X)                                                                        \
    X(NONE,    "NONE")    /* nothing changes */                                                       \
    X(NEUTRAL, "NEUTRAL") /* neither tighter nor looser */                                            \
    X(TIGHTEN, "TIGHTEN") /* one person, never waits */                                               \
    X(LOOSEN,  "LOOSEN")  /* two persons and the database */

/* Types: what a member holds. Words are numbered in the order of their table; the numbers of a range
 * are bounded by `most`, those of a choice are listed in kind.c. */
#define CONTROL_FIELD_TYPES(X)                                                                       \
    X(BOOL) X(SYMBOLS) X(TIME) X(MODE) X(PROFILE) X(UPSTREAM) X(PERCENT) X(RATE) X(SUB_OPS)           \
    X(CONFLATION) X(DEPTH)
/* clang-format on */

#define CONTROL_WORD_AS_ENUM(sym, ...) CONTROL_FORM_##sym,
enum control_form { CONTROL_FORMS(CONTROL_WORD_AS_ENUM) CONTROL_FORM_COUNT };
#undef CONTROL_WORD_AS_ENUM

#define CONTROL_KIND_AS_ENUM(sym, ...) CONTROL_KIND_##sym,
enum control_kind { CONTROL_KINDS(CONTROL_KIND_AS_ENUM) CONTROL_KIND_COUNT };

#define CONTROL_TYPE_AS_ENUM(sym) CONTROL_FIELD_##sym,
enum control_field_type { CONTROL_FIELD_TYPES(CONTROL_TYPE_AS_ENUM) CONTROL_FIELD_TYPE_COUNT };

#define CONTROL_PROFILE_AS_ENUM(sym, word) CONTROL_PROFILE_##sym,
enum control_profile { CONTROL_PROFILES(CONTROL_PROFILE_AS_ENUM) CONTROL_PROFILE_COUNT };
extern const char *const control_profile_words[CONTROL_PROFILE_COUNT];

#define CONTROL_UPSTREAM_AS_ENUM(sym, word) CONTROL_UPSTREAM_##sym,
enum control_upstream { CONTROL_UPSTREAMS(CONTROL_UPSTREAM_AS_ENUM) CONTROL_UPSTREAM_COUNT };
extern const char *const control_upstream_words[CONTROL_UPSTREAM_COUNT];

#define CONTROL_DIRECTION_AS_ENUM(sym, word) CONTROL_##sym,
enum control_direction { CONTROL_DIRECTIONS(CONTROL_DIRECTION_AS_ENUM) CONTROL_DIRECTION_COUNT };
extern const char *const control_direction_words[CONTROL_DIRECTION_COUNT];

/* Symbols of a release stage: all, or those named. Sorted, each once. */
struct control_symbols {
    bool all;
    uint32_t count;
    char (*names)[CONTROL_SYMBOL_MAX]; /* owned */
};

/* Only the fields of its kind are set, all others are zero. */
struct control_value {
    uint32_t mode; /* enum control_mode */
    bool engaged;
    struct control_symbols released; /* these symbols are open again, */
    uint32_t released_percent;       /* for so many of a hundred keys; 0 and no symbols: none is */
    bool halted;
    uint32_t orders_per_s; /* 0: no throttle */
    bool paused;
    uint32_t profile; /* enum control_profile; what follows is 0 for the profile's own */
    uint32_t conflation_ms;
    uint32_t default_depth;
    uint32_t sub_ops_per_s;
    int64_t expires_ns; /* wall */
    uint32_t upstream;  /* enum control_upstream */
    bool disabled;
};
extern const struct control_value control_default;

struct control_kind_row {
    const char *word;
    unsigned forms; /* 1 << enum control_form */
    bool neutral;
    const char *help;
};
extern const struct control_kind_row control_kind_rows[CONTROL_KIND_COUNT];

struct control_field {
    enum control_kind kind;
    const char *member;
    enum control_field_type type;
    size_t offset; /* in struct control_value */
    bool nullable;
    const char *allowed;
};
#define CONTROL_FIELD_AS_ONE(...) +1
enum { CONTROL_FIELD_COUNT = 0 CONTROL_FIELDS(CONTROL_FIELD_AS_ONE) };
extern const struct control_field control_fields[CONTROL_FIELD_COUNT];

/* False when there is no kind of that word. */
bool control_kind_parse(const char *word, enum control_kind *out);
/* Is TARGET well formed for KIND? NAME is the part after the prefix, borrowed from TARGET. */
bool control_target_parse(enum control_kind kind, const char *target, enum control_form *form,
                          const char **name);
/* "`*`, `group:NAME` or a symbol as BTC/USD": what KIND's target may be. Returns TEXT. */
const char *control_target_allowed(enum control_kind kind, char *text, size_t cap);

/* Words of a field that has words, their number in COUNT; NULL for others. */
const char *const *control_field_words(enum control_field_type type, uint32_t *count);
/* May a field of that type hold NUMBER? For those of integers. */
bool control_field_number(enum control_field_type type, uint64_t number);

/* OUT becomes a copy of V. */
void control_value_copy(struct control_value *out, const struct control_value *v);
void control_value_fini(struct control_value *v);
/* A total order, for canonical choices; says nothing about tightness. */
int control_value_order(enum control_kind kind, const struct control_value *a,
                        const struct control_value *b);
static inline bool control_value_equal(enum control_kind kind, const struct control_value *a,
                                       const struct control_value *b)
{
    return control_value_order(kind, a, b) == 0;
}
bool control_value_is_default(enum control_kind kind, const struct control_value *v);
/* Where the step from BEFORE to AFTER leads. Release stages of which neither holds the other give
 * LOOSEN: something opens. */
enum control_direction control_value_direction(enum control_kind kind,
                                               const struct control_value *before,
                                               const struct control_value *after);
/* OUT (a copy) becomes the loosest value that is looser than neither A nor B. Not of neutral kinds. */
void control_value_tightest(enum control_kind kind, const struct control_value *a,
                            const struct control_value *b, struct control_value *out);
/* Do the fields agree with each other and keep to their ranges? The pointer of E is relative to the
 * value. */
GW_MUSTCHECK
enum control_fault control_value_check(enum control_kind kind, const struct control_value *v,
                                       struct control_error *e);

/* Takes the symbol NAME up, sorted. False when it is there already, or there are too many. */
bool control_symbols_add(struct control_symbols *s, const char *name);
bool control_symbols_has(const struct control_symbols *s, const char *name);
#endif
