#include "gateway/gate/problem.h"

#include <stdarg.h>
#include <stdio.h>

#define GATE_PROBLEM_AS_ROW(sym, http, word, title) {http, word, title},
const struct gate_problem_row gate_problem_rows[GATE_PROBLEM_COUNT] = {
    GATE_PROBLEMS(GATE_PROBLEM_AS_ROW)};

bool gate_fail(struct gate_problem *p, enum gate_problem_kind kind, const char *fmt, ...)
{
    va_list args;

    *p = (struct gate_problem){.kind = kind};
    va_start(args, fmt);
    (void)vsnprintf(p->detail, sizeof p->detail, fmt, args);
    va_end(args);
    return false;
}
