#include "admin_api/portctl/table.h"

#include <stdlib.h>

/* Bytes of the UTF-8 character at S (RFC 3629), 0 when it is none; *CODE is its number. */
static size_t character(const unsigned char *s, size_t len, uint32_t *code)
{
    static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;

    if (n == 0 || n > len) {
        return 0;
    }
    *code = n == 1 ? s[0] : s[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (s[i] >> 6 != 2) {
            return 0;
        }
        *code = *code << 6 | (s[i] & 0x3Fu);
    }
    return *code < lowest[n] || *code > 0x10FFFF || (*code >> 11) == 27 ? 0 : n;
}

/* Direction marks make one text look like another. */
static bool obeyed(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x061C || (c >= 0x200B && c <= 0x200F) ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF;
}

void table_clean(struct buf *out, const char *text, size_t len)
{
    size_t i = 0;

    while (i < len) {
        uint32_t code = 0;
        size_t n = character((const unsigned char *)text + i, len - i, &code);

        if (n == 0) {
            buf_printf(out, "\\x%02x", (unsigned char)text[i]);
            n = 1;
        } else if (obeyed(code)) {
            buf_printf(out, "\\u%04x", code);
        } else {
            buf_append(out, text + i, n);
        }
        i += n;
    }
}

static size_t width(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++) {
        n += ((unsigned char)*text >> 6) != 2;
    }
    return n;
}

void table_init(struct table *t, unsigned columns, const char *const *titles)
{
    GW_ASSERT(columns != 0);
    *t = (struct table){.columns = columns, .titled = titles != NULL};
    for (unsigned i = 0; titles != NULL && i < columns; i++) {
        table_cell(t, titles[i]);
    }
}

void table_fini(struct table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        free(t->cells[i]);
    }
    free(t->cells);
    *t = (struct table){0};
}

void table_cell(struct table *t, const char *text)
{
    struct buf clean = {0};
    size_t len;

    table_clean(&clean, text[0] != '\0' ? text : "-", text[0] != '\0' ? strlen(text) : 1);
    if (t->count == t->cap) {
        t->cap = t->cap != 0 ? 2 * t->cap : 32;
        t->cells = gw_realloc(t->cells, t->cap * sizeof *t->cells);
    }
    (void)buf_cstr(&clean);
    t->cells[t->count++] = buf_steal(&clean, &len);
}

void table_print(const struct table *t, struct buf *out)
{
    size_t *widest = gw_calloc(t->columns, sizeof *widest);

    GW_ASSERT(t->count % t->columns == 0);
    for (size_t i = 0; i < t->count; i++) {
        size_t w = width(t->cells[i]);

        widest[i % t->columns] = w > widest[i % t->columns] ? w : widest[i % t->columns];
    }
    for (size_t i = 0; i < t->count && !(t->titled && t->count == t->columns); i++) {
        buf_puts(out, t->cells[i]);
        if ((i + 1) % t->columns == 0) {
            buf_putc(out, '\n');
            continue;
        }
        for (size_t w = width(t->cells[i]); w < widest[i % t->columns] + 2; w++) {
            buf_putc(out, ' ');
        }
    }
    free(widest);
}
