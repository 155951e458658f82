/* links: gw_auth_people */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <argon2.h>
#include "auth/people/password.h"
#include "auth/people/password_worker.h"
#include "gateway/runtime/clock.h"

#define GOOD "a quiet harbour"

static void what_may_be_a_password(void **state)
{
    static const struct {
        const char *password;
        const char *name;
        const char *why; /* part of it; NULL: fine */
    } cases[] = {
        {GOOD, "ana", NULL},
        {"elevenchars", "ana", "shorter"},
        {"twelve chars", "ana", NULL},
        {"", "ana", "shorter"},
        {"\xc3\xa9t\xc3\xa9 \xc3\xa0 la", "ana", "shorter"}, /* 9 characters of 12 bytes */
        {"\xc3\xa9t\xc3\xa9 \xc3\xa0 la mer", "ana", NULL},
        {"not utf-8 \xff here", "ana", "UTF-8"},
        {"overlong \xc0\xaf here", "ana", "UTF-8"},
        {"surrogate \xed\xa0\x80 here", "ana", "UTF-8"},
        {"cut off here \xe2\x82", "ana", "UTF-8"},
        {"a tab\tinside it", "ana", "UTF-8"},
        {"maria.gonzalez", "maria.gonzalez", "name"},
        {"Maria.Gonzalez1", "maria.gonzalez", "name"},
        {"maria.gonzalez likes the sea", "maria.gonzalez", NULL},
        {"aaaaaaaaaaaaa", "ana", "repeated"},
        {"abcdabcdabcdab", "ana", "repeated"},
        {"password1234", "ana", "commonest"},
        {"PassWord1234", "ana", "commonest"},
        {"QWERTYuiop123", "ana", "commonest"},
    };
    char longest[200];

    (void)state;
    for (unsigned i = 0; i < GW_LEN(cases); i++) {
        const char *why = password_refused(cases[i].password, cases[i].name);

        if ((why == NULL) != (cases[i].why == NULL) ||
            (why != NULL && strstr(why, cases[i].why) == NULL)) {
            fail_msg("%s: %s", cases[i].password, why != NULL ? why : "accepted");
        }
    }
    for (unsigned i = 0; i < sizeof longest; i++) {
        longest[i] = (char)('a' + (i * i + i / 7) % 26);
    }
    longest[128] = '\0';
    assert_null(password_refused(longest, "ana"));
    longest[128] = 'x';
    longest[129] = '\0';
    assert_non_null(password_refused(longest, "ana"));
}

static void hashing_and_checking(void **state)
{
    char one[PASSWORD_HASH_SIZE];
    char two[PASSWORD_HASH_SIZE];
    int64_t from_ns = clock_mono_ns();

    (void)state;
    assert_int_equal(password_hash(GOOD, strlen(GOOD), one), GW_OK);
    print_message("one hash: %.1f ms\n", (double)(clock_mono_ns() - from_ns) / 1e6);
    assert_int_equal(password_hash(GOOD, strlen(GOOD), two), GW_OK);
    assert_string_not_equal(one, two); /* the salt */
    assert_memory_equal(one, "$argon2id$v=19$m=19456,t=2,p=1$", 31);
    assert_int_equal(password_verify(one, GOOD, strlen(GOOD)), GW_OK);
    assert_int_equal(password_verify(one, "a quiet harbouR", strlen(GOOD)), GW_ENOTFOUND);
    assert_int_equal(password_verify(one, "", 0), GW_ENOTFOUND);
    assert_false(password_weak(one));
}

/* RFC 9106 has no vector without key and data; this one is from the reference implementation's
 * test.c (version 0x13, argon2id, "password", "somesalt"). */
static void a_known_hash(void **state)
{
    static const char known[] = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$"
                                "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

    (void)state;
    assert_int_equal(password_verify(known, "password", 8), GW_OK);
    assert_int_equal(password_verify(known, "passwore", 8), GW_ENOTFOUND);
    assert_false(password_weak(known)); /* stronger than ours */
}

static void what_is_stored_is_bounded(void **state)
{
    static const char *const bad[] = {
        "",
        "plain",
        "$argon2id$v=19$m=19456,t=2,p=1",
        "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=16$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=65536,t=200,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=65536,t=2,p=64$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=8,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=+65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=99999999999999999999,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7",
    };
    char weak[PASSWORD_HASH_SIZE];

    (void)state;
    for (unsigned i = 0; i < GW_LEN(bad); i++) {
        assert_int_equal(password_verify(bad[i], "password", 8), GW_EINVAL);
        assert_true(password_weak(bad[i]));
    }
    assert_int_equal(argon2id_hash_encoded(1, 19456, 1, GOOD, strlen(GOOD), "0123456789abcdef", 16,
                                           32, weak, sizeof weak),
                     ARGON2_OK);
    assert_int_equal(password_verify(weak, GOOD, strlen(GOOD)), GW_OK);
    assert_true(password_weak(weak));
    /* OWASP's other choice is not weaker */
    assert_int_equal(argon2id_hash_encoded(1, 47104, 1, GOOD, strlen(GOOD), "0123456789abcdef", 16,
                                           32, weak, sizeof weak),
                     ARGON2_OK);
    assert_false(password_weak(weak));
}

static void made_passwords_are_acceptable(void **state)
{
    char made[PASSWORD_MADE_SIZE];
    char last[PASSWORD_MADE_SIZE] = "";

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(password_make(made), GW_OK);
        assert_int_equal(strlen(made), 23);
        assert_null(password_refused(made, "ana"));
        assert_string_not_equal(made, last);
        memcpy(last, made, sizeof last);
    }
}

/* --- the thread -------------------------------------------------------------------------------- */

struct seen {
    unsigned count;
    enum gw_err err;
    bool weak;
    char hash[PASSWORD_HASH_SIZE];
    int64_t at_ns;
};

static void on_result(void *arg, const struct password_result *r)
{
    struct seen *s = arg;

    s->count++;
    s->err = r->err;
    s->weak = r->weak;
    s->at_ns = clock_mono_ns();
    (void)snprintf(s->hash, sizeof s->hash, "%s", r->hash);
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static void one_thread_eight_places(void **state)
{
    struct seen seen[PASSWORD_PLACES] = {0};
    char hash[PASSWORD_HASH_SIZE];
    uv_loop_t loop;
    struct password_worker *w;
    bool closed = false;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    w = password_worker_create(&loop);
    assert_int_equal(password_hash(GOOD, strlen(GOOD), hash), GW_OK);
    for (unsigned i = 0; i < PASSWORD_PLACES; i++) {
        assert_true(password_worker_take(w));
    }
    assert_false(password_worker_take(w)); /* busy: 503 */
    password_worker_hash(w, GOOD, on_result, &seen[0]);
    password_worker_verify(w, hash, GOOD, on_result, &seen[1]);
    password_worker_verify(w, hash, "something else", on_result, &seen[2]);
    password_worker_verify(w, NULL, GOOD, on_result, &seen[3]);
    password_worker_verify(w, "no hash at all", GOOD, on_result, &seen[4]);
    assert_int_equal(seen[0].count, 0); /* never inside the call */
    while (seen[4].count == 0) {
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
    assert_int_equal(seen[0].err, GW_OK);
    assert_int_equal(password_verify(seen[0].hash, GOOD, strlen(GOOD)), GW_OK);
    assert_int_equal(seen[1].err, GW_OK);
    assert_false(seen[1].weak);
    assert_int_equal(seen[2].err, GW_ENOTFOUND);
    assert_int_equal(seen[3].err, GW_ENOTFOUND);
    assert_int_equal(seen[4].err, GW_EINVAL);
    for (unsigned i = 0; i < 4; i++) { /* in order, one after the other */
        assert_int_equal(seen[i].count, 1);
        assert_true(seen[i].at_ns <= seen[i + 1].at_ns);
    }
    assert_true(password_worker_take(w)); /* places came back */
    password_worker_give(w);
    password_worker_verify(w, hash, GOOD, on_result, &seen[5]);
    password_worker_close(w, on_closed, &closed);
    assert_false(password_worker_take(w));
    while (seen[5].count == 0) {
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
    assert_false(closed); /* two places are still out */
    password_worker_give(w);
    password_worker_give(w);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(closed);
    password_worker_destroy(&w);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* Nobody's password takes as long as somebody's: median of several. */
static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void nobody_takes_as_long(void **state)
{
    enum { RUNS = 15 };
    int64_t took[2][RUNS];
    char hash[PASSWORD_HASH_SIZE];
    uv_loop_t loop;
    struct password_worker *w;
    bool closed = false;
    double ratio;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    w = password_worker_create(&loop);
    assert_int_equal(password_hash(GOOD, strlen(GOOD), hash), GW_OK);
    for (unsigned i = 0; i < 2 * RUNS; i++) {
        struct seen seen = {0};
        int64_t from_ns = clock_mono_ns();

        assert_true(password_worker_take(w));
        password_worker_verify(w, i % 2 != 0 ? hash : NULL, "a wrong guess", on_result, &seen);
        while (seen.count == 0) {
            (void)uv_run(&loop, UV_RUN_ONCE);
        }
        took[i % 2][i / 2] = seen.at_ns - from_ns;
    }
    qsort(took[0], RUNS, sizeof took[0][0], by_time);
    qsort(took[1], RUNS, sizeof took[1][0], by_time);
    ratio = (double)took[0][RUNS / 2] / (double)took[1][RUNS / 2];
    print_message("unknown user %.1f ms, known %.1f ms\n", (double)took[0][RUNS / 2] / 1e6,
                  (double)took[1][RUNS / 2] / 1e6);
    assert_true(ratio > 0.5 && ratio < 2.0);
    password_worker_close(w, on_closed, &closed);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    password_worker_destroy(&w);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_be_a_password),
        cmocka_unit_test(hashing_and_checking),
        cmocka_unit_test(a_known_hash),
        cmocka_unit_test(what_is_stored_is_bounded),
        cmocka_unit_test(made_passwords_are_acceptable),
        cmocka_unit_test(one_thread_eight_places),
        cmocka_unit_test(nobody_takes_as_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
