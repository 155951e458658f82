#include "auth/key.h"

#include <stdio.h>
#include <string.h>

#define ALG_AS_ROW(sym, word, secret) {word, secret},
#define STATE_AS_WORD(sym, word)      word,
static const struct {
    const char *word;
    size_t secret_bytes;
} algs[KEY_ALG_COUNT] = {KEY_ALGS(ALG_AS_ROW)};
static const char *const states[KEY_STATE_COUNT] = {KEY_STATES(STATE_AS_WORD)};

const char *key_alg_word(enum key_alg alg)
{
    GW_ASSERT((unsigned)alg < KEY_ALG_COUNT);
    return algs[alg].word;
}

bool key_alg_parse(const char *word, enum key_alg *out)
{
    for (unsigned i = 0; i < KEY_ALG_COUNT; i++) {
        if (strcmp(algs[i].word, word) == 0) {
            *out = (enum key_alg)i;
            return true;
        }
    }
    return false;
}

size_t key_alg_secret_bytes(enum key_alg alg)
{
    GW_ASSERT((unsigned)alg < KEY_ALG_COUNT);
    return algs[alg].secret_bytes;
}

const char *key_state_word(enum key_state state)
{
    GW_ASSERT((unsigned)state < KEY_STATE_COUNT);
    return states[state];
}

bool key_state_parse(const char *word, enum key_state *out)
{
    for (unsigned i = 0; i < KEY_STATE_COUNT; i++) {
        if (strcmp(states[i], word) == 0) {
            *out = (enum key_state)i;
            return true;
        }
    }
    return false;
}

void key_person(const struct key *key, char out[KEY_PERSON_SIZE])
{
    (void)snprintf(out, KEY_PERSON_SIZE, "%s:%s", key->owner[0] != '\0' ? "user" : "key",
                   key->owner[0] != '\0' ? key->owner : key->id);
}

enum key_state key_state(const struct key *key, int64_t now_ns)
{
    if (key->revoked) {
        return KEY_REVOKED;
    }
    if (key->account_disabled) {
        return KEY_DISABLED;
    }
    if (key->not_after_ns != 0 && now_ns >= key->not_after_ns) {
        return KEY_EXPIRED;
    }
    return now_ns < key->not_before_ns ? KEY_PENDING : KEY_ACTIVE;
}

bool key_allows_ip(const struct key *key, const char *ip)
{
    struct key_net in;

    return key->any_ip ||
           (key_net_address(ip, &in) && key_net_among(key->nets, key->net_count, &in));
}
