#include "gateway/audit/journal_format.h"

#include <string.h>
#include <openssl/evp.h>

#define MAGIC       "PORTCULLIS-JRN1\n"
#define MAGIC_LEN   16u
#define FRAME       "GWJF"
#define FRAME_MORE  12u
#define DOMAIN      "portcullis-journal-v1"
#define SECTOR      512u
#define CRC32C_POLY 0x82f63b78u /* Castagnoli, reflected */

uint32_t journal_crc32c(uint32_t crc, const void *data, size_t len)
{
    static uint32_t table[256];
    static _Thread_local bool made; /* the same values, whoever writes them */
    const uint8_t *p = data;

    if (!made) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t v = i;

            for (unsigned k = 0; k < 8; k++) {
                v = v >> 1 ^ ((v & 1) != 0 ? CRC32C_POLY : 0);
            }
            __atomic_store_n(&table[i], v, __ATOMIC_RELAXED);
        }
        made = true;
    }
    crc = ~crc;
    while (len-- > 0) {
        crc = crc >> 8 ^ __atomic_load_n(&table[(crc ^ *p++) & 255], __ATOMIC_RELAXED);
    }
    return ~crc;
}

static void put_u32(char *at, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++) {
        at[i] = (char)(uint8_t)(v >> (24 - 8 * i));
    }
}

static uint32_t get_u32(const char *at)
{
    const uint8_t *p = (const uint8_t *)at;

    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void journal_head_put(struct buf *out, const uint8_t base[JOURNAL_LINK_BYTES])
{
    buf_append(out, MAGIC, MAGIC_LEN);
    buf_append(out, base, JOURNAL_LINK_BYTES);
}

size_t journal_frame_begin(struct buf *out)
{
    size_t begin = out->len;

    buf_append(out, FRAME "\0\0\0\0\0\0\0\0", FRAME_MORE);
    return begin;
}

/* LINK of the record before becomes that of this one, over its LEN bytes at DATA. */
static void next_link(uint8_t link[JOURNAL_LINK_BYTES], const char *data, size_t len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    GW_ASSERT(ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
              EVP_DigestUpdate(ctx, DOMAIN, strlen(DOMAIN)) == 1 &&
              EVP_DigestUpdate(ctx, link, JOURNAL_LINK_BYTES) == 1 &&
              EVP_DigestUpdate(ctx, data, len) == 1 && EVP_DigestFinal_ex(ctx, link, NULL) == 1);
    EVP_MD_CTX_free(ctx);
}

void journal_record_put(struct buf *out, enum journal_kind kind, const struct journal_record *r,
                        uint8_t link[JOURNAL_LINK_BYTES])
{
    size_t begin = out->len;
    char head[1 + 8 + ULID_LENGTH + 4];

    head[0] = (char)kind;
    put_u32(head + 1, (uint32_t)((uint64_t)r->time_ns >> 32));
    put_u32(head + 5, (uint32_t)r->time_ns);
    memcpy(head + 9, r->id, ULID_LENGTH);
    put_u32(head + 9 + ULID_LENGTH, (uint32_t)r->len);
    buf_append(out, head, sizeof head);
    buf_append(out, r->payload, r->len);
    next_link(link, out->data + begin, out->len - begin);
    buf_append(out, link, JOURNAL_LINK_BYTES);
}

void journal_frame_end(struct buf *out, size_t begin)
{
    char *frame = out->data + begin;

    put_u32(frame + 4, (uint32_t)(out->len - begin - FRAME_MORE));
    put_u32(frame + 8, journal_crc32c(journal_crc32c(0, frame + 4, 4), frame + FRAME_MORE,
                                      out->len - begin - FRAME_MORE));
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Bytes of the whole frame at DATA, 0 when it is none that was written to its end. */
static size_t frame_at(const char *data, size_t len)
{
    uint32_t body;

    if (len < FRAME_MORE || memcmp(data, FRAME, 4) != 0) {
        return 0;
    }
    body = get_u32(data + 4);
    if (body == 0 || body > JOURNAL_FRAME_MAX || body > len - FRAME_MORE) {
        return 0;
    }
    return journal_crc32c(journal_crc32c(0, data + 4, 4), data + FRAME_MORE, body) ==
                   get_u32(data + 8)
               ? FRAME_MORE + body
               : 0;
}

/* May the bytes behind the last good frame be what a power loss leaves of one that was never
 * acknowledged? Cut short, or with sectors that never reached the disk. A frame of full length without
 * such a hole was written, and damaged later; so was all that has a good frame behind it. */
static bool may_be_torn(const char *data, size_t len)
{
    uint32_t body = len >= FRAME_MORE ? get_u32(data + 4) : 0;
    const char *p = data;
    bool zeros = true;

    while ((p = memmem(p, (size_t)(data + len - p), FRAME, 4)) != NULL) {
        if (frame_at(p, (size_t)(data + len - p)) != 0) {
            return false;
        }
        p++;
    }
    if (len < FRAME_MORE || (memcmp(data, FRAME, 4) == 0 && body > len - FRAME_MORE)) {
        return true;
    }
    for (size_t at = 0; at < len; at += SECTOR) {
        size_t n = len - at < SECTOR ? len - at : SECTOR;

        zeros = true;
        for (size_t i = 0; i < n && zeros; i++) {
            zeros = data[at + i] == '\0';
        }
        if (zeros) {
            return true;
        }
    }
    return false;
}

static bool scan_body(const char *data, size_t len, struct journal_scan *s,
                      void (*on)(void *arg, enum journal_kind kind, const struct journal_record *r),
                      void *arg)
{
    const size_t head = JOURNAL_RECORD_MORE - JOURNAL_LINK_BYTES;

    for (size_t at = 0; at < len;) {
        const char *p = data + at;
        struct journal_record r = {0};

        if (len - at < JOURNAL_RECORD_MORE ||
            get_u32(p + head - 4) > len - at - JOURNAL_RECORD_MORE) {
            return false;
        }
        r.time_ns = (int64_t)((uint64_t)get_u32(p + 1) << 32 | get_u32(p + 5));
        memcpy(r.id, p + 9, ULID_LENGTH);
        r.len = get_u32(p + head - 4);
        r.payload = p + head;
        next_link(s->link, p, head + r.len);
        if ((p[0] != JOURNAL_RECORD && p[0] != JOURNAL_RETIRED) || !ulid_valid(r.id, ULID_LENGTH) ||
            r.len > JOURNAL_PAYLOAD_MAX ||
            memcmp(s->link, p + head + r.len, JOURNAL_LINK_BYTES) != 0) {
            return false;
        }
        on(arg, (enum journal_kind)p[0], &r);
        at += head + r.len + JOURNAL_LINK_BYTES;
    }
    return true;
}

bool journal_scan(const char *data, size_t len, struct journal_scan *s,
                  void (*on)(void *arg, enum journal_kind kind, const struct journal_record *r),
                  void *arg)
{
    size_t at = JOURNAL_HEAD_BYTES;

    *s = (struct journal_scan){0};
    /* the file gets its name when its head is on disk */
    if (len < JOURNAL_HEAD_BYTES || memcmp(data, MAGIC, MAGIC_LEN) != 0) {
        s->why = "it does not begin as a journal does";
        return false;
    }
    memcpy(s->link, data + MAGIC_LEN, JOURNAL_LINK_BYTES);
    s->good = at;
    while (at < len) {
        size_t n = frame_at(data + at, len - at);

        s->bad_at = at;
        if (n == 0) {
            s->torn = may_be_torn(data + at, len - at);
            s->why = "a frame was damaged after it was written";
            return s->torn;
        }
        if (!scan_body(data + at + FRAME_MORE, n - FRAME_MORE, s, on, arg)) {
            s->why = "a record does not follow from the one before";
            return false;
        }
        at += n;
        s->good = at;
    }
    return true;
}
