/* gateway/core/entry.h - reading what stands in `control:acks` and `control:commands`: the glue to
 * JSON of docs/CORE.md.
 * Why: these are bytes from other programs; what is not understood is refused by the name of its
 * field and changes nothing.
 * Owner: any thread, after json_setup(). Pure.
 * Invariant: ENTRY_OK means that every field is inside its bounds. */
#ifndef GATEWAY_CORE_ENTRY_H
#define GATEWAY_CORE_ENTRY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "gateway/core/core_id.h"
#include "gateway/store/circuit.h"

#define CORE_NAME_MAX    33    /* of a core or a gateway, with NUL */
#define CORE_SYMBOL_MAX  32    /* with NUL */
#define CORE_TARGET_MAX  64    /* with NUL */
#define CORE_CIRCUIT_MAX 59    /* with NUL */
#define CORE_BY_MAX      129   /* with NUL */
#define CORE_DETAIL_MAX  201   /* bytes, with NUL */
#define CORE_ARGS_MAX    4096  /* bytes */
#define CORE_ENTRY_MAX   16384 /* bytes of JSON of an ack or a command */
#define CORE_HASH_SIZE   65    /* 64 hexadecimal digits and NUL */
#define CORE_NUMBER_MAX  ((UINT64_C(1) << 53) - 1)

/* clang-format off */
/* What a command asks for. */
#define CORE_KINDS(X)                                                                                \
    X(CANCEL_ALL,    "cancel_all",    "cancel all working orders of the target: a symbol, or `*` for all") \
    X(MODE,          "mode",          "put the target, a symbol or `*`, into `args.mode`")            \
    X(CIRCUIT_RESET, "circuit_reset", "close the core's own circuit breaker named by the target")

#define CORE_MODES(X)                                                                                \
    X(NORMAL, "NORMAL") X(CANCEL_ONLY, "CANCEL_ONLY") X(SOFT_HALT, "SOFT_HALT") X(HARD_HALT, "HARD_HALT")

/* Where a command is. `settled`: nothing more is waited for.
 *    symbol     word         settled  what */
#define CORE_STATES(X)                                                                               \
    X(REQUESTED, "requested", false,   "asked by a gateway; the core has not spoken")                 \
    X(ACCEPTED,  "accepted",  false,   "the core works on it")                                        \
    X(DONE,      "done",      true,    "the core did it")                                             \
    X(FAILED,    "failed",    true,    "the core did not do it; the detail says why")                 \
    X(TIMED_OUT, "timed_out", false,   "the core has not finished in time; it may still do so")       \
    X(CANCELLED, "cancelled", true,    "given up by a person; `confirmed` once the core agrees")

/* The verdict on an entry, which is also the label of its counter.
 *    symbol    word        what must be there */
#define CORE_ENTRY_VERDICTS(X)                                                                       \
    X(OK,       "ok",       "")                                                                       \
    X(FORM,     "entry",    "one field `e`")                                                          \
    X(JSON,     "json",     "one JSON object of at most 16 KiB, no member twice")                     \
    X(ID,       "id",       "a ULID: 26 characters, upper case")                                      \
    X(STATE,    "state",    "accepted, done, failed or cancelled; of a circuit closed, half_open or open") \
    X(COUNT,    "count",    "an integer from 0 to 2^53-1")                                            \
    X(DETAIL,   "detail",   "a text of at most 200 bytes, no control characters")                     \
    X(CORE,     "core",     "a name: 1 to 32 of A-Z a-z 0-9 _ . : -")                                 \
    X(VERSION,  "version",  "an integer from 0 to 2^53-1")                                            \
    X(SYMBOL,   "symbol",   "a symbol as BTC/USD, at most 31 characters")                             \
    X(MODE,     "mode",     "NORMAL, CANCEL_ONLY, SOFT_HALT or HARD_HALT")                            \
    X(NEED,     "need",     "snapshot")                                                               \
    X(KIND,     "kind",     "a kind of command, or cancel")                                           \
    X(TARGET,   "target",   "1 to 63 visible ASCII characters")                                       \
    X(ARGS,     "args",     "an object of at most 4 KiB")                                             \
    X(BY,       "by",       "a text of at most 128 bytes, no control characters")                     \
    X(GATEWAY,  "gateway",  "a name: 1 to 32 of A-Z a-z 0-9 _ . : -")                                 \
    X(TS,       "ts_ns",    "nanoseconds since 1970")                                                 \
    X(DEADLINE, "deadline_ms", "an integer from 1 to 86400000")                                       \
    X(ONCE,     "once",     "64 hexadecimal digits, with `request` likewise, and `answer` an object as text where it is a cancel")\
    X(CIRCUIT,  "circuit",  "1 to 58 of A-Z a-z 0-9 _ . : -")
/* clang-format on */

#define CORE_KIND_AS_ENUM(sym, word, help) CORE_KIND_##sym,
enum core_kind { CORE_KINDS(CORE_KIND_AS_ENUM) CORE_KIND_COUNT };
extern const char *const core_kind_words[CORE_KIND_COUNT];

#define CORE_MODE_AS_ENUM(sym, word) CORE_MODE_##sym,
enum core_mode { CORE_MODES(CORE_MODE_AS_ENUM) CORE_MODE_COUNT };
extern const char *const core_mode_words[CORE_MODE_COUNT];

#define CORE_STATE_AS_ENUM(sym, word, settled, what) CORE_##sym,
enum core_state { CORE_STATES(CORE_STATE_AS_ENUM) CORE_STATE_COUNT };
struct core_state_row {
    const char *word;
    bool settled;
};
extern const struct core_state_row core_states[CORE_STATE_COUNT];

#define CORE_VERDICT_AS_ENUM(sym, word, must) ENTRY_##sym,
enum entry_verdict { CORE_ENTRY_VERDICTS(CORE_VERDICT_AS_ENUM) ENTRY_VERDICT_COUNT };
struct entry_verdict_row {
    const char *field;
    const char *must; /* completes "must be" */
};
extern const struct entry_verdict_row entry_verdicts[ENTRY_VERDICT_COUNT];

/* False when there is none of that word. */
bool core_kind_parse(const char *word, enum core_kind *out);
bool core_state_parse(const char *word, enum core_state *out);

/* A word of the core. */
enum core_ack_type { CORE_ACK_COMMAND, CORE_ACK_APPLIED, CORE_ACK_CIRCUIT, CORE_ACK_ALIVE };
struct core_ack {
    enum core_ack_type type;
    char core[CORE_NAME_MAX];
    bool has_version;
    uint64_t version; /* of the control state that it has applied */
    /* of a command */
    char id[CORE_ID_SIZE];
    enum core_state state;
    bool has_count;
    uint64_t count;
    char detail[CORE_DETAIL_MAX];
    /* applied */
    char symbol[CORE_SYMBOL_MAX];
    enum core_mode mode;
    /* circuit, with DETAIL */
    char circuit[CORE_CIRCUIT_MAX];
    enum circuit_state circuit_state;
    /* alive */
    bool need_snapshot;
};
enum entry_verdict core_ack_parse(const char *json, size_t len, struct core_ack *out);

/* The Idempotency-Key a command was asked under, and what was asked: SHA-256, hexadecimal. */
struct core_once {
    char key[CORE_HASH_SIZE]; /* of who asks and the key; "": none */
    char request[CORE_HASH_SIZE];
};

/* A command of any gateway, or the end of one. */
struct core_request {
    bool cancel; /* of the command ID; no other field is set but these two: */
    struct core_once once;
    char *answer; /* of a cancel with `once`, JSON, owned; else NULL */
    char id[CORE_ID_SIZE];
    enum core_kind kind;
    char target[CORE_TARGET_MAX];
    char *args; /* compact JSON object, owned */
    char by[CORE_BY_MAX];
    char gateway[CORE_NAME_MAX];
    int64_t asked_ns; /* wall */
    uint64_t deadline_ms;
};
/* OUT is to be released by core_request_fini() also when it was refused. */
enum entry_verdict core_request_parse(const char *json, size_t len, struct core_request *out);
/* The same checks for what is asked here; ARGS ("{}" when there are none) is made compact in
 * *COMPACT, which the caller frees. */
enum entry_verdict core_request_check(enum core_kind kind, const char *target, const char *args,
                                      const char *by, uint64_t deadline_ms, char **compact);
void core_request_fini(struct core_request *r);
bool core_name_valid(const char *name);
/* Of a circuit breaker of the core. */
bool core_circuit_valid(const char *name);
#endif
