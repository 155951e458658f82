/* gateway/playbook/steps.c - the steps of a playbook's file: guards, actions, links. */
#include <stdlib.h>
#include <string.h>
#include "gateway/playbook/playbook_priv.h"
#include "gateway/runtime/json.h"

#define TEXT_MOST    2000u
#define ANSWERS_MOST 8u
#define BODY_DEPTH   4u

/* --- actions ----------------------------------------------------------------------------------- */

static bool typed_is_known(const char *word)
{
    static const char *const words[] = {"ALL", "KILL", "RELEASE", "symbol"};

    for (size_t i = 0; i < GW_LEN(words); i++) {
        if (strcmp(words[i], word) == 0) {
            return true;
        }
    }
    return false;
}

static void check_action(struct reading *r, const struct yaml_node *map, const char *where,
                         const struct playbook_action *a)
{
    struct buf why = {0};
    json_t *body = a->body != NULL ? json_parse_strict(a->body, strlen(a->body), BODY_DEPTH) : NULL;

    if (a->body != NULL && !json_is_object(body)) {
        reading_bad(r, yaml_get(map, "body"), where,
                    "body: expected a JSON object as text, as '{\"halted\":true}'");
    } else if (a->typed != NULL && !typed_is_known(a->typed)) {
        reading_bad(r, yaml_get(map, "typed"), where,
                    "typed: expected ALL, KILL, RELEASE or symbol");
    } else if (a->typed != NULL && strcmp(a->typed, "symbol") == 0 &&
               strstr(a->path, "{symbol}") == NULL) {
        reading_bad(r, yaml_get(map, "typed"), where,
                    "typed: symbol is for a path with {symbol} in it");
    } else if (!r->rules->action(r->rules->arg, a, &why)) {
        reading_bad(r, map, where, buf_cstr(&why));
    }
    json_decref(body);
    buf_fini(&why);
}

static void read_action(struct reading *r, const struct yaml_node *step, const char *where,
                        struct playbook_action *a)
{
    static const char *const keys[] = {"method", "path",    "permission", "body",
                                       "typed",  "portctl", NULL};
    const struct yaml_node *map = yaml_get(step, "action");
    const struct field_rule word = {1, 40, false};
    struct buf place = {0};

    if (map == NULL) {
        return;
    }
    buf_printf(&place, "%s.action", where);
    if (reading_keys(r, map, buf_cstr(&place), keys)) {
        a->method = reading_text(r, map, place.data, "method", word);
        a->path = reading_text(r, map, place.data, "path", (struct field_rule){1, 200, false});
        a->permission = reading_text(r, map, place.data, "permission", word);
        a->body = reading_text(r, map, place.data, "body", (struct field_rule){2, 1000, true});
        a->typed = reading_text(r, map, place.data, "typed", (struct field_rule){1, 10, true});
        a->portctl =
            reading_text(r, map, place.data, "portctl", (struct field_rule){8, 300, false});
        if (a->method != NULL && a->path != NULL && a->permission != NULL && a->portctl != NULL) {
            check_action(r, map, place.data, a);
        }
    }
    buf_fini(&place);
}

/* --- guards ------------------------------------------------------------------------------------ */

static bool is_word(const char *text)
{
    return text[0] != '\0' && strlen(text) <= PLAYBOOK_ID_MAX &&
           text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static void read_answer(struct reading *r, const struct yaml_node *word,
                        const struct yaml_node *map, const char *where, struct playbook_answer *a)
{
    static const char *const keys[] = {"text", "locks", NULL};
    struct buf place = {0};

    buf_printf(&place, "%s.answers.%s", where, yaml_text(word));
    if (!is_word(yaml_text(word))) {
        reading_bad(r, word, buf_cstr(&place),
                    "expected a word of letters a-z, digits and _ as an answer");
    } else if (reading_keys(r, map, buf_cstr(&place), keys)) {
        a->word = yaml_text(word);
        a->text = reading_text(r, map, place.data, "text", (struct field_rule){1, 500, false});
        reading_texts(r, map, place.data, "locks", PLAYBOOK_ID_MAX, &a->locks);
    }
    buf_fini(&place);
}

static void read_guard(struct reading *r, const struct yaml_node *step, const char *where,
                       struct playbook_guard *g)
{
    static const char *const keys[] = {"question", "answers", NULL};
    const struct yaml_node *map = yaml_get(step, "guard");
    const struct yaml_node *answers;
    struct buf place = {0};

    if (map == NULL) {
        return;
    }
    buf_printf(&place, "%s.guard", where);
    if (reading_keys(r, map, buf_cstr(&place), keys)) {
        g->question =
            reading_text(r, map, place.data, "question", (struct field_rule){1, 300, false});
        answers = yaml_get(map, "answers");
        if (answers == NULL || yaml_kind(answers) != YAML_MAP || yaml_count(answers) < 2 ||
            yaml_count(answers) > ANSWERS_MOST) {
            reading_bad(r, answers != NULL ? answers : map, place.data,
                        "answers: expected 2 to 8 of them, each `word: {text: ...}`");
        } else {
            g->answers = gw_calloc(yaml_count(answers), sizeof *g->answers);
            g->count = yaml_count(answers);
            for (size_t i = 0; i < g->count; i++) {
                read_answer(r, yaml_key(answers, i), yaml_value(answers, i), place.data,
                            &g->answers[i]);
            }
        }
    }
    buf_fini(&place);
}

/* --- links ------------------------------------------------------------------------------------- */

/* Our own pages, or a page of TLS: nothing that runs when it is clicked. */
static bool href_is_safe(const char *href)
{
    return (href[0] == '/' && href[1] != '/') || strncmp(href, "#/", 2) == 0 ||
           strncmp(href, "https://", 8) == 0;
}

static void read_links(struct reading *r, const struct yaml_node *map, const char *where,
                       struct playbook_step *s)
{
    static const char *const keys[] = {"title", "href", NULL};
    const struct yaml_node *list = reading_list(r, map, where, "links", 16, false);

    if (list == NULL) {
        return;
    }
    s->links = gw_calloc(yaml_count(list), sizeof *s->links);
    for (size_t i = 0; i < yaml_count(list); i++) {
        const struct yaml_node *item = yaml_item(list, i);
        struct playbook_link *l = &s->links[s->link_count];
        struct buf place = {0};

        buf_printf(&place, "%s.links[%zu]", where, i);
        if (reading_keys(r, item, buf_cstr(&place), keys)) {
            l->title =
                reading_text(r, item, place.data, "title", (struct field_rule){1, 100, false});
            l->href = reading_text(r, item, place.data, "href", (struct field_rule){1, 300, false});
            if (l->href != NULL && !href_is_safe(l->href)) {
                reading_bad(r, yaml_get(item, "href"), place.data,
                            "href: expected https://..., /path or #/screen");
            }
            s->link_count++;
        }
        buf_fini(&place);
    }
}

/* --- steps ------------------------------------------------------------------------------------- */

static enum playbook_phase read_phase(struct reading *r, const struct yaml_node *map,
                                      const char *where)
{
    const char *word = reading_text(r, map, where, "phase", (struct field_rule){1, 40, false});

    for (unsigned i = 0; word != NULL && i < PHASE_COUNT; i++) {
        if (strcmp(playbook_phase_words[i], word) == 0) {
            return (enum playbook_phase)i;
        }
    }
    if (word != NULL) {
        reading_bad(r, yaml_get(map, "phase"), where,
                    "phase: expected immediate, diagnosis or recovery");
    }
    return PHASE_IMMEDIATE;
}

static void read_step(struct reading *r, const struct yaml_node *map, const char *where,
                      struct playbook_step *s)
{
    static const char *const keys[] = {"id",    "phase",  "title",    "text",  "mandatory", "after",
                                       "guard", "action", "commands", "links", NULL};

    if (!reading_keys(r, map, where, keys)) {
        return;
    }
    s->id = reading_id(r, map, where);
    s->phase = read_phase(r, map, where);
    s->title = reading_text(r, map, where, "title", (struct field_rule){1, 120, false});
    s->text = reading_text(r, map, where, "text", (struct field_rule){1, TEXT_MOST, false});
    s->mandatory = reading_bool(r, map, where, "mandatory", false);
    reading_texts(r, map, where, "after", PLAYBOOK_ID_MAX, &s->after);
    reading_texts(r, map, where, "commands", 300, &s->commands);
    read_guard(r, map, where, &s->guard);
    read_action(r, map, where, &s->action);
    read_links(r, map, where, s);
}

/* The step named ID among the first COUNT; NULL: none. */
static const struct playbook_step *find(const struct playbook *p, size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++) {
        if (p->steps[i].id != NULL && strcmp(p->steps[i].id, id) == 0) {
            return &p->steps[i];
        }
    }
    return NULL;
}

/* Steps wait for earlier ones only, so that none waits for itself. */
static void check_order(struct reading *r, const struct yaml_node *list, const struct playbook *p)
{
    struct buf place = {0};

    for (size_t i = 0; i < p->step_count; i++) {
        const struct playbook_step *s = &p->steps[i];
        const struct yaml_node *at = yaml_item(list, i);

        reading_place(&place, "steps", at, i);
        if (s->id != NULL && find(p, i, s->id) != NULL) {
            reading_bad(r, at, place.data, "another step has this id: choose a different one");
        }
        for (size_t k = 0; k < s->after.count; k++) {
            if (find(p, i, s->after.items[k]) == NULL) {
                reading_bad(r, at, place.data, "after: no step before this one has that id");
            }
        }
        for (size_t k = 0; k < s->guard.count; k++) {
            for (size_t n = 0; n < s->guard.answers[k].locks.count; n++) {
                const struct playbook_step *other =
                    find(p, p->step_count, s->guard.answers[k].locks.items[n]);

                if (other == NULL || other <= s) {
                    reading_bad(r, at, place.data, "locks: no step behind this one has that id");
                }
            }
        }
        if (i != 0 && s->phase < p->steps[i - 1].phase) {
            reading_bad(r, at, place.data,
                        "phase: comes before that of the step above; the order is immediate, "
                        "diagnosis, recovery");
        }
    }
    buf_fini(&place);
}

void reading_steps(struct reading *r, const struct yaml_node *root, struct playbook *p)
{
    const struct yaml_node *list =
        reading_list(r, root, "playbook", "steps", PLAYBOOK_STEPS_MAX, true);
    bool seen[PHASE_COUNT] = {false};
    struct buf place = {0};

    if (list == NULL) {
        return;
    }
    p->steps = gw_calloc(yaml_count(list), sizeof *p->steps);
    p->step_count = yaml_count(list);
    for (size_t i = 0; i < p->step_count; i++) {
        reading_place(&place, "steps", yaml_item(list, i), i);
        read_step(r, yaml_item(list, i), place.data, &p->steps[i]);
        seen[p->steps[i].phase] = true;
    }
    buf_fini(&place);
    check_order(r, list, p);
    for (unsigned i = 0; i < PHASE_COUNT; i++) {
        if (!seen[i]) {
            reading_bad(r, list, "steps",
                        "each phase needs a step: immediate, diagnosis and recovery");
            return;
        }
    }
}

void playbook_steps_fini(struct playbook *p)
{
    for (size_t i = 0; i < p->step_count; i++) {
        struct playbook_step *s = &p->steps[i];

        for (size_t k = 0; k < s->guard.count; k++) {
            free(s->guard.answers[k].locks.items);
        }
        free(s->guard.answers);
        free(s->after.items);
        free(s->commands.items);
        free(s->links);
    }
    free(p->steps);
}
