/* gateway/fleet/fleet.h - the gateways of one database: which there are, and what each has counted.
 * Why: clients are spread over all gateways, and a person asks one of them whether it is over. What one
 * gateway does not know of another must not look like calm.
 *
 *   once a second, one transaction: own row written, those long silent taken away, all read -> on_read
 *
 *   counted by each since its start -> gains of each, added up here: a restart takes nothing back
 *   one is silent, was restarted or does not count: nothing is known of all
 *
 * Owner: the control loop.
 * Invariant: `known` says that every gateway that has a row was heard in the last FLEET_FRESH_MS; a row
 * goes only when its gateway ends in order, or was silent for forget_ms. */
#ifndef GATEWAY_FLEET_FLEET_H
#define GATEWAY_FLEET_FLEET_H
#include <stdbool.h>
#include <stdint.h>
#include "gateway/base/buf.h"
#include "gateway/runtime/metrics.h"
#include "gateway/store/pg.h"

#define FLEET_FRESH_MS 5000
#define FLEET_NAME_MAX 200u

/* clang-format off */
#define FLEET_METRICS(X)                                                                                     \
    X(FLEET_M_GATEWAYS, "gateways",        GAUGE, NULL, "gateways of this database, as this one has last read") \
    X(FLEET_M_SILENT,   "gateways_silent", GAUGE, NULL, "of those, the ones not heard for five seconds")
/* clang-format on */
enum fleet_metric { FLEET_METRICS(METRIC_AS_ENUM) FLEET_M_COUNT };
extern const struct metric_table fleet_metrics;

/* Of one gateway: closes and drops since its start, bytes of now. */
struct fleet_counts {
    bool known;
    uint64_t slow_closes;
    uint64_t backlog_bytes;
    uint64_t trades_dropped;
};

struct fleet;
struct fleet_options {
    struct pg *pg;
    const char *name;   /* of this gateway, the same after a restart; copied */
    uint64_t forget_ms; /* a gateway that was silent for so long is gone */
    void (*count)(void *arg, struct fleet_counts *out);
    bool (*pages)(void *arg); /* does this gateway send pages? */
    /* SUM is of all; not known: WHY says which gateway and what to do. */
    void (*on_read)(void *arg, const struct fleet_counts *sum, const char *why);
    /* Once: the process of this name before this one did not end in order; NULL: nobody asks. */
    void (*on_died)(void *arg);
    void *arg;
    uint32_t tick_ms; /* 0: a second */
};

struct fleet *fleet_create(uv_loop_t *loop, const struct fleet_options *opt);
/* Are pages sent by a gateway other than this one? KNOWN false: nobody has said so of late. */
bool fleet_pages(const struct fleet *f, bool *known);
/* Gateways other than this one, also silent ones. KNOWN false: nobody has said so of late. */
unsigned fleet_others(const struct fleet *f, bool *known);
/* Takes the own row away, if PostgreSQL answers. DONE once; before pg_close(). */
void fleet_close(struct fleet *f, void (*done)(void *arg), void *arg);
/* After pg_close(). */
void fleet_destroy(struct fleet **fp);

/* "HOST LISTEN" */
void fleet_name(const char *listen, char out[FLEET_NAME_MAX]);
#endif
