/* auth/key_hint.c - the epoch as Redis has it (auth:epoch): a hint that PostgreSQL is to be read, and,
 * while PostgreSQL is away, the one word on whether keys were revoked meanwhile.
 *
 *   equals the table's    the table is confirmed
 *   is newer              PostgreSQL is read; until it was, the table is behind
 *   is older, or missing  Redis has begun anew: whoever reaches PostgreSQL puts it right
 *
 * Whoever changes keys only raises it, and it is put right by comparison with what was seen: of two
 * writers the slower one takes nothing back. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "auth/keys_priv.h"
#include "gateway/base/fixed.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define HINT_TIMEOUT_MS 500u
#define BEHIND_NS       1000000000LL /* PostgreSQL has so long to be read after a hint */

static const char raise_script[] =
    "if (tonumber(redis.call('GET', KEYS[1]) or 0) or 0) < tonumber(ARGV[1]) then"
    " redis.call('SET', KEYS[1], ARGV[1]) end";
static const char mend_script[] =
    "if string.sub(redis.call('GET', KEYS[1]) or '', 1, 23) == ARGV[2] then"
    " redis.call('SET', KEYS[1], ARGV[1]) end";

_Static_assert(sizeof((struct keys *)0)->hint == 23 + 1, "the scripts compare as much");

static void put(struct keys *k, const char *script, uint64_t epoch, const char *seen)
{
    char text[24];
    const char *argv[] = {"EVAL", script, "1", KEYS_REDIS_KEY, text, seen};

    (void)snprintf(text, sizeof text, "%" PRIu64, epoch);
    if (k->redis != NULL) {
        (void)redis_command(k->redis, GW_LEN(argv), argv, NULL, HINT_TIMEOUT_MS, NULL, NULL);
    }
}

/* What the hint says of the table. A hint that PostgreSQL has contradicted since it was first seen is
 * wrong: Redis has begun anew, or the database was set back. */
static void judge(struct keys *k, int64_t now_ns)
{
    uint64_t epoch = 0;
    bool number = u64_parse(k->hint, strlen(k->hint), &epoch) == GW_OK;

    if (k->table == NULL) {
        return;
    }
    if (number && epoch == k->table->epoch) {
        k->hint_agreed_ns = k->hint_asked_ns;
    } else if (k->confirmed_ns > k->hint_since_ns && keys_fresh(k, now_ns)) {
        put(k, mend_script, k->table->epoch, k->hint);
    } else if (number && epoch > k->table->epoch && k->behind_ns == 0) {
        k->behind_ns = now_ns;
    }
}

static void on_hint(void *arg, const struct redis_reply *reply)
{
    struct keys *k = arg;
    int64_t now_ns = clock_mono_ns();
    const char *text = "";
    size_t len = 0;

    k->hinting = false;
    if (reply == NULL || k->closing ||
        (redis_kind(reply) != REDIS_STRING && redis_kind(reply) != REDIS_NIL)) {
        return;
    }
    if (redis_kind(reply) == REDIS_STRING) {
        text = redis_text(reply, &len);
    }
    if (strncmp(text, k->hint, sizeof k->hint - 1) != 0) {
        (void)snprintf(k->hint, sizeof k->hint, "%s", text);
        k->hint_since_ns = now_ns;
        metrics_inc(k->metrics, KEYS_M_HINTED);
        keys_ask_epoch(k);
    }
    judge(k, now_ns);
}

void key_hint_ask(struct keys *k)
{
    const char *argv[] = {"GET", KEYS_REDIS_KEY};

    if (k->redis != NULL && !k->hinting && redis_up(k->redis)) {
        k->hint_asked_ns = clock_mono_ns();
        k->hinting = redis_command(k->redis, 2, argv, NULL, HINT_TIMEOUT_MS, on_hint, k);
    }
}

void key_hint_confirmed(struct keys *k, int64_t asked_ns)
{
    k->confirmed_ns = asked_ns;
    if (asked_ns >= k->behind_ns) {
        k->behind_ns = 0;
    }
}

void keys_changed(struct keys *k, uint64_t epoch)
{
    if (k->closing) {
        return;
    }
    put(k, raise_script, epoch, "");
    if (epoch != keys_epoch(k)) {
        keys_reload(k);
    }
}

enum keys_doubt keys_doubt(const struct keys *k, int64_t mono_ns)
{
    bool fresh = keys_fresh(k, mono_ns);

    if (k->behind_ns != 0 &&
        (!fresh || k->failing || !pg_up(k->pg) || mono_ns - k->behind_ns > BEHIND_NS)) {
        return KEYS_BEHIND;
    }
    return fresh || (k->hint_agreed_ns != 0 && mono_ns - k->hint_agreed_ns <= KEYS_FRESH_NS)
               ? KEYS_SURE
               : KEYS_SILENT;
}

void key_hint_look(struct keys *k, int64_t mono_ns)
{
    enum keys_doubt doubt = keys_doubt(k, mono_ns);

    metrics_set(k->metrics, KEYS_M_SURE, 0, doubt == KEYS_SURE);
    if (k->table == NULL || (doubt == KEYS_SURE) == (k->shown == KEYS_SURE)) {
        return;
    }
    k->shown = doubt;
    if (doubt == KEYS_SURE) {
        log_info("auth", "keys_confirmed", "\"epoch\":%" PRIu64, keys_epoch(k));
        return;
    }
    log_warn("auth", "keys_unconfirmed",
             "\"epoch\":%" PRIu64
             ",\"redis\":%s,\"next\":\"keys only read and halt until then; look "
             "after PostgreSQL\"",
             keys_epoch(k), log_json(k->hint));
}
