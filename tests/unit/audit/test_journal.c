/* The emergency journal: the life of its records, its format, damage, a full disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/resource.h>
#include "tests/unit/audit/journal_fixture.h"

/* --- the life of records ---------------------------------------------------------------------- */

static void kept_until_retired(void **state)
{
    struct world w;
    struct buf why = {0};
    char id[3][ULID_SIZE];
    struct stat st;
    uint8_t base[32];

    (void)state;
    wipe();
    assert_int_equal(journal_crc32c(0, "123456789", 9), 0xe3069283u); /* RFC 3720, appendix B.4 */
    must_open(&w);
    add(&w, "{\"n\":1}", id[0]);
    add(&w, "{\"n\":2}", id[1]);
    add(&w, "{\"n\":3}", id[2]);
    assert_int_equal(w.acked, 0); /* never inside the call */
    assert_int_equal(journal_count(w.j), 0);
    assert_int_equal(journal_retire(w.j, id[0], NULL, NULL), GW_ENOTFOUND); /* not durable yet */
    settle(&w);
    assert_int_equal(w.acked, 3);
    assert_int_equal(journal_count(w.j), 3);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    /* nobody else may write it */
    {
        struct world other;

        assert_null(open_in(&other, &why));
        assert_non_null(strstr(buf_cstr(&why), "in use by another process\n  next: "));
        shut(&other);
    }
    assert_int_equal(journal_retire(w.j, id[1], on_done, &w), GW_OK);
    settle(&w);
    assert_int_equal(w.acked, 4);
    shut(&w);
    must_open(&w);
    assert_int_equal(journal_count(w.j), 2);
    assert_string_equal(journal_at(w.j, 0)->id, id[0]);
    assert_string_equal(journal_at(w.j, 1)->id, id[2]);
    assert_int_equal(journal_at(w.j, 1)->len, 7);
    assert_memory_equal(journal_at(w.j, 1)->payload, "{\"n\":3}", 7);
    memcpy(base, w.j->link, sizeof base);
    assert_int_equal(journal_retire(w.j, id[2], on_done, &w), GW_OK);
    assert_int_equal(journal_retire(w.j, id[0], on_done, &w), GW_OK);
    settle(&w);
    assert_int_equal(w.j->size, JOURNAL_HEAD_BYTES); /* empty: written anew */
    assert_true(memcmp(base, w.j->link, sizeof base) != 0);
    memcpy(base, w.j->link, sizeof base);
    shut(&w);
    must_open(&w);
    assert_int_equal(journal_count(w.j), 0);
    assert_memory_equal(base, w.j->link, sizeof base); /* the chain of links goes on */
    shut(&w);
    buf_fini(&why);
}

static void count_kinds(void *arg, enum journal_kind kind, const struct journal_record *r)
{
    unsigned *counts = arg;

    counts[kind]++;
    assert_true(r->time_ns >= 1790000000000000000);
}

/* A file that was put together by another program, from the description in journal.h. */
static void the_format_is_as_documented(void **state)
{
    int fd = open(GW_ROOT "/tests/fuzz/corpus/fuzz_audit_journal/three", O_RDONLY);
    char text[1024];
    ssize_t len = read(fd, text, sizeof text);
    struct journal_scan s;
    unsigned counts[3] = {0};

    (void)state;
    assert_true(len > 0);
    assert_true(journal_scan(text, (size_t)len, &s, count_kinds, counts));
    assert_false(s.torn);
    assert_int_equal(s.good, len);
    assert_int_equal(counts[JOURNAL_RECORD], 2);
    assert_int_equal(counts[JOURNAL_RETIRED], 1);
    close(fd);
}

static void limits(void **state)
{
    struct world w;
    char id[ULID_SIZE];
    char *big = gw_calloc(1, JOURNAL_PAYLOAD_MAX + 1);
    unsigned taken = 0;

    (void)state;
    wipe();
    memset(big, 'x', JOURNAL_PAYLOAD_MAX + 1);
    must_open(&w);
    assert_int_equal(journal_append(w.j, big, JOURNAL_PAYLOAD_MAX + 1, NULL, NULL, id), GW_ETOOBIG);
    while (journal_append(w.j, big, JOURNAL_PAYLOAD_MAX, on_done, &w, id) == GW_OK) {
        taken++;
    }
    assert_int_equal(taken, JOURNAL_BYTES_MAX / JOURNAL_PAYLOAD_MAX);
    settle(&w);
    assert_int_equal(w.acked, taken);
    shut(&w);
    must_open(&w); /* groups of several frames come back */
    assert_int_equal(journal_count(w.j), taken);
    shut(&w);
    free(big);
}

/* --- damage ----------------------------------------------------------------------------------- */

static void write_file(const struct buf *text, size_t len)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0 && write(fd, text->data, len) == (ssize_t)len);
    close(fd);
}

static void read_back(struct buf *text, size_t ends[4])
{
    struct world w;
    char id[ULID_SIZE];
    int fd;

    wipe();
    must_open(&w);
    for (unsigned i = 0; i < 4; i++) {
        add(&w, "{\"mode\":\"SOFT_HALT\",\"target\":\"BTC/USD\"}", id);
        settle(&w);
        ends[i] = (size_t)w.j->size;
    }
    shut(&w);
    fd = open(file, O_RDONLY);
    text->len = (size_t)read(fd, buf_room(text, 4096), 4096);
    close(fd);
    assert_int_equal(text->len, ends[3]);
}

static void a_torn_end_is_cut(void **state)
{
    struct buf text = {0};
    size_t ends[4];
    struct world w;
    struct stat st;
    char path[96];

    (void)state;
    read_back(&text, ends);
    (void)snprintf(path, sizeof path, "%s.cut", file);
    for (size_t len = JOURNAL_HEAD_BYTES; len < text.len; len++) {
        size_t want = 0;

        while (want < 4 && ends[want] <= len) {
            want++;
        }
        write_file(&text, len);
        must_open(&w);
        assert_int_equal(journal_count(w.j), want);
        assert_int_equal(w.j->size, want == 0 ? JOURNAL_HEAD_BYTES : ends[want - 1]);
        shut(&w);
        assert_int_equal(stat(file, &st), 0);
        if (len > 48 && len != ends[0] && len != ends[1] && len != ends[2]) {
            assert_int_equal(stat(path, &st), 0);
        }
    }
    /* and it goes on from there */
    write_file(&text, ends[2] + 20);
    must_open(&w);
    add(&w, "{}", path);
    settle(&w);
    shut(&w);
    must_open(&w);
    assert_int_equal(journal_count(w.j), 4);
    shut(&w);
    buf_fini(&text);
}

static void damage_is_refused(void **state)
{
    struct buf text = {0};
    struct buf why = {0};
    size_t ends[4];
    struct world w;
    unsigned refused = 0;
    unsigned cut = 0;

    (void)state;
    read_back(&text, ends);
    for (size_t at = 0; at < text.len; at++) {
        char was = text.data[at];

        text.data[at] = (char)(was ^ 1 << at % 8);
        write_file(&text, text.len);
        buf_reset(&why);
        if (open_in(&w, &why) == NULL) {
            refused++;
            assert_non_null(strstr(buf_cstr(&why), "\n  next: "));
        } else {
            /* only the length of the last frame: as if the rest had not been written */
            assert_true(at >= ends[2] + 4 && at < ends[2] + 8);
            assert_int_equal(journal_count(w.j), 3);
            cut++;
        }
        shut(&w);
        text.data[at] = was;
    }
    assert_true(refused >= text.len - 4 && cut >= 3);
    /* a hole of whole sectors in the last frame: the disk never had it */
    (void)buf_room(&text, 2048);
    memset(text.data + ends[3], 0, 1500);
    write_file(&text, ends[3] + 1500);
    must_open(&w);
    assert_int_equal(journal_count(w.j), 4);
    shut(&w);
    /* a record taken out of the middle */
    memmove(text.data + ends[0], text.data + ends[1], ends[3] - ends[1]);
    write_file(&text, ends[3] - (ends[1] - ends[0]));
    buf_reset(&why);
    assert_null(open_in(&w, &why));
    assert_non_null(strstr(buf_cstr(&why), "a record does not follow from the one before"));
    assert_non_null(strstr(buf_cstr(&why), "keep a copy of the file"));
    shut(&w);
    buf_fini(&text);
    buf_fini(&why);
}

/* --- a disk that is full, for real: a limit on the size of files ------------------------------- */

static void a_full_disk(void **state)
{
    struct rlimit was;
    struct rlimit tight = {.rlim_cur = 100000};
    struct world w;
    char *text = gw_calloc(1, 3000);
    char id[400][ULID_SIZE];
    unsigned durable[400];
    unsigned count = 0;

    (void)state;
    wipe();
    memset(text, 'y', 2999);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    must_open(&w);
    tight.rlim_max = was.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    for (unsigned i = 0; i < 60; i++) {
        unsigned before = w.acked;

        add(&w, text, id[i]);
        settle(&w);
        if (w.acked > before) {
            durable[count++] = i;
        }
    }
    assert_true(w.failed > 10 && count > 20);
    assert_true(journal_failing(w.j));
    assert_int_equal(journal_count(w.j), count);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    add(&w, "{\"again\":true}", id[60]);
    settle(&w);
    assert_false(journal_failing(w.j));
    durable[count++] = 60;
    shut(&w);
    must_open(&w);
    assert_int_equal(journal_count(w.j), count);
    for (unsigned i = 0; i < count; i++) {
        assert_string_equal(journal_at(w.j, i)->id, id[durable[i]]);
    }
    shut(&w);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_format_is_as_documented),
        cmocka_unit_test(kept_until_retired),
        cmocka_unit_test(limits),
        cmocka_unit_test(a_torn_end_is_cut),
        cmocka_unit_test(damage_is_refused),
        cmocka_unit_test(a_full_disk),
    };

    return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
