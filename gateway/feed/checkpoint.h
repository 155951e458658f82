/* gateway/feed/checkpoint.h - the text that lets candles survive a restart (docs/FEED.md).
 * Why: running candles of hours and weeks cannot be rebuilt from the stream that is still there. A
 * checkpoint is the running candles and the id of the last entry in them: trades up to that id are
 * known.
 * Owner: the market thread (pure).
 * Invariant: integers only, in units of the symbol's decimals, which it names: a table with other
 * decimals refuses it. */
#ifndef GATEWAY_FEED_CHECKPOINT_H
#define GATEWAY_FEED_CHECKPOINT_H
#include "gateway/feed/source.h"
#include "gateway/market/instrument.h"

void checkpoint_print(const struct instrument *in, const char *id, struct buf *out);
/* Restores running candles. False, with nothing changed, when TEXT is not a checkpoint of this
 * symbol. */
bool checkpoint_restore(struct instrument *in, const char *text, size_t len, char id[FEED_ID_MAX]);
/* One candle as candle_print() wrote it. */
bool checkpoint_candle(const char *text, size_t len, struct candle *out);
#endif
