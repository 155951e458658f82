/* The verifier against 10,000 random tamperings of an export: each must be found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "gateway/audit/reader.h"
#include "tests/unit/audit/entries.h"

#define RECORDS 120u
#define ROUNDS  10000u

struct line {
    char *text;
    size_t len;
};
static struct line lines[RECORDS];
static struct sample samples[RECORDS];
static struct audit_mark marks[4];

static struct line line_of(const struct audit_entry *e)
{
    struct buf b = {0};
    struct line l;

    audit_entry_json(e, &b);
    buf_putc(&b, '\n');
    l.text = buf_steal(&b, &l.len);
    return l;
}

static int make_all(void **state)
{
    static const unsigned anchored[] = {30, 60, 90, RECORDS};
    struct buf scratch = {0};
    uint8_t hash[32] = {0};

    (void)state;
    for (unsigned i = 0; i < RECORDS; i++) {
        sample_make(&samples[i], i);
        audit_entry_seal(&samples[i].e, i, hash, &scratch);
        memcpy(hash, samples[i].e.hash, 32);
        lines[i] = line_of(&samples[i].e);
        for (unsigned k = 0; k < GW_LEN(anchored); k++) {
            if (anchored[k] == i + 1) {
                marks[k].seq = i + 1;
                memcpy(marks[k].hash, hash, 32);
            }
        }
    }
    buf_fini(&scratch);
    return 0;
}

static int free_all(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RECORDS; i++) {
        free(lines[i].text);
    }
    return 0;
}

static struct audit_result verify(const struct line *l, size_t count, size_t mark_count)
{
    struct audit_chain c;
    struct audit_reader r;
    struct audit_result result;

    audit_chain_init(&c, 1, NULL, marks, mark_count);
    audit_reader_init(&r, &c);
    for (size_t i = 0; i < count; i++) {
        if (!audit_reader_feed(&r, l[i].text, l[i].len)) {
            break;
        }
    }
    audit_reader_end(&r, true);
    result = c.result;
    audit_reader_fini(&r);
    audit_chain_fini(&c);
    return result;
}

static void whole(void **state)
{
    struct audit_result r = verify(lines, RECORDS, GW_LEN(marks));
    struct buf all = {0};
    struct audit_chain c;
    struct audit_reader reader;

    (void)state;
    assert_int_equal(r.fault, AUDIT_WHOLE);
    assert_int_equal(r.count, RECORDS);
    assert_int_equal(r.anchors, 4);
    assert_int_equal(r.anchored_to, RECORDS);
    /* the same in pieces of any size */
    for (unsigned i = 0; i < RECORDS; i++) {
        buf_append(&all, lines[i].text, lines[i].len);
    }
    audit_chain_init(&c, 1, NULL, marks, GW_LEN(marks));
    audit_reader_init(&reader, &c);
    for (size_t at = 0; at < all.len;) {
        size_t n = 1 + rnd() % 900;

        n = n < all.len - at ? n : all.len - at;
        assert_true(audit_reader_feed(&reader, all.data + at, n));
        at += n;
    }
    audit_reader_end(&reader, true);
    assert_int_equal(c.result.count, RECORDS);
    audit_reader_fini(&reader);
    audit_chain_fini(&c);
    buf_fini(&all);
}

/* Seals records AT.. anew behind what stands before, as someone who rules the database would. */
static void rehash(struct line *l, size_t at, unsigned first, unsigned changed)
{
    struct buf scratch = {0};
    uint8_t hash[32] = {0};

    if (at > 0) {
        memcpy(hash, samples[at - 1].e.hash, 32);
    }
    for (size_t i = at; i < RECORDS; i++) {
        struct sample s = samples[first + (i - at)];

        s.e.id = s.id;
        if (i == at + changed) {
            s.e.reason = "something else";
        }
        audit_entry_seal(&s.e, i, hash, &scratch);
        memcpy(hash, s.e.hash, 32);
        free(l[i].text);
        l[i] = line_of(&s.e);
        if (first + (i - at) + 1 == RECORDS) {
            break;
        }
    }
    buf_fini(&scratch);
}

enum act { EDIT, DELETE, INSERT, SWAP, TRUNCATE, REPEAT, REHASH, REHASH_ONE, FORGE_DELETE, ACTS };

/* One byte becomes another; in half of the cases so that the line can still be read. */
static void edit(struct line *l)
{
    size_t at = rnd() % l->len;

    if (rnd() % 2 == 0) {
        l->text[at] = (char)(l->text[at] ^ (int)(1 + rnd() % 255));
        return;
    }
    while (l->text[at] < '0' || l->text[at] > '9') {
        at = rnd() % l->len;
    }
    l->text[at] = (char)('0' + (l->text[at] - '0' + 1 + (int)(rnd() % 9)) % 10);
}

/* A record of its own making that follows from the one before place I. */
static struct line forged(const struct sample *like, size_t i)
{
    struct sample s = *like;
    struct buf scratch = {0};
    struct line l;
    uint8_t zero[32] = {0};

    s.e.id = s.id;
    s.e.actor = "user:eve";
    audit_entry_seal(&s.e, i, i > 0 ? samples[i - 1].e.hash : zero, &scratch);
    l = line_of(&s.e);
    buf_fini(&scratch);
    return l;
}

static struct line copy_of(const struct line *l)
{
    struct line copy = {gw_malloc(l->len), l->len};

    memcpy(copy.text, l->text, l->len);
    return copy;
}

static size_t cut_behind(struct line *l, size_t count, size_t i)
{
    for (size_t n = i; n < count; n++) {
        free(l[n].text);
    }
    return i;
}

/* Does ACT to L[0..COUNT); returns the new count, and in *AT the first place it touched. */
static size_t tamper(enum act act, struct line *l, size_t count, size_t *at)
{
    size_t i = rnd() % count;
    size_t k = rnd() % count;
    struct line held = l[i];

    *at = i;
    switch (act) {
    case EDIT:
        edit(&l[i]);
        return count;
    case DELETE:
    case FORGE_DELETE:
        free(held.text);
        memmove(&l[i], &l[i + 1], (count - i - 1) * sizeof *l);
        if (act == FORGE_DELETE && i + 1 < count) { /* and all behind it sealed again */
            rehash(l, i, (unsigned)i + 1, RECORDS);
        }
        return count - 1;
    case REPEAT:
    case INSERT:
        memmove(&l[i + 1], &l[i], (count - i) * sizeof *l);
        l[i] = act == INSERT ? forged(&samples[k], i) : copy_of(&held);
        return count + 1;
    case SWAP:
        k = k == i ? (i + 1) % count : k;
        l[i] = l[k];
        l[k] = held;
        *at = i < k ? i : k;
        return count;
    case TRUNCATE:
        return cut_behind(l, count, i);
    case REHASH:
        rehash(l, i, (unsigned)i, 0);
        return count;
    case REHASH_ONE: /* the record and its own hash, nothing behind it */
        free(held.text);
        l[i] = forged(&samples[i], i);
        return count;
    case ACTS:
        break;
    }
    return count;
}

static void ten_thousand_tamperings(void **state)
{
    unsigned found[ACTS] = {0};
    unsigned faults[AUDIT_FAULT_COUNT] = {0};

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct line copy[RECORDS + 2];
        enum act act = (enum act)(round % ACTS);
        struct audit_result r;
        size_t count = RECORDS;
        size_t at = 0;

        for (unsigned i = 0; i < RECORDS; i++) {
            copy[i] = copy_of(&lines[i]);
        }
        count = tamper(act, copy, count, &at);
        r = verify(copy, count, GW_LEN(marks));
        if (r.fault == AUDIT_WHOLE) {
            fail_msg("round %u: act %d at %zu was not found", round, (int)act, at);
        }
        /* never named before the place that was touched, and nothing was missed for long: the next
         * record at the latest, or the next anchor where all was sealed again */
        assert_true(r.count >= at);
        assert_true(r.count <= at + 1 || act == REHASH || act == FORGE_DELETE);
        assert_true(r.count < RECORDS || act == REPEAT);
        found[act]++;
        faults[r.fault]++;
        for (size_t i = 0; i < count; i++) {
            free(copy[i].text);
        }
    }
    for (unsigned i = 0; i < ACTS; i++) {
        assert_true(found[i] >= ROUNDS / ACTS);
    }
    for (unsigned i = AUDIT_UNREADABLE; i <= AUDIT_TRUNCATED; i++) {
        print_message("%-13s %u\n", audit_fault_word((enum audit_fault)i), faults[i]);
        assert_true(faults[i] > 0);
    }
}

/* Without anchors a rewritten end passes: the result must not claim otherwise. */
static void what_anchors_are_for(void **state)
{
    struct line copy[RECORDS + 1];
    struct audit_result r;
    struct buf said = {0};

    (void)state;
    for (unsigned i = 0; i < RECORDS; i++) {
        copy[i] = copy_of(&lines[i]);
    }
    rehash(copy, 70, 70, 0);
    r = verify(copy, RECORDS, 0);
    assert_int_equal(r.fault, AUDIT_WHOLE);
    assert_int_equal(r.anchored_to, 0);
    audit_result_text(&r, &said);
    assert_non_null(strstr(buf_cstr(&said), "compared with no anchor"));
    r = verify(copy, RECORDS, 2); /* anchored up to 60: what is behind it is said */
    assert_int_equal(r.fault, AUDIT_WHOLE);
    buf_reset(&said);
    audit_result_text(&r, &said);
    assert_non_null(strstr(buf_cstr(&said), "the 60 records behind it are not anchored"));
    r = verify(copy, RECORDS, 3);
    assert_int_equal(r.fault, AUDIT_REWRITTEN);
    assert_int_equal(r.bad_seq, 90);
    buf_reset(&said);
    audit_result_json(&r, &said);
    assert_non_null(strstr(buf_cstr(&said), "\"ok\":false"));
    assert_non_null(strstr(buf_cstr(&said), "\"code\":\"rewritten\""));
    for (unsigned i = 0; i < RECORDS; i++) {
        free(copy[i].text);
    }
    buf_fini(&said);
}

static void from_the_middle(void **state)
{
    struct audit_chain c;
    struct audit_mark fork[] = {marks[1], marks[0], marks[1], marks[2]};
    size_t count = 4;
    uint64_t bad = 0;

    (void)state;
    assert_int_equal(audit_marks_sort(fork, &count, &bad), AUDIT_WHOLE);
    assert_int_equal(count, 3);
    /* a mark right before the first record is what it must follow from */
    audit_chain_init(&c, 61, NULL, fork, count);
    assert_true(audit_chain_feed(&c, &samples[60].e));
    assert_int_equal(c.result.anchored_to, 60);
    audit_chain_fini(&c);
    fork[1].hash[0] ^= 1;
    audit_chain_init(&c, 61, NULL, fork, count);
    assert_false(audit_chain_feed(&c, &samples[60].e));
    assert_int_equal(c.result.fault, AUDIT_UNLINKED);
    audit_chain_fini(&c);
    audit_chain_init(&c, 50, samples[48].e.hash, NULL, 0);
    assert_true(audit_chain_feed(&c, &samples[49].e));
    assert_false(audit_chain_feed(&c, &samples[52].e));
    assert_int_equal(c.result.fault, AUDIT_MISSING);
    assert_int_equal(c.result.expected_seq, 51);
    assert_string_equal(c.result.bad_id, samples[52].id);
    audit_chain_fini(&c);
    fork[0] = fork[1];
    fork[0].hash[5] ^= 1;
    count = 2;
    assert_int_equal(audit_marks_sort(fork, &count, &bad), AUDIT_ANCHORS_FORK);
    assert_int_equal(bad, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),
        cmocka_unit_test(ten_thousand_tamperings),
        cmocka_unit_test(what_anchors_are_for),
        cmocka_unit_test(from_the_middle),
    };

    return cmocka_run_group_tests(tests, make_all, free_all);
}
