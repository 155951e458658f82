/* gcra.lua against gcra.c and against a model of the nonces, on a real Redis. */
#include "redis_fixture.h"
#include <inttypes.h>
#include "gateway/base/err.h"
#include "ratelimit/gcra.h"
#include "ratelimit/script.h"

#define STEPS    100000
#define BATCH    200
#define BUCKETS  6
#define UNITS    3
#define NONCES   4096
#define WORDS    32
#define CLOCK_US INT64_C(4000000000000000) /* far ahead: no key ends while the test runs */

static uint64_t seed = 20261121;

static uint64_t random_below(uint64_t limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % limit;
}

/* The script with a clock in its last two arguments. Everything else is what production runs. */
static void script_with_clock(char sha[41], struct redis_fixture *f)
{
    static const char clock[] = "redis.call('TIME')";
    static const char instead[] = "{ARGV[#ARGV-1], ARGV[#ARGV]}";
    const char *at = strstr(limits_script, clock);
    char *text = calloc(1, limits_script_len + sizeof instead);
    const char *argv[] = {"SCRIPT", "LOAD", text};
    redisReply *reply;

    assert_non_null(at);
    assert_null(strstr(at + 1, clock));
    memcpy(text, limits_script, (size_t)(at - limits_script));
    strcat(text, instead);
    strcat(text, at + strlen(clock));
    reply = fixture_call(f, 3, argv);
    snprintf(sha, 41, "%s", reply->str);
    freeReplyObject(reply);
    free(text);
}

struct words {
    char text[WORDS][48];
    const char *argv[WORDS];
    int count;
};

static void word(struct words *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void word(struct words *w, const char *format, ...)
{
    va_list args;

    assert_true(w->count < WORDS);
    va_start(args, format);
    vsnprintf(w->text[w->count], sizeof w->text[0], format, args);
    va_end(args);
    w->argv[w->count] = w->text[w->count];
    w->count++;
}

struct model {
    struct gcra_rate rates[BUCKETS];
    int64_t tats[BUCKETS];
    bool nonces[NONCES];
    int64_t now_us;
    unsigned refused, taken, replayed;
};

static void new_rate(struct model *m, unsigned i)
{
    static const int64_t emissions[] = {1, 7, 100, 33334, 50000, 1000000, 60000000};
    int64_t emission = emissions[random_below(GW_LEN(emissions))] * 1000;

    m->rates[i].emission_ns = emission;
    m->rates[i].tolerance_ns = emission * (int64_t)random_below(i % 2 == 0 ? 5 : 1000);
}

static void move_clock(struct model *m)
{
    static const uint64_t most[] = {1, 10, 1000, 100000, 5000000, 600000000};
    int64_t by = (int64_t)random_below(most[random_below(GW_LEN(most))]);

    m->now_us += random_below(50) == 0 ? -by : by; /* Redis's clock may step back */
}

/* One step of the C side: EXPECTED is the text the script must answer; W its call. */
static void step(struct model *m, struct words *w, const char *sha, char expected[256])
{
    unsigned units = (unsigned)random_below(UNITS + 1);
    unsigned first = (unsigned)random_below(BUCKETS);
    unsigned nonce = (unsigned)random_below(NONCES);
    bool with_nonce = units == 0 || random_below(3) == 0;
    int64_t after[UNITS];
    int64_t retry[UNITS];
    int64_t now = m->now_us * 1000;
    int verdict = 0;
    int len;

    word(w, "EVALSHA");
    word(w, "%s", sha);
    word(w, "%u", units + with_nonce);
    for (unsigned i = 0; i < units; i++) {
        word(w, "b%u", (first + i) % BUCKETS);
    }
    if (with_nonce) {
        word(w, "n%u", nonce);
    }
    word(w, "%u", units);
    for (unsigned i = 0; i < units; i++) {
        const struct gcra_rate *rate = &m->rates[(first + i) % BUCKETS];
        uint64_t burst = (uint64_t)(rate->tolerance_ns / rate->emission_ns) + 1;
        uint32_t cost = 1 + (uint32_t)random_below(random_below(2) != 0 ? 3 : burst + 3);

        after[i] = m->tats[(first + i) % BUCKETS];
        if (!gcra_take(&after[i], rate, now, cost, &retry[i])) {
            verdict = 1;
        }
        word(w, "%" PRId64, rate->emission_ns / 1000);
        word(w, "%" PRId64, rate->tolerance_ns / 1000);
        word(w, "%u", cost);
    }
    word(w, "%d", with_nonce);
    if (with_nonce) {
        word(w, "3600000");
        verdict = verdict == 0 && m->nonces[nonce] ? 2 : verdict;
        m->nonces[nonce] = m->nonces[nonce] || verdict == 0;
    }
    word(w, "%" PRId64, m->now_us / 1000000);
    word(w, "%" PRId64, m->now_us % 1000000);
    len = snprintf(expected, 256, "%d", verdict);
    for (unsigned i = 0; i < units; i++) {
        int64_t *tat = &m->tats[(first + i) % BUCKETS];

        *tat = verdict == 0 ? after[i] : *tat;
        len += snprintf(expected + len, 256 - (size_t)len, " %" PRIu64 " %" PRId64 " %" PRId64,
                        gcra_remaining(*tat, &m->rates[(first + i) % BUCKETS], now),
                        *tat > now ? (*tat - now) / 1000 : 0,
                        retry[i] == INT64_MAX ? -1 : retry[i] / 1000);
    }
    m->taken += verdict == 0;
    m->refused += verdict == 1;
    m->replayed += verdict == 2;
}

static void equal_to_the_c_side(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    static char expected[BATCH][256];
    struct model *m = calloc(1, sizeof *m);
    char sha[41];

    fixture_flush(f);
    script_with_clock(sha, f);
    m->now_us = CLOCK_US;
    for (unsigned i = 0; i < BUCKETS; i++) {
        new_rate(m, i);
    }
    for (int at = 0; at < STEPS; at += BATCH) {
        for (int i = 0; i < BATCH; i++) {
            struct words w = {.count = 0};

            move_clock(m);
            if (random_below(500) == 0) { /* a limit is changed while its bucket is in use */
                new_rate(m, (unsigned)random_below(BUCKETS));
            }
            step(m, &w, sha, expected[i]);
            assert_int_equal(redisAppendCommandArgv(f->direct, w.count, w.argv, NULL), REDIS_OK);
        }
        for (int i = 0; i < BATCH; i++) {
            redisReply *reply = NULL;

            assert_int_equal(redisGetReply(f->direct, (void **)&reply), REDIS_OK);
            assert_int_equal(reply->type, REDIS_REPLY_STRING);
            if (strcmp(reply->str, expected[i]) != 0) {
                fail_msg("step %d: Redis says \"%s\", gcra.c \"%s\"", at + i, reply->str,
                         expected[i]);
            }
            freeReplyObject(reply);
        }
    }
    print_message("%u taken, %u refused, %u replays\n", m->taken, m->refused, m->replayed);
    assert_true(m->taken > STEPS / 10 && m->refused > STEPS / 10 && m->replayed > STEPS / 100);
    free(m);
}

/* Runs the script as production does; the answer's text. */
static const char *run(struct redis_fixture *f, struct words *w)
{
    static char text[256];
    const char *argv[WORDS + 3] = {"EVAL", limits_script};
    redisReply *reply;

    memcpy(argv + 2, w->argv, (size_t)w->count * sizeof w->argv[0]);
    reply = fixture_call(f, w->count + 2, argv);
    snprintf(text, sizeof text, "%s", reply->str);
    freeReplyObject(reply);
    return text;
}

/* Buckets a (100 at once) and b (2 at once), a nonce. */
static const char *two_and_nonce(struct redis_fixture *f, unsigned cost_b, const char *nonce)
{
    struct words w = {.count = 0};

    word(&w, "3");
    word(&w, "{k}:a");
    word(&w, "{k}:b");
    word(&w, "{k}:n:%s", nonce);
    word(&w, "2");
    word(&w, "60000000");
    word(&w, "%" PRId64, INT64_C(60000000) * 99);
    word(&w, "10");
    word(&w, "60000000");
    word(&w, "60000000");
    word(&w, "%u", cost_b);
    word(&w, "1");
    word(&w, "60000");
    return run(f, &w);
}

static void all_or_nothing(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    const char *exists[] = {"EXISTS", "{k}:n:2"};
    const char *life[] = {"PTTL", "{k}:b"};
    redisReply *reply;

    fixture_flush(f);
    assert_memory_equal(two_and_nonce(f, 1, "1"), "0 90 ", 5);
    /* the nonce is known: neither bucket pays */
    assert_memory_equal(two_and_nonce(f, 1, "1"), "2 90 ", 5);
    assert_memory_equal(two_and_nonce(f, 1, "1"), "2 90 ", 5);
    /* b refuses: a does not pay, the nonce stays good */
    assert_memory_equal(two_and_nonce(f, 2, "2"), "1 90 ", 5);
    assert_memory_equal(two_and_nonce(f, 3, "2"), "1 90 ", 5);
    assert_non_null(strstr(two_and_nonce(f, 3, "2"), " -1"));
    reply = fixture_call(f, 2, exists);
    assert_int_equal(reply->integer, 0);
    freeReplyObject(reply);
    assert_memory_equal(two_and_nonce(f, 1, "2"), "0 80 ", 5);
    reply = fixture_call(f, 2, life);                /* a bucket is gone once it is full again */
    assert_in_range(reply->integer, 110000, 120001); /* the script rounds up */
    freeReplyObject(reply);
}

static bool rise(struct redis_fixture *f, const char *key, uint64_t nonce, uint64_t window,
                 unsigned most)
{
    struct words w = {.count = 0};

    word(&w, "1");
    word(&w, "%s", key);
    word(&w, "0");
    word(&w, "2");
    word(&w, "%020" PRIu64, nonce);
    word(&w, "%020" PRIu64, window);
    word(&w, "%u", most);
    word(&w, "0");
    return strcmp(run(f, &w), "0") == 0;
}

static void rising_like_its_model(void **state)
{
    /* 64 bits: beyond what a double holds; and where the subtraction borrows or stops at 0 */
    static const uint64_t bases[] = {1, UINT64_C(1790000000000000000), UINT64_C(9007199254740990),
                                     UINT64_C(1999999999), UINT64_MAX - 3000};
    static const uint64_t windows[] = {0, 1, 50, 500};
    struct redis_fixture *f = fixture_need(state);

    fixture_flush(f);
    for (unsigned round = 0; round < GW_LEN(bases) * GW_LEN(windows); round++) {
        uint64_t base = bases[round / GW_LEN(windows)];
        uint64_t window = windows[round % GW_LEN(windows)];
        static bool seen[2048];
        uint64_t last = 0;
        char key[16];

        snprintf(key, sizeof key, "r%u", round);
        memset(seen, 0, sizeof seen);
        for (int i = 0; i < 1000; i++) {
            uint64_t offset = (uint64_t)i + random_below(1000);
            bool good = i == 0 || offset > last || (last - offset <= window && !seen[offset]);

            assert_int_equal(rise(f, key, base + offset, window, 1000), good);
            if (good) {
                seen[offset] = true;
                last = offset > last ? offset : last;
            }
        }
    }
}

/* With less memory than the window needs it refuses more; narrow and wide windows take turns; none
 * is ever taken twice. */
static void rising_bounded(void **state)
{
    struct redis_fixture *f = fixture_need(state);
    const char *card[] = {"ZCARD", "r"};
    static bool seen[4096];
    redisReply *reply;
    int good = 0;

    fixture_flush(f);
    for (int i = 0; i < 3000; i++) {
        uint64_t nonce = (uint64_t)i + random_below(1000);
        bool took = rise(f, "r", 1000 + nonce, i % 3 == 0 ? 10 : 100000, 16);

        assert_false(took && seen[nonce]);
        seen[nonce] = seen[nonce] || took;
        good += took;
    }
    reply = fixture_call(f, 2, card);
    assert_in_range(reply->integer, 1, 17);
    freeReplyObject(reply);
    assert_true(good > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_to_the_c_side),
        cmocka_unit_test(all_or_nothing),
        cmocka_unit_test(rising_like_its_model),
        cmocka_unit_test(rising_bounded),
    };

    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
