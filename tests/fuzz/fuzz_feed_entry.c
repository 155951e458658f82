/* links: gw_feed */
#include "gateway/feed/checkpoint.h"
#include "gateway/feed/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Whatever stands in the stream: refused, or numbers the market can take. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct symbol symbol = {.name = "BTC/USD", .price_decimals = 2, .qty_decimals = 8};
    struct feed_event e = {0};
    struct instrument in;
    char id[FEED_ID_MAX];

    instrument_init(&in, &symbol, 0);
    if (decode_entry((const char *)data, len, &symbol, 0, &e) == DECODE_NONE) {
        for (uint32_t i = 0; i < e.trade_count; i++) {
            GW_ASSERT(e.trades[i].px.ticks > 0 && e.trades[i].qty.lots > 0);
        }
        (void)instrument_apply(&in, &e, true);
    }
    (void)checkpoint_restore(&in, (const char *)data, len, id);
    instrument_fini(&in);
    feed_event_fini(&e);
    return 0;
}
