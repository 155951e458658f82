/* links: gw_ws */
#include "ws/request.h"
#include "ws/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Whatever a stranger sends: no crash, no leak, and an error always has a text that can be printed.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct ws_request r;
    struct buf out = {0};
    const struct reply_times t = {0, 0};
    enum gw_err err = ws_request_parse((const char *)data, len, &r);

    GW_ASSERT((err == GW_OK) == (r.error[0] == '\0'));
    if (err != GW_OK) {
        reply_error(&out, &r, r.error, NULL, &t);
    } else if (r.method != WS_PING) {
        struct reply_ack ack = {.symbol = r.symbol_count != 0 ? r.symbols[0] : NULL};

        reply_ack(&out, &r, &ack, &t);
    }
    buf_fini(&out);
    ws_request_fini(&r);
    return 0;
}
