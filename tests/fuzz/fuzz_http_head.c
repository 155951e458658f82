/* links: gw_http */
#include <string.h>
#include "gateway/http/head.h"
#include "gateway/http/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void handler(struct http_req *req, void *arg)
{
    (void)req;
    (void)arg;
}

/* A head is judged without reading past it; a target is matched or refused. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct http_route routes[] = {
        {HTTP_GET, "/v1/md/{symbol}/book", handler},
        {HTTP_GET, "/", handler},
    };
    struct route_match m;

    (void)head_check((const char *)data, len);
    if (route_find(routes, GW_LEN(routes), HTTP_GET, (const char *)data, len, &m) == GW_OK) {
        for (unsigned i = 0; i < m.query_count; i++) {
            GW_ASSERT(strlen(m.query[i].value) <= len);
        }
    }
    return 0;
}
