/* A million requests that were signed and then altered: what passes must mean what was signed. */
#include "tests/unit/auth/signer.h"

#include <stdlib.h>
#include <strings.h>

#define HMAC_ROUNDS 1000000u
#define ED_ROUNDS   20000u
#define SEED        0x9421u

static uint64_t seed_state;

/* splitmix64: the same numbers on every machine */
static uint32_t random_below(uint32_t bound)
{
    uint64_t z = seed_state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (uint32_t)((z ^ z >> 31) >> 32) % bound;
}

static char random_char(void)
{
    static const char likely[] = " \t\r\n\"\\;=:,()?&/#%@*-_.+0179afAFzZ\0\x7f\xff";

    return random_below(3) != 0 ? likely[random_below(sizeof likely - 1)] : (char)random_below(256);
}

static void move_bytes(struct part *p, size_t to, size_t from)
{
    size_t rest = p->len - from;

    if (to + rest <= sizeof p->s) {
        memmove(p->s + to, p->s + from, rest);
        p->len = to + rest;
    }
}

static void alter(struct part *p, const struct part *other)
{
    size_t at = p->len != 0 ? random_below((uint32_t)p->len) : 0;
    size_t n = 1 + random_below(8);

    switch (random_below(p->len != 0 ? 10 : 2)) {
    case 0: /* insert */
        move_bytes(p, at + 1, at);
        p->s[at] = random_char();
        break;
    case 1: /* as in another request */
        *p = *other;
        break;
    case 2:
        p->s[at] ^= (char)(1u << random_below(8));
        break;
    case 3:
        p->s[at] = random_char();
        break;
    case 4: /* delete */
        n = n < p->len - at ? n : p->len - at;
        move_bytes(p, at, at + n);
        break;
    case 5: /* repeat */
        n = n < p->len - at ? n : p->len - at;
        move_bytes(p, at + n, at);
        break;
    case 6: /* other case */
        p->s[at] ^= ' ';
        break;
    case 7: { /* exchange */
        size_t with = random_below((uint32_t)p->len);
        char c = p->s[at];

        p->s[at] = p->s[with];
        p->s[with] = c;
        break;
    }
    case 8:
        p->len = at;
        break;
    default: /* another digit */
        if (p->s[at] >= '0' && p->s[at] <= '9') {
            p->s[at] = (char)('0' + random_below(10));
        } else {
            p->len = 0;
        }
        break;
    }
}

static struct part trimmed(const struct part *p)
{
    struct part t = *p;

    while (t.len != 0 && (t.s[t.len - 1] == ' ' || t.s[t.len - 1] == '\t')) {
        t.len--;
    }
    while (t.len != 0 && (t.s[0] == ' ' || t.s[0] == '\t')) {
        move_bytes(&t, 0, 1);
    }
    return t;
}

static bool same_bytes(const struct part *a, const struct part *b)
{
    return a->len == b->len && memcmp(a->s, b->s, a->len) == 0;
}

/* What the two spellings of a thing may differ in, said without the code under test. */
static bool same_meaning(enum part_id id, const struct part *a, const struct part *signed_part)
{
    struct part t = trimmed(a);

    switch (id) {
    case METHOD:
    case BODY:
        return same_bytes(a, signed_part);
    case TARGET: /* an empty query is no query */
        return same_bytes(a, signed_part) ||
               (memchr(signed_part->s, '?', signed_part->len) == NULL &&
                a->len == signed_part->len + 1 && a->s[a->len - 1] == '?' &&
                memcmp(a->s, signed_part->s, signed_part->len) == 0);
    case AUTHORITY:
        return a->len >= signed_part->len &&
               strncasecmp(a->s, signed_part->s, signed_part->len) == 0 &&
               (a->len == signed_part->len || (a->len == signed_part->len + 4 &&
                                               memcmp(a->s + signed_part->len, ":443", 4) == 0));
    case TYPE:
    case DIGEST:
        return signed_part->len == 0 || same_bytes(&t, signed_part);
    default: /* judged by the base */
        return true;
    }
}

static struct request originals[2];
static struct signature want[2];

static unsigned run(enum signature_alg alg, unsigned rounds)
{
    static struct request r;
    static struct signature sig;
    unsigned accepted = 0;

    make_get(&originals[0], alg);
    make_post(&originals[1], alg);
    assert_int_equal(judge(&originals[0], &keys[alg], &want[0]), AUTH_OK);
    assert_int_equal(judge(&originals[1], &keys[alg], &want[1]), AUTH_OK);
    seed_state = SEED + (uint64_t)alg;
    for (unsigned i = 0; i < rounds; i++) {
        unsigned which = random_below(2);
        const struct signature *w = &want[which];

        memcpy(r.part, originals[which].part, sizeof r.part);
        for (unsigned n = 1 + random_below(3); n != 0; n--) {
            unsigned id = random_below(PARTS);

            alter(&r.part[id],
                  &originals[1 - which].part[random_below(8) != 0 ? id : random_below(PARTS)]);
        }
        if (judge(&r, &keys[alg], &sig) != AUTH_OK) {
            assert_true(sig.why[0] != '\0');
            continue;
        }
        accepted++;
        /* three parts at most are altered: too few to become the other request as a whole */
        assert_int_equal(sig.base_len, w->base_len);
        assert_memory_equal(sig.base, w->base, w->base_len);
        assert_memory_equal(sig.value, w->value, sizeof w->value);
        assert_string_equal(sig.nonce, w->nonce);
        assert_string_equal(sig.keyid, w->keyid);
        for (unsigned id = 0; id < PARTS; id++) {
            if (!same_meaning((enum part_id)id, &r.part[id], &originals[which].part[id])) {
                fail_msg("round %u: part %u \"%.*s\" passed", i, id, (int)r.part[id].len,
                         r.part[id].s);
            }
        }
    }
    print_message("%u rounds, %u in another spelling of the same\n", rounds, accepted);
    return accepted;
}

static void hmac_requests(void **state)
{
    unsigned accepted = run(SIGNATURE_HMAC_SHA256, HMAC_ROUNDS);

    (void)state;
    assert_in_range(accepted, 1, HMAC_ROUNDS / 5); /* such as another case of the host */
}

static void ed25519_requests(void **state)
{
    unsigned accepted = run(SIGNATURE_ED25519, ED_ROUNDS);

    (void)state;
    assert_in_range(accepted, 1, ED_ROUNDS / 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hmac_requests),
        cmocka_unit_test(ed25519_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
