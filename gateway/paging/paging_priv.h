/* gateway/paging/paging_priv.h - the state behind paging.h, for gateway/paging only.
 *
 *   paging.c   life, the tick, sending: who is next, what an answer means
 *   queue.c    the table: claim, settle, what people see
 *   spool.c    the file: pages that PostgreSQL has not been told of
 *   page.c     a page as a row, as parameters, as a line of the spool
 *   body.c     a page as receivers read it
 *
 *   PostgreSQL: claimed -> FLYING -> SETTLING(result) -> told -> gone
 *   spool:      WAITING -> FLYING -> WAITING | SENT | DEAD | SUPPRESSED -> entered -> retired -> gone */
#ifndef GATEWAY_PAGING_PAGING_PRIV_H
#define GATEWAY_PAGING_PAGING_PRIV_H
#include "gateway/audit/journal.h"
#include "gateway/paging/body.h"
#include "gateway/paging/courier.h"
#include "gateway/paging/paging.h"

#define PAGING_IN_FLIGHT 8u
#define PAGING_OFF_WHY   "paging is off (slo_paging.enabled)"
#define PAGING_UID_SIZE  40u
#define NS_PER_MS        INT64_C(1000000)

#define PAGE_RESULTS(X)                                                                            \
    X(DELIVERED, "delivered") X(FAILED, "failed") X(SKIPPED, "skipped") X(DEAD, "dead")
#define PAGE_RESULT_AS_ENUM(sym, word) PAGE_##sym,
enum page_result { PAGE_RESULTS(PAGE_RESULT_AS_ENUM) PAGE_RESULT_COUNT };

/* clang-format off */
#define PAGING_METRICS(X)                                                                                                \
    X(PAGING_M_RESULTS, "paging_delivery_total",   COUNTER, &result_label, "tries to deliver a page, by what became of it") \
    X(PAGING_M_QUEUE,   "paging_queue",            GAUGE,   NULL, "pages that wait for their delivery, of all gateways")    \
    X(PAGING_M_OLDEST,  "paging_oldest_seconds",   GAUGE,   NULL, "age of the oldest of them")                              \
    X(PAGING_M_DEAD,    "paging_dead",             GAUGE,   NULL, "pages given up: dead letters, of all gateways")          \
    X(PAGING_M_FLYING,  "paging_in_flight",        GAUGE,   NULL, "pages being sent now")                                   \
    X(PAGING_M_SUPPRESSED, "paging_suppressed_total", COUNTER, NULL, "pages not sent because paging is off")                \
    X(PAGING_M_SPOOLED, "paging_spooled_total",    COUNTER, NULL, "pages kept here because PostgreSQL was away")            \
    X(PAGING_M_MEMORY,  "paging_memory_only_total", COUNTER, NULL, "of those, pages that no disk took")
/* clang-format on */
enum paging_metric { PAGING_METRICS(METRIC_AS_ENUM) PAGING_M_COUNT };

enum row_state { ROW_WAITING, ROW_FLYING, ROW_SETTLING, ROW_SENT, ROW_DEAD, ROW_SUPPRESSED };

struct page_row {
    struct paging *paging;
    enum row_state state;
    int64_t id; /* 0: of the spool */
    char uid[PAGING_UID_SIZE];
    struct page page; /* its texts are TEXTS */
    char *texts;
    int64_t since_ns; /* wall: first page of the incident */
    bool told;        /* something of the incident went out */
    uint32_t tries;
    int64_t next_ns; /* mono: not before */
    int64_t age_ms;  /* when it was claimed */
    /* SETTLING */
    enum page_result result;
    char error[COURIER_SAID_MAX + 96];
    int64_t delay_ms;
    bool asking; /* PostgreSQL is being told */
    /* spool */
    char journal_id[ULID_SIZE]; /* ""; no disk has it */
    char mark_id[ULID_SIZE];    /* of the record that says it was sent; "" none */
    bool on_disk;
    int64_t settled_ns; /* wall */
    struct page_row *prev;
    struct page_row *next;
};

struct test_wait {
    struct paging *paging;
    int64_t id; /* 0: not entered yet */
    int64_t until_ns;
    paging_fn *cb;
    void *arg;
    struct test_wait *prev;
    struct test_wait *next;
};

struct paging {
    uv_loop_t *loop;
    struct paging_options opt;
    struct metric_set *metrics;
    struct courier *courier; /* NULL: no receiver, or tests send */
    struct journal *journal; /* NULL: no state folder */
    struct circuit *circuit; /* of the receiver; NULL: none */
    struct body_options body;
    char *secret;
    char *routing_key;
    char host[256]; /* of the receiver; "" none */
    char me[40];    /* who holds a lease */
    struct page_row *rows;
    struct test_wait *tests;
    unsigned flying;
    bool others_known; /* as paging_others() said */
    bool others;
    uv_timer_t tick;
    bool claiming;
    bool claim_off; /* what is being asked suppresses, as paging is off */
    bool again;     /* wake came while claiming */
    bool entering;
    bool enter_refused; /* by PostgreSQL: the spool goes on sending itself */
    uint64_t queue;     /* as last told */
    uint64_t dead;
    int64_t oldest_s;
    unsigned calls; /* of the pool that will come back */
    bool closing;
    unsigned open;
    void (*done)(void *arg);
    void *done_arg;
};

/* --- page.c ----------------------------------------------------------------------------------- */
struct page_row *page_row_create(struct paging *p, const struct page *page);
void page_row_destroy(struct page_row **rp);
bool page_kind_parse(const char *word, enum page_kind *out);
void page_print(const struct page *page, struct buf *out);
/* NULL: TEXT is not what page_print() made. */
struct page_row *page_parse(struct paging *p, const char *text, size_t len);

/* --- paging.c --------------------------------------------------------------------------------- */
int64_t paging_wall_ns(const struct paging *p);
int64_t paging_mono_ns(const struct paging *p);
/* R goes out now, or is found not to. */
void paging_dispatch(struct page_row *r);
/* Takes R off the list and frees it. */
void paging_drop(struct page_row *r);
void paging_tick(struct paging *p);
/* Is something of INCIDENT under way, or before R in the spool? */
bool paging_busy(const struct paging *p, const struct page_row *r);
/* The numbers are these now. */
void paging_count(struct paging *p, uint64_t queue, uint64_t dead, int64_t oldest_s);
/* Who waits for the test page ID hears. */
void paging_test_over(struct paging *p, int64_t id, enum paging_said said, const char *detail);

/* --- queue.c ---------------------------------------------------------------------------------- */
struct pg_param queue_now(const struct paging *p);
void queue_claim(struct paging *p);
/* Tells PostgreSQL of R's result. */
void queue_settle(struct page_row *r);
/* A person wants what waits for its next try to be sent now. */
void queue_hurry(struct paging *p);

/* --- spool.c ---------------------------------------------------------------------------------- */
/* False: WHY. */
bool spool_open(struct paging *p, struct buf *why);
/* R is SENT, DEAD or SUPPRESSED. */
void spool_mark(struct page_row *r, enum row_state state);
/* Paging is off: nothing that waits in it is sent any more. */
void spool_suppress(struct paging *p);
/* Sends what may go. */
void spool_send(struct paging *p);
/* Enters all into PostgreSQL; false: there is nothing to enter, or not now. */
bool spool_enter(struct paging *p);
/* Pages in it, sent ones that PostgreSQL has not been told of among them. */
size_t spool_count(const struct paging *p);
#endif
