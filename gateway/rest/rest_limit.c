/* gateway/rest/rest_limit.c - how often an address may ask. */
#include "gateway/rest/rest_priv.h"
#include "gateway/runtime/clock.h"

bool rest_admit(struct rest *r, struct http_req *req, enum rest_form form, uint32_t cost)
{
    struct headers_row row;
    int64_t retry_ns;
    bool taken = public_limit_take(r->public_limit, http_peer_ip(req), cost, clock_mono_ns(), &row,
                                   &retry_ns);

    headers_tell(http_set_header, req, &row);
    if (taken) {
        return true;
    }
    headers_tell_retry(http_set_header, req, retry_ns);
    if (form == REST_KRAKEN) { /* its clients look for this text, not for a status */
        kraken_limited(req);
    } else {
        http_reply_problem(req, GW_ERATE,
                           "too many calls of this address; wait as Retry-After says");
    }
    return false;
}
