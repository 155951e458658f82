#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "gateway/http/static.h"

#define GZ (1u << STATIC_GZIP)
#define BR (1u << STATIC_BR)

static void encodings_chosen(void **state)
{
    static const struct {
        const char *sent;
        unsigned have;
        enum static_encoding want;
    } cases[] = {
        {NULL, GZ | BR, STATIC_IDENTITY},
        {"", GZ | BR, STATIC_IDENTITY},
        {"gzip, deflate, br", GZ | BR, STATIC_BR},
        {"gzip, deflate, br", GZ, STATIC_GZIP},
        {"gzip, deflate, br", 0, STATIC_IDENTITY},
        {"br;q=0, gzip", GZ | BR, STATIC_GZIP},
        {"br; q=0.000 ,GZIP;q=0.1", GZ | BR, STATIC_GZIP},
        {"br;q=0.001", GZ | BR, STATIC_BR},
        {"brotli, x-gzip, *", GZ | BR, STATIC_IDENTITY},
        {",,br,,", GZ | BR, STATIC_BR},
        {"identity", GZ | BR, STATIC_IDENTITY},
    };

    (void)state;
    for (unsigned i = 0; i < GW_LEN(cases); i++) {
        if (static_choose(cases[i].sent, cases[i].have) != cases[i].want) {
            fail_msg("case %u: got %d", i, (int)static_choose(cases[i].sent, cases[i].have));
        }
    }
}

static void etags_compared(void **state)
{
    (void)state;
    assert_true(static_etag_matches("\"a\"", "\"a\""));
    assert_true(static_etag_matches("W/\"a\"", "\"a\""));
    assert_true(static_etag_matches("\"b\", \"a\" ", "\"a\""));
    assert_true(static_etag_matches("*", "\"a\""));
    assert_false(static_etag_matches(NULL, "\"a\""));
    assert_false(static_etag_matches("", "\"a\""));
    assert_false(static_etag_matches("\"ab\"", "\"a\""));
    assert_false(static_etag_matches("\"a\"b", "\"a\""));
    assert_false(static_etag_matches("a", "\"a\""));
}

/* --- folders -------------------------------------------------------------------------------------
 */

/* SHA-256 of "hello" and of "". */
#define HELLO "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static char folder[64];

static void put(const char *name, const char *text)
{
    char path[200];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    f = fopen(path, "wb");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/gw-static.XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : 1;
}

static int remove_folder(void **state)
{
    static const char *const names[] = {"manifest.json", "index.html", "a.js", "a.js.gz"};
    char path[200];

    (void)state;
    for (unsigned i = 0; i < GW_LEN(names); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    return rmdir(folder);
}

/* NULL when it loads, else the reason; valid until the next call. */
static const char *load(const char *manifest)
{
    static struct buf why;
    struct static_files *s;

    buf_fini(&why);
    put("manifest.json", manifest);
    s = static_load(folder, &why);
    if (s != NULL) {
        assert_int_equal(why.len, 0);
        static_destroy(&s);
        return NULL;
    }
    assert_non_null(strstr(buf_cstr(&why), "node web/build.mjs"));
    return buf_cstr(&why);
}

#define ONE(name, digests) "{\"build\":\"b1\",\"files\":{\"" name "\":{\"sha256\":{" digests "}}}}"

static void folders_loaded(void **state)
{
    struct buf why = {0};
    struct static_files *s;

    (void)state;
    put("index.html", "hello");
    put("a.js", "");
    put("a.js.gz", "hello");
    assert_null(load(ONE("a.js", "\"identity\":\"" EMPTY "\",\"gzip\":\"" HELLO "\"")));
    put("manifest.json", ONE("index.html", "\"identity\":\"" HELLO "\""));
    s = static_load(folder, &why);
    assert_non_null(s);
    assert_string_equal(static_build(s), "b1");
    static_destroy(&s);
    buf_fini(&why);
}

static void damage_found(void **state)
{
    static const struct {
        const char *manifest;
        const char *why;
    } cases[] = {
        {"", "expected"},
        {"[]", "expected"},
        {"{\"files\":{}}", "expected"},
        {ONE("index.html", "\"identity\":\"" EMPTY "\""), "is not what manifest.json says"},
        {ONE("index.html", "\"identity\":\"" HELLO "\",\"br\":\"" HELLO "\""), "index.html.br"},
        {ONE("a.js", "\"identity\":\"" EMPTY "\",\"gzip\":\"" EMPTY "\""), "a.js.gz is not"},
        {ONE("a.js", "\"gzip\":\"" HELLO "\""), "SHA-256 of each encoding"},
        {ONE("a.js", "\"identity\":\"12\""), "SHA-256 of each encoding"},
        {ONE("gone.js", "\"identity\":\"" EMPTY "\""), "gone.js"},
        {ONE("../a.js", "\"identity\":\"" EMPTY "\""), "unexpected name"},
        {ONE(".a.js", "\"identity\":\"" EMPTY "\""), "unexpected name"},
        {ONE("a.exe", "\"identity\":\"" EMPTY "\""), "unexpected name"},
    };

    (void)state;
    put("index.html", "hello");
    put("a.js", "");
    put("a.js.gz", "hello");
    for (unsigned i = 0; i < GW_LEN(cases); i++) {
        const char *why = load(cases[i].manifest);

        if (why == NULL || strstr(why, cases[i].why) == NULL) {
            fail_msg("case %u: %s", i, why != NULL ? why : "loaded");
        }
    }
}

static void no_folder(void **state)
{
    struct buf why = {0};

    (void)state;
    assert_null(static_load("/nowhere", &why));
    assert_non_null(strstr(buf_cstr(&why), "/nowhere/manifest.json: No such file"));
    buf_fini(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodings_chosen),
        cmocka_unit_test(etags_compared),
        cmocka_unit_test_setup_teardown(folders_loaded, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(damage_found, make_folder, remove_folder),
        cmocka_unit_test(no_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
