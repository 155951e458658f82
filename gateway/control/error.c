#include "gateway/control/error.h"

#include <stdarg.h>
#include <stdio.h>

#define FAULT_AS_ROW(sym, http, word, title) {http, word, title},
const struct control_fault_row control_fault_rows[CONTROL_FAULT_COUNT] = {
    CONTROL_FAULTS(FAULT_AS_ROW)};

/* What is quoted may be cut in the middle of a character: only ASCII goes out. */
static void ascii(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text > '~') {
            *text = '?';
        }
    }
}

enum control_fault control_fail(struct control_error *e, enum control_fault fault,
                                const char *pointer, const char *fmt, ...)
{
    va_list ap;

    e->fault = fault;
    e->index = 0;
    (void)snprintf(e->pointer, sizeof e->pointer, "%s", pointer);
    va_start(ap, fmt);
    (void)vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    ascii(e->pointer);
    ascii(e->text);
    return fault;
}
