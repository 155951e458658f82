/* gateway/audit/journal.h - the emergency journal: what was done while PostgreSQL could not be told.
 * Why: a halt may depend on nothing but this machine's own disk. It is written here, synced and then
 * acknowledged; later it is entered into the chain and retired.
 * Owner: the loop it was opened on; writing and syncing run on libuv's thread pool, so that the loop
 * never waits for the disk.
 * Invariant: each accepted call's callback runs exactly once, never inside the call. GW_OK means the
 * record is on stable storage and is found again by every later journal_open() until its retirement
 * was acknowledged. An error means no promise: it may be found or not.
 *
 *   journal_append() -> [queue] -> one frame (a group) -> pwrite, fdatasync -> callbacks
 *                                    | either fails
 *                                    v
 *                 the file anew (all living records and the group), fsync, rename -> callbacks
 *
 * After a failed write or sync the file is never synced again: the kernel may have dropped the pages
 * and would report success ("fsyncgate"). It is written anew under another name or not at all.
 *
 * The file (numbers big-endian):
 *   head   "PORTCULLIS-JRN1\n", base link (32)          base: link of the last record of the file before
 *   frame  "GWJF", body length u32, CRC-32C u32 over the length and the body; a frame is one group
 *   body   records, one behind the other: kind u8 (1 record, 2 retired), time_ns i64, id (26),
 *          payload length u32, payload, link (32) =
 *          SHA-256("portcullis-journal-v1" || link before || kind .. payload)
 * A frame is only written when the one before is durable: a bad frame at the very end was never
 * acknowledged (power loss) and is cut off, with a copy in FILE.cut; a bad one anywhere else is
 * damage, and the journal is not opened. */
#ifndef GATEWAY_AUDIT_JOURNAL_H
#define GATEWAY_AUDIT_JOURNAL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include "gateway/audit/ulid.h"
#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/runtime/metrics.h"

#define JOURNAL_PAYLOAD_MAX (256u << 10)
#define JOURNAL_BYTES_MAX   (64u << 20) /* of all living records */

/* clang-format off */
/* P: what their names begin with; WHAT: of what. In the order of enum journal_metric. */
#define JOURNAL_METRICS(X, P, what)                                                                 \
    X(JOURNAL_M_RECORDS,  P "_records",          GAUGE,   NULL, "records of " what " that are not in PostgreSQL yet") \
    X(JOURNAL_M_BYTES,    P "_bytes",            GAUGE,   NULL, "length of the file of " what)     \
    X(JOURNAL_M_FAILING,  P "_failing",          GAUGE,   NULL, "1: the last write of " what " failed") \
    X(JOURNAL_M_APPENDED, P "_appended_total",   COUNTER, NULL, "records acknowledged by " what)   \
    X(JOURNAL_M_FAILED,   P "_write_fail_total", COUNTER, NULL, "records " what " could not make durable") \
    X(JOURNAL_M_REWRITES, P "_rewrites_total",   COUNTER, NULL, "times " what " was written anew, after an error or when empty") \
    X(JOURNAL_M_SYNC,     P "_write_seconds",    HISTOGRAM, NULL, "time to write and sync one group of " what)
/* clang-format on */
enum journal_metric { JOURNAL_METRICS(METRIC_AS_ENUM, "", "") JOURNAL_M_COUNT };

struct journal;
extern const struct metric_table journal_metrics;

struct journal_record {
    char id[ULID_SIZE];
    int64_t time_ns; /* wall clock of the append */
    const char *payload;
    size_t len;
};
typedef void journal_fn(void *arg, enum gw_err err, const char *id);

/* Reads FOLDER/audit.journal and locks it: one process. NULL: WHY says what is wrong and what to do
 * next; what it says about a cut end is logged. Blocks: at start only. */
struct journal *journal_open(uv_loop_t *loop, const char *folder, struct metric_set *metrics,
                             struct buf *why);
/* The same, FOLDER/NAME: for others who must keep something while PostgreSQL is away. METRICS: of a
 * table of their own, made of JOURNAL_METRICS. */
struct journal *journal_open_as(uv_loop_t *loop, const char *folder, const char *name,
                                struct metric_set *metrics, struct buf *why);
/* What waits is still written. DONE when it was and the file is closed. */
void journal_close(struct journal *j, void (*done)(void *arg), void *arg);
void journal_destroy(struct journal **jp);

/* Records that live (acknowledged or read at open, not retired), oldest first. */
size_t journal_count(const struct journal *j);
/* Valid until the loop turns. */
const struct journal_record *journal_at(const struct journal *j, size_t i);

/* PAYLOAD (JSON text) is copied; ID_OUT is its name. GW_ETOOBIG, GW_EFULL: refused, no callback. */
GW_MUSTCHECK
enum gw_err journal_append(struct journal *j, const char *payload, size_t len, journal_fn *cb,
                           void *arg, char id_out[ULID_SIZE]);
/* The record ID is in the chain. GW_ENOTFOUND: it does not live; no callback. CB may be NULL. */
GW_MUSTCHECK
enum gw_err journal_retire(struct journal *j, const char *id, journal_fn *cb, void *arg);
/* Did the last write fail? */
bool journal_failing(const struct journal *j);
#endif
