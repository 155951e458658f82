/* ws/resume.h - a client that comes back takes up its streams where it left them.
 * Why: first the ring of this shard (the missed frames follow as they were); when it does not hold
 * the place, the market (one exact difference, the trades, the candles); when that cannot either, a
 * snapshot, and the client is told why. Never a part.
 * Owner: one shard loop.
 * Invariant: a subscription in SUB_RESUMING has one wait, found by its token. */
#ifndef WS_RESUME_H
#define WS_RESUME_H
#include <uthash.h>
#include "gateway/publish/link.h"
#include "ws/request.h"

struct shard;
struct sub;

struct resume_wait {
    uint64_t token;
    struct sub *sub;
    uint64_t from;
    bool silent;               /* not asked for by the client: its place had left the ring */
    struct ws_request request; /* for the ack; without its arrays */
    int64_t in_ns;             /* wall clock */
    UT_hash_handle hh;
};

/* SUB is new or restarted; R asked it to go on after place FROM. Acks now or later. */
void resume_start(struct sub *sub, const struct ws_request *r, uint64_t from, int64_t in_ns);
/* SUB has lost its place in the ring: the market bridges it, or a snapshot does. */
void resume_bridge(struct sub *sub);
/* SUB goes away or starts otherwise. */
void resume_forget(struct sub *sub);
/* Takes the market's answer. */
void resume_answered(struct shard *s, struct link_resume *r);
#endif
