/* gateway/audit/journal_priv.h - what journal.c (the loop's side) and journal_write.c (the thread
 * pool's) share. While a group is written, nobody changes the living records. */
#ifndef GATEWAY_AUDIT_JOURNAL_PRIV_H
#define GATEWAY_AUDIT_JOURNAL_PRIV_H
#include <sys/types.h>
#include "gateway/audit/journal_format.h"

/* clang-format off */
#define JOURNAL_METRICS(X)                                                                          \
    X(JOURNAL_M_RECORDS,  "audit_journal_records",             GAUGE,   NULL, "records of the emergency journal that are not in the chain yet") \
    X(JOURNAL_M_BYTES,    "audit_journal_bytes",               GAUGE,   NULL, "length of the emergency journal's file") \
    X(JOURNAL_M_FAILING,  "audit_journal_failing",             GAUGE,   NULL, "1: the last write of the emergency journal failed") \
    X(JOURNAL_M_APPENDED, "audit_journal_appended_total",      COUNTER, NULL, "records acknowledged by the emergency journal") \
    X(JOURNAL_M_FAILED,   "audit_journal_write_fail_total",    COUNTER, NULL, "records the emergency journal could not make durable") \
    X(JOURNAL_M_REWRITES, "audit_journal_rewrites_total",      COUNTER, NULL, "times the emergency journal was written anew, after an error or when empty") \
    X(JOURNAL_M_SYNC,     "audit_journal_write_seconds",       HISTOGRAM, NULL, "time to write and sync one group of the emergency journal")
/* clang-format on */
enum journal_metric { JOURNAL_METRICS(METRIC_AS_ENUM) JOURNAL_M_COUNT };

struct item {
    enum journal_kind kind;
    struct journal_record r; /* its payload is behind this struct */
    journal_fn *cb;
    void *arg;
    struct item *next;
};

/* One trip to the thread pool. */
struct group {
    uv_work_t work;
    struct journal *j;
    struct item *items; /* NULL: written anew only */
    bool anew;          /* do not touch the old file */
    /* result */
    enum gw_err err;
    int error; /* errno of a failure */
    bool rewritten;
    int fd; /* if rewritten: the new file */
    off_t size;
    uint8_t link[JOURNAL_LINK_BYTES];
    int64_t took_ns;
};

struct journal {
    uv_loop_t *loop;
    char *path;
    int lock_fd;
    int fd;
    off_t size;
    uint8_t link[JOURNAL_LINK_BYTES];
    bool suspect; /* the file is not to be trusted: write anew */
    bool failing;
    struct item **live; /* oldest first */
    size_t live_count;
    size_t live_cap;
    size_t live_bytes;
    struct item *queue;
    struct item **queue_tail;
    size_t queue_bytes; /* with those being written */
    struct group *running;
    bool closing;
    void (*done)(void *arg);
    void *done_arg;
    struct metric_set *metrics;
};

/* Thread pool: writes the group or the whole file anew. */
void journal_work(uv_work_t *work);
#endif
