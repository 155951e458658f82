/* gateway/playbook/print.c - a playbook as JSON, for REST. */
#include <string.h>
#include "gateway/base/json_put.h"
#include "gateway/playbook/playbook.h"

static void put_texts(struct buf *out, const char *name, const struct playbook_texts *t)
{
    buf_printf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < t->count; i++) {
        buf_puts(out, i != 0 ? "," : "");
        buf_json_str(out, t->items[i], strlen(t->items[i]));
    }
    buf_putc(out, ']');
}

static void put_guard(struct buf *out, const struct playbook_guard *g)
{
    buf_lit(out, ",\"guard\":");
    if (g->question == NULL) {
        buf_lit(out, "null");
        return;
    }
    buf_lit(out, "{\"question\":");
    buf_json_str(out, g->question, strlen(g->question));
    buf_lit(out, ",\"options\":[");
    for (size_t i = 0; i < g->count; i++) {
        buf_printf(out, "%s\"%s\"", i != 0 ? "," : "", g->answers[i].word);
    }
    buf_lit(out, "],\"answers\":[");
    for (size_t i = 0; i < g->count; i++) {
        buf_printf(out, "%s{\"answer\":\"%s\"", i != 0 ? "," : "", g->answers[i].word);
        json_put_text(out, "text", g->answers[i].text);
        put_texts(out, "locks", &g->answers[i].locks);
        buf_putc(out, '}');
    }
    buf_lit(out, "]}");
}

static void put_action(struct buf *out, const struct playbook_action *a)
{
    buf_lit(out, ",\"action\":");
    if (a->method == NULL) {
        buf_lit(out, "null");
        return;
    }
    buf_printf(out, "{\"method\":\"%s\"", a->method);
    json_put_text(out, "path", a->path);
    buf_printf(out, ",\"body\":%s", a->body != NULL ? a->body : "null");
    json_put_text(out, "permission", a->permission);
    json_put_text(out, "portctl", a->portctl);
    json_put_text(out, "typed", a->typed);
    buf_putc(out, '}');
}

static void put_step(struct buf *out, const struct playbook_step *s)
{
    buf_printf(out, "{\"id\":\"%s\",\"phase\":\"%s\"", s->id, playbook_phase_words[s->phase]);
    json_put_text(out, "title", s->title);
    json_put_text(out, "text", s->text);
    buf_printf(out, ",\"mandatory\":%s", s->mandatory ? "true" : "false");
    put_texts(out, "after", &s->after);
    put_guard(out, &s->guard);
    put_action(out, &s->action);
    put_texts(out, "commands", &s->commands);
    buf_lit(out, ",\"links\":[");
    for (size_t i = 0; i < s->link_count; i++) {
        buf_puts(out, i != 0 ? ",{\"title\":" : "{\"title\":");
        buf_json_str(out, s->links[i].title, strlen(s->links[i].title));
        json_put_text(out, "href", s->links[i].href);
        buf_putc(out, '}');
    }
    buf_lit(out, "]}");
}

static void put_exit(struct buf *out, const struct playbook_exit *e)
{
    buf_printf(out, "{\"id\":\"%s\"", e->id);
    json_put_text(out, "text", e->text);
    json_put_text(out, "counter", playbook_counter_rows[e->counter].word);
    json_put_text(out, "unit", playbook_counter_rows[e->counter].unit);
    buf_printf(out, ",\"need\":%llu}", (unsigned long long)e->need);
}

static void put_contacts(struct buf *out, const struct playbook *p)
{
    buf_lit(out, ",\"contacts\":[");
    for (size_t i = 0; i < p->contact_count; i++) {
        buf_puts(out, i != 0 ? ",{\"role\":" : "{\"role\":");
        buf_json_str(out, p->contacts[i]->role, strlen(p->contacts[i]->role));
        json_put_text(out, "name", p->contacts[i]->name);
        json_put_text(out, "how", p->contacts[i]->how);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

void playbook_print(const struct playbook *p, int64_t now_ns, struct buf *out)
{
    buf_printf(out, "{\"id\":\"%s\"", p->id);
    json_put_text(out, "title", p->title);
    buf_printf(out, ",\"version\":%llu", (unsigned long long)p->version);
    json_put_text(out, "owner", p->owner);
    json_put_text(out, "reviewed_at", p->reviewed_at);
    json_put_text(out, "next_review_at", p->next_review_at);
    buf_printf(out, ",\"review_overdue\":%s", playbook_overdue(p, now_ns) ? "true" : "false");
    json_put_text(out, "severity", severity_rows[p->severity].word);
    put_texts(out, "signals", &p->signals);
    put_texts(out, "symptoms", &p->symptoms);
    buf_lit(out, ",\"steps\":[");
    for (size_t i = 0; i < p->step_count; i++) {
        buf_puts(out, i != 0 ? "," : "");
        put_step(out, &p->steps[i]);
    }
    buf_lit(out, "],\"exit\":[");
    for (size_t i = 0; i < p->exit_count; i++) {
        buf_puts(out, i != 0 ? "," : "");
        put_exit(out, &p->exits[i]);
    }
    buf_putc(out, ']');
    put_contacts(out, p);
    json_put_text(out, "notice", p->notice);
    buf_putc(out, '}');
}
