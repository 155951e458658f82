/* gateway/publish/roster.h - questions the main thread asks the WebSocket shards about their
 * connections, and the answers.
 * Why: a session belongs to its shard's loop. Operators see and close connections by asking each shard
 * by mailbox; nothing of a session is touched from another thread.
 *
 *   main -- LINK_ROSTER, one struct roster each --> shards -- the same, answered --> main
 *
 * Owner: whoever holds it: main until posted, the shard until answered, then main.
 * Invariant: texts of reasons and states point to tables that never end. */
#ifndef GATEWAY_PUBLISH_ROSTER_H
#define GATEWAY_PUBLISH_ROSTER_H
#include <stdbool.h>
#include <stdint.h>
#include "gateway/base/err.h"

#define ROSTER_LIMIT_MAX   1000u /* rows of an answer, and closed connections a shard remembers */
#define ROSTER_REASONS_MAX 16u
#define ROSTER_KEY_SIZE    65u

enum roster_kind { ROSTER_LIST, ROSTER_SUMMARY, ROSTER_KICK };

/* Upper bounds of the buckets of backlogs in bytes; the last bucket has none. */
#define ROSTER_BUCKETS(X)              X(0) X(1024) X(4096) X(16384) X(65536) X(262144) X(1048576) X(4194304)
#define ROSTER_BUCKET_AS_NUMBER(bound) bound,
extern const uint64_t roster_bounds[];
#define ROSTER_BUCKET_AS_ONE(bound) +1
enum { ROSTER_BUCKET_COUNT = 1 ROSTER_BUCKETS(ROSTER_BUCKET_AS_ONE) };

struct roster_row {
    uint64_t id;
    char ip[46];
    char key[ROSTER_KEY_SIZE]; /* "": a stranger */
    const char *state;
    const char *reason; /* closed ones: why; NULL: open */
    uint16_t code;      /* of the close, 0: the peer left */
    bool stalled;       /* its socket takes nothing now */
    uint32_t subscriptions;
    uint64_t backlog_bytes;
    int64_t lag_ns;
    uint64_t sent_bytes;
    uint64_t sent_messages;
    uint64_t skipped_frames;
    int64_t opened_ns; /* wall clock */
    int64_t closed_ns; /* wall clock, 0: open */
};

struct roster_summary {
    uint32_t clients;
    uint32_t stalled;
    uint64_t subscriptions;
    uint64_t opened; /* since the start */
    uint64_t backlog_bytes;
    uint64_t backlog_max;
    uint64_t buckets[ROSTER_BUCKET_COUNT];
    const char *const *reasons; /* of closes */
    unsigned reason_count;
    uint64_t closes[ROSTER_REASONS_MAX];
};

struct roster {
    enum roster_kind kind;
    uint64_t question; /* the asker's */
    uint32_t shard;
    struct mailbox *to; /* where the answer goes */
    /* LIST: which; KICK: `id` */
    uint64_t id;
    uint64_t min_backlog;
    char key[ROSTER_KEY_SIZE]; /* "": any */
    char ip[46];               /* "": any */
    uint32_t limit;            /* of open and of closed ones each */
    /* the answer */
    enum gw_err err;  /* KICK: GW_ENOTFOUND */
    uint32_t matched; /* open ones, also those above the limit */
    uint32_t open_count;
    uint32_t closed_count;
    struct roster_row *open;   /* largest backlog first; KICK: the one it was */
    struct roster_row *closed; /* newest first */
    struct roster_summary summary;
};
void roster_destroy(struct roster **rp);
/* Which bucket BYTES falls into. */
unsigned roster_bucket(uint64_t bytes);
#endif
