/* gateway/control/change.h - a change: what is to be set, its direction, the next snapshot, the diff.
 * Why: tightening needs one person, loosening two; which it is, is computed here from the state it
 * would change, never said by whoever asks.
 * Owner: the caller; pure: time and names come as arguments.
 * Invariant: control_apply() leaves the old snapshot as it is, and gives a new one or a reason. */
#ifndef GATEWAY_CONTROL_CHANGE_H
#define GATEWAY_CONTROL_CHANGE_H
#include "gateway/control/state.h"

#define CONTROL_ASSIGNMENTS_MOST 2000

struct control_assignment {
    enum control_kind kind;
    char target[CONTROL_TARGET_MAX];
    struct control_value value; /* owned */
};

/* All zero: empty. */
struct control_change {
    struct control_assignment *items; /* owned */
    uint32_t count;
    char *reason;     /* owned; never NULL when applied */
    char *ticket;     /* owned, NULL: none (owed) */
    char *incident;   /* owned, NULL: none; for the audit entry, not kept in cells */
    char *confirm;    /* owned, NULL: none; what was typed (word.h), not kept in cells */
    int64_t until_ns; /* wall, 0: none */
    enum control_trigger trigger;
};

/* Takes VALUE (which may be zero, the default) over. False when TARGET is too long or there are
 * CONTROL_ASSIGNMENTS_MOST already; VALUE is released all the same. */
GW_MUSTCHECK
bool control_change_add(struct control_change *c, enum control_kind kind, const char *target,
                        struct control_value *value);
void control_change_fini(struct control_change *c);

/* Who applies it, when, under which number. Texts are borrowed. */
struct control_stamp {
    const char *by;
    const char *approved_by; /* NULL: nobody */
    int64_t now_ns;          /* wall */
    uint64_t audit;          /* 0: only journaled */
    uint64_t version;        /* of the next snapshot, above the old one's; 0: one more */
};

/* Says whether a well-formed target exists. NAME is without prefix. */
struct control_names {
    bool (*known)(void *arg, enum control_form form, const char *name);
    void *arg;
};

/* The worst of what CHANGE would do to BEFORE; also of a change that control_apply() refuses.
 * A new `until` on an unchanged value is NEUTRAL. */
enum control_direction control_change_direction(const struct control *before,
                                                const struct control_change *change);

/* Does a step of CHANGE ask for a note on how the state was validated (CONTROL_STEP_LOOSEN_NOTE)? */
bool control_change_needs_note(const struct control *before, const struct control_change *change);

/* OUT becomes the next snapshot, with one reference. Assignments that change nothing leave their
 * cell as it is. NAMES NULL: every well-formed target exists. Targets that have a cell always do: a
 * halt of a symbol that left the list can be lifted. Not CONTROL_FINE: OUT is untouched, E says
 * which assignment and why. */
GW_MUSTCHECK
enum control_fault control_apply(const struct control *before, const struct control_change *change,
                                 const struct control_stamp *stamp,
                                 const struct control_names *names, const struct control **out,
                                 struct control_error *e);

/* What became different between two snapshots: for dry runs, the approval sheet, the audit. */
struct control_diff_item {
    enum control_kind kind;
    const char *target;                /* borrowed from a cell */
    const struct control_cell *before; /* NULL: was absent */
    const struct control_cell *after;  /* NULL: is absent */
    enum control_direction direction;
};
struct control_diff {
    struct control_diff_item *items; /* canonical order */
    uint32_t count;
    enum control_direction direction; /* the worst */
    const struct control *before;     /* references */
    const struct control *after;
};
void control_diff_init(struct control_diff *d, const struct control *before,
                       const struct control *after);
void control_diff_fini(struct control_diff *d);
#endif
