#include "gateway/playbook/playbook.h"

#include <stdlib.h>
#include <string.h>
#include "gateway/playbook/playbook_priv.h"

#define DAY_NS (86400 * INT64_C(1000000000))

#define PLAYBOOK_PHASE_AS_WORD(sym, word) word,
const char *const playbook_phase_words[PHASE_COUNT] = {PLAYBOOK_PHASES(PLAYBOOK_PHASE_AS_WORD)};

#define PLAYBOOK_COUNTER_AS_ROW(sym, word, unit, help) {word, unit, help},
const struct playbook_counter_row playbook_counter_rows[PLAYBOOK_COUNTER_COUNT] = {
    PLAYBOOK_COUNTERS(PLAYBOOK_COUNTER_AS_ROW)};

size_t playbooks_count(const struct playbooks *all)
{
    return all->count;
}

const struct playbook *playbooks_at(const struct playbooks *all, size_t i)
{
    GW_ASSERT(i < all->count);
    return &all->rows[i];
}

const struct playbook *playbooks_find(const struct playbooks *all, const char *id)
{
    for (size_t i = 0; i < all->count; i++) {
        if (strcmp(all->rows[i].id, id) == 0) {
            return &all->rows[i];
        }
    }
    return NULL;
}

unsigned playbooks_slots(const struct playbooks *all)
{
    return all->slots;
}

const struct playbook_step *playbook_step(const struct playbook *p, const char *id)
{
    for (size_t i = 0; i < p->step_count; i++) {
        if (strcmp(p->steps[i].id, id) == 0) {
            return &p->steps[i];
        }
    }
    return NULL;
}

bool playbook_has(const struct playbook_texts *texts, const char *text)
{
    for (size_t i = 0; i < texts->count; i++) {
        if (strcmp(texts->items[i], text) == 0) {
            return true;
        }
    }
    return false;
}

bool playbook_overdue(const struct playbook *p, int64_t now_ns)
{
    int64_t day = 0;

    GW_ASSERT(playbook_day(p->next_review_at, &day));
    return now_ns / DAY_NS > day;
}

size_t playbooks_overdue(const struct playbooks *all, int64_t now_ns)
{
    size_t n = 0;

    for (size_t i = 0; i < all->count; i++) {
        n += playbook_overdue(&all->rows[i], now_ns);
    }
    return n;
}

void playbooks_destroy(struct playbooks **pp)
{
    struct playbooks *all = *pp;

    *pp = NULL;
    for (size_t i = 0; i < all->count; i++) {
        struct playbook *p = &all->rows[i];

        playbook_steps_fini(p);
        free(p->signals.items);
        free(p->symptoms.items);
        free(p->exits);
        free(p->contacts);
    }
    for (size_t i = 0; i < all->doc_count; i++) {
        yaml_close(&all->docs[i]);
    }
    free(all->rows);
    free(all->contacts);
    free(all->docs);
    free(all);
}
