/* gateway/core/command.h - the table of recent commands to the exchange core.
 * Why: an operator who asked for "cancel all" must see what became of it, whichever gateway it was
 * asked at; and no gateway may say "done" before the core did.
 *
 *   REQUESTED --ack--> ACCEPTED --ack--> DONE | FAILED        a person: any unsettled -> CANCELLED
 *       |                 |  ^
 *       +---- clock ------+->TIMED_OUT --late ack--> ACCEPTED | DONE | FAILED
 *
 * Owner: the loop of its link. No I/O; clocks are arguments.
 * Invariant: DONE and FAILED are set by words of a core only. At most `most` commands are kept; the
 * oldest settled one makes room, an unsettled one only when there is no other. */
#ifndef GATEWAY_CORE_COMMAND_H
#define GATEWAY_CORE_COMMAND_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/core/entry.h"

/* What became of an ack; the label of its counter.
 *    symbol     word */
#define CORE_ACK_RESULTS(X)                                                                        \
    X(TAKEN, "taken")         /* the record changed */                                             \
    X(LATE, "late")           /* likewise, after its time-out */                                   \
    X(DUPLICATE, "duplicate") /* says again what is known */                                       \
    X(UNKNOWN, "unknown")     /* no such command, or forgotten */                                  \
    X(REFUSED, "refused")     /* contradicts a settled record */
#define CORE_ACK_RESULT_AS_ENUM(sym, word) CORE_ACK_##sym,
enum core_ack_result { CORE_ACK_RESULTS(CORE_ACK_RESULT_AS_ENUM) CORE_ACK_RESULT_COUNT };

/* What may be known of a command; borrowed texts, valid until the table changes. */
struct core_command_view {
    const char *id;
    enum core_kind kind;
    enum core_state state;
    enum core_state was; /* before the last change; CORE_STATE_COUNT: it is new */
    const char *target;
    const char *args; /* compact JSON object */
    const char *by;
    const char *gateway; /* where it was asked */
    bool sent;           /* Redis has it */
    bool late;           /* the core spoke after the time-out */
    bool confirmed;      /* the state is the core's word */
    bool has_count;
    uint64_t count;
    const char *detail; /* "" when there is none */
    const char *core;   /* who answered; "" */
    int64_t asked_ns;   /* wall */
    int64_t changed_ns; /* wall */
    uint64_t deadline_ms;
};

struct core_commands;
/* Runs after each change of a command: a new one, another state, a confirmation. */
typedef void core_changed_fn(void *arg, const struct core_command_view *c);

struct core_commands *core_commands_create(uint32_t most, core_changed_fn *on_change, void *arg);
void core_commands_destroy(struct core_commands **tp);

/* Takes R's args over. AGO_NS: how long ago it was asked. False when the id is known. */
bool core_commands_add(struct core_commands *t, struct core_request *r, int64_t now_mono_ns,
                       int64_t ago_ns);
/* False when there is no such command. */
bool core_commands_get(const struct core_commands *t, const char *id,
                       struct core_command_view *out);
/* Redis took it. */
void core_commands_sent(struct core_commands *t, const char *id);
enum core_ack_result core_commands_ack(struct core_commands *t, const struct core_ack *ack,
                                       int64_t now_mono_ns, int64_t now_ns);
/* By a person. WHY (a literal) becomes the detail; may be NULL. GW_ENOTFOUND; GW_EINVAL when it is
 * settled already. */
enum gw_err core_commands_cancel(struct core_commands *t, const char *id, const char *why,
                                 int64_t now_ns);
/* Those whose time is over. EXPIRED hears of each before it changes and may say why it was not
 * heard of (a literal), or NULL. */
void core_commands_expire(struct core_commands *t, int64_t now_mono_ns, int64_t now_ns,
                          const char *(*expired)(void *arg, const struct core_command_view *c),
                          void *arg);

/* Only of SYMBOL (as a target; NULL: all) and in STATE (CORE_STATE_COUNT: all). */
struct core_filter {
    const char *symbol;
    enum core_state state;
    const char *after_id; /* goes on after this one of the last page; NULL: from the newest */
};
/* Newest first, up to MAX; how many. GW_ENOTFOUND: `after_id` is not (or no longer) known. */
enum gw_err core_commands_list(const struct core_commands *t, const struct core_filter *f,
                               struct core_command_view *out, size_t max, size_t *count);
uint32_t core_commands_count(const struct core_commands *t);
/* Unsettled ones: asked for and not answered yet, timed-out ones among them. */
uint32_t core_commands_open(const struct core_commands *t);
/* Of those, the ones whose time is over: nobody knows what became of them. */
uint32_t core_commands_late(const struct core_commands *t);

/* The command as REST and the event stream show it. */
void core_command_print(struct buf *b, const struct core_command_view *c);
#endif
