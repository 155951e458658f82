/* links: gw_base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "gateway/base/buf.h"

/* Room for nothing is a place all the same: callers copy no byte there. */
static void room_for_nothing(void **state)
{
    struct buf b = {0};

    (void)state;
    assert_non_null(buf_room(&b, 0));
    assert_int_equal(b.len, 0);
    buf_lit(&b, "x");
    assert_string_equal(buf_cstr(&b), "x");
    buf_fini(&b);
}

static void what_grows_keeps_what_it_has(void **state)
{
    struct buf b = {0};

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        buf_putc(&b, (char)('a' + i % 26));
    }
    assert_int_equal(b.len, 5000);
    for (unsigned i = 0; i < 5000; i++) {
        assert_int_equal(b.data[i], 'a' + i % 26);
    }
    buf_fini(&b);
    assert_null(b.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(room_for_nothing),
        cmocka_unit_test(what_grows_keeps_what_it_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
