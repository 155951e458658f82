/* gateway/feed/source_refused.c - keys that are no streams. Redis refuses the XREAD of all its streams
 * for one of them, without naming it: so their types are asked for, those that are none are left out of
 * the reads, told once, and looked at again every second until they are streams again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/feed/source_priv.h"

#define LOOK_MS 1000u

struct type_ask {
    struct source *source;
    uint32_t symbol;
};

/* WHY NULL: it can be read. */
static void set_refused(struct source *s, uint32_t symbol, const char *why)
{
    bool refused = why != NULL;

    if (s->symbols[symbol].refused != refused) {
        s->symbols[symbol].refused = refused;
        s->sink->on_refused(s->arg, symbol, why);
    }
}

static void judge(struct source *s, uint32_t symbol, const struct redis_reply *reply)
{
    struct reader *r = &s->readers[symbol / SOURCE_GROUP];
    enum redis_kind kind = redis_kind(reply);
    char why[128];
    size_t len;
    const char *text;

    if (kind != REDIS_STRING && kind != REDIS_FAULT) {
        return;
    }
    text = redis_text(reply, &len);
    if (kind == REDIS_STRING && (strcmp(text, "stream") == 0 || strcmp(text, "none") == 0)) {
        set_refused(s, symbol, NULL);
        return;
    }
    (void)snprintf(why, sizeof why, "%s%s", kind == REDIS_STRING ? "it is a " : "", text);
    r->found = true;
    set_refused(s, symbol, why);
}

static void on_type(void *arg, const struct redis_reply *reply)
{
    struct type_ask ask = *(struct type_ask *)arg;
    struct source *s = ask.source;
    struct reader *r = &s->readers[ask.symbol / SOURCE_GROUP];

    free(arg);
    r->types_asked--;
    if (reply != NULL && !s->closing) {
        judge(s, ask.symbol, reply);
    }
    if (r->types_asked == 0 && r->doubtful && !s->closing) {
        r->doubtful = false;
        if (r->found) { /* else nothing explains the refusal: the timer reads again */
            source_read_more(r);
        }
    }
}

/* Of all its keys when one is in doubt, else of those that are left out. */
static void ask_types(struct reader *r)
{
    struct source *s = r->source;

    r->found = false;
    for (uint32_t i = r->first; i < r->first + r->count; i++) {
        const char *argv[] = {"TYPE", s->symbols[i].key};
        struct type_ask *ask;

        if (!r->doubtful && !s->symbols[i].refused) {
            continue;
        }
        ask = gw_malloc(sizeof *ask);
        *ask = (struct type_ask){s, i};
        if (redis_command(s->commands, (int)GW_LEN(argv), argv, NULL, 0, on_type, ask)) {
            r->types_asked++;
        } else { /* the timer comes back to it */
            free(ask);
            break;
        }
    }
}

void source_read_refused(struct reader *r)
{
    r->doubtful = true;
    if (r->types_asked == 0) {
        ask_types(r);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct source *s = timer->data;

    for (uint32_t i = 0; i < s->reader_count; i++) {
        struct reader *r = &s->readers[i];

        if (r->types_asked == 0) {
            ask_types(r);
        }
        if (!r->doubtful) {
            source_read_more(r);
        }
    }
}

void source_look_start(struct source *s)
{
    uv_timer_init(s->loop, &s->timer);
    s->timer.data = s;
    uv_timer_start(&s->timer, on_timer, LOOK_MS, LOOK_MS);
}
