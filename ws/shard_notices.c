/* ws/shard_notices.c - what a shard tells sessions beside their streams: `status`, feed notices, the
 * fan-out profile in force. */
#include <utlist.h>
#include "ws/shard_priv.h"

void shard_on_notice(struct shard *s, uint32_t symbol, struct frame *f)
{
    struct stream *stream;

    s->notice_mark++;
    LL_FOREACH2(s->by_symbol[symbol], stream, next_of_symbol)
    {
        for (uint32_t i = 0; i < stream->sub_count; i++) {
            struct session *session = stream->subs[i]->session;

            if (session->uses_gw && session->notice_mark != s->notice_mark) {
                session->notice_mark = s->notice_mark;
                session_say_frame(session, f);
            }
        }
    }
    frame_unref(&f);
}

void shard_say_status(struct shard *s, struct session *session)
{
    const struct fanout_state *f = &s->fanout;

    buf_reset(&s->text);
    buf_printf(&s->text,
               "{\"channel\":\"status\",\"type\":\"update\",\"data\":[{\"api_version\":\"v2\","
               "\"connection_id\":%llu,\"system\":\"%s\",\"version\":\"%s\"}]",
               (unsigned long long)session->id, link_system_names[s->system], GW_VERSION);
    if (f->profile.name != FANOUT_NORMAL || f->floor_ms != 0 || s->fanout_told) {
        buf_printf(&s->text,
                   ",\"gw\":{\"profile\":\"%s\",\"min_interval_ms\":%u,\"default_depth\":%u",
                   fanout_names[f->profile.name], f->floor_ms, f->profile.default_depth);
        if (s->system_audit.v[0] != '\0') {
            buf_printf(&s->text, ",\"audit\":\"%s\"", s->system_audit.v);
        }
        buf_putc(&s->text, '}');
    } else if (s->system_audit.v[0] != '\0') {
        buf_printf(&s->text, ",\"gw\":{\"audit\":\"%s\"}", s->system_audit.v);
    }
    buf_putc(&s->text, '}');
    session_say(session, s->text.data, s->text.len);
}

void shard_on_system(struct shard *s, enum link_system system, const struct audit_id *audit)
{
    s->system = system;
    s->system_audit = *audit;
    for (uint32_t i = 0; i < s->all_count; i++) {
        shard_say_status(s, s->all[i]);
    }
}

/* --- fan-out profile ---------------------------------------------------------------------------
 */

static uint32_t widened(const struct sub *sub, uint32_t floor_ms)
{
    uint32_t ms = interval_class_ms[sub->stream->key.class];

    return ms > floor_ms || sub->stream->key.channel == CHANNEL_TRADE ? ms : floor_ms;
}

/* One object for each change of interval that SESSION's subscriptions undergo, with their symbols. */
static void say_conflation(struct shard *s, struct session *session, uint32_t from_ms,
                           uint32_t to_ms)
{
    bool any = false;

    buf_reset(&s->text);
    buf_lit(&s->text, "{\"channel\":\"gateway\",\"type\":\"update\",\"data\":[");
    for (unsigned class = 0; class < INTERVAL_CLASSES; class ++) {
        const struct sub *sub;
        bool first = true;
        uint32_t before = 0;
        uint32_t after = 0;

        DL_FOREACH(session->subs, sub)
        {
            if (sub->stream->key.class != class || sub->stream->key.symbol == SYMBOL_NONE ||
                widened(sub, from_ms) == widened(sub, to_ms)) {
                continue;
            }
            before = widened(sub, from_ms);
            after = widened(sub, to_ms);
            if (first) {
                buf_puts(&s->text, any ? ",{" : "{");
                buf_lit(&s->text, "\"event\":\"conflation\",\"symbols\":[");
            }
            buf_printf(&s->text, "%s\"%s\"", first ? "" : ",", shard_symbol(s, sub->stream)->name);
            any = true;
            first = false;
        }
        if (!first) {
            buf_printf(&s->text, "],\"from_ms\":%u,\"to_ms\":%u,\"cause\":\"%s\"}", before, after,
                       s->fanout.load_ms >= s->fanout.profile.interval_ms && s->load_cause
                           ? "LOAD"
                           : "OPERATOR");
        }
    }
    if (any) {
        buf_lit(&s->text, "]}");
        session_say(session, s->text.data, s->text.len);
    }
}

void shard_take_fanout(struct shard *s)
{
    struct fanout_state before = s->fanout;

    if (!fanout_news(s->opt.fanout, s->fanout.version, s->now_ns, &s->fanout)) {
        return;
    }
    s->load_cause = before.load_ms != s->fanout.load_ms;
    s->sub_rate = gcra_rate_per_s(
        s->fanout.profile.sub_ops_per_s != 0 ? s->fanout.profile.sub_ops_per_s : 1,
        s->fanout.profile.sub_ops_per_s != 0 ? 2 * s->fanout.profile.sub_ops_per_s : 1);
    s->fanout_told =
        s->fanout_told || s->fanout.profile.name != FANOUT_NORMAL || s->fanout.floor_ms != 0;
    if (!s->fanout_told) {
        return;
    }
    for (uint32_t i = 0; i < s->all_count; i++) {
        struct session *session = s->all[i];

        shard_say_status(s, session);
        if (session->uses_gw && before.floor_ms != s->fanout.floor_ms) {
            say_conflation(s, session, before.floor_ms, s->fanout.floor_ms);
        }
    }
}
