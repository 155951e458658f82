#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "auth/master_key.h"

#define A "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=" /* 32 times A */
#define B "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="

static char dir[] = "/tmp/gwmaster.XXXXXX";
static char path[64];
static struct buf why;

static int setup(void **state)
{
    (void)state;
    (void)snprintf(path, sizeof path, "%s/keys", mkdtemp(dir));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(path);
    buf_fini(&why);
    return rmdir(dir);
}

static void put(const char *text, mode_t mode)
{
    FILE *f;

    (void)unlink(path);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fputs(text, f) >= 0, 1);
    assert_int_equal(fchmod(fileno(f), mode), 0);
    assert_int_equal(fclose(f), 0);
}

static enum gw_err get(struct master_keys **m)
{
    buf_reset(&why);
    return master_keys_read(path, m, &why);
}

static void the_newest_is_last(void **state)
{
    struct master_keys *m;
    const struct envelope_master *keys;
    size_t count;

    (void)state;
    put("# ours\n\n7:" A "\n2147483647:" B "\n1:" B "\n3:" A, 0600);
    assert_int_equal(get(&m), GW_OK);
    keys = master_keys_all(m, &count);
    assert_int_equal(count, 4);
    assert_int_equal(keys[0].version, 1);
    assert_int_equal(keys[1].version, 3);
    assert_int_equal(keys[2].version, 7);
    assert_int_equal(keys[3].version, INT32_MAX);
    assert_memory_equal(keys[2].key, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 32);
    assert_memory_equal(keys[3].key, "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", 32);
    master_keys_destroy(&m);
    assert_null(m);
    put("1:" A "\n", 0400);
    assert_int_equal(get(&m), GW_OK);
    master_keys_destroy(&m);
}

static void others_must_not_read_it(void **state)
{
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0666, 0610, 0601};
    struct master_keys *m;

    (void)state;
    for (unsigned i = 0; i < GW_LEN(modes); i++) {
        put("1:" A "\n", modes[i]);
        assert_int_equal(get(&m), GW_ECONFIG);
        assert_null(m);
        assert_non_null(strstr(buf_cstr(&why), "next: chmod 600"));
    }
    (void)unlink(path);
    assert_int_equal(get(&m), GW_ECONFIG);
    assert_non_null(strstr(buf_cstr(&why), "No such file"));
    assert_int_equal(mkfifo(path, 0600), 0); /* must not be waited for */
    assert_int_equal(get(&m), GW_ECONFIG);
    assert_non_null(strstr(buf_cstr(&why), "not a file"));
}

static void other_text_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "# nothing\n",
        A "\n",
        ":" A "\n",
        "0:" A "\n",
        "01:" A "\n",
        "x:" A "\n",
        "-1:" A "\n",
        "2147483648:" A "\n",
        "1:" A "\n1:" B "\n",
        "1: " A "\n",
        "1:" A " \n",
        "1:" A "\r\n",
        "1:QUFB\n",
        "1:" A "QUFB\n",
        "1:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUF=\n", /* another spelling */
    };
    struct master_keys *m;

    (void)state;
    for (unsigned i = 0; i < GW_LEN(texts); i++) {
        put(texts[i], 0600);
        if (get(&m) != GW_ECONFIG) {
            fail_msg("\"%s\"", texts[i]);
        }
        assert_null(m);
        assert_non_null(strstr(buf_cstr(&why), "next: "));
        assert_null(strstr(buf_cstr(&why), "QUFB")); /* a key is not told */
    }
}

static void a_new_file_is_private(void **state)
{
    struct master_keys *m;
    struct stat st;
    size_t count;
    mode_t mask = umask(0);

    (void)state;
    (void)unlink(path);
    buf_reset(&why);
    assert_int_equal(master_keys_make(path, &why), GW_OK);
    (void)umask(mask);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(get(&m), GW_OK);
    assert_int_equal(master_keys_all(m, &count)->version, 1);
    assert_int_equal(count, 1);
    master_keys_destroy(&m);
    assert_int_equal(master_keys_make(path, &why), GW_ECONFIG); /* is there */
    assert_non_null(strstr(buf_cstr(&why), "next: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_is_last),
        cmocka_unit_test(others_must_not_read_it),
        cmocka_unit_test(other_text_is_refused),
        cmocka_unit_test(a_new_file_is_private),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
