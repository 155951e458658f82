/* gateway/audit/journal_priv.h - what journal.c (the loop's side) and journal_write.c (the thread
 * pool's) share. While a group is written, nobody changes the living records. */
#ifndef GATEWAY_AUDIT_JOURNAL_PRIV_H
#define GATEWAY_AUDIT_JOURNAL_PRIV_H
#include <sys/types.h>
#include "gateway/audit/journal_format.h"

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
