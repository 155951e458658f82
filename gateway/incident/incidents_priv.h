/* gateway/incident/incidents_priv.h - the state behind incidents.h, for gateway/incident only.
 *
 *   incidents.c   what is open, as this gateway knows it; clocks; life
 *   job.c         the transaction of every change: head of the chain, row, judge, write, commit
 *   job_rows.c    what it writes
 *   signals.c     signals on their way into PostgreSQL, kept on this disk while it is away
 *   views.c       lists, one incident, its timeline
 *   report.c      what happened, as a text for people */
#ifndef GATEWAY_INCIDENT_INCIDENTS_PRIV_H
#define GATEWAY_INCIDENT_INCIDENTS_PRIV_H
#include <uthash.h>
#include "gateway/incident/incidents.h"

#define INCIDENTS_TX_MS 3000u

/* One that is not closed. */
struct slot {
    uint64_t number;
    struct incident *incident;
    bool claiming;      /* its next level is being announced */
    int64_t retry_ns;   /* mono: not before */
    int64_t halt_at_ns; /* mono: the halt is asked for again; 0: it was not yet */
    bool halted;        /* asked for while PostgreSQL is away, in memory alone */
    UT_hash_handle hh;
};

struct signals;

struct incidents {
    uv_loop_t *loop;
    struct incidents_options opt;
    struct incident_playbooks playbooks;
    void *playbooks_arg;
    struct slot *slots;
    struct buf sql_load; /* all that are not closed */
    struct buf sql_news; /* those that have changed */
    struct buf sql_read; /* one, in the transaction that changes it */
    struct buf sql_insert;
    struct buf sql_update;
    bool known;           /* read at least once */
    uint64_t top;         /* entries up to it have been seen */
    int64_t read_ns;      /* mono: when that was asked */
    int64_t pg_offset_ns; /* PostgreSQL's clock - monotonic clock */
    bool asking;
    bool again;
    bool asked_all;
    int64_t asked_ns;
    int64_t look_ns; /* mono: next look without being told */
    int64_t gauges_ns;
    struct signals *signals;
    uv_timer_t timer;
    uint32_t busy; /* calls that PostgreSQL owes an answer */
    bool closing;
    bool timer_closed;
    void (*done)(void *arg);
    void *done_arg;
};

void incidents_hold(struct incidents *all);
void incidents_release(struct incidents *all);
/* I is what the database holds: into memory (taken), and told. What memory has now. */
const struct incident *incidents_adopt(struct incidents *all, struct incident **i);
/* With `steps`, `exit`, `may_close`; AUDIT 0: none. */
void incidents_print(struct incidents *all, const struct incident *i, uint64_t audit,
                     struct buf *out);
/* JSON strings of what keeps I from being closed. */
void incidents_missing(struct incidents *all, const struct incident *i, const char *url,
                       struct buf *out);

/* --- job.c ------------------------------------------------------------------------------------- */
/* As incidents_act(), for clocks and signals, too. */
void change_start(struct incidents *all, const struct incident_ask *ask, const uint8_t *sha256,
                  incident_answer_fn *cb, void *arg);

/* --- signals.c --------------------------------------------------------------------------------- */
/* WHY: the file cannot be taken. */
struct signals *arrivals_open(struct incidents *all, struct buf *why);
void arrivals_tick(struct signals *s);
bool arrivals_idle(const struct signals *s);
/* Those that fire, oldest first. */
void arrivals_each(const struct signals *s,
                   void (*fn)(void *arg, const struct incident_ask *signal), void *arg);
void arrivals_destroy(struct signals **sp);
#endif
