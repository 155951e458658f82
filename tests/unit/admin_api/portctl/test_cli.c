/* The command line: what is understood, what is refused, where settings come from; and that help
 * and completion know every row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <unistd.h>
#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/http.h"

static struct args a;
static char line[1024];

/* TEXT, cut at blanks, as the words behind the program's name. */
static bool parse(const char *text, struct buf *why)
{
    char *argv[64] = {(char *)(uintptr_t) "portctl"};
    int argc = 1;

    buf_reset(why);
    assert_true(strlen(text) < sizeof line);
    (void)strcpy(line, text);
    for (char *w = strtok(line, " "); w != NULL; w = strtok(NULL, " ")) {
        argv[argc++] = strcmp(w, "''") == 0 ? w + 2 : w;
    }
    return args_parse(argc, argv, &a, why);
}

static void understood(void **state)
{
    struct buf why = {0};
    unsigned at = 0;

    (void)state;
    assert_true(parse("--url https://h -v key new --account acc --label=l=m --scope market --scope "
                      "report.write --reason r --json --out -",
                      &why));
    assert_string_equal(a.command->name, "key new");
    assert_string_equal(args_get(&a, "url"), "https://h");
    assert_string_equal(args_get(&a, "label"), "l=m");
    assert_string_equal(args_get(&a, "out"), "-");
    assert_non_null(args_get(&a, "verbose"));
    assert_non_null(args_get(&a, "json"));
    assert_null(args_get(&a, "ticket"));
    assert_string_equal(args_each(&a, "scope", &at), "market");
    assert_string_equal(args_each(&a, "scope", &at), "report.write");
    assert_null(args_each(&a, "scope", &at));
    assert_true(parse("key show -- --odd-id", &why));
    assert_string_equal(a.words[0], "--odd-id");
    assert_true(parse("key revoke id --reason -x --yes", &why));
    assert_string_equal(args_get(&a, "reason"), "-x");
    assert_true(parse("key list", &why));
    assert_int_equal(a.word_count, 0);
    assert_true(parse("time", &why));
    assert_true(parse("help key new", &why));
    assert_int_equal(a.word_count, 2);
    assert_true(parse("--help", &why));
    assert_true(parse("key new -h", &why)); /* although much is missing */
    assert_string_equal(a.command->name, "key new");
    assert_true(parse("key --help", &why));
    assert_string_equal(a.words[0], "key");
    buf_fini(&why);
}

static void refused(void **state)
{
    static const char *const cases[][2] = {
        {"", "no command"},
        {"frob", "unknown command frob"},
        {"key", "unknown command key"},
        {"key frob", "unknown command key frob"},
        {"key list extra", "unexpected argument extra"},
        {"key show", "key show needs: ID"},
        {"key show a b", "unexpected argument b"},
        {"key show a --frob", "unknown option --frob"},
        {"-x time", "unknown option -x"},
        {"-vv time", "unknown option -vv"},
        {"--account x key list", "come after its name"},
        {"key list --account", "--account needs a value"},
        {"key list --account=", "--account needs a value"},
        {"key list --account ''", "--account needs a value"},
        {"key list --account --json", "--account needs a value"},
        {"key list --account a --account b", "given twice"},
        {"key list --json=yes", "takes no value"},
        {"key list --acc a", "unknown option"}, /* no abbreviations */
        {"key list --state frob", "expected one of: active"},
        {"key list --state activ", "expected one of"},
        {"key list --state active pending", "unexpected argument"},
        {"key new --account a --label l", "needs --reason"},
        {"key revoke id", "needs --reason"},
        {"key limits id --reason r", "needs --rate-class"},
        {"completion", "needs: bash|zsh"},
    };
    struct buf why = {0};

    (void)state;
    for (size_t i = 0; i < GW_LEN(cases); i++) {
        bool ok = parse(cases[i][0], &why);

        if (ok || strstr(buf_cstr(&why), cases[i][1]) == NULL) {
            fail_msg("%s: \"%s\"", cases[i][0], buf_cstr(&why));
        }
    }
    buf_fini(&why);
}

static void too_many(void **state)
{
    char *argv[2 * ARGS_VALUES + 16] = {(char *)(uintptr_t) "portctl", (char *)(uintptr_t) "key",
                                        (char *)(uintptr_t) "new"};
    int argc = 3;
    struct buf why = {0};

    (void)state;
    while (argc < (int)GW_LEN(argv)) {
        argv[argc++] = (char *)(uintptr_t) "--scope=market";
    }
    assert_false(args_parse(argc, argv, &a, &why));
    assert_non_null(strstr(buf_cstr(&why), "more than"));
    buf_fini(&why);
}

static void expect_line(const char *text, const char *name, const char *want)
{
    char *got = settings_line(text, name);

    if ((got == NULL) != (want == NULL) || (got != NULL && strcmp(got, want) != 0)) {
        fail_msg("%s of \"%s\": %s", name, text, got != NULL ? got : "(none)");
    }
    free(got);
}

static void settings_lines(void **state)
{
    (void)state;
    expect_line("", "A", NULL);
    expect_line("A=1", "A", "1");
    expect_line("A=1\nA=2\n", "A", "2");
    expect_line("# A=0\nAA=1\nB=A=3\n", "A", NULL);
    expect_line("  export A = 1\n", "A", NULL);
    expect_line("  export\tA=1\n", "A", NULL);
    expect_line("  export  A=1 \r\n", "A", "1");
    expect_line("A='x y'\n", "A", "x y");
    expect_line("A=\"$HOME\"", "A", "$HOME");
    expect_line("A=\"x", "A", "\"x");
    expect_line("A=\"", "A", "\"");
    expect_line("A=\nB=1", "A", "");
    expect_line("A=b=c", "A", "b=c");
}

static void precedence(void **state)
{
    char path[] = "/tmp/portctl-env-XXXXXX";
    static const char text[] = "ADMIN_HTTPS_URL=https://up\nCA_FILE=/up/ca\nADMIN_KEY_ID=filed\n";
    struct buf why = {0};
    struct settings s;
    char words[128];
    int fd = mkstemp(path);

    (void)state;
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    (void)close(fd);
    (void)setenv("ADMIN_KEY_ID", "environment", 1);
    (void)setenv("ADMIN_KEY_FILE", "/env/key", 1);
    (void)setenv("PORTCTL_CA", "/env/ca", 1);
    (void)snprintf(words, sizeof words, "--env %s --timeout 7 time", path);
    assert_true(parse(words, &why) && settings_read(&a, &s, &why));
    assert_string_equal(s.url, "https://up");
    assert_string_equal(s.ca, "/up/ca");
    assert_string_equal(s.key_id, "filed");
    assert_string_equal(s.key_file, "/env/key");
    assert_int_equal(s.timeout_s, 7);
    settings_fini(&s);
    (void)snprintf(words, sizeof words, "--env %s --key-id given --url https://u time", path);
    assert_true(parse(words, &why) && settings_read(&a, &s, &why));
    assert_string_equal(s.key_id, "given");
    assert_string_equal(s.url, "https://u");
    settings_fini(&s);
    (void)setenv("ADMIN_KEY_FILE", "", 1);
    assert_true(parse("time", &why) && settings_read(&a, &s, &why));
    assert_null(s.url);
    assert_null(s.key_file);
    assert_string_equal(s.ca, "/env/ca");
    assert_int_equal(s.timeout_s, 10);
    settings_fini(&s);
    assert_true(parse("--timeout 0 time", &why));
    assert_false(settings_read(&a, &s, &why));
    settings_fini(&s);
    (void)unlink(path);
    assert_true(parse("--env /tmp/portctl-nowhere/x time", &why));
    assert_false(settings_read(&a, &s, &why));
    settings_fini(&s);
    buf_fini(&why);
}

static void authorities(void **state)
{
    static const char *const cases[][2] = {
        {"https://gw.example", "gw.example"},
        {"https://gw.example/", "gw.example"},
        {"https://gw.example:443", "gw.example"},
        {"https://gw.example:8445", "gw.example:8445"},
        {"https://[::1]:8445", "[::1]:8445"},
        {"HTTPS://127.0.0.1:1", "127.0.0.1:1"},
        {"http://gw.example", NULL},
        {"gw.example:8445", NULL},
        {"https://gw.example/v1", NULL},
        {"https://gw.example/?a", NULL},
        {"https://gw.example/#a", NULL},
        {"https://me@gw.example", NULL},
        {"https://", NULL},
        {"", NULL},
    };
    struct buf got = {0};
    struct buf why = {0};

    (void)state;
    for (size_t i = 0; i < GW_LEN(cases); i++) {
        bool ok = http_authority(cases[i][0], &got, &why);

        if (ok != (cases[i][1] != NULL) || (ok && strcmp(buf_cstr(&got), cases[i][1]) != 0)) {
            fail_msg("%s: %s", cases[i][0], buf_cstr(&got));
        }
        buf_reset(&got);
    }
    buf_fini(&got);
    buf_fini(&why);
}

/* A row that a page forgets would be a command that nobody finds. */
static void rows_everywhere(void **state)
{
    struct buf all = {0};
    struct buf one = {0};
    struct buf shells[2] = {{0}, {0}};
    char first[32];

    (void)state;
    assert_true(help_put(&all, NULL, NULL));
    assert_true(completion_put(&shells[0], "bash") && completion_put(&shells[1], "zsh"));
    assert_false(completion_put(&all, "fish"));
    assert_false(help_put(&all, "frob", NULL));
    assert_false(help_put(&all, "key", "frob"));
    assert_true(help_put(&one, "key", NULL));
    (void)buf_cstr(&all);
    for (const struct command *c = commands; c->name != NULL; c++) {
        size_t len = command_first(c);

        (void)snprintf(first, sizeof first, "%.*s", (int)len, c->name);
        buf_reset(&one);
        assert_true(help_put(&one, first, c->name[len] == ' ' ? c->name + len + 1 : NULL));
        assert_non_null(strstr(all.data, c->name));
        assert_non_null(strstr(buf_cstr(&one), c->help));
        assert_non_null(c->examples);
        assert_non_null(c->run);
        for (int i = 0; i < 2; i++) {
            assert_non_null(strstr(buf_cstr(&shells[i]), c->name));
        }
        for (const struct opt *o = c->options; o != NULL && o->name != NULL; o++) {
            assert_non_null(strstr(one.data, o->name));
            assert_non_null(strstr(shells[0].data, o->name));
            assert_true((o->flags & OPT_STRICT) == 0 || o->choices != NULL);
        }
    }
    buf_fini(&all);
    buf_fini(&one);
    buf_fini(&shells[0]);
    buf_fini(&shells[1]);
}

static void confirmation(void **state)
{
    static const struct {
        const char *text;
        bool want;
    } cases[] = {{"key-1\n", true}, {"key-1", true},  {"key-1\r\n", true}, {"key-1 \n", false},
                 {"\n", false},     {"yes\n", false}, {"key-11\n", false}, {"key-\n", false}};

    (void)state;
    for (size_t i = 0; i < GW_LEN(cases); i++) {
        FILE *in = fmemopen((void *)(uintptr_t)cases[i].text, strlen(cases[i].text), "r");

        assert_int_equal(typed(in, "key-1"), cases[i].want);
        (void)fclose(in);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(understood),      cmocka_unit_test(refused),
        cmocka_unit_test(too_many),        cmocka_unit_test(settings_lines),
        cmocka_unit_test(precedence),      cmocka_unit_test(authorities),
        cmocka_unit_test(rows_everywhere), cmocka_unit_test(confirmation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
