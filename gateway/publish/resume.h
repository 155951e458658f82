/* gateway/publish/resume.h - what a client that was away has missed of one stream.
 * Why: a client may come back to any replica, with any earlier place in the stream; the answer is
 * all it missed or a reason, never a part. Books: one exact difference out of the change history.
 * Trades: each one, out of the ring, and before the ring out of the feed. Candles: the newest state
 * of each since.
 * Owner: the market thread (pure).
 * Invariant: a hit brings the client to exactly what the stream has published so far. */
#ifndef GATEWAY_PUBLISH_RESUME_H
#define GATEWAY_PUBLISH_RESUME_H
#include "gateway/publish/pub_stream.h"

enum resume_step {
    RESUME_DONE,      /* answered in the struct */
    RESUME_WAIT,      /* this replica has not got as far as the client: ask again later */
    RESUME_PUBLISH,   /* the client is ahead of the stream: publish the present, ask again */
    RESUME_READ_BACK, /* trades before the ring: resume_trades() with them */
};

/* DIFF and TEXT are scratch. */
enum resume_step resume_answer(struct pub_stream *s, struct link_resume *r, struct view_diff *diff,
                               struct buf *text);
/* OLDER: COUNT trades of this epoch in order, the first one not after r->from, the last ones may
 * overlap the ring. NULL: could not be had. */
void resume_trades(struct pub_stream *s, struct link_resume *r, const struct trade *older,
                   uint32_t count, struct buf *text);
#endif
