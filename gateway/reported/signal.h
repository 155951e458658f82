/* gateway/reported/signal.h - numbers that others measure: the last value of each series, and its age.
 * Why: dashboards, objectives and thresholds need what the systems around the gateway count; the
 * gateway keeps the last value, bounded, and says when it is too old to be believed.
 * Owner: the loop that made it. Time is an argument.
 * Invariant: at most as many series as configured; names and labels are those of Prometheus; a value
 * is its text, digit by digit; a stale one is no value. */
#ifndef GATEWAY_REPORTED_SIGNAL_H
#define GATEWAY_REPORTED_SIGNAL_H
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "gateway/base/buf.h"
#include "gateway/base/decimal.h"
#include "gateway/reported/component.h"

#define SIGNAL_NAME_MAX   100u
#define SIGNAL_LABELS_MAX 8u
#define SIGNAL_LABEL_NAME 64u
#define SIGNAL_TTL_MAX_S  86400u

struct signal_label {
    char name[SIGNAL_LABEL_NAME + 1];
    char value[4 * 64 + 1];
};

struct signal_sample {
    char name[SIGNAL_NAME_MAX + 1];
    struct signal_label labels[SIGNAL_LABELS_MAX]; /* by name */
    uint32_t label_count;
    char value[DECIMAL_TEXT_SIZE];
    char unit[4 * 32 + 1];
    int64_t at_ns;  /* wall clock, measured */
    uint32_t ttl_s; /* good for */
    char source[COMPONENT_SOURCE_MAX + 1];
};

struct signal {
    struct signal_sample last;
    char *key; /* name{a="b"}, as Prometheus writes it */
    int64_t at_mono_ns;
    bool dirty; /* not written yet */
    bool sent;
};

/* One member of `signals`; TTL_S when it says none. False: FIELD and WANTED. Source is the caller's. */
bool signal_parse(const json_t *v, const struct reported_now *now, uint32_t ttl_s,
                  struct signal_sample *out, const char **field, const char **wanted);
/* {"a":"b"}; and back. */
void signal_labels_print(struct buf *out, const struct signal_sample *s);
bool signal_labels_parse(const char *json, size_t len, struct signal_sample *s);
bool signal_name_valid(const char *name);

struct signals;
struct signals *signals_create(uint32_t max);
void signals_destroy(struct signals **sp);
/* False: there are as many series as there may be. Older than what is known: nothing changes.
 * HEARD: it is news, to be written. */
bool signals_put(struct signals *all, const struct signal_sample *s, bool heard,
                 const struct reported_now *now);
void signals_forget(struct signals *all, int64_t silent_ns, const struct reported_now *now);
uint32_t signals_count(const struct signals *all);
/* By key: those of one name stand together. */
struct signal *signals_at(const struct signals *all, uint32_t i);
/* The first of NAME; signals_count() when there is none. */
uint32_t signals_first(const struct signals *all, const char *name);
int64_t signal_age_ns(const struct signal *s, const struct reported_now *now);
bool signal_stale(const struct signal *s, const struct reported_now *now);
/* "signals":[...] */
void signals_print(struct buf *out, const struct signals *all, const struct reported_now *now);
/* Prometheus text: reported_NAME of each that is not stale. */
void signals_expose(struct buf *out, const struct signals *all, const struct reported_now *now);
#endif
