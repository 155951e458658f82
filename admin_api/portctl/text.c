#include "admin_api/portctl/text.h"

#include <stdarg.h>
#include <stdio.h>
#include "gateway/base/fixed.h"

#define TEN_YEARS_S 315360000u

static void GW_PRINTF(2, 0) say_line(const char *lead, const char *fmt, va_list args)
{
    fputs(lead, stderr);
    (void)vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
}

void say(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say_line("portctl: ", fmt, args);
    va_end(args);
}

void say_next(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say_line("  next: ", fmt, args);
    va_end(args);
}

void say_not_utf8(void)
{
    say("an option is not UTF-8, and JSON has nothing else");
    say_next("correct it, or the locale of this terminal");
}

bool number_parse(const char *text, uint64_t low, uint64_t high, uint64_t *out)
{
    return u64_parse(text, strlen(text), out) == GW_OK && *out >= low && *out <= high;
}

bool duration_parse(const char *text, uint64_t *seconds)
{
    static const struct {
        char unit;
        unsigned seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    size_t len = strlen(text);
    uint64_t factor = 1;

    for (size_t i = 0; i < GW_LEN(units) && len != 0; i++) {
        if (text[len - 1] == units[i].unit) {
            factor = units[i].seconds;
            len--;
            break;
        }
    }
    if (u64_parse(text, len, seconds) != GW_OK || *seconds > TEN_YEARS_S / factor) {
        return false;
    }
    *seconds *= factor;
    return true;
}

void put_time(struct buf *out, const char *rfc3339)
{
    int64_t ns;
    size_t at = out->len;

    if (rfc3339_parse(rfc3339, strlen(rfc3339), &ns) != GW_OK) {
        buf_puts(out, rfc3339);
        return;
    }
    buf_rfc3339(out, ns, 0);
    out->data[at + strlen("2026-11-20")] = ' ';
}

void put_segment(struct buf *out, const char *text)
{
    /* "." and ".." would be taken for steps of the path */
    bool dots = strcmp(text, ".") == 0 || strcmp(text, "..") == 0;

    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
            c == '-' || c == '_' || c == '~' || (c == '.' && !dots)) {
            buf_putc(out, (char)c);
        } else {
            buf_printf(out, "%%%02X", c);
        }
    }
}
