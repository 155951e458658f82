#include "gateway/control/effective.h"

#include <string.h>

#define REFUSAL_AS_TEXT(sym, text) text,
const char *const control_refusal_texts[CONTROL_REFUSAL_COUNT] = {
    CONTROL_REFUSALS(REFUSAL_AS_TEXT)};

static void tighten(struct control_mode_now *now, enum control_mode mode,
                    const struct control_cell *cell)
{
    if (mode > now->mode) {
        *now = (struct control_mode_now){mode, cell};
    }
}

/* Takes in the kill switches that bear on SYMBOL; NULL: on symbols that no stage names. */
static void apply_kill(struct control_mode_now *now, const struct control *c, const char *symbol)
{
    for (unsigned i = 0; i < CONTROL_SCOPE_COUNT; i++) {
        const struct control_scope_row *scope = &control_scope_rows[i];
        const struct control_cell *cell =
            scope->prefix ? NULL : control_find(c, CONTROL_KIND_KILL, scope->word);
        const struct control_symbols *released;

        if (cell == NULL || !cell->value.engaged) {
            continue;
        }
        released = &cell->value.released;
        if (symbol != NULL ? !control_symbols_has(released, symbol) : !released->all) {
            tighten(now, scope->mode, cell);
        }
    }
}

static void apply_mode(struct control_mode_now *now, const struct control *c, const char *target)
{
    const struct control_cell *cell = control_find(c, CONTROL_KIND_MODE, target);

    if (cell != NULL) {
        tighten(now, (enum control_mode)cell->value.mode, cell);
    }
}

static void apply_groups(struct control_mode_now *now, const struct control *c,
                         const char *const *groups, uint32_t group_count)
{
    static const char prefix[] = "group:";
    char target[CONTROL_TARGET_MAX] = "group:";

    for (uint32_t i = 0; i < group_count; i++) {
        size_t len = strlen(groups[i]);

        if (len < sizeof target - sizeof prefix) {
            memcpy(target + sizeof prefix - 1, groups[i], len + 1);
            apply_mode(now, c, target);
        }
    }
}

struct control_mode_now control_symbol_mode(const struct control *c, const char *symbol,
                                            const char *const *groups, uint32_t group_count)
{
    struct control_mode_now now = {CONTROL_NORMAL, NULL};

    apply_kill(&now, c, symbol);
    apply_mode(&now, c, "*");
    apply_groups(&now, c, groups, group_count);
    apply_mode(&now, c, symbol);
    return now;
}

struct control_mode_now control_system_mode(const struct control *c)
{
    struct control_mode_now now = {CONTROL_NORMAL, NULL};

    apply_kill(&now, c, NULL);
    apply_mode(&now, c, "*");
    return now;
}

bool control_accepting_orders(const struct control *c)
{
    for (unsigned i = 0; i < CONTROL_SCOPE_COUNT; i++) {
        const struct control_scope_row *scope = &control_scope_rows[i];
        const struct control_value *v =
            scope->prefix ? &control_default : control_value_of(c, CONTROL_KIND_KILL, scope->word);

        if (v->engaged && v->released_percent == 0 && !control_mode_rows[scope->mode].orders) {
            return false;
        }
    }
    return control_mode_rows[control_value_of(c, CONTROL_KIND_MODE, "*")->mode].orders;
}

bool control_key_released(uint32_t percent, const char *key_id)
{
    uint64_t h =
        14695981039346656037ULL; /* FNV-1a, then mixed (splitmix64): short ids differ late */

    for (; *key_id != '\0'; key_id++) {
        h = (h ^ (unsigned char)*key_id) * 1099511628211ULL;
    }
    h = (h ^ h >> 30) * 0xBF58476D1CE4E5B9ULL;
    h = (h ^ h >> 27) * 0x94D049BB133111EBULL;
    h ^= h >> 31;
    return (h >> 32) * 100 >> 32 < percent;
}

/* The engaged switch whose stage leaves KEY_ID out, NULL: none does. */
static const struct control_cell *stage_refuses(const struct control *c, const char *key_id)
{
    for (unsigned i = 0; i < CONTROL_SCOPE_COUNT; i++) {
        const struct control_scope_row *scope = &control_scope_rows[i];
        const struct control_cell *cell =
            scope->prefix ? NULL : control_find(c, CONTROL_KIND_KILL, scope->word);

        if (cell != NULL && cell->value.engaged && !control_mode_rows[scope->mode].orders &&
            !control_key_released(cell->value.released_percent, key_id)) {
            return cell;
        }
    }
    return NULL;
}

struct control_verdict control_order_verdict(const struct control *c, const char *symbol,
                                             const char *const *groups, uint32_t group_count,
                                             const char *account, const char *key_id)
{
    struct control_mode_now now = control_symbol_mode(c, symbol, groups, group_count);
    struct control_verdict v = {CONTROL_REFUSAL_NONE, NULL};

    if (!control_mode_rows[now.mode].orders) {
        v.cell = now.cell;
        v.refusal =
            now.cell->kind == CONTROL_KIND_KILL ? CONTROL_REFUSAL_KILL : CONTROL_REFUSAL_MODE;
        return v;
    }
    v.cell = stage_refuses(c, key_id);
    if (v.cell != NULL) {
        v.refusal = CONTROL_REFUSAL_STAGE;
        return v;
    }
    if (control_account_paused(c, account)) {
        v.cell = control_find(c, CONTROL_KIND_ACCOUNT, account);
        v.refusal = CONTROL_REFUSAL_ACCOUNT;
    }
    return v;
}

const struct control_cell *control_withdrawals_halted(const struct control *c, const char *asset)
{
    const char *const targets[] = {"*", asset};

    for (unsigned i = 0; i < GW_LEN(targets); i++) {
        const struct control_cell *cell = control_find(c, CONTROL_KIND_WITHDRAWALS, targets[i]);

        if (cell != NULL && cell->value.halted) {
            return cell;
        }
    }
    return NULL;
}

uint32_t control_throttle(const struct control *c, const char *symbol)
{
    return control_value_of(c, CONTROL_KIND_THROTTLE, symbol)->orders_per_s;
}

bool control_account_paused(const struct control *c, const char *account)
{
    return control_value_of(c, CONTROL_KIND_ACCOUNT, account)->paused;
}

const struct control_value *control_fanout(const struct control *c, int64_t now_ns)
{
    const struct control_value *v = control_value_of(c, CONTROL_KIND_FANOUT, "*");

    return v->expires_ns != 0 && v->expires_ns <= now_ns ? &control_default : v;
}

bool control_decision_due(const struct control_cell *cell, int64_t now_ns)
{
    return cell->until_ns != 0 && cell->until_ns <= now_ns &&
           !control_value_is_default(cell->kind, &cell->value);
}

uint32_t control_next_due(const struct control *c, int64_t now_ns, uint32_t from)
{
    while (from < control_count(c) && !control_decision_due(control_at(c, from), now_ns)) {
        from++;
    }
    return from;
}

int64_t control_next_time(const struct control *c, int64_t now_ns)
{
    int64_t next = INT64_MAX;

    for (uint32_t i = 0; i < control_count(c); i++) {
        const struct control_cell *cell = control_at(c, i);
        const int64_t times[] = {cell->until_ns, cell->value.expires_ns};

        for (unsigned k = 0; k < GW_LEN(times); k++) {
            if (times[k] > now_ns && times[k] < next) {
                next = times[k];
            }
        }
    }
    return next;
}
