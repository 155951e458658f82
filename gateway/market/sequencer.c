#include "gateway/market/sequencer.h"

#include <string.h>

static bool is_retired(const struct sequencer *s, const char *epoch)
{
    for (unsigned i = 0; i < SEQ_RETIRED_MAX; i++) {
        if (strcmp(s->retired[i], epoch) == 0) {
            return true;
        }
    }
    return false;
}

static void start_epoch(struct sequencer *s, const char *epoch)
{
    if (s->state != SEQ_EMPTY) {
        memcpy(s->retired[s->retired_next], s->epoch, sizeof s->epoch);
        s->retired_next = (s->retired_next + 1) % SEQ_RETIRED_MAX;
    }
    memcpy(s->epoch, epoch, sizeof s->epoch);
    s->state = SEQ_BROKEN; /* until its snapshot */
}

enum seq_verdict sequencer_take(struct sequencer *s, const struct feed_event *e, uint64_t *lost)
{
    bool same = s->state != SEQ_EMPTY && strcmp(s->epoch, e->epoch) == 0;

    *lost = 0;
    if (!same) {
        if (is_retired(s, e->epoch)) {
            return SEQ_STALE;
        }
        start_epoch(s, e->epoch);
    } else if (e->seq <= s->last) {
        return SEQ_DUPLICATE;
    } else if (e->seq != s->last + 1) {
        *lost = e->seq - s->last - 1;
        s->state = SEQ_BROKEN;
    }
    s->last = e->seq;
    if (s->state == SEQ_LIVE) {
        return SEQ_APPLY;
    }
    if (e->type == EVENT_BOOK_SNAPSHOT) {
        s->state = SEQ_LIVE;
        return SEQ_RESYNC;
    }
    return SEQ_TRADES;
}
