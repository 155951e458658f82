/* auth/key_use.c - which keys were used, when, from where, for what, and what they were refused: gathered
 * here, written now and then (key_use_write.c). */
#include <stdlib.h>
#include <string.h>
#include "auth/keys_priv.h"
#include "auth/scopes.h"

#define REFUSAL_AS_WORD(sym, word, what) word,
const char *const key_refusal_words[KEY_REFUSAL_COUNT] = {KEY_REFUSALS(REFUSAL_AS_WORD)};

void key_use_destroy(struct key_use **up)
{
    struct key_use *use = *up;

    *up = NULL;
    if (use != NULL) {
        free(use->seen);
        free(use);
    }
}

static bool same_net(const struct key_net *a, const struct key_net *b)
{
    return a->v4 == b->v4 && memcmp(a->address, b->address, sizeof a->address) == 0;
}

/* MORE of the same network and route joins what is there. False: there are too many. */
static bool add_seen(struct key_use *use, const struct key_seen *more)
{
    struct key_seen *s;

    for (uint32_t i = 0; i < use->seen_count; i++) {
        s = &use->seen[i];
        if (same_net(&s->net, &more->net) && strcmp(s->route, more->route) == 0 &&
            strcmp(s->method, more->method) == 0) {
            s->first_ns = more->first_ns < s->first_ns ? more->first_ns : s->first_ns;
            s->last_ns = more->last_ns > s->last_ns ? more->last_ns : s->last_ns;
            s->count += more->count;
            return true;
        }
    }
    if (use->seen_count == KEY_USE_SEEN_MAX) {
        return false;
    }
    if ((use->seen_count & (use->seen_count - 1)) == 0) { /* full at each power of two */
        use->seen = gw_realloc(use->seen, (use->seen_count == 0 ? 1 : 2 * (size_t)use->seen_count) *
                                              sizeof *s);
    }
    use->seen[use->seen_count++] = *more;
    return true;
}

static void add_refused(struct key_refused *r, const struct key_refused *more)
{
    if (more->count == 0) {
        return;
    }
    if (r->count == 0 || more->last_ns >= r->last_ns) {
        r->net = more->net;
        r->last_ns = more->last_ns;
    }
    r->first_ns = r->count == 0 || more->first_ns < r->first_ns ? more->first_ns : r->first_ns;
    r->count += more->count;
}

/* MORE, without where it was seen and what it was refused. */
static void add_last(struct key_use *use, const struct key_use *more)
{
    if (more->count > 0 && (use->count == 0 || more->last_ns >= use->last_ns)) {
        use->last_ns = more->last_ns;
        memcpy(use->ip, more->ip, sizeof use->ip);
        memcpy(use->route, more->route, sizeof use->route);
    }
    use->count += more->count;
}

static struct key_use *use_of(struct key_slot *slot)
{
    if (slot->use == NULL) {
        slot->use = gw_calloc(1, sizeof *slot->use);
    }
    return slot->use;
}

static void note_seen(struct keys *k, struct key_use *use, const struct key_seen *more)
{
    if (!add_seen(use, more)) {
        metrics_add(k->metrics, KEYS_M_USE_VAGUE, 0, more->count);
    }
}

/* At most LEN bytes of S, no character cut in two. */
static size_t cut(const char *s, size_t len)
{
    size_t n = strlen(s);

    if (n <= len) {
        return n;
    }
    while (len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80) {
        len--;
    }
    return len;
}

void keys_used(struct keys *k, const struct key *key, const char *ip, const char *method,
               const char *route, int64_t now_ns)
{
    struct key_slot *slot = key_table_find(k->table, key->id, strlen(key->id));
    struct key_use last = {.last_ns = now_ns, .count = 1};
    struct key_seen seen = {.first_ns = now_ns, .last_ns = now_ns, .count = 1};
    struct key_net address;
    size_t len = strcspn(ip, "%");

    if (slot == NULL) {
        return;
    }
    if (!key_net_address(ip, &address) || len >= sizeof last.ip) {
        ip = "::"; /* a socket without addresses */
        len = 2;
    }
    memcpy(last.ip, ip, len);
    if (route[0] == '\0') {
        route = "-";
    }
    memcpy(last.route, route, cut(route, KEY_USE_ROUTE_MAX));
    key_net_around(ip, &seen.net);
    memcpy(seen.route, last.route, sizeof seen.route);
    method = method[0] != '\0' ? method : "-";
    memcpy(seen.method, method, cut(method, KEY_USE_METHOD_MAX));
    add_last(use_of(slot), &last);
    note_seen(k, slot->use, &seen);
}

void keys_refused(struct keys *k, const struct key *key, enum key_refusal cause, const char *ip,
                  int64_t now_ns)
{
    struct key_slot *slot = key_table_find(k->table, key->id, strlen(key->id));
    struct key_refused more = {.first_ns = now_ns, .last_ns = now_ns, .count = 1};

    if (slot != NULL) {
        key_net_around(ip, &more.net);
        add_refused(&use_of(slot)->refused[cause], &more);
    }
}

/* --- batches ----------------------------------------------------------------------------------- */

static bool is_admin(const struct key *key)
{
    for (unsigned bit = 0; bit < SCOPE_COUNT; bit++) {
        if (scope_rows[bit].admin && scope_has(key->scopes, (enum auth_scope)bit)) {
            return true;
        }
    }
    return false;
}

struct key_use_batch *key_use_take(struct keys *k)
{
    struct key_use_batch *b;
    size_t count = 0;

    for (size_t i = 0; k->table != NULL && i < k->table->count; i++) {
        count += k->table->slots[i].use != NULL;
    }
    if (count == 0) {
        return NULL;
    }
    b = gw_calloc(1, sizeof *b + count * sizeof *b->used);
    b->keys = k;
    for (size_t i = 0; i < k->table->count; i++) {
        struct key_slot *slot = &k->table->slots[i];
        struct key_used *used = &b->used[b->count];

        if (slot->use != NULL) {
            memcpy(used->id, slot->key.id, sizeof slot->key.id);
            used->watched = is_admin(&slot->key) || (slot->key.flags & KEY_FLAGGED) != 0;
            used->use = slot->use;
            slot->use = NULL;
            b->count++;
        }
    }
    return b;
}

void key_use_give_back(struct keys *k, const struct key_use_batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        const struct key_use *use = b->used[i].use;
        struct key_slot *slot = key_table_find(k->table, b->used[i].id, strlen(b->used[i].id));

        if (slot == NULL) {
            continue;
        }
        add_last(use_of(slot), use);
        for (uint32_t n = 0; n < use->seen_count; n++) {
            note_seen(k, slot->use, &use->seen[n]);
        }
        for (unsigned n = 0; n < KEY_REFUSAL_COUNT; n++) {
            add_refused(&slot->use->refused[n], &use->refused[n]);
        }
    }
}

void key_use_batch_destroy(struct key_use_batch **bp)
{
    struct key_use_batch *b = *bp;

    *bp = NULL;
    for (size_t i = 0; i < b->count; i++) {
        key_use_destroy(&b->used[i].use);
    }
    free(b);
}
