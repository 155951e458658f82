/* gateway/control/state.h - the control state: one immutable, versioned snapshot of cells.
 * Why: every loop, the database and the journal must mean the same thing by "version 4711"; a
 * snapshot never changes, so it can be read without locks and compared byte by byte.
 *
 *   snapshot 7 --control_apply(change)--> snapshot 8 (shares the cells that stayed)
 *
 * Owner: counted references; ref and unref from any thread, everything else only reads.
 * Invariant: cells are sorted by (kind, target as bytes), each key once; a cell's version is at most
 * the snapshot's. An absent cell has its kind's default. A cell that returns to the default stays,
 * with who returned it and when: its version is the resource's ETag and must move on. */
#ifndef GATEWAY_CONTROL_STATE_H
#define GATEWAY_CONTROL_STATE_H
#include "gateway/control/kind.h"

#define CONTROL_REASON_LEAST  10  /* characters */
#define CONTROL_REASON_MOST   500 /* characters */
#define CONTROL_TICKET_MOST   64  /* characters */
#define CONTROL_INCIDENT_MOST 64  /* characters */
#define CONTROL_PERSON_MOST   128 /* characters; of by, approved_by */
#define CONTROL_CELLS_MOST    100000

/* clang-format off */
/* What made somebody, or something, act. */
#define CONTROL_TRIGGERS(X) X(HAND, "hand") X(ALERT, "alert") X(INCIDENT, "incident") X(POLICY, "policy")
/* clang-format on */
#define CONTROL_TRIGGER_AS_ENUM(sym, word) CONTROL_TRIGGER_##sym,
enum control_trigger { CONTROL_TRIGGERS(CONTROL_TRIGGER_AS_ENUM) CONTROL_TRIGGER_COUNT };
extern const char *const control_trigger_words[CONTROL_TRIGGER_COUNT];

struct control_cell {
    enum control_kind kind;
    char target[CONTROL_TARGET_MAX];
    struct control_value value;
    const char *reason;
    const char *ticket;      /* "" when owed */
    const char *by;          /* "user:ana" */
    const char *approved_by; /* "" when nobody had to */
    int64_t since_ns;        /* wall: the value is in force since */
    int64_t until_ns;        /* wall: a decision is due then; 0: none */
    uint64_t version;        /* of the snapshot in which it last changed */
    uint64_t audit;          /* number in the audit chain; 0: only journaled yet */
    enum control_trigger trigger;
};

struct control;

/* Version 0, without cells. */
const struct control *control_create(void);
const struct control *control_ref(const struct control *c);
void control_unref(const struct control **cp);

uint64_t control_version(const struct control *c);
/* Cells in canonical order; borrowed from the snapshot. */
uint32_t control_count(const struct control *c);
const struct control_cell *control_at(const struct control *c, uint32_t i);
/* NULL when absent: never set. */
const struct control_cell *control_find(const struct control *c, enum control_kind kind,
                                        const char *target);
/* The value in force, the default when absent. Never NULL. */
const struct control_value *control_value_of(const struct control *c, enum control_kind kind,
                                             const char *target);
/* Index of the first cell of KIND, and how many there are. */
uint32_t control_range(const struct control *c, enum control_kind kind, uint32_t *count);
/* A total order of cells of one key: first the version, then time, audit and everything else, so
 * that "the newer one" is the same one wherever it is asked. 0: equal in every member. */
int control_cell_order(const struct control_cell *a, const struct control_cell *b);
/* Equal in version and in every member of every cell. */
bool control_equal(const struct control *a, const struct control *b);
#endif
