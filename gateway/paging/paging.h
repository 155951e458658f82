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
 * delivered becomes a dead letter that people see and can send again. */
#ifndef GATEWAY_PAGING_PAGING_H
#define GATEWAY_PAGING_PAGING_H
#include <stdbool.h>
#include <stdint.h>
#include "gateway/paging/severity.h"
#include "gateway/store/pg.h"

struct paging;

/* What happened to the incident that a receiver is told of. */
enum page_kind { PAGE_TRIGGER, PAGE_ESCALATE, PAGE_ACKNOWLEDGE, PAGE_RESOLVE, PAGE_TEST };

struct page {
    enum page_kind kind;
    char incident[32]; /* "INC-7": the key by which a receiver tells pages apart; "" for a test */
    enum incident_severity severity;
    unsigned level;   /* 1..3 */
    const char *list; /* who: "oncall", "stakeholders"; */
    const char *title;
    const char *summary;                                /* "" none */
    const char *symbol, *component, *class_, *playbook; /* "" none */
    int64_t at_ns;                                      /* wall clock */
};

#define PAGE_PARAMS 14u
/* The INSERT to put into the transaction in which it happens; PARAMS and P are borrowed until it was
 * sent. Whether a page of that severity goes out at all is judged when it is sent. */
struct pg_statement page_statement(const struct page *p, struct pg_param params[PAGE_PARAMS]);
/* Rows were committed: look at once. */
void paging_wake(struct paging *p);
/* PostgreSQL is away. False: the disk did not take it either (counted, logged); it is sent all the same. */
bool paging_spool(struct paging *p, const struct page *page);
#endif
