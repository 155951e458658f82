/* gateway/rest/rest_limit.c - how often an address may ask. */
#include "gateway/rest/rest_priv.h"
#include "gateway/runtime/clock.h"

static void tell(struct http_req *req, const struct headers_row *row)
{
    struct buf text = {0};

    headers_policy(&text, row, 1);
    http_set_header(req, "ratelimit-policy", buf_cstr(&text));
    buf_reset(&text);
    headers_state(&text, row, 1);
    http_set_header(req, "ratelimit", buf_cstr(&text));
    buf_fini(&text);
}

bool rest_admit(struct rest *r, struct http_req *req, enum rest_form form, uint32_t cost)
{
    struct headers_row row;
    struct buf text = {0};
    int64_t retry_ns;
    bool taken = public_limit_take(r->public_limit, http_peer_ip(req), cost, clock_mono_ns(), &row,
                                   &retry_ns);

    tell(req, &row);
    if (taken) {
        return true;
    }
    if (headers_retry_after(&text, retry_ns)) {
        http_set_header(req, "retry-after", buf_cstr(&text));
    }
    buf_fini(&text);
    if (form == REST_KRAKEN) { /* its clients look for this text, not for a status */
        kraken_limited(req);
    } else {
        http_reply_problem(req, GW_ERATE,
                           "too many calls of this address; wait as Retry-After says");
    }
    return false;
}
