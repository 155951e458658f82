/* links: gw_audit */
#include "gateway/audit/journal_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct seen {
    unsigned count;
    size_t bytes;
};

static void on_record(void *arg, enum journal_kind kind, const struct journal_record *r)
{
    struct seen *s = arg;

    GW_ASSERT(kind == JOURNAL_RECORD || kind == JOURNAL_RETIRED);
    GW_ASSERT(r->len <= JOURNAL_PAYLOAD_MAX && ulid_valid(r->id, ULID_LENGTH));
    for (size_t i = 0; i < r->len; i++) {
        s->bytes += (uint8_t)r->payload[i];
    }
    s->count++;
}

/* A journal with whatever is in it; then a good one that has the input in a record and behind its end:
 * the record is read, what is behind is cut or refused. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct buf file;
    struct journal_scan s;
    struct seen seen = {0};
    struct journal_record r = {.time_ns = 1,
                               .id = "01ARZ3NDEKTSV4RRFFQ69G5FAV",
                               .payload = (const char *)data,
                               .len = len};
    uint8_t link[JOURNAL_LINK_BYTES] = {0};
    size_t good;

    (void)!journal_scan((const char *)data, len, &s, on_record, &seen);
    GW_ASSERT(s.good <= len);
    if (len == 0 || len > JOURNAL_PAYLOAD_MAX) {
        return 0;
    }
    seen = (struct seen){0};
    buf_reset(&file);
    journal_head_put(&file, link);
    good = journal_frame_begin(&file);
    journal_record_put(&file, JOURNAL_RECORD, &r, link);
    journal_frame_end(&file, good);
    good = file.len;
    buf_append(&file, data, len);
    if (journal_scan(file.data, file.len, &s, on_record, &seen)) {
        GW_ASSERT(s.torn && s.good == good);
    }
    GW_ASSERT(seen.count >= 1);
    return 0;
}
