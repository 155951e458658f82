/* gateway/reported/reported_priv.h - parts of report-in: memory, writing behind, reading what others
 * wrote, what PostgreSQL says of incidents. */
#ifndef GATEWAY_REPORTED_REPORTED_PRIV_H
#define GATEWAY_REPORTED_REPORTED_PRIV_H
#include "gateway/reported/reported.h"

#define S_NS ((int64_t)1000000000)

/* Rows of a batch, as arrays of PostgreSQL. */
#define COMPONENT_COLUMNS 9u
#define SIGNAL_COLUMNS    7u
#define ALERT_COLUMNS     8u

struct wait {
    reported_fn *cb;
    void *arg;
    struct wait *next;
};

struct reported {
    uv_loop_t *loop;
    struct reported_options opt;
    uv_timer_t timer;
    struct metric_set *metrics;
    struct components *components;
    struct signals *signals;
    struct rules *rules;
    struct wait *next; /* of the batch that is not sent yet */
    struct wait *sent; /* of the one that is */
    bool flushing;
    bool polling;
    bool loaded;            /* once */
    int64_t polled_db_us;   /* PostgreSQL's clock at the last look; 0: never */
    int64_t polled_mono_ns; /* and ours */
    int64_t swept_mono_ns;
    int64_t facts_mono_ns; /* asked last */
    bool incidents_there;  /* the table */
    struct slo_facts facts;
    enum slo_state recorded[SLO_COUNT]; /* what slo_breaches has of it; UNKNOWN: not asked yet */
    bool recording[SLO_COUNT];
    uint32_t waiting; /* answers of PostgreSQL that will come */
    bool closing;
    bool timer_closed;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

/* An answer of PostgreSQL is owed; and has come. */
void reported_owes(struct reported *r);
void reported_answered(struct reported *r);

/* reported_store.c */
/* Sends what is unwritten, unless a batch is under way. Those who wait for what cannot be sent are told
 * only when TELL. */
void reported_flush(struct reported *r, bool tell);
void reported_poll(struct reported *r);
void reported_sweep(struct reported *r);
void reported_wait(struct reported *r, reported_fn *cb, void *arg);
uint32_t reported_unwritten(const struct reported *r);

/* reported_overview.c */
void reported_judge_slos(struct reported *r);

/* reported_alerts.c */
/* What fires, once more, after a start. */
void reported_resume_alerts(struct reported *r);
#endif
