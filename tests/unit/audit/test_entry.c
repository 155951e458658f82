#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include "tests/unit/audit/entries.h"

static char *hex_of(const uint8_t *bytes, size_t n)
{
    static char text[129];

    for (size_t i = 0; i < n; i++) {
        (void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
    return text;
}

/* The hash as docs/AUDIT.md tells it, put together here without the code under test. */
static void the_hash_is_as_documented(void **state)
{
    struct sample s;
    struct buf scratch = {0};
    uint8_t want[32];
    uint8_t zero[32] = {0};
    char bytes[4096];
    size_t n = 0;

    (void)state;
    sample_make(&s, 2);
    audit_entry_seal(&s.e, 0, zero, &scratch);
    assert_int_equal(s.e.seq, 1);
#define RAW(p, len)                                                                                \
    do {                                                                                           \
        memcpy(bytes + n, p, len);                                                                 \
        n += len;                                                                                  \
    } while (0)
#define FIELD(p, len)                                                                              \
    do {                                                                                           \
        char l[4] = {0, 0, (char)((len) >> 8), (char)(len)};                                       \
        RAW(l, 4);                                                                                 \
        RAW(p, len);                                                                               \
    } while (0)
#define TEXT(p) FIELD(p, strlen(p))
    RAW("portcullis-audit-v1", 19);
    RAW(zero, 32);
    FIELD("\0\0\0\0\0\0\0\1", 8);
    TEXT(s.id);
    FIELD("\x18\xd7\x5b\x84\x24\x11\x84\x80", 8); /* 1790000000002000000 */
    FIELD("\0\0\0\0\0\x4c\x4b\x42", 8);           /* 5000002 */
    TEXT("system");
    TEXT("s-1");
    TEXT("10.1.2.3");
    TEXT("user.login");
    TEXT("BTC/USD");
    TEXT("done");
    TEXT("feed \"stale\", \xe2\x82\xac 5\n\\");
    TEXT("");
    TEXT("");
    FIELD(s.request, 32);
    TEXT("{\"mode\": \"NORMAL\"}");
    TEXT("{\"mode\":\"SOFT_HALT\",\"n\":2}");
    TEXT("[]");
    TEXT("00000000000000000000000000000003");
    TEXT("");
    EVP_Digest(bytes, n, want, NULL, EVP_sha256(), NULL);
    {
        char mine[129];

        (void)snprintf(mine, sizeof mine, "%s", hex_of(s.e.hash, 32));
        assert_string_equal(mine, hex_of(want, 32));
    }
    buf_fini(&scratch);
}

static void a_line_comes_back(void **state)
{
    struct buf line = {0};
    struct buf again = {0};
    struct buf arena = {0};
    struct buf scratch = {0};

    (void)state;
    for (unsigned n = 0; n < 200; n++) {
        struct sample s;
        struct audit_entry back;
        const char *field;
        uint8_t before[32];

        memset(before, (int)n, sizeof before);
        sample_make(&s, n);
        assert_int_equal(audit_entry_check(&s.e, &field), GW_OK);
        audit_entry_seal(&s.e, n, before, &scratch);
        buf_reset(&line);
        buf_reset(&again);
        audit_entry_json(&s.e, &line);
        assert_int_equal(audit_entry_parse(line.data, line.len, &arena, &back, &field), GW_OK);
        audit_entry_json(&back, &again);
        assert_int_equal(line.len, again.len);
        assert_memory_equal(line.data, again.data, line.len);
        audit_entry_hash(&back, &scratch, before);
        assert_memory_equal(before, s.e.hash, 32);
        assert_string_equal(back.reason, s.e.reason);
    }
    buf_fini(&line);
    buf_fini(&again);
    buf_fini(&arena);
    buf_fini(&scratch);
}

/* Each changed, added or missing byte of a line is refused, or changes what is hashed. */
static void no_byte_may_differ(void **state)
{
    struct sample s;
    struct buf line = {0};
    struct buf arena = {0};
    struct buf scratch = {0};
    uint8_t zero[32] = {0};
    uint8_t hash[32];
    unsigned parsed = 0;

    (void)state;
    sample_make(&s, 4);
    audit_entry_seal(&s.e, 0, zero, &scratch);
    audit_entry_json(&s.e, &line);
    for (size_t i = 0; i < line.len; i++) {
        char was = line.data[i];

        for (unsigned c = 0; c < 256; c++) {
            struct audit_entry back;
            const char *field;

            line.data[i] = (char)c;
            if ((char)c != was &&
                audit_entry_parse(line.data, line.len, &arena, &back, &field) == GW_OK) {
                parsed++;
                audit_entry_hash(&back, &scratch, hash);
                assert_true(memcmp(hash, back.hash, 32) != 0);
            }
        }
        line.data[i] = was;
    }
    assert_true(parsed > 1000); /* the test would prove nothing if all were refused */
    for (size_t i = 0; i < line.len; i++) {
        struct audit_entry back;
        const char *field;

        assert_int_not_equal(audit_entry_parse(line.data, i, &arena, &back, &field), GW_OK);
    }
    buf_fini(&line);
    buf_fini(&arena);
    buf_fini(&scratch);
}

static void bad_fields_are_named(void **state)
{
    struct {
        const char *field;
        const char *value;
    } cases[] = {
        {"id", "01ARZ3NDEKTSV4RRFFQ69G5FA"}, /* a character short */
        {"id", "81ARZ3NDEKTSV4RRFFQ69G5FAV"},
        {"id", "01arz3ndektsv4rrffq69g5fav"},
        {"actor", ""},
        {"actor", "\xff"},
        {"action", "Symbol"},
        {"action", ""},
        {"outcome", "d\xc3\xb6ne"},
        {"target", "\xed\xa0\x80"},
        {"before", "{"},
        {"after", "1"},
        {"approvals", "{\"a\":1,\"a\":1}"},
        {"trace", "abc"},
        {"trace", "0000000000000000000000000000000G"},
        {"journal_id", "x"},
    };
    const char *field = NULL;
    struct sample s;

    (void)state;
    for (size_t i = 0; i < GW_LEN(cases); i++) {
        sample_make(&s, 1);
        for (unsigned k = 0; k < AUDIT_FIELD_COUNT; k++) {
            if (strcmp(audit_fields[k].name, cases[i].field) == 0) {
                *(const char **)((char *)&s.e + audit_fields[k].offset) = cases[i].value;
            }
        }
        assert_int_not_equal(audit_entry_check(&s.e, &field), GW_OK);
        assert_string_equal(field, cases[i].field);
    }
    sample_make(&s, 1);
    s.e.time_ns = 0;
    assert_int_equal(audit_entry_check(&s.e, &field), GW_ERANGE);
    assert_string_equal(field, "time_ns");
}

static void redact(const char *in, const char *want)
{
    struct buf out = {0};

    audit_redact(in, strlen(in), &out);
    assert_string_equal(buf_cstr(&out), want);
    buf_fini(&out);
}

static void secrets_do_not_enter(void **state)
{
    (void)state;
    redact("{\"user\":\"ana\",\"password\":\"x\",\"n\":1.10}",
           "{\"user\":\"ana\",\"password\":\"[redacted]\",\"n\":1.10}");
    redact("{ \"Private-Key\" : {\"d\":\"x}\",\"e\":[1]} , \"a\" : [ {\"totp\":123456} ] }",
           "{ \"Private-Key\":\"[redacted]\" , \"a\" : [ {\"totp\":\"[redacted]\"} ] }");
    redact(
        "{\"pass\\u0077ord\":\"x\",\"access_tokens\":[\"a\",\"b\"],\"orders_per_s\":5}",
        "{\"pass\\u0077ord\":\"[redacted]\",\"access_tokens\":\"[redacted]\",\"orders_per_s\":5}");
    redact("{\"tokens_per_s\":5,\"spin\":\"up\",\"pin\":1}",
           "{\"tokens_per_s\":5,\"spin\":\"up\",\"pin\":\"[redacted]\"}");
    redact("{\"Set-Cookie\":null,\"x\":\"secret\"}",
           "{\"Set-Cookie\":\"[redacted]\",\"x\":\"secret\"}");
    redact("password=x", "{\"unreadable_bytes\":10}");
    redact("[true,\"token\",{\"clientSecret\":true}]",
           "[true,\"token\",{\"clientSecret\":\"[redacted]\"}]");
}

static void texts_from_outside(void **state)
{
    struct buf out = {0};
    size_t at;

    (void)state;
    at = audit_text_clean(&out, "a\xff\0b\xe2\x82", 6, 100);
    assert_string_equal(out.data + at, "a\xef\xbf\xbd\xef\xbf\xbd"
                                       "b\xef\xbf\xbd\xef\xbf\xbd");
    at = audit_text_clean(&out, "aa\xe2\x82\xac", 5, 4);
    assert_string_equal(out.data + at, "aa");
    assert_true(audit_text_valid("\xf0\x9f\x98\x80", 4));
    assert_false(audit_text_valid("\xc0\xaf", 2));
    assert_false(audit_text_valid("\xf4\x90\x80\x80", 4));
    buf_fini(&out);
}

static void ulids(void **state)
{
    char text[ULID_SIZE];
    char next[ULID_SIZE];
    const uint8_t ones[10] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    const uint8_t zeros[10] = {0};

    (void)state;
    /* the example and the greatest time of github.com/ulid/spec */
    ulid_write(text, 1469918176385, zeros);
    assert_memory_equal(text, "01ARYZ6S41", 10);
    assert_string_equal(text + 10, "0000000000000000");
    ulid_write(text, 281474976710655, ones);
    assert_string_equal(text, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
    assert_true(ulid_valid(text, 26));
    assert_false(ulid_valid("8ZZZZZZZZZZZZZZZZZZZZZZZZZ", 26));
    assert_false(ulid_valid("0ZZZZZZZZZZZZZZZZZZZZZZZZU", 26));
    ulid_make(text, 1790000000000000000);
    for (unsigned i = 0; i < 1000; i++) {
        ulid_make(next, 1790000000000000000 - (int64_t)i * 1000000);
        assert_true(strcmp(text, next) < 0);
        memcpy(text, next, sizeof text);
    }
}

/* docs/AUDIT.md tells every field, in order. */
static void the_page_lists_the_fields(void **state)
{
    static const char *const kinds[] = {"number", "time", "text", "word",
                                        "ULID",   "hex",  "JSON", "hash"};
    FILE *f = fopen(GW_ROOT "/docs/AUDIT.md", "r");
    struct buf page = {0};
    const char *at;

    (void)state;
    assert_non_null(f);
    page.len = fread(buf_room(&page, 65536), 1, 65535, f);
    (void)fclose(f);
    at = buf_cstr(&page);
    for (unsigned i = 0; i < AUDIT_FIELD_COUNT; i++) {
        char row[300];

        (void)snprintf(row, sizeof row, "| `%s` | %s | %s |\n", audit_fields[i].name,
                       kinds[audit_fields[i].kind], audit_fields[i].help);
        at = strstr(at, row);
        if (at == NULL) {
            fail_msg("docs/AUDIT.md lacks, at its place: %s", row);
        }
    }
    buf_fini(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_is_as_documented),
        cmocka_unit_test(a_line_comes_back),
        cmocka_unit_test(no_byte_may_differ),
        cmocka_unit_test(bad_fields_are_named),
        cmocka_unit_test(secrets_do_not_enter),
        cmocka_unit_test(texts_from_outside),
        cmocka_unit_test(ulids),
        cmocka_unit_test(the_page_lists_the_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
