#include "load/wsflood_scan.h"

#include <string.h>

#define CHANNEL_AS_NAME(sym, text) text,
const char *const scan_channel_names[SCAN_CHANNEL_COUNT] = {SCAN_CHANNELS(CHANNEL_AS_NAME) "ack",
                                                            "refused", "other"};

#define DIGITS_MAX 19u /* of gw.s and gw.p: fits uint64_t */

static bool two_digits(const char *s, unsigned *out)
{
    unsigned tens = (unsigned char)s[0] - (unsigned)'0';
    unsigned ones = (unsigned char)s[1] - (unsigned)'0';

    *out = tens * 10 + ones;
    return tens <= 9 && ones <= 9;
}

/* Days since 1970 of a Gregorian date (H. Hinnant, chrono-compatible date algorithms). */
static int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool parse_minute(struct scan_clock *clock, const char *s)
{
    unsigned century;
    unsigned year;
    unsigned month;
    unsigned day;
    unsigned hour;
    unsigned minute;

    if (memcmp(clock->minute, s, sizeof clock->minute) == 0) {
        return true;
    }
    if (!two_digits(s, &century) || !two_digits(s + 2, &year) || s[4] != '-' ||
        !two_digits(s + 5, &month) || s[7] != '-' || !two_digits(s + 8, &day) || s[10] != 'T' ||
        !two_digits(s + 11, &hour) || s[13] != ':' || !two_digits(s + 14, &minute) ||
        s[16] != ':' || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 ||
        minute > 59 || century < 19 || century > 21) {
        return false;
    }
    clock->base_ns =
        ((days_from_civil(century * 100 + year, month, day) * 24 + hour) * 60 + minute) * 60 *
        1000000000;
    memcpy(clock->minute, s, sizeof clock->minute);
    return true;
}

bool scan_rfc3339(struct scan_clock *clock, const char *text, size_t len, int64_t *unix_ns)
{
    unsigned second;
    int64_t fraction = 0;
    size_t i = 19;

    if (len < 20 || !parse_minute(clock, text) || !two_digits(text + 17, &second) || second > 60) {
        return false;
    }
    if (text[i] == '.') {
        int64_t unit = 100000000;

        for (i++; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
            if (unit == 0) {
                return false;
            }
            fraction += (text[i] - '0') * unit;
            unit /= 10;
        }
    }
    if (i >= len || text[i] != 'Z') {
        return false;
    }
    *unix_ns = clock->base_ns + (int64_t)second * 1000000000 + fraction;
    return true;
}

static const char *find(const char *from, const char *end, const char *what, size_t what_len)
{
    return from < end ? memmem(from, (size_t)(end - from), what, what_len) : NULL;
}

/* Last occurrence; WHAT begins with a quote, so memrchr() steps over everything else. */
static const char *find_last(const char *from, const char *end, const char *what, size_t what_len)
{
    const char *stop = end;

    while (stop > from) {
        const char *at = memrchr(from, '"', (size_t)(stop - from));

        if (at == NULL) {
            return NULL;
        }
        if ((size_t)(end - at) >= what_len && memcmp(at, what, what_len) == 0) {
            return at;
        }
        stop = at;
    }
    return NULL;
}

#define FIND(from, end, literal)      find((from), (end), "" literal, sizeof(literal) - 1)
#define FIND_LAST(from, end, literal) find_last((from), (end), "" literal, sizeof(literal) - 1)
#define AT(p, end, literal)                                                                        \
    ((size_t)((end) - (p)) >= sizeof(literal) - 1 && memcmp((p), literal, sizeof(literal) - 1) == 0)

static bool read_u64(const char *from, const char *end, uint64_t *out)
{
    const char *p = from;

    *out = 0;
    while (p < end && *p >= '0' && *p <= '9') {
        if (p - from >= (int)DIGITS_MAX) {
            return false;
        }
        *out = *out * 10 + (uint64_t)(*p++ - '0');
    }
    return p != from;
}

bool scan_member_text(const char *text, size_t len, const char *name, struct scan_ref *out)
{
    const char *end = text + len;
    size_t name_len = strlen(name);
    const char *at = find(text, end, name, name_len);
    const char *quote = NULL;

    if (at != NULL) {
        at += name_len;
        quote = memchr(at, '"', (size_t)(end - at));
    }
    *out = (struct scan_ref){NULL, 0};
    if (quote != NULL) {
        *out = (struct scan_ref){at, (size_t)(quote - at)};
    }
    return quote != NULL;
}

bool scan_member_number(const char *text, size_t len, const char *name, uint64_t *out)
{
    const char *end = text + len;
    size_t name_len = strlen(name);
    const char *at = find(text, end, name, name_len);

    return at != NULL && read_u64(at + name_len, end, out);
}

bool scan_trade_id(const char **at, const char *end, uint64_t *id)
{
    const char *found = FIND(*at, end, "\"trade_id\":");

    if (found == NULL) {
        return false;
    }
    *at = found + sizeof "\"trade_id\":" - 1;
    return read_u64(*at, end, id);
}

static enum scan_channel channel_of(const char *name, const char *end)
{
    for (unsigned i = 0; i < SCAN_ACK; i++) {
        size_t len = strlen(scan_channel_names[i]);

        if ((size_t)(end - name) > len && name[len] == '"' &&
            memcmp(name, scan_channel_names[i], len) == 0) {
            return (enum scan_channel)i;
        }
    }
    return SCAN_OTHER;
}

static enum scan_channel reply_of(const char *text, const char *end)
{
    if (FIND(text, end, "\"success\":false") != NULL || FIND(text, end, "\"error\":") != NULL) {
        return SCAN_REFUSED;
    }
    return AT(text, end, "{\"method\":") ? SCAN_ACK : SCAN_OTHER;
}

/* `gw` is the last member: {"s":184502,"p":184467,"n":35}} or {"e":"k7f2","s":184467,"p":null}} */
static const char *read_gw(const char *text, const char *end, struct scan *out)
{
    const char *gw = FIND_LAST(text, end, "\"gw\":{");
    const char *s;
    const char *p;

    if (gw == NULL) {
        return end;
    }
    s = FIND(gw, end, "\"s\":");
    p = FIND(gw, end, "\"p\":");
    out->has_seq = s != NULL && read_u64(s + 4, end, &out->seq);
    out->has_prev = p != NULL && read_u64(p + 4, end, &out->prev);
    if (out->snapshot) {
        (void)scan_member_text(gw, (size_t)(end - gw), "\"e\":\"", &out->epoch);
    }
    return gw;
}

/* Stamps inside a candle are the end of its interval: there the one before `data` counts. */
static void read_time(struct scan_clock *clock, const char *text, const char *end, struct scan *out)
{
    const char *at = out->channel == SCAN_OHLC ? FIND(text, end, "\"timestamp\":\"")
                                               : FIND_LAST(text, end, "\"timestamp\":\"");

    if (at != NULL) {
        at += sizeof "\"timestamp\":\"" - 1;
        out->has_time = scan_rfc3339(clock, at, (size_t)(end - at), &out->time_ns);
    }
}

void scan_ack(const char *text, size_t len, struct scan_ack *out)
{
    const char *end = text + len;
    const char *result = FIND(text, end, "\"result\":{\"channel\":\"");
    const char *gw;
    const char *close;
    size_t left;

    *out = (struct scan_ack){.channel = SCAN_OTHER};
    if (result == NULL || FIND(text, result, "\"method\":\"subscribe\"") == NULL) {
        return;
    }
    left = (size_t)(end - result);
    out->channel = channel_of(result + sizeof "\"result\":{\"channel\":\"" - 1, end);
    (void)scan_member_text(result, left, "\"symbol\":\"", &out->symbol);
    if (out->channel == SCAN_OHLC) {
        (void)scan_member_number(result, left, "\"interval\":", &out->interval);
    }
    gw = FIND(result, end, "\"gw\":{");
    if (gw == NULL) {
        return;
    }
    left = (size_t)(end - gw);
    (void)scan_member_text(gw, left, "\"session\":\"", &out->session);
    (void)scan_member_text(gw, left, "\"e\":\"", &out->epoch);
    (void)scan_member_text(gw, left, "\"why\":\"", &out->why);
    out->resumed = FIND(gw, end, "\"resumed\":true") != NULL;
    close = FIND(gw, end, "\"last_close\":{");
    if (close != NULL) {
        (void)scan_member_text(close, (size_t)(end - close), "\"reason\":\"", &out->last_close);
    }
}

void scan_message(struct scan_clock *clock, const char *text, size_t len, struct scan *out)
{
    const char *end = text + len;
    const char *at = text + sizeof "{\"channel\":\"" - 1;
    const char *data_end;

    *out = (struct scan){.channel = SCAN_OTHER};
    if (!AT(text, end, "{\"channel\":\"")) {
        out->channel = reply_of(text, end);
        return;
    }
    out->channel = channel_of(at, end);
    if (out->channel >= SCAN_STREAMS) {
        return;
    }
    at += strlen(scan_channel_names[out->channel]);
    out->snapshot = AT(at, end, "\",\"type\":\"snapshot\"");
    data_end = read_gw(at, end, out);
    if (out->channel == SCAN_INSTRUMENT) {
        return;
    }
    read_time(clock, at, data_end, out);
    at = FIND(at, data_end, "\"symbol\":\"");
    if (at != NULL) {
        const char *name = at + sizeof "\"symbol\":\"" - 1;
        const char *quote = memchr(name, '"', (size_t)(data_end - name));

        out->symbol = quote != NULL ? name : NULL;
        out->symbol_len = quote != NULL ? (size_t)(quote - name) : 0;
    }
    if (out->channel == SCAN_OHLC) {
        at = FIND(text, data_end, "\"interval\":");
        if (at != NULL) {
            (void)read_u64(at + sizeof "\"interval\":" - 1, end, &out->interval);
        }
    }
}
