/* gateway/feed/decode.h - one feed entry's JSON to a struct feed_event, strictly (docs/FEED.md).
 * Why: bytes from outside stop being bytes here. Nothing is guessed: an entry is right or it is
 * refused with the reason.
 * Owner: the market thread (pure).
 * Invariant: on GW_OK every number fits its symbol's decimals, prices and trade quantities are
 * > 0. */
#ifndef GATEWAY_FEED_DECODE_H
#define GATEWAY_FEED_DECODE_H
#include "gateway/market/event.h"

#define FEED_ENTRY_MAX_BYTES (8u << 20)
#define FEED_JSON_MAX_DEPTH  8u

/* Why an entry was refused: label of md_malformed_total. */
/* clang-format off */
#define DECODE_FAULTS(X) \
    X(NONE, "none") X(TOO_BIG, "too_big") X(JSON, "json") X(TYPE, "type") X(SYMBOL, "symbol") \
    X(SEQ, "seq") X(EPOCH, "epoch") X(TIME, "time") X(LEVELS, "levels") X(PRICE, "price") \
    X(QTY, "qty") X(TRADES, "trades") X(STATUS, "status")
/* clang-format on */
#define DECODE_FAULT_AS_ENUM(sym, text) DECODE_##sym,
enum decode_fault { DECODE_FAULTS(DECODE_FAULT_AS_ENUM) DECODE_FAULT_COUNT };
extern const char *const decode_fault_names[DECODE_FAULT_COUNT];

/* Decodes JSON of symbol NUMBER into E, whose arrays are reused. Unknown members are ignored. */
GW_MUSTCHECK
enum decode_fault decode_entry(const char *json, size_t len, const struct symbol *sym,
                               uint32_t number, struct feed_event *e);
#endif
