/* Decimal texts: every pair of a list is compared as their values are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "gateway/base/decimal.h"
#include "gateway/base/err.h"

static void forms(void **state)
{
    static const char *const good[] = {
        "0",   "-0",      "007",
        "1.0", "-12.500", "123456789012345678901234567890.123456789012345678901234567890"};
    static const char *const bad[] = {
        "",    "-",   "+1", ".5", "5.",  "1e5",   "NaN",
        "0x1", "1,5", " 1", "1 ", "--1", "1.2.3", "1234567890123456789012345678901"};

    (void)state;
    for (unsigned i = 0; i < GW_LEN(good); i++) {
        assert_true(decimal_valid(good[i], strlen(good[i])));
    }
    for (unsigned i = 0; i < GW_LEN(bad); i++) {
        assert_false(decimal_valid(bad[i], strlen(bad[i])));
    }
}

static void order(void **state)
{
    /* rising; those of one row are the same */
    static const char *const rows[][3] = {
        {"-100", "-100.0", "-0100"},
        {"-99.99999", "-99.999990", NULL},
        {"-10", "-010.00", NULL},
        {"-9.5", NULL, NULL},
        {"-0.000000000000000000000000000001", NULL, NULL},
        {"0", "-0", "0.000"},
        {"0.000000000000000000000000000001", NULL, NULL},
        {"0.3", "0.30", "00.3"},
        {"0.31", NULL, NULL},
        {"1", "1.0", NULL},
        {"9.9", NULL, NULL},
        {"10", NULL, NULL},
        {"123456789012345678901234567890", NULL, NULL},
        {"123456789012345678901234567890.1", NULL, NULL},
    };

    (void)state;
    for (unsigned i = 0; i < GW_LEN(rows); i++) {
        for (unsigned k = 0; k < GW_LEN(rows); k++) {
            for (unsigned a = 0; a < 3 && rows[i][a] != NULL; a++) {
                for (unsigned b = 0; b < 3 && rows[k][b] != NULL; b++) {
                    int got = decimal_compare(rows[i][a], rows[k][b]);

                    if ((got > 0) - (got < 0) != (i > k) - (i < k)) {
                        fail_msg("%s and %s: %d", rows[i][a], rows[k][b], got);
                    }
                }
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(forms), cmocka_unit_test(order)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
