/* admin_api/confirm.c - keys that nobody confirms: PostgreSQL and Redis are silent, or Redis says that
 * keys have changed and PostgreSQL cannot be read. A revoked key could still be among them.
 * Reading and tightening go on; everything else waits. */
#include "admin_api/api_priv.h"
#include "gateway/runtime/clock.h"

static const struct api_problem problems[] = {
    [KEYS_SILENT] = {503, "keys-stale", "keys cannot be confirmed",
                     "neither PostgreSQL nor Redis has said for 3 s that no key was revoked: try "
                     "again when one of them answers (see /readyz); halts still work",
                     NULL},
    [KEYS_BEHIND] = {503, "keys-stale", "keys cannot be confirmed",
                     "keys were changed, as Redis says, and PostgreSQL cannot be read: try again "
                     "when it answers (see /readyz); halts still work",
                     NULL},
};

bool confirm_known(const struct api *a)
{
    return keys_doubt(a->opt.keys, clock_mono_ns()) == KEYS_SURE;
}

bool confirm_call(struct api_call *c)
{
    enum keys_doubt doubt = keys_doubt(c->api->opt.keys, clock_mono_ns());

    if (c->token[0] != '\0' || doubt == KEYS_SURE) { /* of sessions people_may() says as much */
        return true;
    }
    admit_count(c->api, API_UNAVAILABLE);
    http_set_header(c->req, "retry-after", "1");
    call_problem(c, &problems[doubt]);
    return false;
}

bool confirm_route(struct api_call *c)
{
    const struct api_route *r = c->route;
    bool tightens = permission_rows[r->permission].factor == FACTOR_NEVER &&
                    r->handler != command_cancel && r->handler != circuit_reset;

    if (r->mutation != NULL || tightens || r->method == HTTP_GET) {
        return true; /* of a mutation the direction says it: control.c */
    }
    return confirm_call(c);
}
