/* gateway/incident/job_priv.h - the transaction of a change on its way, for job.c and job_rows.c only. */
#ifndef GATEWAY_INCIDENT_JOB_PRIV_H
#define GATEWAY_INCIDENT_JOB_PRIV_H
#include "gateway/audit/store.h"
#include "gateway/audit/ulid.h"
#include "gateway/incident/incidents_priv.h"

#define STATEMENTS 16u
#define PARAMS     96u
#define PAGES      2u

struct job {
    struct incidents *all;
    struct incident_ask *ask;
    uint8_t sha256[32];
    incident_answer_fn *cb; /* NULL: nobody */
    void *arg;
    struct pg_tx *tx;
    struct audit_head head;
    int64_t now_ns;     /* PostgreSQL's clock */
    struct incident *i; /* as it was, then as it is to be */
    struct incident *written;
    struct incident_effect effect;
    struct incident_problem problem;
    struct audit_batch *batch;
    char id[ULID_SIZE];
    char name[INCIDENT_NAME_MAX];
    struct buf before, after, data, answer, title;
    unsigned status;     /* of the answer */
    struct buf repeated; /* the answer given before */
    size_t at_row;       /* places of statements */
    size_t at_tick;
    size_t at_chain;
    size_t at_seen;
    size_t at_answer;
    const char *page_off; /* why nobody is paged; NULL: pages go out */
    unsigned pages;
    struct page page[PAGES];
    struct pg_param page_params[PAGES][PAGE_PARAMS];
    struct pg_statement statements[STATEMENTS];
    size_t statement_count;
    struct pg_param params[PARAMS];
    size_t param_count;
    uv_timer_t timer; /* of an end inside the call that began it */
};

/* One more statement; PARAMS are copied, what they borrow is not. */
void job_put(struct job *j, const char *sql, const struct pg_param *params, size_t count);
/* Steps and tasks; the incident itself; its timeline; pages. */
void job_put_parts(struct job *j);
void job_put_row(struct job *j, bool new_one);
void job_put_timeline(struct job *j);
void job_put_pages(struct job *j);
#endif
