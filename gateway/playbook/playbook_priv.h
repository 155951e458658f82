/* gateway/playbook/playbook_priv.h - what the reader fills and the rest of the folder reads. */
#ifndef GATEWAY_PLAYBOOK_PLAYBOOK_PRIV_H
#define GATEWAY_PLAYBOOK_PLAYBOOK_PRIV_H
#include "gateway/playbook/playbook.h"
#include "gateway/runtime/yaml.h"

struct playbooks {
    struct playbook *rows; /* sorted by id */
    size_t count;
    struct playbook_contact *contacts;
    size_t contact_count;
    unsigned slots;
    struct yaml_doc **docs; /* hold the texts */
    size_t doc_count;
};

/* --- fields.c: one file being read ------------------------------------------------------------- */

struct reading {
    const char *path;
    struct buf *errors;
    const struct playbook_rules *rules;
    struct playbooks *all;
};

/* "PATH:LINE: WHERE: WHAT" */
void reading_bad(struct reading *r, const struct yaml_node *at, const char *where,
                 const char *what);
/* Is MAP a map with no keys but those in KEYS (ended by NULL)? WHERE: "steps.halt". */
bool reading_keys(struct reading *r, const struct yaml_node *map, const char *where,
                  const char *const *keys);

struct field_rule {
    size_t least;
    size_t most; /* bytes */
    bool optional;
};
/* The text KEY of MAP, borrowed; NULL: it is not there, and that was said unless it is optional. */
const char *reading_text(struct reading *r, const struct yaml_node *map, const char *where,
                         const char *key, struct field_rule rule);
/* 1 to 40 of a-z 0-9 _. */
const char *reading_id(struct reading *r, const struct yaml_node *map, const char *where);
const char *reading_date(struct reading *r, const struct yaml_node *map, const char *key);
/* Absent: FALLBACK. */
bool reading_bool(struct reading *r, const struct yaml_node *map, const char *where,
                  const char *key, bool fallback);
/* Absent: said, unless OPTIONAL; then 0. */
uint64_t reading_number(struct reading *r, const struct yaml_node *map, const char *where,
                        const char *key, uint64_t most, bool optional);
/* Texts of 1 to MOST bytes; absent is none. */
void reading_texts(struct reading *r, const struct yaml_node *map, const char *where,
                   const char *key, size_t most, struct playbook_texts *out);
/* The list KEY of MAP; NULL: it is not there (said when REQUIRED). */
const struct yaml_node *reading_list(struct reading *r, const struct yaml_node *map,
                                     const char *where, const char *key, size_t most,
                                     bool required);
/* "WHERE.ID" or "WHERE[I]" for messages. */
void reading_place(struct buf *out, const char *where, const struct yaml_node *map, size_t i);

/* --- steps.c ----------------------------------------------------------------------------------- */

void reading_steps(struct reading *r, const struct yaml_node *root, struct playbook *p);
void playbook_steps_fini(struct playbook *p);
/* Days since 1970 of "2026-11-21"; false: no such day. */
bool playbook_day(const char *text, int64_t *out);
#endif
