#include "gateway/control/kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AS_WORD(sym, word) word,
const char *const control_profile_words[CONTROL_PROFILE_COUNT] = {CONTROL_PROFILES(AS_WORD)};
const char *const control_upstream_words[CONTROL_UPSTREAM_COUNT] = {CONTROL_UPSTREAMS(AS_WORD)};
const char *const control_direction_words[CONTROL_DIRECTION_COUNT] = {CONTROL_DIRECTIONS(AS_WORD)};

#define KIND_AS_ROW(sym, word, forms, neutral, help) {word, forms, neutral, help},
const struct control_kind_row control_kind_rows[CONTROL_KIND_COUNT] = {CONTROL_KINDS(KIND_AS_ROW)};

#define FIELD_AS_ROW(k, member, type, field, nullable, allowed)                                    \
    {CONTROL_KIND_##k, member, CONTROL_FIELD_##type, offsetof(struct control_value, field),        \
     nullable,         allowed},
const struct control_field control_fields[CONTROL_FIELD_COUNT] = {CONTROL_FIELDS(FIELD_AS_ROW)};

const struct control_value control_default;

struct form_row {
    const char *fixed;
    const char *prefix;
    const char *first; /* ranges as in "a-z0-9_-": the first character */
    const char *chars; /* the others */
    size_t most;
    const char *what;
};
#define FORM_AS_ROW(sym, fixed, prefix, first, chars, most, what)                                  \
    {fixed, prefix, first, chars, most, what},
static const struct form_row forms[CONTROL_FORM_COUNT] = {CONTROL_FORMS(FORM_AS_ROW)};

bool control_kind_parse(const char *word, enum control_kind *out)
{
    for (unsigned k = 0; k < CONTROL_KIND_COUNT; k++) {
        if (strcmp(control_kind_rows[k].word, word) == 0) {
            *out = (enum control_kind)k;
            return true;
        }
    }
    return false;
}

/* Is C in SET, in which x-y is a range? */
static bool in_set(const char *set, char c)
{
    for (; *set != '\0'; set++) {
        if (set[1] == '-' && set[2] != '\0') {
            if (c >= set[0] && c <= set[2]) {
                return true;
            }
            set += 2;
        } else if (*set == c) {
            return true;
        }
    }
    return false;
}

static bool name_fits(const struct form_row *f, const char *name)
{
    size_t len = strnlen(name, f->most + 1);

    if (len == 0 || len > f->most || !in_set(f->first, name[0])) {
        return false;
    }
    for (size_t i = 1; i < len; i++) {
        if (!in_set(f->chars, name[i])) {
            return false;
        }
    }
    return true;
}

/* One slash with something on both sides. */
static bool is_pair(const char *name)
{
    const char *slash = strchr(name, '/');

    return slash != NULL && slash[1] != '\0' && strchr(slash + 1, '/') == NULL;
}

bool control_target_parse(enum control_kind kind, const char *target, enum control_form *form,
                          const char **name)
{
    for (unsigned i = 0; i < CONTROL_FORM_COUNT; i++) {
        const struct form_row *f = &forms[i];
        size_t prefix = strlen(f->prefix);

        if ((control_kind_rows[kind].forms >> i & 1) == 0) {
            continue;
        }
        *form = (enum control_form)i;
        if (f->fixed != NULL) {
            if (strcmp(f->fixed, target) == 0) {
                *name = target;
                return true;
            }
        } else if (strncmp(f->prefix, target, prefix) == 0 && name_fits(f, target + prefix) &&
                   (i != CONTROL_FORM_SYMBOL || is_pair(target))) {
            *name = target + prefix;
            return true;
        }
    }
    return false;
}

const char *control_target_allowed(enum control_kind kind, char *text, size_t cap)
{
    unsigned left = control_kind_rows[kind].forms;
    size_t used = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < CONTROL_FORM_COUNT && used < cap; i++) {
        if ((left >> i & 1) != 0) {
            const char *glue = used == 0 ? "" : left == 1u << i ? " or " : ", ";

            used += (size_t)snprintf(text + used, cap - used, "%s%s", glue, forms[i].what);
            left &= ~(1u << i);
        }
    }
    return text;
}

const char *const *control_field_words(enum control_field_type type, uint32_t *count)
{
    switch (type) {
    case CONTROL_FIELD_MODE:
        *count = CONTROL_MODE_COUNT;
        return control_mode_words;
    case CONTROL_FIELD_PROFILE:
        *count = CONTROL_PROFILE_COUNT;
        return control_profile_words;
    case CONTROL_FIELD_UPSTREAM:
        *count = CONTROL_UPSTREAM_COUNT;
        return control_upstream_words;
    default:
        *count = 0;
        return NULL;
    }
}

bool control_field_number(enum control_field_type type, uint64_t number)
{
    static const uint64_t intervals[] = {20, 50, 100, 250, 1000};
    static const uint64_t depths[] = {10, 25, 100, 500, 1000};
    const uint64_t *choice = type == CONTROL_FIELD_CONFLATION ? intervals : depths;

    switch (type) {
    case CONTROL_FIELD_PERCENT:
        return number <= 100;
    case CONTROL_FIELD_RATE:
        return number >= 1 && number <= 1000000;
    case CONTROL_FIELD_SUB_OPS:
        return number >= 1 && number <= 100000;
    case CONTROL_FIELD_CONFLATION:
    case CONTROL_FIELD_DEPTH:
        for (size_t i = 0; i < GW_LEN(depths); i++) {
            if (choice[i] == number) {
                return true;
            }
        }
        return false;
    default:
        return false;
    }
}
