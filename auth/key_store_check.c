/* auth/key_store_check.c - what may be asked of the store; PostgreSQL's constraints say the same, but
 * not which field. */
#include <string.h>
#include "auth/key_store_priv.h"
#include "auth/scopes.h"
#include "auth/signature.h"
#include "auth/words.h"

#define ACTOR_MAX  128u
#define TICKET_MAX 100u
#define NONCE_MAX  128u                  /* bytes */
#define TIME_MAX   7258118400000000000LL /* the year 2200 */

bool key_check_id(const char *id)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._:@/+=-_";
    size_t len = id != NULL ? strlen(id) : 0;

    return len > 0 && len <= KEY_ID_MAX && strspn(id, allowed) == len;
}

const char *key_check_change(const struct key_change *change, bool reason_required)
{
    const struct key_nonce *n = change->nonce;

    if (!words_fit(change->actor, 1, ACTOR_MAX)) {
        return "actor";
    }
    if (!words_fit(change->reason != NULL ? change->reason : "",
                   reason_required ? KEY_REASON_MIN : 0, KEY_REASON_MAX)) {
        return "reason";
    }
    if (change->ticket != NULL && !words_fit(change->ticket, 1, TICKET_MAX)) {
        return "ticket";
    }
    if (n != NULL && (!key_check_id(n->key_id) || !words_fit(n->nonce, 1, NONCE_MAX) ||
                      strlen(n->nonce) > NONCE_MAX || n->expires_ns < 0)) {
        return "nonce";
    }
    return NULL;
}

bool key_check_public_key(enum key_alg alg, const uint8_t *public_key)
{
    const struct signature_key key = {SIGNATURE_ED25519, public_key, KEY_PUBLIC_BYTES};

    if (alg != KEY_ED25519) {
        return public_key == NULL;
    }
    return public_key != NULL && signature_key_usable(&key);
}

const char *key_check_rate_class(const char *rate_class)
{
    return words_name(rate_class, "_-", KEY_RATE_CLASS_MAX) ? NULL : "rate_class";
}

static bool nets_fine(const char *const *nets, size_t count)
{
    struct key_net net;

    if (count > KEY_NETS_MAX) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const char *text = nets[i];

        if (!key_net_parse(text, strlen(text), &net)) {
            return false;
        }
    }
    return true;
}

const char *key_check_spec(const struct key_spec *spec, int64_t now_ns)
{
    int64_t from = spec->not_before_ns != 0 ? spec->not_before_ns : now_ns;

    if (!words_name(spec->account, "_.-", KEY_ACCOUNT_MAX)) {
        return "account";
    }
    if (spec->owner != NULL && !words_name(spec->owner, "_.-", KEY_OWNER_MAX)) {
        return "owner";
    }
    if (!words_fit(spec->label, 1, KEY_LABEL_MAX)) {
        return "label";
    }
    if ((unsigned)spec->alg >= KEY_ALG_COUNT) {
        return "algorithm";
    }
    if (!key_check_public_key(spec->alg, spec->public_key)) {
        return "public_key";
    }
    /* whoever overhears a token must not get more than report-in */
    if (spec->scopes >> SCOPE_COUNT != 0 ||
        (spec->alg == KEY_BEARER && spec->scopes != 1ull << SCOPE_REPORT)) {
        return "scopes";
    }
    if (spec->flags > INT64_MAX) {
        return "flags";
    }
    if (!nets_fine(spec->ip_allow, spec->ip_allow_count)) {
        return "ip_allow";
    }
    if (spec->rate_class != NULL && key_check_rate_class(spec->rate_class) != NULL) {
        return "rate_class";
    }
    if (spec->not_before_ns < 0 || spec->not_before_ns > TIME_MAX) {
        return "not_before";
    }
    if (spec->not_after_ns != 0 && (spec->not_after_ns <= from || spec->not_after_ns <= now_ns ||
                                    spec->not_after_ns > TIME_MAX)) {
        return "not_after";
    }
    return NULL;
}

const char *key_check_rotation(const struct key_rotation *rotation, int64_t now_ns)
{
    if (rotation->overlap_s > KEY_OVERLAP_MAX_S) {
        return "overlap_s";
    }
    if (rotation->not_after_ns != 0 &&
        (rotation->not_after_ns <= now_ns || rotation->not_after_ns > TIME_MAX)) {
        return "not_after";
    }
    return nets_fine(rotation->ip_allow, rotation->ip_allow_count) ? NULL : "ip_allow";
}

bool key_check_bound(uint64_t scopes, size_t nets)
{
    return nets > 0 || (scopes & scopes_admin()) == 0;
}

const char *key_check_filter(const struct key_filter *filter)
{
    if (filter->account != NULL && !words_name(filter->account, "_.-", KEY_ACCOUNT_MAX)) {
        return "account";
    }
    if (filter->state < -1 || filter->state >= (int)KEY_STATE_COUNT) {
        return "state";
    }
    if (filter->after != NULL && !key_check_id(filter->after)) {
        return "after";
    }
    return filter->limit > KEY_LIST_MAX ? "limit" : NULL;
}
