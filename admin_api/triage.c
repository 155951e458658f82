/* admin_api/triage.c - the first five minutes in one answer, and the objectives. What nobody has told of
 * late is unknown, never well. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "admin_api/api_priv.h"
#include "gateway/base/json_put.h"
#include "gateway/gate/debts.h"
#include "gateway/incident/incidents.h"
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

#define OPEN_SHOWN 5u

/* What this gateway holds of the incidents, for when PostgreSQL does not answer. */
struct held {
    struct buf open; /* as PostgreSQL puts them */
    enum incident_severity severity;
    unsigned count;
    int64_t now_ns;
    uint64_t ack_overdue;
    uint64_t owed; /* postmortems */
    uint64_t overdue;
    int64_t due_ns; /* the next; 0: none */
};

static void put_open(void *arg, const struct incident *i)
{
    struct held *h = arg;

    if (i->severity != h->severity || h->count == OPEN_SHOWN) {
        return;
    }
    buf_printf(&h->open,
               "%s{\"id\":\"INC-%" PRIu64 "\",\"number\":%" PRIu64
               ",\"severity\":\"%s\",\"state\":\"%s\"",
               h->count++ != 0 ? "," : "", i->number, i->number, severity_rows[i->severity].word,
               incident_state_words[i->state]);
    json_put_text(&h->open, "title", i->title);
    json_put_time(&h->open, "opened_at", i->opened_ns);
    json_put_time(&h->open, "ack_due_at", i->ack_due_ns);
    json_put_time(&h->open, "acked_at", i->acked_ns);
    buf_printf(&h->open, ",\"level\":%" PRIu64, i->level);
    json_put_text(&h->open, "symbol", i->symbol);
    json_put_text(&h->open, "component", i->component);
    json_put_text(&h->open, "playbook", i->playbook);
    buf_putc(&h->open, '}');
}

static void count_held(void *arg, const struct incident *i)
{
    struct held *h = arg;
    int64_t due_ns = i->postmortem_due_ns;

    h->ack_overdue += i->state == INCIDENT_OPEN && i->ack_due_ns != 0 && i->ack_due_ns < h->now_ns;
    if (due_ns != 0) {
        h->owed++;
        h->overdue += due_ns <= h->now_ns;
        h->due_ns = h->due_ns == 0 || due_ns < h->due_ns ? due_ns : h->due_ns;
    }
}

/* Which are open, as PostgreSQL says, else as it last said to this gateway; else nobody knows. */
static void put_incidents(struct api_call *c, const struct reported_overview *o, struct buf *body)
{
    struct incidents *all = c->api->opt.incidents;
    int64_t age_ns = all != NULL ? incidents_age_ns(all) : -1;
    struct held h = {.now_ns = reported_now(c->api->opt.reported).real_ns};
    bool stale = !o->known && age_ns >= 0;

    if (age_ns >= 0) {
        (void)incidents_each(all, count_held, &h);
        for (unsigned s = SEV1; stale && s < SEVERITY_COUNT; s++) {
            h.severity = (enum incident_severity)s;
            (void)incidents_each(all, put_open, &h);
        }
    }
    buf_printf(body, ",\"incidents_known\":%s,\"incidents_stale\":%s,\"open_incidents\":",
               o->known || stale ? "true" : "false", stale ? "true" : "false");
    if (stale) {
        buf_printf(body, "[%s],\"ack_overdue\":%" PRIu64, buf_cstr(&h.open), h.ack_overdue);
    } else if (o->known) {
        buf_printf(body, "%s,\"ack_overdue\":%" PRIu64, o->incidents, o->ack_overdue);
    } else {
        buf_lit(body, "null,\"ack_overdue\":null");
    }
    json_put_time(body, "incidents_as_of", stale ? h.now_ns - age_ns : o->known ? h.now_ns : 0);
    if (age_ns >= 0) {
        buf_printf(body, ",\"postmortems\":{\"owed\":%" PRIu64 ",\"overdue\":%" PRIu64, h.owed,
                   h.overdue);
        json_put_time(body, "next_due_at", h.due_ns);
        buf_putc(body, '}');
    } else {
        buf_lit(body, ",\"postmortems\":null");
    }
    buf_fini(&h.open);
}

/* As counted last: while PostgreSQL is away with its age. */
static void put_debts(struct api_call *c, struct buf *body)
{
    struct gate_debts_now d = gate_debts_now(c->api->opt.gate);

    if (!d.known) {
        buf_lit(body, ",\"tickets_owed\":null");
        return;
    }
    buf_printf(body, ",\"tickets_owed\":{\"count\":%" PRIu64, d.count);
    json_put_time(body, "oldest_at", d.oldest_ns);
    json_put_time(body, "as_of", d.as_of_ns);
    buf_putc(body, '}');
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
    put_incidents(c, o, &body);
    put_debts(c, &body);
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
