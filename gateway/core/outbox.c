#include "gateway/core/outbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "gateway/base/err.h"

static bool is_announcement(enum outbox_type type)
{
    return type == OUTBOX_CHANGE || type == OUTBOX_SNAPSHOT;
}

static void drop(struct outbox *o, struct outbox_entry *e)
{
    DL_DELETE(o->first, e);
    o->count--;
    o->bytes -= e->len;
    o->commands -= !is_announcement(e->type);
    o->command_bytes -= is_announcement(e->type) ? 0 : e->len;
    free(e->json);
    free(e);
}

void outbox_fini(struct outbox *o)
{
    while (o->first != NULL) {
        drop(o, o->first);
    }
}

bool outbox_has_room(const struct outbox *o, size_t len)
{
    return o->commands < o->most && o->command_bytes + len <= o->most_bytes;
}

/* The oldest announcement that is not under way. */
static struct outbox_entry *oldest_announcement(const struct outbox *o)
{
    struct outbox_entry *e = o->first;

    if (e != NULL && o->busy) {
        e = e->next;
    }
    while (e != NULL && !is_announcement(e->type)) {
        e = e->next;
    }
    return e;
}

uint32_t outbox_add(struct outbox *o, enum outbox_type type, const char *id, char *json, size_t len)
{
    struct outbox_entry *e = gw_calloc(1, sizeof *e);
    struct outbox_entry *old;
    uint32_t dropped = 0;

    while ((o->count >= o->most || o->bytes + len > o->most_bytes) &&
           (old = oldest_announcement(o)) != NULL) {
        drop(o, old);
        dropped++;
    }
    e->type = type;
    e->json = json;
    e->len = len;
    if (id != NULL) {
        memcpy(e->id, id, sizeof e->id);
    }
    DL_APPEND(o->first, e);
    o->count++;
    o->bytes += len;
    o->commands += !is_announcement(type);
    o->command_bytes += is_announcement(type) ? 0 : len;
    return dropped;
}

void outbox_name_last(struct outbox *o, const char *key)
{
    struct outbox_entry *last = o->first->prev; /* utlist: the head's prev is the tail */

    (void)snprintf(last->once, sizeof last->once, "%s", key);
}

bool outbox_has_snapshot(const struct outbox *o)
{
    const struct outbox_entry *e;

    DL_FOREACH(o->first, e)
    {
        if (e->type == OUTBOX_SNAPSHOT && !(o->busy && e == o->first)) {
            return true;
        }
    }
    return false;
}

bool outbox_drop_command(struct outbox *o, const char *id)
{
    struct outbox_entry *e;

    DL_FOREACH(o->first, e)
    {
        if (e->type == OUTBOX_COMMAND && strcmp(e->id, id) == 0 && !(o->busy && e == o->first)) {
            drop(o, e);
            return true;
        }
    }
    return false;
}

void outbox_pop(struct outbox *o)
{
    GW_ASSERT(o->first != NULL && !o->busy);
    drop(o, o->first);
}
