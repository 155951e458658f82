#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>
#include "gateway/audit/anchor_file.h"
#include "tests/unit/audit/entries.h"

/* The example of golang.org/x/mod/sumdb/note, to which C2SP signed-note refers. */
#define GO_SIGNER "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
#define GO_KEY    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
#define GO_TEXT                                                                                    \
    "If you think cryptography is the answer to your problem,\n"                                   \
    "then you don't know what your problem is.\n"
#define GO_SIGNATURE                                                                               \
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
#define DASH    "\xe2\x80\x94 "
#define GO_NOTE GO_TEXT "\n" DASH "PeterNeumann " GO_SIGNATURE "\n"

static struct note_key go_key(void)
{
    struct note_key key;

    assert_true(note_key_parse(GO_KEY, strlen(GO_KEY), &key));
    return key;
}

static void the_example_of_the_go_tools(void **state)
{
    struct note_key key = go_key();
    struct note_signer *s = note_signer_parse(GO_SIGNER, strlen(GO_SIGNER));
    struct buf out = {0};
    size_t len = 0;
    const char *why;

    (void)state;
    assert_non_null(s);
    note_key_print(note_signer_key(s), &out);
    assert_string_equal(buf_cstr(&out), GO_KEY);
    buf_reset(&out);
    note_sign(s, GO_TEXT, strlen(GO_TEXT), &out); /* Ed25519 signs the same the same way */
    assert_string_equal(buf_cstr(&out), GO_NOTE);
    assert_true(note_verify(GO_NOTE, strlen(GO_NOTE), &key, &len, &why));
    assert_int_equal(len, strlen(GO_TEXT));
    note_signer_destroy(&s);
    buf_fini(&out);
}

static void refused(const char *note, const char *want)
{
    struct note_key key = go_key();
    size_t len;
    const char *why = "";

    assert_false(note_verify(note, strlen(note), &key, &len, &why));
    assert_string_equal(why, want);
}

static void strictly_read(void **state)
{
    struct note_key key = go_key();
    size_t len;
    const char *why;
    const char *with_other =
        GO_TEXT "\n" DASH "enoch AAAAAAAAAAAA\n" DASH "PeterNeumann " GO_SIGNATURE "\n";

    (void)state;
    assert_true(note_verify(with_other, strlen(with_other), &key, &len, &why));
    refused("", "not a signed note");
    refused(GO_TEXT, "not a signed note");
    refused(GO_TEXT "\n", "not a signed note");
    refused("\n" DASH "PeterNeumann " GO_SIGNATURE "\n", "not a signed note");
    refused(GO_TEXT "\n" DASH "PeterNeumann " GO_SIGNATURE, "not a signed note");
    refused("x\r\n\n" DASH "PeterNeumann " GO_SIGNATURE "\n", "not a signed note");
    refused("X" GO_TEXT "\n" DASH "PeterNeumann " GO_SIGNATURE "\n",
            "the signature does not verify");
    refused(GO_TEXT "\n- PeterNeumann " GO_SIGNATURE "\n", "a signature line is malformed");
    refused(GO_TEXT "\n" DASH "PeterNeumann  " GO_SIGNATURE "\n", "a signature line is malformed");
    refused(GO_TEXT "\n" DASH "PeterNeumann " GO_SIGNATURE "\n" DASH "x\n",
            "a signature line is malformed");
    refused(GO_TEXT "\n" DASH "Peter " GO_SIGNATURE "\n", "no signature of this key");
    /* every bit of the note counts */
    for (size_t i = 0; i < 8 * strlen(GO_NOTE); i++) {
        char note[sizeof GO_NOTE];

        memcpy(note, GO_NOTE, sizeof note);
        note[i / 8] = (char)(note[i / 8] ^ 1 << i % 8);
        assert_false(note_verify(note, sizeof note - 1, &key, &len, &why));
    }
    assert_false(note_key_parse("PeterNeumann+c74f20a4" GO_KEY, 30, &key));
    assert_false(note_key_parse("Peter+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
                                strlen(GO_KEY) - 7, &key));
}

static void checkpoints(void **state)
{
    uint8_t seed[32];
    struct note_signer *s;
    struct checkpoint_note c = {.time_ns = 1790000000123456000};
    struct checkpoint_note back;
    struct buf out = {0};
    const char *why = "";

    (void)state;
    memset(seed, 7, sizeof seed);
    s = note_signer_create("exchange.example/audit", seed);
    c.mark.seq = 1042;
    memset(c.mark.hash, 0xab, sizeof c.mark.hash);
    checkpoint_sign(s, &c, &out);
    assert_memory_equal(buf_cstr(&out),
                        "exchange.example/audit\n1042\n"
                        "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=\n"
                        "time 2026-09-21T14:13:20.123456Z\n\n" DASH "exchange.example/audit ",
                        133);
    assert_true(checkpoint_verify(out.data, out.len, note_signer_key(s), &back, &why));
    assert_int_equal(back.mark.seq, 1042);
    assert_memory_equal(back.mark.hash, c.mark.hash, 32);
    assert_true(back.time_ns == c.time_ns);
    /* signed, but no checkpoint */
    static const char *const texts[][2] = {
        {"other.example\n1\nq6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=\n",
         "the origin is not the key's name"},
        {"exchange.example/audit\n01\nq6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=\n",
         "the size is not a number"},
        {"exchange.example/audit\n1\nq6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6t=\n",
         "the hash is not base64 of 32 bytes"},
        {"exchange.example/audit\n1\nq6urq6s=\n", "the hash is not base64 of 32 bytes"},
        {"exchange.example/audit\n1\nq6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=\ntime soon\n",
         "a further line is malformed"},
        {"exchange.example/audit\n", "the size is not a number"},
    };
    for (size_t i = 0; i < GW_LEN(texts); i++) {
        buf_reset(&out);
        note_sign(s, texts[i][0], strlen(texts[i][0]), &out);
        assert_false(checkpoint_verify(out.data, out.len, note_signer_key(s), &back, &why));
        assert_string_equal(why, texts[i][1]);
    }
    note_signer_destroy(&s);
    buf_fini(&out);
}

static void keys_on_disk(void **state)
{
    char dir[] = "/tmp/gwnote.XXXXXX";
    char path[64];
    char pub[72];
    struct buf why = {0};
    struct note_signer *s;
    struct note_signer *again;
    struct note_key key;
    struct stat st;

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/audit.key", dir);
    (void)snprintf(pub, sizeof pub, "%s.pub", path);
    s = note_signer_open(path, "exchange.example/audit", &why);
    assert_non_null(s);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    again = note_signer_open(path, "exchange.example/audit", &why);
    assert_non_null(again);
    assert_memory_equal(note_signer_key(s), note_signer_key(again), sizeof key);
    assert_true(note_key_read(pub, &key, &why));
    assert_int_equal(key.id, note_signer_key(s)->id);
    note_signer_destroy(&again);
    assert_null(note_signer_open(path, "other/audit", &why));
    assert_non_null(strstr(buf_cstr(&why), "is named exchange.example/audit, not other/audit"));
    assert_int_equal(chmod(path, 0640), 0);
    assert_null(note_signer_open(path, "exchange.example/audit", &why));
    assert_non_null(strstr(buf_cstr(&why), "chmod 600"));
    assert_false(note_key_read(path, &key, &why));
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(truncate(path, 40), 0);
    assert_null(note_signer_open(path, "exchange.example/audit", &why)); /* never replaced */
    assert_non_null(strstr(buf_cstr(&why), "restore it from its copy"));
    note_signer_destroy(&s);
    (void)unlink(path);
    (void)unlink(pub);
    assert_int_equal(rmdir(dir), 0);
    buf_fini(&why);
}

static void a_file_of_anchors(void **state)
{
    char path[] = "/tmp/gwanchors.XXXXXX";
    int fd = mkstemp(path);
    uint8_t seed[32] = {1};
    struct note_signer *s = note_signer_create("a/b", seed);
    struct anchors a;
    struct buf why = {0};
    struct buf note = {0};
    size_t size = 0;

    (void)state;
    for (unsigned i = 1; i <= 20; i++) {
        struct checkpoint_note c = {.time_ns = 1790000000000000000 + i};

        c.mark.seq = 10u * i;
        c.mark.hash[0] = (uint8_t)i;
        buf_reset(&note);
        checkpoint_sign(s, &c, &note);
        assert_int_equal(anchors_append(path, note.data, note.len, &size), GW_OK);
    }
    assert_true(anchors_load(path, note_signer_key(s), 0, &a, &why));
    assert_int_equal(a.count, 20);
    assert_int_equal(a.marks[19].seq, 200);
    assert_int_equal(a.good_bytes, size);
    assert_false(a.torn);
    anchors_fini(&a);
    assert_true(anchors_load(path, note_signer_key(s), 1, &a, &why));
    assert_int_equal(a.count, 1);
    assert_int_equal(a.marks[0].seq, 200);
    anchors_fini(&a);
    /* cut anywhere in the last note: the rest stands, and what is appended next closes the gap */
    assert_int_equal(ftruncate(fd, (off_t)size - 30), 0);
    assert_true(anchors_load(path, note_signer_key(s), 0, &a, &why));
    assert_int_equal(a.count, 19);
    assert_true(a.torn);
    size = a.good_bytes;
    anchors_fini(&a);
    assert_int_equal(anchors_append(path, note.data, note.len, &size), GW_OK);
    assert_true(anchors_load(path, note_signer_key(s), 0, &a, &why));
    assert_int_equal(a.count, 20);
    anchors_fini(&a);
    assert_int_equal(pwrite(fd, "9", 1, 4), 1); /* the first one's size */
    assert_false(anchors_load(path, note_signer_key(s), 0, &a, &why));
    assert_non_null(strstr(buf_cstr(&why), ":1: the signature does not verify\n  next: "));
    anchors_fini(&a);
    close(fd);
    (void)unlink(path);
    note_signer_destroy(&s);
    buf_fini(&why);
    buf_fini(&note);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_go_tools),
        cmocka_unit_test(strictly_read),
        cmocka_unit_test(checkpoints),
        cmocka_unit_test(keys_on_disk),
        cmocka_unit_test(a_file_of_anchors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
