/* gateway/control/error.h - what is wrong with a change or a text, in words for whoever sent it.
 * Why: in an emergency the answer must name the field, what it may be, and so what to do next.
 * Owner: the caller, on its stack. */
#ifndef GATEWAY_CONTROL_ERROR_H
#define GATEWAY_CONTROL_ERROR_H
#include <stdint.h>
#include "gateway/base/err.h"

/* clang-format off */
/*    symbol                 http  word                    title */
#define CONTROL_FAULTS(X)                                                                            \
    X(CONTROL_FINE,          200,  "ok",                   "ok")                                      \
    X(CONTROL_MALFORMED,     400,  "malformed",            "not strict JSON")                         \
    X(CONTROL_INVALID,       422,  "validation",           "a field is missing or not acceptable")    \
    X(CONTROL_UNKNOWN,       404,  "not-found",            "there is no such target")                 \
    X(CONTROL_ILLEGAL,       409,  "illegal-transition",   "this state cannot follow the present one") \
    X(CONTROL_NOTHING,       409,  "nothing-changes",      "everything is as asked already")
/* clang-format on */
#define CONTROL_FAULT_AS_ENUM(sym, http, word, title) sym,
enum control_fault { CONTROL_FAULTS(CONTROL_FAULT_AS_ENUM) CONTROL_FAULT_COUNT };

struct control_fault_row {
    uint16_t http_status;
    const char *word; /* last part of the problem's URI */
    const char *title;
};
extern const struct control_fault_row control_fault_rows[CONTROL_FAULT_COUNT];

struct control_error {
    enum control_fault fault;
    uint32_t index;   /* of the assignment, when one is to blame */
    char pointer[96]; /* JSON pointer of the member, "" for the whole or for the path's target */
    char text[320];   /* a sentence: what is wrong, what is allowed */
};

/* Fills E and returns FAULT. */
enum control_fault control_fail(struct control_error *e, enum control_fault fault,
                                const char *pointer, const char *fmt, ...) GW_PRINTF(4, 5);
#endif
