#include "gateway/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_fini(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

char *buf_room(struct buf *b, size_t extra)
{
    size_t need = b->len + extra;

    GW_ASSERT(need >= b->len);
    if (need > b->cap || b->data == NULL) { /* also for no byte: NULL + 0 is not defined */
        size_t cap = b->cap < 256 ? 256 : b->cap;

        while (cap < need) {
            cap += cap / 2;
        }
        b->data = gw_realloc(b->data, cap);
        b->cap = cap;
    }
    return b->data + b->len;
}

void buf_append(struct buf *b, const void *data, size_t len)
{
    if (len != 0) {
        memcpy(buf_room(b, len), data, len);
        b->len += len;
    }
}

void buf_puts(struct buf *b, const char *s)
{
    buf_append(b, s, strlen(s));
}

void buf_putc(struct buf *b, char c)
{
    *buf_room(b, 1) = c;
    b->len++;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_list again;
    int need;

    va_start(ap, fmt);
    va_copy(again, ap);
    need = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    GW_ASSERT(need >= 0);
    (void)vsnprintf(buf_room(b, (size_t)need + 1), (size_t)need + 1, fmt, again);
    va_end(again);
    b->len += (size_t)need;
}

/* Two digits at a time, as every fast integer printer does. */
static const char pairs[201] =
    "00010203040506070809101112131415161718192021222324252627282930313233"
    "34353637383940414243444546474849505152535455565758596061626364656667"
    "6869707172737475767778798081828384858687888990919293949596979899";

/* Prints V so that it ends right before END; returns its first byte. */
static char *u64_before(char *end, uint64_t v)
{
    while (v >= 100) {
        unsigned rest = (unsigned)(v % 100) * 2;

        v /= 100;
        *--end = pairs[rest + 1];
        *--end = pairs[rest];
    }
    if (v >= 10) {
        *--end = pairs[v * 2 + 1];
        *--end = pairs[v * 2];
    } else {
        *--end = (char)('0' + v);
    }
    return end;
}

void buf_u64(struct buf *b, uint64_t v)
{
    char text[20];
    char *first = u64_before(text + sizeof text, v);

    buf_append(b, first, (size_t)(text + sizeof text - first));
}

void buf_i64(struct buf *b, int64_t v)
{
    if (v < 0) {
        buf_putc(b, '-');
        buf_u64(b, 0 - (uint64_t)v);
    } else {
        buf_u64(b, (uint64_t)v);
    }
}

void buf_fixed(struct buf *b, int64_t value, unsigned decimals)
{
    char text[24];
    char *end = text + sizeof text;
    char *first = u64_before(end, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
    size_t digits;
    char *out;

    GW_ASSERT(decimals <= 18);
    while ((size_t)(end - first) <= decimals) {
        *--first = '0';
    }
    digits = (size_t)(end - first);
    out = buf_room(b, digits + 2);
    if (value < 0) {
        *out++ = '-';
        b->len++;
    }
    memcpy(out, first, digits - decimals);
    if (decimals != 0) {
        out[digits - decimals] = '.';
        memcpy(out + digits - decimals + 1, end - decimals, decimals);
        digits++;
    }
    b->len += digits;
}

void buf_json_str(struct buf *b, const char *s, size_t len)
{
    buf_putc(b, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c == '"' || c == '\\') {
            buf_putc(b, '\\');
            buf_putc(b, (char)c);
        } else if (c < 0x20) {
            buf_printf(b, "\\u%04x", c);
        } else {
            buf_putc(b, (char)c);
        }
    }
    buf_putc(b, '"');
}

/* Civil date from days since 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date
 * algorithms"). */
static void civil(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    unsigned doe = (unsigned)(z - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;

    *day = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
    *year = (int64_t)yoe + era * 400 + (*month <= 2);
}

static char *two(char *out, unsigned v)
{
    out[0] = pairs[v * 2];
    out[1] = pairs[v * 2 + 1];
    return out + 2;
}

void buf_rfc3339(struct buf *b, int64_t unix_ns, unsigned digits)
{
    int64_t secs = unix_ns / 1000000000;
    int64_t frac = unix_ns % 1000000000;
    int64_t days;
    int64_t year;
    unsigned month;
    unsigned day;
    unsigned of_day;
    char *out = buf_room(b, 40);
    char *first = out;

    if (frac < 0) {
        frac += 1000000000;
        secs--;
    }
    days = secs / 86400;
    if (secs % 86400 < 0) {
        days--;
    }
    of_day = (unsigned)(secs - days * 86400);
    civil(days, &year, &month, &day);
    GW_ASSERT(year >= 0 && year <= 9999 && digits <= 9);
    out = two(two(out, (unsigned)year / 100), (unsigned)year % 100);
    *out++ = '-';
    out = two(out, month);
    *out++ = '-';
    out = two(out, day);
    *out++ = 'T';
    out = two(out, of_day / 3600);
    *out++ = ':';
    out = two(out, of_day / 60 % 60);
    *out++ = ':';
    out = two(out, of_day % 60);
    if (digits != 0) {
        unsigned long left = (unsigned long)frac;

        *out++ = '.';
        for (unsigned i = 0; i < 9; i++) {
            unsigned long unit = 100000000;

            for (unsigned k = 0; k < i; k++) {
                unit /= 10;
            }
            if (i < digits) {
                *out++ = (char)('0' + left / unit % 10);
            }
        }
    }
    *out++ = 'Z';
    b->len += (size_t)(out - first);
}

const char *buf_cstr(struct buf *b)
{
    *buf_room(b, 1) = '\0';
    return b->data;
}

char *buf_steal(struct buf *b, size_t *len)
{
    char *data = b->data;

    *len = b->len;
    *b = (struct buf){0};
    return data;
}
