/* gateway/audit/journal_format.h - bytes of the emergency journal; see journal.h. Pure.
 * Owner: the caller.
 * Invariant: what is read was written so: every byte is under a CRC and a chain of hashes. */
#ifndef GATEWAY_AUDIT_JOURNAL_FORMAT_H
#define GATEWAY_AUDIT_JOURNAL_FORMAT_H
#include "gateway/audit/journal.h"

#define JOURNAL_LINK_BYTES  32u
#define JOURNAL_HEAD_BYTES  48u
#define JOURNAL_FRAME_MAX   (8u << 20) /* bytes of a body */
#define JOURNAL_RECORD_MORE (1u + 8u + ULID_LENGTH + 4u + JOURNAL_LINK_BYTES)

enum journal_kind { JOURNAL_RECORD = 1, JOURNAL_RETIRED = 2 };

uint32_t journal_crc32c(uint32_t crc, const void *data, size_t len);

void journal_head_put(struct buf *out, const uint8_t base[JOURNAL_LINK_BYTES]);
/* Begins a frame at out->len, which is returned; records follow; end it. */
size_t journal_frame_begin(struct buf *out);
void journal_record_put(struct buf *out, enum journal_kind kind, const struct journal_record *r,
                        uint8_t link[JOURNAL_LINK_BYTES]);
void journal_frame_end(struct buf *out, size_t begin);

struct journal_scan {
    size_t good;                      /* bytes up to the end of the last good frame */
    uint8_t link[JOURNAL_LINK_BYTES]; /* of the last record */
    bool torn;                        /* there is an unfinished frame behind it */
    size_t bad_at;
    const char *why; /* of false */
};
/* Calls ON for each record in order; its payload is borrowed from DATA. False: damaged. */
GW_MUSTCHECK
bool journal_scan(const char *data, size_t len, struct journal_scan *s,
                  void (*on)(void *arg, enum journal_kind kind, const struct journal_record *r),
                  void *arg);
#endif
