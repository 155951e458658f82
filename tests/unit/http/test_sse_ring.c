/* sse_ring: bounds, order, ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "gateway/http/sse_ring.h"

static void add(struct sse_ring *r, unsigned id, size_t len)
{
    char name[16];
    char *text = gw_malloc(len);

    snprintf(name, sizeof name, "%u", id);
    memset(text, 'a' + (int)(id % 26), len);
    assert_int_equal(sse_ring_add(r, name, text, len), GW_OK);
}

/* Against a plain list of what must be there: bounds in events and in bytes, sizes of all kinds. */
static void as_a_list_would(void **state)
{
    enum { MOST = 16, BYTES = 1000, ALL = 5000 };
    struct sse_ring *r = sse_ring_create(MOST, BYTES);
    static size_t lens[ALL];
    uint64_t oldest = 0;
    size_t bytes = 0;
    uint32_t seed = 7;

    (void)state;
    for (unsigned i = 0; i < ALL; i++) {
        seed = seed * 1664525 + 1013904223;
        lens[i] = seed >> 24 < 10 ? 1200 : 1 + seed % 150; /* some larger than the whole ring */
        add(r, i, lens[i]);
        bytes += lens[i];
        while (oldest < i && (i + 1 - oldest > MOST || bytes > BYTES)) {
            bytes -= lens[oldest++];
        }
        assert_int_equal(sse_ring_oldest(r), oldest);
        assert_int_equal(sse_ring_next(r), i + 1);
        assert_int_equal(sse_ring_bytes(r), bytes);
        for (uint64_t n = oldest > 2 ? oldest - 2 : 0; n <= i; n++) {
            char name[16];
            uint64_t found = UINT64_MAX;
            size_t len;

            snprintf(name, sizeof name, "%u", (unsigned)n);
            assert_int_equal(sse_ring_find(r, name, &found), n >= oldest);
            if (n >= oldest) {
                assert_int_equal(found, n);
                assert_int_equal(sse_ring_text(r, n, &len)[0], 'a' + (int)(n % 26));
                assert_int_equal(len, lens[n]);
            }
        }
    }
    sse_ring_destroy(&r);
}

static void ids_once(void **state)
{
    struct sse_ring *r = sse_ring_create(2, 1000);
    char *text = gw_strdup("again");
    uint64_t n;

    (void)state;
    add(r, 1, 10);
    assert_int_equal(sse_ring_add(r, "1", text, 5), GW_EDUP);
    assert_int_equal(sse_ring_next(r), 1);
    assert_int_equal(sse_ring_add(r, NULL, text, 5), GW_OK); /* as many without one as there are */
    assert_int_equal(sse_ring_add(r, NULL, gw_strdup("x"), 1), GW_OK);
    assert_false(sse_ring_find(r, "1", &n));
    add(r, 1, 10); /* forgotten, so it is new */
    assert_true(sse_ring_find(r, "1", &n));
    assert_int_equal(n, 3);
    sse_ring_destroy(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_a_list_would),
        cmocka_unit_test(ids_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
