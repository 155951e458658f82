/* gateway/publish/link.h - the messages between the market thread and its readers (shards, REST).
 * Why: one page for the contract of the mailboxes; `struct mail` fields are given per kind.
 *
 *   shard                                   market
 *     (number = the shard in the next three)
 *     LINK_OPEN key, ref      ---------->   stream starts, its frames go to this shard as well
 *     LINK_SNAPSHOT key       ---------->   wants the snapshot of what was last published
 *     LINK_CLOSE key          ---------->   no more frames
 *     LINK_RESUME key, payload = struct link_resume ---------->   wants what one client missed
 *     <---------- LINK_RESUMED payload = the same, answered: valid right after the frames posted
 *     <---------- LINK_SNAPSHOT_FRAME ref, payload: valid right after the frames already posted
 *     <---------- LINK_FRAME ref, payload
 *     <---------- LINK_CLOSED ref: the last message about ref
 *     <---------- LINK_SYMBOL number, payload = struct link_symbol
 *     <---------- LINK_NOTICE number, payload: a `gateway` channel message about the symbol
 *                             (SYMBOL_NONE: about all)
 *     <---------- LINK_SYSTEM number = enum link_system, payload = struct audit_id behind it
 *     <---------- LINK_GATED key = version: behind all that version of the gate changed
 *   main thread
 *     LINK_GATE payload = struct gate_view         ---------->   (market) what is halted
 *     <---------- LINK_GATED number, key = version: the shard's sockets have been told
 *     LINK_REVOKE payload = id of a key (text)     ---------->   its sessions are closed
 *     LINK_CONFIG payload = the shard's configuration ---------->   its live keys
 *     LINK_ROSTER payload = struct roster          ---------->   its connections
 *     <---------- LINK_ROSTER payload = the same, answered, to the mailbox it names
 *   REST
 *     LINK_QUERY payload = struct query  ---------->
 *     <---------- LINK_ANSWER payload = the same struct query, answered
 *
 * Owner: none.
 * Invariant: a receiver owns the payload; frames by one reference. */
#ifndef GATEWAY_PUBLISH_LINK_H
#define GATEWAY_PUBLISH_LINK_H
#include <stdint.h>
#include "gateway/market/event.h"
#include "gateway/publish/frame.h"

#define LINK_SHARDS_MAX 32u

enum link_kind {
    LINK_OPEN,
    LINK_SNAPSHOT,
    LINK_CLOSE,
    LINK_QUERY,
    LINK_FRAME,
    LINK_SNAPSHOT_FRAME,
    LINK_CLOSED,
    LINK_SYMBOL,
    LINK_NOTICE,
    LINK_SYSTEM,
    LINK_ANSWER,
    LINK_RESUME,
    LINK_RESUMED,
    LINK_CONFIG,
    LINK_REVOKE,
    LINK_GATE,
    LINK_GATED,
    LINK_ROSTER,
    LINK_STOP, /* to any loop: leave */
};

/* Kraken v2 `status`: the word for the whole system. */
#define LINK_SYSTEMS(X)                                                                            \
    X(ONLINE, "online")                                                                            \
    X(CANCEL_ONLY, "cancel_only") X(POST_ONLY, "post_only") X(MAINTENANCE, "maintenance")
#define LINK_SYSTEM_AS_ENUM(sym, text) SYSTEM_##sym,
enum link_system { LINK_SYSTEMS(LINK_SYSTEM_AS_ENUM) SYSTEM_COUNT };
extern const char *const link_system_names[SYSTEM_COUNT];

struct link_symbol {
    char epoch[EPOCH_MAX]; /* "" before the first entry */
};

/* Why a client could not resume (docs/PROTOCOL.md). */
#define LINK_RESUMES(X)                                                                            \
    X(HIT, "")                                                                                     \
    X(RING_MISS, "RING_MISS") X(EPOCH_CHANGED, "EPOCH_CHANGED")
#define LINK_RESUME_AS_ENUM(sym, text) RESUME_##sym,
enum resume_result { LINK_RESUMES(LINK_RESUME_AS_ENUM) RESUME_RESULTS };
extern const char *const resume_result_names[RESUME_RESULTS];

/* A question of one client and its answer: all of what it missed, or why not. */
struct link_resume {
    uint64_t token; /* the shard's */
    uint64_t from;  /* book: gw.s; trade: trade_id; ohlc: begin of the candle in seconds */
    char epoch[EPOCH_MAX];
    /* answer */
    enum resume_result result;
    uint64_t to;         /* book: gw.s; trade: trade_id; ohlc: begin in seconds */
    uint32_t messages;   /* in FRAME */
    struct frame *frame; /* NULL: nothing was missed */
    uint64_t seq;        /* gw.s the client then has */
    /* the market's own while it waits */
    uint64_t key;
    uint32_t shard;
    int64_t until_ns;
    struct link_resume *next;
};
void link_resume_destroy(struct link_resume **rp);

/* Channels as in client requests; streams exist for the first five. */
enum channel { CHANNEL_BOOK, CHANNEL_TRADE, CHANNEL_OHLC, CHANNEL_TICKER, CHANNEL_INSTRUMENT };
#define CHANNEL_STREAMS 5
extern const char *const channel_names[CHANNEL_STREAMS];

/* Conflation intervals a subscription may choose (docs/PROTOCOL.md). */
#define INTERVAL_CLASSES 6
extern const uint32_t interval_class_ms[INTERVAL_CLASSES]; /* 0 20 50 100 250 1000 */
int interval_class(uint64_t interval_ms);                  /* -1 when there is no such class */

/* What a stream is: its subscribers all get the same bytes. */
struct stream_key {
    uint32_t symbol; /* SYMBOL_NONE for `instrument` */
    enum channel channel;
    uint32_t param; /* book: depth; ohlc: minutes; ticker: 1 = bbo; else 0 */
    unsigned class; /* index in interval_class_ms */
};
struct mailbox;
/* Frees what waits in M, whose reader has gone. */
void link_drain(struct mailbox *m);

uint64_t stream_key_pack(const struct stream_key *k);
struct stream_key stream_key_unpack(uint64_t packed);
#endif
