#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "gateway/runtime/config.h"

/* clang-format off */
#define DEMO_CONFIG(X)                                              \
    X(clients, UINT,     "10",    1, 100,   "clients")              \
    X(budget,  SIZE,     "1MiB",  1, 1u << 30, "budget")            \
    X(wait,    MSEC,     "5s",    1, 60000, "wait")                 \
    X(fast,    BOOL,     "false", 0, 0,     "fast")                 \
    X(name,    TEXT,     "x",     1, 8,     "name")                 \
    X(listen,  ENDPOINT, "",      0, 300,   "listen")
/* clang-format on */
struct demo {
    DEMO_CONFIG(CFG_FIELD)
};
#define DEMO_ROW(...) CFG_ROW_OF(struct demo, __VA_ARGS__)
static const struct cfg_row rows[] = {DEMO_CONFIG(DEMO_ROW)};
static const struct cfg_table table = {"demo", rows, GW_LEN(rows)};

static char *none[] = {NULL};

static enum gw_err load(const char *text, char *const *envp, struct demo *out, struct buf *errors)
{
    const struct cfg_binding binding = {&table, out};
    char path[] = "/tmp/config-XXXXXX";
    int fd = mkstemp(path);
    enum gw_err err;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
    *out = (struct demo){0};
    err = config_load(path, envp, &binding, 1, errors);
    (void)unlink(path);
    return err;
}

static void values_units_and_defaults(void **state)
{
    char *env[] = {"PORTCULLIS_DEMO_NAME=env", "PATH=/bin", "PORTCULLIS_DATA=/x", NULL};
    const struct cfg_binding binding = {&table, NULL};
    struct cfg_binding bound = binding;
    struct buf errors = {0};
    struct demo d;

    (void)state;
    assert_int_equal(load("demo: {budget: 64KiB, wait: 250ms, fast: true, listen: \"[::1]:80\"}",
                          env, &d, &errors),
                     GW_OK);
    assert_int_equal(d.clients, 10);
    assert_int_equal(d.budget, 65536);
    assert_int_equal(d.wait, 250);
    assert_true(d.fast);
    assert_string_equal(d.name, "env");
    assert_string_equal(d.listen, "[::1]:80");
    bound.target = &d;
    config_fini(&bound, 1);
    buf_fini(&errors);
}

/* Every error of a bad file at once, each with its line and key. */
static void all_errors_at_once(void **state)
{
    static const char text[] = "demo:\n"
                               "  clients: 101\n"
                               "  budgit: 5\n"
                               "  wait: soon\n"
                               "  fast: yes\n"
                               "  name: [a]\n"
                               "  listen: nowhere\n"
                               "other:\n"
                               "  x: 1\n";
    static const char *const wanted[] = {
        ":2: demo.clients: \"101\"",
        ":3: demo.budgit: no such key; did you mean demo.budget?",
        ":4: demo.wait: \"soon\"",
        ":5: demo.fast: \"yes\"",
        ":6: demo.name:",
        ":7: demo.listen: \"nowhere\"",
        ":8: other: no such section",
        "environment PORTCULLIS_DEMO_SPEED: no such key",
        "environment PORTCULLIS_DEMO_CLIENTS: demo.clients: \"0\""};
    char *env[] = {"PORTCULLIS_DEMO_SPEED=1", "PORTCULLIS_DEMO_CLIENTS=0", NULL};
    struct cfg_binding bound = {&table, NULL};
    struct buf errors = {0};
    struct demo d;
    unsigned lines = 0;

    (void)state;
    assert_int_equal(load(text, env, &d, &errors), GW_ECONFIG);
    for (unsigned i = 0; i < GW_LEN(wanted); i++) {
        if (strstr(buf_cstr(&errors), wanted[i]) == NULL) {
            fail_msg("missing \"%s\" in:\n%s", wanted[i], buf_cstr(&errors));
        }
    }
    for (size_t i = 0; i < errors.len; i++) {
        lines += errors.data[i] == '\n';
    }
    assert_int_equal(lines, GW_LEN(wanted));
    bound.target = &d;
    config_fini(&bound, 1);
    buf_fini(&errors);
}

static void broken_files(void **state)
{
    static const char *const bad[] = {"demo: {clients: 1",
                                      "demo: [1]\n",
                                      "- demo\n",
                                      "demo: {clients: 1, clients: 2}\n",
                                      "a: &x {clients: 1}\ndemo: *x\n",
                                      "\xff\xfe\x01"};
    (void)state;
    for (unsigned i = 0; i < GW_LEN(bad); i++) {
        struct cfg_binding bound = {&table, NULL};
        struct buf errors = {0};
        struct demo d;

        assert_int_equal(load(bad[i], none, &d, &errors), GW_ECONFIG);
        assert_true(errors.len != 0);
        bound.target = &d;
        config_fini(&bound, 1);
        buf_fini(&errors);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_units_and_defaults),
        cmocka_unit_test(all_errors_at_once),
        cmocka_unit_test(broken_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
