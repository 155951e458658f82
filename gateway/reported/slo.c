#include "gateway/reported/slo.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define S_NS         ((int64_t)1000000000)
#define ACK_FRESH_NS (30 * S_NS)

#define SLO_AS_ROW(sym, id, signal, op, limit, target, window, title)                              \
    {id, signal, SLO_##op, limit, target, window, title},
const struct slo_row slo_rows[SLO_COUNT] = {SLOS(SLO_AS_ROW)};
const char *const slo_state_words[SLO_STATE_COUNT] = {"unknown", "ok", "breached"};

static bool kept(const struct slo_row *row, const char *value)
{
    int order = decimal_compare(value, row->limit);

    return row->op == SLO_LT ? order < 0 : row->op == SLO_LE ? order <= 0 : order >= 0;
}

/* Is A further from what is promised than B? */
static bool worse(const struct slo_row *row, const char *a, const char *b)
{
    int order = decimal_compare(a, b);

    return row->op == SLO_GE ? order < 0 : order > 0;
}

/* Of several series the worst counts; one that is too old leaves the whole unknown, unless another
 * says that it is missed anyway. */
static void judge_signal(const struct slo_row *row, const struct signals *all,
                         const struct reported_now *now, struct slo_result *out)
{
    bool stale = false;

    for (uint32_t i = signals_first(all, row->signal); i < signals_count(all); i++) {
        const struct signal *s = signals_at(all, i);
        int64_t age = signal_age_ns(s, now);

        if (strcmp(s->last.name, row->signal) != 0) {
            break;
        }
        out->age_ns = age > out->age_ns ? age : out->age_ns;
        if (signal_stale(s, now)) {
            stale = true;
        } else if (out->value[0] == '\0' || worse(row, s->last.value, out->value)) {
            memcpy(out->value, s->last.value, sizeof out->value);
        }
    }
    if (out->value[0] == '\0') {
        return;
    }
    if (!kept(row, out->value)) {
        out->state = SLO_BREACHED;
    } else if (!stale) {
        out->state = SLO_OK;
    } else {
        out->value[0] = '\0'; /* what is known of it says nothing of the whole */
    }
}

static void judge_ack(const struct slo_facts *f, const struct reported_now *now,
                      struct slo_result *out)
{
    int64_t age = now->mono_ns - f->ack_read_mono_ns;

    if (!f->ack_known) {
        return;
    }
    out->age_ns = age;
    if (age > ACK_FRESH_NS) {
        return;
    }
    (void)snprintf(out->value, sizeof out->value, "%" PRId64, f->ack_worst_s);
    out->state = kept(&slo_rows[SLO_ACK], out->value) ? SLO_OK : SLO_BREACHED;
}

static void judge_feed(const struct slo_facts *f, const struct reported_now *now,
                       struct slo_result *out)
{
    if (f->feed == NULL || f->feed->state == COMPONENT_UNKNOWN ||
        f->feed->state == COMPONENT_DISCONNECTED) {
        return;
    }
    out->age_ns = component_age_ns(f->feed, now);
    out->state = f->feed->state == COMPONENT_OK ? SLO_OK : SLO_BREACHED;
    (void)snprintf(out->value, sizeof out->value, "%s", out->state == SLO_OK ? "0" : "1");
}

void slo_judge(enum slo which, const struct signals *signals, const struct slo_facts *facts,
               const struct reported_now *now, struct slo_result *out)
{
    *out = (struct slo_result){.state = SLO_UNKNOWN, .age_ns = -1};
    if (which == SLO_ACK) {
        judge_ack(facts, now, out);
    } else if (which == SLO_FEED) {
        judge_feed(facts, now, out);
    } else {
        judge_signal(&slo_rows[which], signals, now, out);
    }
}

void slo_print(struct buf *out, const struct signals *signals, const struct slo_facts *facts,
               const struct reported_now *now)
{
    buf_lit(out, "\"slos\":[");
    for (unsigned i = 0; i < SLO_COUNT; i++) {
        const struct slo_row *row = &slo_rows[i];
        struct slo_result r;

        slo_judge((enum slo)i, signals, facts, now, &r);
        buf_printf(out, "%s{\"id\":\"%s\",\"title\":\"%s\",\"target\":\"%s\",\"value\":",
                   i != 0 ? "," : "", row->id, row->title, row->target);
        if (r.value[0] != '\0') {
            buf_printf(out, "\"%s\"", r.value);
        } else {
            buf_lit(out, "null");
        }
        buf_printf(out, ",\"state\":\"%s\",\"age_s\":", slo_state_words[r.state]);
        if (r.age_ns >= 0) {
            buf_i64(out, r.age_ns / S_NS);
        } else {
            buf_lit(out, "null");
        }
        buf_printf(out, ",\"window\":\"%s\"}", row->window);
    }
    buf_putc(out, ']');
}
