/* admin_api/reported.c - report-in: heartbeats, signals and alerts of others, and looking at them. What is
 * not ours in a body is ignored; a sender of alerts is never told 4xx but for what is no JSON. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "admin_api/api_priv.h"
#include "gateway/base/json_put.h"
#include "gateway/reported/reported.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/json.h"
#include "gateway/runtime/log.h"

#define SIGNALS_MAX 2000u

/* Who reports: the account or person, and the key. */
static void source_of(const struct api_call *c, char out[COMPONENT_SOURCE_MAX + 1])
{
    bool same = strcmp(c->person, c->actor) == 0;

    (void)snprintf(out, COMPONENT_SOURCE_MAX + 1, "%s%s%s", c->person, same ? "" : " ",
                   same ? "" : c->actor);
}

/* False: answered. */
static bool reported_here(struct api_call *c)
{
    if (c->api->opt.reported == NULL) {
        call_problem(c, &(struct api_problem){503, "unavailable", "nothing is reported here",
                                              "set auth.database", NULL});
        return false;
    }
    return true;
}

/* --- components --------------------------------------------------------------------------------
 */

static void answer_component(struct api_call *c, bool durable)
{
    struct reported *r = c->api->opt.reported;
    const struct component *component = components_find(reported_components(r), c->target);
    struct reported_now now = reported_now(r);
    struct buf body = {0};

    buf_lit(&body, "{\"component\":");
    if (component != NULL) {
        component_print(&body, component, &now);
    } else {
        buf_lit(&body, "null");
    }
    buf_printf(&body, ",\"durable\":%s}", durable ? "true" : "false");
    call_reply(c, 200, &body);
    buf_fini(&body);
}

static void on_component(void *arg, bool durable)
{
    struct api_call *c = arg;

    if (call_back(c)) {
        answer_component(c, durable);
    }
}

static void refuse_component(struct api_call *c, enum component_verdict verdict)
{
    const struct component *component =
        components_find(reported_components(c->api->opt.reported), c->target);
    char detail[2 * COMPONENT_SOURCE_MAX];

    (void)snprintf(detail, sizeof detail, "%s",
                   verdict == COMPONENT_OWN
                       ? "this gateway measures it itself: report under another id"
                       : "as many components report as may (reported.max_components); one that has "
                         "been silent for a day makes room");
    if (verdict == COMPONENT_ANOTHER && component != NULL) {
        (void)snprintf(detail, sizeof detail,
                       "it is reported by %s and lives: report under another id, or wait until it "
                       "is silent for longer than its ttl_s",
                       component->said.source);
    }
    call_problem(c,
                 &(struct api_problem){409, "conflict", "it cannot be reported so", detail, NULL});
}

void component_put(struct api_call *c)
{
    const char *id = http_param(c->req, "id");
    struct component_report *rep;
    enum component_verdict verdict;
    const char *field;
    const char *wanted;
    json_t *root;
    bool ok;

    if (!reported_here(c)) {
        return;
    }
    if (!component_id_valid(id)) {
        call_invalid(c, "id",
                     "1 to 64 of letters, digits and : _ . @ -, and first a letter or digit");
        return;
    }
    root = body_object(c, true);
    if (root == NULL) {
        return;
    }
    rep = gw_calloc(1, sizeof *rep);
    (void)snprintf(rep->id, sizeof rep->id, "%s", id);
    (void)snprintf(c->target, sizeof c->target, "%s", id);
    source_of(c, rep->source);
    ok = component_parse(root, rep, &field, &wanted);
    json_decref(root);
    if (!ok) {
        call_invalid(c, field, wanted);
    } else {
        verdict = reported_heartbeat(c->api->opt.reported, rep, &c->owed, on_component, c);
        if (verdict != COMPONENT_TAKEN) {
            refuse_component(c, verdict);
        } else if (!c->owed) {
            answer_component(c, false);
        }
    }
    free(rep);
}

/* --- signals -----------------------------------------------------------------------------------
 */

struct signals_call {
    struct api_call *c;
    uint64_t accepted;
    struct buf refused; /* items of the list */
};

static void end_signals(struct signals_call *s)
{
    buf_fini(&s->refused);
    free(s);
}

static void answer_signals(struct signals_call *s, bool durable)
{
    struct buf body = {0};

    buf_printf(&body, "{\"accepted\":%" PRIu64 ",\"refused\":[", s->accepted);
    buf_append(&body, s->refused.data, s->refused.len);
    buf_printf(&body, "],\"durable\":%s}", durable ? "true" : "false");
    call_reply(s->c, 200, &body);
    buf_fini(&body);
    end_signals(s);
}

static void on_signals(void *arg, bool durable)
{
    struct signals_call *s = arg;

    if (call_back(s->c)) {
        answer_signals(s, durable);
    } else {
        end_signals(s);
    }
}

static void refuse_signal(struct signals_call *s, size_t index, const char *field,
                          const char *detail)
{
    buf_printf(&s->refused, "%s{\"index\":%zu,\"field\":", s->refused.len != 0 ? "," : "", index);
    buf_json_str(&s->refused, field, strlen(field));
    buf_lit(&s->refused, ",\"detail\":");
    buf_json_str(&s->refused, detail, strlen(detail));
    buf_putc(&s->refused, '}');
}

static void take_signal(struct signals_call *s, size_t index, const json_t *v)
{
    struct reported *r = s->c->api->opt.reported;
    struct reported_now now = reported_now(r);
    struct signal_sample *sample = gw_calloc(1, sizeof *sample);
    const char *field = "";
    const char *wanted = "";

    source_of(s->c, sample->source);
    if (!signal_parse(v, &now, reported_signal_ttl_s(r), sample, &field, &wanted)) {
        reported_refused(r);
        refuse_signal(s, index, field, wanted);
    } else if (!reported_signal(r, sample)) {
        refuse_signal(s, index, "name",
                      "as many series are kept as may be (reported.max_series): report fewer");
    } else {
        s->accepted++;
    }
    free(sample);
}

void signals_post(struct api_call *c)
{
    struct signals_call *s;
    json_t *root;
    const json_t *list;
    size_t i;
    const json_t *v;

    if (!reported_here(c)) {
        return;
    }
    root = body_object(c, true);
    if (root == NULL) {
        return;
    }
    list = json_object_get(root, "signals");
    if (!json_is_array(list) || json_array_size(list) > SIGNALS_MAX) {
        json_decref(root);
        call_invalid(c, "signals", "a list of at most 2000 signals");
        return;
    }
    s = gw_calloc(1, sizeof *s);
    s->c = c;
    json_array_foreach(list, i, v)
    {
        take_signal(s, i, v);
    }
    json_decref(root);
    c->owed = reported_commit(c->api->opt.reported, on_signals, s);
    if (!c->owed) {
        answer_signals(s, false);
    }
}

/* --- looking ----------------------------------------------------------------------------------- */

typedef void (*print_fn)(struct buf *out, const struct reported *r, const struct reported_now *now);

static void answer_all(struct api_call *c, print_fn print)
{
    struct reported *r = c->api->opt.reported;
    struct reported_now now;
    struct buf body = {0};

    if (!reported_here(c)) {
        return;
    }
    now = reported_now(r);
    buf_putc(&body, '{');
    print(&body, r, &now);
    buf_printf(&body, ",\"complete\":%s", reported_complete(r) ? "true" : "false");
    json_put_time(&body, "as_of", now.real_ns);
    buf_putc(&body, '}');
    call_reply(c, 200, &body);
    buf_fini(&body);
}

static void print_components(struct buf *out, const struct reported *r,
                             const struct reported_now *now)
{
    components_print(out, reported_components(r), now);
}

static void print_signals(struct buf *out, const struct reported *r, const struct reported_now *now)
{
    signals_print(out, reported_signals(r), now);
}

void components_get(struct api_call *c)
{
    answer_all(c, print_components);
}

void signals_get(struct api_call *c)
{
    answer_all(c, print_signals);
}

/* --- alerts ------------------------------------------------------------------------------------
 */

struct alerts_call {
    struct api_call *c;
    size_t count;
    size_t skipped;
};

static void not_stored(struct api_call *c, const char *detail)
{
    http_set_header(c->req, "retry-after", "5");
    call_problem(
        c, &(struct api_problem){503, "unavailable", "the alerts were not stored", detail, NULL});
}

static void on_alerts(void *arg, bool stored)
{
    struct alerts_call *a = arg;
    struct buf body = {0};

    if (call_back(a->c)) {
        if (stored) {
            buf_printf(&body, "{\"stored\":%zu,\"skipped\":%zu}", a->count, a->skipped);
            call_reply(a->c, 200, &body);
        } else {
            not_stored(a->c, "PostgreSQL did not take them; send them again");
        }
    }
    buf_fini(&body);
    free(a);
}

static void store_alerts(struct api_call *c, struct alerts *alerts)
{
    struct alerts_call *a = gw_malloc(sizeof *a);
    char source[COMPONENT_SOURCE_MAX + 1];

    *a = (struct alerts_call){c, alerts->count, alerts->skipped};
    source_of(c, source);
    c->owed = reported_alerts(c->api->opt.reported, alerts, source, on_alerts, a);
    if (!c->owed) {
        free(a);
        not_stored(c, "PostgreSQL is away; send them again");
    }
}

void alertmanager_post(struct api_call *c)
{
    struct alerts alerts;
    enum alerts_verdict verdict;
    size_t len;
    const char *text = http_body(c->req, &len);

    if (!reported_here(c)) {
        return;
    }
    verdict = alerts_decode(text, len, clock_real_ns(), &alerts);
    if (verdict == ALERTS_READ) {
        store_alerts(c, &alerts);
    } else {
        reported_alerts_refused(c->api->opt.reported);
        log_error("reported", "alerts_refused", "\"bytes\":%zu,\"why\":\"%s\",\"key\":%s", len,
                  verdict == ALERTS_UNREADABLE ? "no JSON" : "too many in one body",
                  log_json(c->keyid));
    }
    if (verdict == ALERTS_UNREADABLE) {
        call_problem(c, &(struct api_problem){400, "malformed", "the body is no JSON",
                                              "send what Alertmanager's webhook sends", NULL});
    } else if (verdict == ALERTS_TOO_MANY) {
        not_stored(c, "more than 2000 alerts in one body: set max_alerts of the webhook");
    }
    alerts_fini(&alerts);
}
