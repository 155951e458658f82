#include "gateway/incident/detector.h"

#include <stdlib.h>
#include "gateway/runtime/clock.h"

#define EVERY_MS 1000u

struct detector {
    struct detector_options opt;
    struct detect *detect;
    uv_timer_t timer;
    bool asked; /* and not answered */
    bool closing;
    void (*done)(void *arg);
    void *done_arg;
};

static void step(struct detector *d, const struct detect_pulse *pulses, uint32_t count)
{
    struct detect_sample s = {0};

    d->opt.read(d->opt.arg, &s);
    s.mono_ns = clock_mono_ns();
    s.wall_ns = clock_real_ns();
    s.pulses = pulses;
    s.pulse_count = count;
    detect_step(d->detect, &s, d->opt.sink, d->opt.arg);
}

void detector_pulses(struct detector *d, const struct detect_pulse *pulses, uint32_t count)
{
    bool late = !d->asked;

    d->asked = false;
    if (!late && !d->closing) {
        step(d, pulses, count);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct detector *d = timer->data;

    if (d->asked) { /* a second ago, and the market has not answered */
        d->asked = false;
        step(d, NULL, 0);
    }
    d->asked = true;
    if (!d->opt.ask(d->opt.arg)) {
        d->asked = false;
        step(d, NULL, 0);
    }
}

struct detector *detector_create(uv_loop_t *loop, const struct detector_options *opt)
{
    struct detector *d = gw_calloc(1, sizeof *d);

    d->opt = *opt;
    d->detect = detect_create(opt->config, opt->gateway);
    uv_timer_init(loop, &d->timer);
    d->timer.data = d;
    /* The first at once: what is counted before it is nobody's. */
    uv_timer_start(&d->timer, on_timer, 0, EVERY_MS);
    return d;
}

static void on_closed(uv_handle_t *handle)
{
    struct detector *d = handle->data;

    d->done(d->done_arg);
}

void detector_close(struct detector *d, void (*done)(void *arg), void *arg)
{
    d->closing = true;
    d->done = done;
    d->done_arg = arg;
    uv_close((uv_handle_t *)&d->timer, on_closed);
}

void detector_destroy(struct detector **dp)
{
    struct detector *d = *dp;

    *dp = NULL;
    detect_destroy(&d->detect);
    free(d);
}
