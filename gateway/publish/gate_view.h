/* gateway/publish/gate_view.h - the control state, as far as market data shows it.
 * Why: the market thread, the shards and REST need to know what is halted, not who halted it; one
 * immutable picture goes to each of them, and the newest wins.
 * Owner: whoever holds it; made by the main thread, given away by mailbox.
 * Invariant: never changes after it was given away. */
#ifndef GATEWAY_PUBLISH_GATE_VIEW_H
#define GATEWAY_PUBLISH_GATE_VIEW_H
#include <stdbool.h>
#include <stdint.h>
#include "gateway/market/event.h"
#include "gateway/market/symbols.h"
#include "gateway/market/view.h"
#include "gateway/publish/link.h"

/* Number of the market thread where loops confirm a version (shards have theirs). */
#define GATE_MARKET UINT32_MAX

/* What clients see of a book (docs/CONTROL.md). */
#define BOOK_SHOWS(X)                X(LIVE, "live") X(FROZEN, "frozen") X(WITHDRAWN, "withdrawn")
#define BOOK_SHOW_AS_ENUM(sym, text) BOOK_##sym,
enum book_show { BOOK_SHOWS(BOOK_SHOW_AS_ENUM) BOOK_SHOW_COUNT };
extern const char *const book_show_names[BOOK_SHOW_COUNT];

struct gate_symbol {
    enum book_show show;
    enum pair_status status; /* PAIR_ONLINE: what the feed says */
    const char *mode;        /* the word of the mode in force; static */
    struct audit_id audit;   /* of the action that made it so */
    int64_t since_ns;        /* wall clock */
};

struct gate_view {
    uint64_t version;
    enum link_system system; /* SYSTEM_ONLINE: what the feed's state says */
    struct audit_id system_audit;
    struct audit_id assets_audit; /* of the last change to withdrawals */
    uint32_t symbol_count;
    uint32_t asset_count;
    struct gate_symbol *symbols; /* by symbol number */
    bool *no_withdrawals;        /* by asset number */
};

/* The book as it was when it was frozen, or an empty one: what those see who subscribe meanwhile. */
struct held {
    struct view view;
    uint32_t crc;
    int64_t ts_ns;
    uint64_t seq;
    bool filled; /* false: the book had not come when it was frozen */
};

/* Everything open. */
struct gate_view *gate_view_create(const struct symbols *symbols);
struct gate_view *gate_view_copy(const struct gate_view *from);
void gate_view_destroy(struct gate_view **gp);
/* The tighter of what the feed and the operators say. */
enum pair_status gate_status(enum pair_status feed, enum pair_status gate);
#endif
