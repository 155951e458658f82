/* gateway/paging/paging.h - telling a person who is not looking: pages out, by webhook.
 * Why: the ladder of an incident is worth nothing when its message is lost with a process or a
 * receiver. A page is a row, written in the transaction that causes it; one replica at a time sends
 * those of an incident, in order, until the receiver has taken them or gives up for good.
 *
 *   transaction of the incident: INSERT (page_statement) -> commit -> paging_wake()
 *   any replica: claim (SKIP LOCKED, lease) -> HTTPS POST -> 2xx: delivered
 *                                                        -> else: again later, with jitter -> dead letter
 *   PostgreSQL away: paging_spool(): a file of this gateway; sent from there, entered when it is back
 *
 * Owner: the control loop; libcurl runs on it without blocking.
 * Invariant: at least once, in the order of an incident's pages; nothing is dropped: what cannot be
 * delivered becomes a dead letter that people see and can send again. With paging off everywhere a page
 * is suppressed at once, with the reason, and stays so: nobody is woken by what is long over. */
#ifndef GATEWAY_PAGING_PAGING_H
#define GATEWAY_PAGING_PAGING_H
#include <stdbool.h>
#include <stdint.h>
#include "gateway/paging/severity.h"
#include "gateway/runtime/config.h"
#include "gateway/runtime/metrics.h"
#include "gateway/store/pg.h"

/* clang-format off */
#define PAGING_CONFIG(X) /* key, type, default, min, max, help */                                                        \
    X(enabled,          BOOL_LIVE, "false", 0, 0,      "pages go out; else, where no other gateway sends them, they are suppressed: never sent later") \
    X(webhook_url,      TEXT, "",             0, 2000, "the receiver: https, or http on this machine; never shown, only its host") \
    X(min_severity,     TEXT_LIVE, "critical", 1, 16,  "`critical`: SEV1 and SEV2; `warning`: SEV3, too")                \
    X(format,           TEXT, "alertmanager", 1, 16,   "body: `alertmanager` (webhook v4), `pagerduty` (Events v2) or `generic`") \
    X(hosts,            TEXT, "",             0, 2000, "hosts a page may be sent to, separated by commas; \"\": that of webhook_url") \
    X(routing_key_file, TEXT, "",             0, 4096, "file with the routing key of `pagerduty`")                       \
    X(secret_file,      TEXT, "",             0, 4096, "file with the secret pages are signed with (`portcullis-signature`); \"\": unsigned") \
    X(ca_file,          TEXT, "",             0, 4096, "PEM of who signed the receiver's certificate; \"\": the system's") \
    X(deadline,         MSEC, "10s",  100, 60000,      "the receiver has so long to answer")                             \
    X(backoff_min,      MSEC, "1s",   10,  60000,      "delay after the first failure is between nothing and this")      \
    X(backoff_max,      MSEC, "2m",   10,  3600000,    "it doubles up to this (full jitter)")                            \
    X(give_up_after,    MSEC, "24h",  1000, 604800000, "a page that is so old becomes a dead letter")
/* clang-format on */
struct paging_config {
    PAGING_CONFIG(CFG_FIELD)
};
extern const struct cfg_table paging_config_table;
extern const struct metric_table paging_metrics;
extern const struct metric_table spool_metrics;
/* A line into ERRORS for each thing that is wrong. */
void paging_check(const struct paging_config *c, struct buf *errors);

struct paging;

/* What happened to the incident that a receiver is told of. */
#define PAGE_KINDS(X)                                                                              \
    X(TRIGGER, "trigger")                                                                          \
    X(ESCALATE, "escalate")                                                                        \
    X(ACKNOWLEDGE, "acknowledge") X(RESOLVE, "resolve") X(TEST, "test")
#define PAGE_KIND_AS_ENUM(sym, word) PAGE_##sym,
enum page_kind { PAGE_KINDS(PAGE_KIND_AS_ENUM) PAGE_KIND_COUNT };
extern const char *const page_kind_words[PAGE_KIND_COUNT];

#define PAGE_INCIDENT_MAX 32u /* with NUL */
struct page {
    enum page_kind kind;
    char incident[PAGE_INCIDENT_MAX]; /* "INC-7": the key by which a receiver tells pages apart; ""
                                         for a test: such pages have no order */
    enum incident_severity severity;
    unsigned level;   /* 1..3 */
    const char *list; /* who: "oncall", "stakeholders"; */
    const char *title;
    const char *summary;                                /* "" none */
    const char *symbol, *component, *class_, *playbook; /* "" none */
    int64_t at_ns;                                      /* wall clock */
    const char
        *suppressed; /* NULL; why it is not to be sent (paging_off()), and the incident says so */
};

#define PAGE_PARAMS 13u
/* The INSERT to put into the transaction in which it happens; PARAMS and P are borrowed until it was
 * sent. Whether a page of that severity goes out at all is judged when it is sent; an acknowledgement
 * and a resolve go out, too, when something of their incident did. */
struct pg_statement page_statement(const struct page *p, struct pg_param params[PAGE_PARAMS]);
/* Rows were committed: look at once. */
void paging_wake(struct paging *p);
/* This gateway sends pages. */
bool paging_on(const struct paging *p);
/* Does another? KNOWN false: that is not known now. Told once a second. */
void paging_others(struct paging *p, bool known, bool send);
/* Nobody sends pages, for sure: why, to be put into the page and beside what causes it. NULL: somebody
 * does, or may. What is written then is judged again in the queue, by what PostgreSQL knows. */
const char *paging_off(const struct paging *p);
/* COUNT pages were committed as suppressed. */
void paging_suppressed(struct paging *p, unsigned count);
/* PostgreSQL is away. P is copied. False: there is no file for it (no state folder, or it cannot take
 * more; counted, logged); it is sent all the same, from memory. A page that reached PostgreSQL after
 * all is sent twice: spool only what was not committed. */
bool paging_spool(struct paging *p, const struct page *page);

/* --- life ------------------------------------------------------------------------------------- */

struct courier_request;
struct courier_answer;

struct paging_options {
    const struct paging_config *config; /* live keys are read where they are used */
    struct pg *pg;
    const char *state_dir; /* of the spool; "": none */
    const char *name;      /* of this gateway, as receivers see it */
    /* What waits, or what was given up, is another number now. */
    void (*on_change)(void *arg, uint64_t queue, uint64_t dead);
    void *arg;
    /* For tests. NULL: the system's clock, for rows that of PostgreSQL. */
    int64_t (*now_ns)(void *arg);
    /* NULL: libcurl. DONE is called once, later. */
    void (*send)(void *arg, const struct courier_request *r,
                 void (*done)(void *done_arg, const struct courier_answer *a), void *done_arg);
    uint32_t tick_ms; /* 0: a second */
};

/* NULL: WHY says what is wrong and what to do. Blocks: at start only. */
struct paging *paging_create(uv_loop_t *loop, const struct paging_options *opt, struct buf *why);
/* Before pg_close(). What is under way is cut: its lease passes, and it is sent again. */
void paging_close(struct paging *p, void (*done)(void *arg), void *arg);
/* After pg_close(): no callback of the pool comes any more. */
void paging_destroy(struct paging **pp);

/* --- for people ------------------------------------------------------------------------------- */

/* JSON: a whole object, of GET /v1/paging; NULL: PostgreSQL does not answer. */
typedef void paging_view_fn(void *arg, const char *json, size_t len);
/* CB comes once, never inside the call; also when PostgreSQL is away (then without dead letters). */
void paging_view(struct paging *p, paging_view_fn *cb, void *arg);

enum paging_said {
    PAGING_DELIVERED, /* the receiver took it */
    PAGING_QUEUED,    /* it waits: see the list */
    PAGING_REFUSED,   /* DETAIL says what the receiver, or the way there, said */
    PAGING_OFF,       /* slo_paging.enabled is false, or there is no receiver */
    PAGING_UNKNOWN,   /* no dead letter of that number */
    PAGING_AWAY,      /* PostgreSQL does not answer; nothing happened */
};
typedef void paging_fn(void *arg, enum paging_said said, int64_t id, const char *detail);
/* A page of kind `test`, tried once. */
void paging_test(struct paging *p, const char *by, paging_fn *cb, void *arg);
/* Dead letter ID goes back into the queue, with a new age. */
void paging_retry(struct paging *p, int64_t id, paging_fn *cb, void *arg);
#endif
