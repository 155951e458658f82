/* tests/unit/control/control_fixture.h - short ways to make changes and snapshots in tests. */
#ifndef TESTS_UNIT_CONTROL_FIXTURE_H
#define TESTS_UNIT_CONTROL_FIXTURE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "gateway/control/control_json.h"
#include "gateway/control/effective.h"
#include "gateway/control/merge.h"

#define SECOND 1000000000LL
#define NOW    (1795391507LL * SECOND) /* 2026-11-22 */

static inline void add(struct control_change *c, enum control_kind kind, const char *target,
                       struct control_value value)
{
    assert_true(control_change_add(c, kind, target, &value));
}

static inline struct control_change because(const char *reason)
{
    return (struct control_change){.reason = gw_strdup(reason)};
}

/* Applies C, which is released; *STATE moves on when it succeeds. */
static inline enum control_fault apply(const struct control **state, struct control_change *c,
                                       struct control_error *e)
{
    const struct control_stamp stamp = {
        .by = "user:ana", .now_ns = NOW, .audit = control_version(*state) + 100};
    const struct control *next = NULL;
    enum control_fault fault;

    *e = (struct control_error){0};
    fault = control_apply(*state, c, &stamp, NULL, &next, e);
    if (fault == CONTROL_FINE) {
        control_unref(state);
        *state = next;
    } else {
        assert_null(next);
        assert_int_equal(fault, e->fault);
        assert_true(e->text[0] != '\0');
    }
    control_change_fini(c);
    return fault;
}

/* One assignment that must succeed. */
static inline void set(const struct control **state, enum control_kind kind, const char *target,
                       struct control_value value)
{
    struct control_change c = because("because of a test");
    struct control_error e;

    add(&c, kind, target, value);
    assert_int_equal(apply(state, &c, &e), CONTROL_FINE);
}

static inline struct control_value mode_of(enum control_mode mode)
{
    return (struct control_value){.mode = mode};
}

/* A stage of SYMBOLS, separated by spaces; "*": all. */
static inline struct control_value stage_of(const char *symbols, uint32_t percent)
{
    struct control_value v = {.engaged = true, .released_percent = percent};
    char text[256];
    char *rest = text;

    v.released.all = strcmp(symbols, "*") == 0;
    strcpy(text, symbols);
    for (char *s = strtok_r(text, " ", &rest); s != NULL && !v.released.all;
         s = strtok_r(NULL, " ", &rest)) {
        assert_true(control_symbols_add(&v.released, s));
    }
    return v;
}

/* Text of a snapshot; the caller frees. */
static inline char *text_of(const struct control *c)
{
    struct buf b = {0};

    control_print(&b, c);
    (void)buf_cstr(&b);
    return b.data;
}
#endif
