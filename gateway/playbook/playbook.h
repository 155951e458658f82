/* gateway/playbook/playbook.h - what to do when: playbooks as data.
 * Why: at three in the morning nobody should invent the order of steps. A playbook is a file of YAML:
 * immediate actions, diagnosis, recovery; guards that must be answered first; exit conditions that are
 * counted from events, not ticked by hand.
 *
 *   docs/playbooks/ID.yaml, contacts.yaml -> playbooks_read() -> struct playbooks
 *                                              every action against the routes that there are
 *
 * Owner: none; immutable after playbooks_read(). Texts live as long as the struct playbooks.
 * Invariant: what was read is whole: each step named in `after` or `locks` is there, each action can
 * be asked for, each exit condition can be counted. */
#ifndef GATEWAY_PLAYBOOK_PLAYBOOK_H
#define GATEWAY_PLAYBOOK_PLAYBOOK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/paging/severity.h"

#define PLAYBOOK_ID_MAX    40u /* characters of the id of a playbook, a step, a condition */
#define PLAYBOOK_STEPS_MAX 64u
#define PLAYBOOKS_MAX      64u

/* clang-format off */
#define PLAYBOOK_PHASES(X)      \
    X(IMMEDIATE, "immediate")   \
    X(DIAGNOSIS, "diagnosis")   \
    X(RECOVERY,  "recovery")

/* What an exit condition counts. `s`: seconds for which it has held without a break, as the gateway
 * that is asked has seen it; `yes`: 1 when it is so.
 *    symbol           word                     unit  help */
#define PLAYBOOK_COUNTERS(X)                                                                               \
    X(SLOW_QUIET,      "slow_consumer_quiet_s", "s",   "no client was closed for SLOW_CONSUMER")           \
    X(BACKLOG_BELOW,   "backlog_below_s",       "s",   "all clients together were less than `below` bytes behind") \
    X(TRADES_KEPT,     "trades_kept_s",         "s",   "ws_dropped_total{channel=\"trade\"} did not rise") \
    X(FANOUT_NORMAL,   "fanout_normal_s",       "s",   "the fan-out profile was normal")                   \
    X(KILL_RELEASED,   "kill_released_s",       "s",   "no kill switch was engaged")                       \
    X(ROOT_CAUSE,      "root_cause",            "yes", "the incident has a note of its root cause")
/* clang-format on */
#define PLAYBOOK_PHASE_AS_ENUM(sym, word) PHASE_##sym,
enum playbook_phase { PLAYBOOK_PHASES(PLAYBOOK_PHASE_AS_ENUM) PHASE_COUNT };
extern const char *const playbook_phase_words[PHASE_COUNT];

#define PLAYBOOK_COUNTER_AS_ENUM(sym, word, unit, help) COUNTER_##sym,
enum playbook_counter { PLAYBOOK_COUNTERS(PLAYBOOK_COUNTER_AS_ENUM) PLAYBOOK_COUNTER_COUNT };
struct playbook_counter_row {
    const char *word;
    const char *unit;
    const char *help;
};
extern const struct playbook_counter_row playbook_counter_rows[PLAYBOOK_COUNTER_COUNT];

struct playbook_texts {
    const char **items;
    size_t count;
};

/* One answer to the question of a guard. */
struct playbook_answer {
    const char *word;
    const char *text;            /* what it means */
    struct playbook_texts locks; /* steps that may not be done while this is the answer */
};
struct playbook_guard {
    const char *question; /* NULL: the step has none */
    struct playbook_answer *answers;
    size_t count;
};

/* A call of our own admin API. In PATH and BODY `{symbol}` stands for the incident's symbol, and
 * `{+15m}` for the time so far from now. Reason and ticket are added by who acts. */
struct playbook_action {
    const char *method; /* NULL: the step has none */
    const char *path;
    const char *permission;
    const char *body;    /* JSON object; NULL: none */
    const char *portctl; /* the same as a command line */
    const char
        *typed; /* what is typed to confirm it: ALL, KILL, RELEASE, `symbol`; NULL: nothing */
};
struct playbook_link {
    const char *title;
    const char *href;
};

struct playbook_step {
    const char *id;
    enum playbook_phase phase;
    const char *title;
    const char *text;
    bool mandatory;
    struct playbook_texts after; /* steps that are done before this one */
    struct playbook_guard guard;
    struct playbook_action action;
    struct playbook_texts commands;
    struct playbook_link *links;
    size_t link_count;
};

struct playbook_exit {
    const char *id;
    const char *text;
    enum playbook_counter counter;
    uint64_t need;
    uint64_t below; /* BACKLOG_BELOW: bytes */
    unsigned slot;  /* of the meter (exit.h): each condition has its own */
};

struct playbook_contact {
    const char *role;
    const char *name;
    const char *how;
};

struct playbook {
    const char *id;
    const char *title;
    uint64_t version;
    const char *owner;
    const char *reviewed_at; /* dates, "2026-11-21" */
    const char *next_review_at;
    enum incident_severity severity;
    struct playbook_texts signals;
    struct playbook_texts symptoms;
    struct playbook_step *steps;
    size_t step_count;
    struct playbook_exit *exits;
    size_t exit_count;
    const struct playbook_contact **contacts;
    size_t contact_count;
    const char *notice; /* for clients; NULL: none */
};

/* What the reader cannot know: routes and permissions. False: WHY says what is wrong. */
struct playbook_rules {
    bool (*action)(void *arg, const struct playbook_action *a, struct buf *why);
    void *arg;
};

struct playbooks;

/* Reads each *.yaml of DIR ("": there are none). GW_ECONFIG: ERRORS has a line for each mistake,
 * "FILE:LINE: what: what to do". Blocks: at start only. */
GW_MUSTCHECK
enum gw_err playbooks_read(const char *dir, const struct playbook_rules *rules,
                           struct playbooks **out, struct buf *errors);
void playbooks_destroy(struct playbooks **pp);
/* In the order of their ids. */
size_t playbooks_count(const struct playbooks *all);
const struct playbook *playbooks_at(const struct playbooks *all, size_t i);
/* NULL: there is none. */
const struct playbook *playbooks_find(const struct playbooks *all, const char *id);
/* Slots of all exit conditions. */
unsigned playbooks_slots(const struct playbooks *all);
/* How many have to be reviewed anew at NOW_NS (wall). */
size_t playbooks_overdue(const struct playbooks *all, int64_t now_ns);

/* NULL: there is none. */
const struct playbook_step *playbook_step(const struct playbook *p, const char *id);
bool playbook_has(const struct playbook_texts *texts, const char *text);
/* The review was due before NOW_NS (wall). */
bool playbook_overdue(const struct playbook *p, int64_t now_ns);
/* As a JSON object. */
void playbook_print(const struct playbook *p, int64_t now_ns, struct buf *out);
#endif
