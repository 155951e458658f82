/* admin_api/lane.c - which buckets a request takes from, and how much.
 *
 *   before its signature is verified: the address's bucket, or the lane of halts (ratelimit/halt_lane.h)
 *   after it: the class of its row, unless its body shows that it does not belong in the reserved one;
 *   times the cost of its route */
#include "admin_api/api_priv.h"
#include "gateway/runtime/clock.h"

uint32_t lane_cost(const struct api_call *c, enum limits_class class, uint32_t factor)
{
    uint64_t cost = (uint64_t)(c->route != NULL ? c->route->cost : 1) * factor;
    uint64_t most = limits_burst(c->api->opt.limits, class);

    return (uint32_t)(cost < most ? cost : most); /* else it would never be admitted */
}

/* --- the address ------------------------------------------------------------------------------ */

static struct gcra_rate preauth_rate(const struct api *a)
{
    const struct limits_config *l = a->opt.limits_config;

    return limits_rate_per_minute(l->preauth_per_minute, l->preauth_burst);
}

void lane_init(struct api *a, const struct siphash_key *seed)
{
    struct gcra_rate rate = preauth_rate(a);
    uint32_t entries = (uint32_t)a->opt.limits_config->bucket_entries;

    a->preauth = preauth_create(&rate, entries, seed);
    a->halts = halt_lane_create(&rate, entries, seed);
}

void lane_configure(struct api *a)
{
    struct gcra_rate rate = preauth_rate(a);

    preauth_set_rate(a->preauth, &rate);
    halt_lane_set_rate(a->halts, &rate);
}

void lane_fini(struct api *a)
{
    preauth_destroy(&a->preauth);
    halt_lane_destroy(&a->halts);
}

static bool halts(const struct api_route *r)
{
    return r != NULL && r->class == LIMITS_HALT;
}

bool lane_admit(struct api *a, const struct api_route *r, const char *ip, int64_t *retry_ns)
{
    int64_t now = clock_mono_ns();

    return halts(r) ? halt_lane_admit(a->halts, ip, now, retry_ns)
                    : preauth_admit(a->preauth, ip, now, retry_ns);
}

bool lane_admit_key(struct api_call *c)
{
    return halt_lane_admit_key(c->api->halts, http_peer_ip(c->req), c->keyid, clock_mono_ns());
}

void lane_failed(struct api_call *c)
{
    const char *ip = http_peer_ip(c->req);

    if (halts(c->route)) {
        halt_lane_failed(c->api->halts, ip, clock_mono_ns());
    } else {
        preauth_failed(c->api->preauth, ip, clock_mono_ns());
    }
}

void lane_tell_address(struct api *a, struct http_req *req, int64_t retry_ns)
{
    struct gcra_rate rate = preauth_rate(a);
    struct headers_row row = {
        .name = "address",
        .quota = a->opt.limits_config->preauth_burst,
        .window_ns = rate.tolerance_ns + rate.emission_ns,
        .reset_ns = retry_ns,
    };

    headers_tell(http_set_header, req, &row);
    headers_tell_retry(http_set_header, req, retry_ns);
}

/* --- the class -------------------------------------------------------------------------------- */

/* What the body asks for, whatever else is wrong with the request; NONE: nobody can say. */
static enum control_direction direction_of(const struct api_call *c)
{
    const struct mutation *m = c->route->mutation;
    struct control_change change = {0};
    enum control_direction direction = CONTROL_NONE;
    struct control_error e;
    size_t len;
    const char *text = http_body(c->req, &len);

    if (control_body_parse(m->body, m->param != NULL ? http_param(c->req, m->param) : NULL, text,
                           len, NULL, &change, &e) == CONTROL_FINE) {
        direction = control_change_direction(gate_now(c->api->opt.gate), &change);
    }
    control_change_fini(&change);
    return direction;
}

enum limits_class lane_class(const struct api_call *c)
{
    const struct api_route *r = c->route;

    if (r->class != LIMITS_HALT || r->mutation == NULL || c->api->opt.gate == NULL) {
        return r->class;
    }
    if (control_is_dry(c)) {
        return LIMITS_READ;
    }
    return direction_of(c) == CONTROL_LOOSEN ? LIMITS_WRITE : LIMITS_HALT;
}
