/* gateway/core/outbox.h - what Redis has not taken yet: entries in order, bounded.
 * Why: one entry is under way at a time, so that an error or a lost connection never changes the
 * order; while Redis is away they wait here.
 * Owner: the loop of the link.
 * Invariant: bounded in entries and bytes, but for the newest announcement and the one under way,
 * which stay. Overflow rule: the oldest announcement makes room for whatever comes (the snapshot that
 * follows makes it good); a command is never pushed out: when commands alone fill it, the next one is
 * refused. */
#ifndef GATEWAY_CORE_OUTBOX_H
#define GATEWAY_CORE_OUTBOX_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "gateway/core/core_id.h"
#include "gateway/core/entry.h"

enum outbox_type { OUTBOX_CHANGE, OUTBOX_SNAPSHOT, OUTBOX_COMMAND, OUTBOX_CANCEL };

struct outbox_entry {
    enum outbox_type type;
    char id[CORE_ID_SIZE];     /* of a command */
    char once[CORE_HASH_SIZE]; /* key it was asked under; "": none */
    char *json;                /* owned; NULL of a snapshot until it is sent */
    size_t len;
    struct outbox_entry *prev;
    struct outbox_entry *next;
};

struct outbox {
    uint32_t most;
    size_t most_bytes;
    struct outbox_entry *first;
    uint32_t count;
    size_t bytes;
    uint32_t commands; /* of them */
    size_t command_bytes;
    bool busy; /* the first is under way */
};

void outbox_fini(struct outbox *o);
/* Room for one more command of LEN bytes? */
bool outbox_has_room(const struct outbox *o, size_t len);
/* Takes JSON over. Returns how many announcements it pushed out. */
uint32_t outbox_add(struct outbox *o, enum outbox_type type, const char *id, char *json,
                    size_t len);
/* The one that was added last was asked under KEY. */
void outbox_name_last(struct outbox *o, const char *key);
/* Is a snapshot waiting, not under way? */
bool outbox_has_snapshot(const struct outbox *o);
/* Takes the command ID out unless it is under way; false when it is not there. */
bool outbox_drop_command(struct outbox *o, const char *id);
void outbox_pop(struct outbox *o);
#endif
