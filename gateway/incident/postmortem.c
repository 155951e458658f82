#include "gateway/incident/postmortem.h"

#include <inttypes.h>
#include <stdio.h>

#define HOURS_NS  (60 * MINUTES_NS)
#define WITHIN_NS (48 * HOURS_NS)

/* so long before it is due */
static const int64_t reminders[POSTMORTEM_REMINDERS] = {24 * HOURS_NS, 4 * HOURS_NS, 0};

static bool is_owed(const struct incident *i)
{
    return i->state == INCIDENT_RESOLVED && i->postmortem_due_ns != 0 && i->postmortem_url == NULL;
}

int64_t postmortem_next(const struct incident *i, uint64_t *which)
{
    if (is_owed(i) && i->reminded < POSTMORTEM_REMINDERS) {
        *which = i->reminded + 1;
        return i->postmortem_due_ns - reminders[i->reminded];
    }
    *which = 0;
    return 0;
}

bool postmortem_overdue(const struct incident *i, int64_t now_ns)
{
    return is_owed(i) && i->postmortem_due_ns <= now_ns;
}

void postmortem_begin(struct incident *i, int64_t now_ns, struct incident_effect *e)
{
    if (i->postmortem_required && i->postmortem_url == NULL) {
        i->postmortem_due_ns = now_ns + WITHIN_NS;
        i->reminded = 0;
        e->postmortem = true;
    }
}

/* Who was reminded hears that it is over. */
static void end(struct incident *i, struct incident_effect *e)
{
    e->unremind = i->reminded != 0;
    i->reminded = 0;
    i->postmortem_due_ns = 0;
}

void postmortem_forget(struct incident *i, struct incident_effect *e)
{
    end(i, e);
}

void postmortem_written(struct incident *i, const char *url, struct incident_effect *e)
{
    e->written = i->postmortem_due_ns != 0;
    incident_set(&i->postmortem_url, url);
    end(i, e);
}

static void put_left(struct buf *out, int64_t left_ns)
{
    if (left_ns > 0) {
        buf_printf(out, "is due in %" PRId64 " h %02" PRId64 " min", left_ns / HOURS_NS,
                   left_ns / MINUTES_NS % 60);
    } else {
        buf_lit(out, "is overdue");
    }
}

void postmortem_remind(struct incident *i, uint64_t which, int64_t now_ns,
                       struct incident_effect *e)
{
    uint64_t later;
    int64_t later_ns;

    buf_lit(&e->text, "the postmortem ");
    put_left(&e->text, i->postmortem_due_ns - now_ns);
    buf_printf(&e->data, "\"reminder\":%" PRIu64 ",\"due_at\":\"", which);
    buf_rfc3339(&e->data, i->postmortem_due_ns, 6);
    buf_putc(&e->data, '"');
    i->reminded = which;
    later_ns = postmortem_next(i, &later);
    e->remind = later == 0 || later_ns > now_ns;
    if (!e->remind) {
        buf_lit(&e->text, "; no gateway ran when this reminder was due, so only the last is paged");
    }
}

void postmortem_key(uint64_t number, char out[INCIDENT_NAME_MAX])
{
    (void)snprintf(out, INCIDENT_NAME_MAX, "INC-%" PRIu64 "/pm", number);
}

void postmortem_title(const struct incident *i, int64_t now_ns, struct buf *out)
{
    buf_printf(out, "Postmortem of INC-%" PRIu64 " ", i->number);
    if (i->postmortem_due_ns == 0) {
        buf_puts(out, i->postmortem_url != NULL ? "is written" : "is not due: it is open again");
    } else {
        put_left(out, i->postmortem_due_ns - now_ns);
    }
    buf_printf(out, ": %s", i->title);
}
