/* admin_api/triage.c - the first five minutes in one answer, and the objectives. What nobody has told of
 * late is unknown, never well. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "admin_api/api_priv.h"
#include "gateway/reported/reported.h"

static void put_as_of(struct buf *out, const struct reported_now *now)
{
    buf_lit(out, ",\"as_of\":\"");
    buf_rfc3339(out, now->real_ns, 6);
    buf_lit(out, "\"}");
}

/* False: answered. */
static bool reported_here(struct api_call *c)
{
    if (c->api->opt.reported == NULL || c->api->opt.gate == NULL) {
        call_problem(c, &(struct api_problem){503, "unavailable", "nothing is reported here",
                                              "set auth.database", NULL});
        return false;
    }
    return true;
}

void slo_get(struct api_call *c)
{
    struct reported *r = c->api->opt.reported;
    struct reported_now now;
    struct slo_facts facts;
    struct buf body = {0};

    if (!reported_here(c)) {
        return;
    }
    now = reported_now(r);
    facts = reported_facts(r);
    buf_putc(&body, '{');
    slo_print(&body, reported_signals(r), &facts, &now);
    put_as_of(&body, &now);
    call_reply(c, 200, &body);
    buf_fini(&body);
}

/* {"value":..,"age_s":..,"state":"ok|bad|unknown"} */
static void put_snapshot(struct buf *out, struct reported *r, const char *name, enum slo which)
{
    static const char *const words[SLO_STATE_COUNT] = {"unknown", "ok", "bad"};
    struct reported_now now = reported_now(r);
    struct slo_facts facts = reported_facts(r);
    struct slo_result result;

    slo_judge(which, reported_signals(r), &facts, &now, &result);
    buf_printf(out, ",\"%s\":{\"value\":", name);
    if (result.value[0] != '\0') {
        buf_printf(out, "\"%s\"", result.value);
    } else {
        buf_lit(out, "null");
    }
    buf_lit(out, ",\"age_s\":");
    if (result.age_ns >= 0) {
        buf_i64(out, result.age_ns / 1000000000);
    } else {
        buf_lit(out, "null");
    }
    buf_printf(out, ",\"state\":\"%s\"}", words[result.state]);
}

static void on_overview(void *arg, const struct reported_overview *o)
{
    struct api_call *c = arg;
    struct reported *r = c->api->opt.reported;
    struct reported_now now = reported_now(r);
    struct buf body = {0};

    if (!call_back(c)) {
        return;
    }
    buf_putc(&body, '{');
    control_summary(gate_now(c->api->opt.gate), true, &body);
    buf_printf(&body, ",\"incidents_known\":%s,\"open_incidents\":%s", o->known ? "true" : "false",
               o->known ? o->incidents : "null");
    if (o->known) {
        buf_printf(&body, ",\"ack_overdue\":%" PRIu64, o->ack_overdue);
    } else {
        buf_lit(&body, ",\"ack_overdue\":null");
    }
    buf_printf(&body, ",\"last_slo_breach\":%s,\"last_slo_breach_known\":%s", o->breach,
               o->breach_known ? "true" : "false");
    put_snapshot(&body, r, "reconciliation", SLO_RECON);
    put_snapshot(&body, r, "quality", SLO_QUALITY);
    put_as_of(&body, &now);
    call_reply(c, 200, &body);
    buf_fini(&body);
}

void triage_get(struct api_call *c)
{
    if (reported_here(c)) {
        c->owed = true;
        reported_overview(c->api->opt.reported, on_overview, c);
    }
}
