/* What control_json.h prints. */
#include "gateway/control/control_json.h"

#include <string.h>
#include "gateway/control/effective.h"

static void print_text(struct buf *b, const char *text)
{
    buf_json_str(b, text, strlen(text));
}

static void print_time(struct buf *b, int64_t ns, unsigned digits)
{
    if (ns == 0) {
        buf_lit(b, "null");
        return;
    }
    buf_putc(b, '"');
    buf_rfc3339(b, ns, digits);
    buf_putc(b, '"');
}

static void print_symbols(struct buf *b, const struct control_symbols *s)
{
    buf_putc(b, '[');
    if (s->all) {
        buf_lit(b, "\"*\"");
    }
    for (uint32_t i = 0; i < s->count; i++) {
        if (i != 0) {
            buf_putc(b, ',');
        }
        print_text(b, s->names[i]);
    }
    buf_putc(b, ']');
}

static void print_field(struct buf *b, const struct control_field *f, const void *at,
                        unsigned digits)
{
    uint32_t count;
    const char *const *words = control_field_words(f->type, &count);

    if (words != NULL) {
        GW_ASSERT(*(const uint32_t *)at < count);
        print_text(b, words[*(const uint32_t *)at]);
    } else if (f->type == CONTROL_FIELD_BOOL) {
        buf_puts(b, *(const bool *)at ? "true" : "false");
    } else if (f->type == CONTROL_FIELD_SYMBOLS) {
        print_symbols(b, at);
    } else if (f->type == CONTROL_FIELD_TIME) {
        print_time(b, *(const int64_t *)at, digits);
    } else if (f->nullable && *(const uint32_t *)at == 0) {
        buf_lit(b, "null");
    } else {
        buf_u64(b, *(const uint32_t *)at);
    }
}

void control_value_print(struct buf *b, enum control_kind kind, const struct control_value *v,
                         unsigned digits)
{
    bool first = true;

    for (unsigned i = 0; i < CONTROL_FIELD_COUNT; i++) {
        const struct control_field *f = &control_fields[i];

        if (f->kind == kind) {
            if (!first) {
                buf_putc(b, ',');
            }
            first = false;
            print_text(b, f->member);
            buf_putc(b, ':');
            print_field(b, f, (const char *)v + f->offset, digits);
        }
    }
}

static void print_member(struct buf *b, const char *member, const char *text)
{
    buf_putc(b, ',');
    print_text(b, member);
    buf_putc(b, ':');
    print_text(b, text);
}

static void print_cell(struct buf *b, const struct control_cell *cell)
{
    buf_lit(b, "{\"kind\":");
    print_text(b, control_kind_rows[cell->kind].word);
    print_member(b, "target", cell->target);
    buf_lit(b, ",\"value\":{");
    control_value_print(b, cell->kind, &cell->value, 9);
    buf_putc(b, '}');
    print_member(b, "reason", cell->reason);
    print_member(b, "ticket", cell->ticket);
    print_member(b, "by", cell->by);
    print_member(b, "approved_by", cell->approved_by);
    buf_lit(b, ",\"since\":");
    print_time(b, cell->since_ns, 9);
    buf_lit(b, ",\"until\":");
    print_time(b, cell->until_ns, 9);
    buf_lit(b, ",\"version\":");
    buf_u64(b, cell->version);
    buf_lit(b, ",\"audit\":");
    buf_u64(b, cell->audit);
    print_member(b, "trigger", control_trigger_words[cell->trigger]);
    buf_putc(b, '}');
}

void control_print(struct buf *b, const struct control *c)
{
    buf_lit(b, "{\"v\":");
    buf_u64(b, CONTROL_JSON_FORMAT);
    buf_lit(b, ",\"version\":");
    buf_u64(b, control_version(c));
    buf_lit(b, ",\"cells\":[");
    for (uint32_t i = 0; i < control_count(c); i++) {
        if (i != 0) {
            buf_putc(b, ',');
        }
        print_cell(b, control_at(c, i));
    }
    buf_lit(b, "]}");
}

/* TEXT, or null when it is empty. */
static void print_nullable(struct buf *b, const char *member, const char *text)
{
    if (text[0] != '\0') {
        print_member(b, member, text);
        return;
    }
    buf_putc(b, ',');
    print_text(b, member);
    buf_lit(b, ":null");
}

void control_cell_print(struct buf *b, const struct control *c, enum control_kind kind,
                        const char *target, int64_t now_ns)
{
    static const struct control_cell absent = {
        .reason = "", .ticket = "", .by = "", .approved_by = ""};
    const struct control_cell *found = control_find(c, kind, target);
    const struct control_cell *cell = found != NULL ? found : &absent;

    buf_lit(b, "{\"kind\":");
    print_text(b, control_kind_rows[kind].word);
    print_member(b, "target", target);
    buf_putc(b, ',');
    control_value_print(b, kind, &cell->value, 6);
    print_nullable(b, "reason", cell->reason);
    print_nullable(b, "ticket", cell->ticket);
    print_nullable(b, "by", cell->by);
    print_nullable(b, "approved_by", cell->approved_by);
    buf_lit(b, ",\"since\":");
    print_time(b, cell->since_ns, 6);
    buf_lit(b, ",\"until\":");
    print_time(b, cell->until_ns, 6);
    buf_puts(b, found != NULL && control_decision_due(cell, now_ns) ? ",\"decision_due\":true"
                                                                    : ",\"decision_due\":false");
    buf_lit(b, ",\"version\":");
    buf_u64(b, cell->version);
    buf_lit(b, ",\"audit\":");
    if (cell->audit != 0) {
        buf_u64(b, cell->audit);
    } else {
        buf_lit(b, "null");
    }
    print_nullable(b, "trigger", found != NULL ? control_trigger_words[cell->trigger] : "");
    buf_putc(b, '}');
}

static void print_diff_item(struct buf *b, const struct control_diff_item *item)
{
    buf_lit(b, "{\"kind\":");
    print_text(b, control_kind_rows[item->kind].word);
    print_member(b, "target", item->target);
    print_member(b, "direction", control_direction_words[item->direction]);
    buf_lit(b, ",\"before\":{");
    control_value_print(b, item->kind,
                        item->before != NULL ? &item->before->value : &control_default, 6);
    buf_lit(b, "},\"after\":{");
    control_value_print(b, item->kind, item->after != NULL ? &item->after->value : &control_default,
                        6);
    buf_lit(b, "},\"until\":");
    print_time(b, item->after != NULL ? item->after->until_ns : 0, 6);
    buf_putc(b, '}');
}

void control_diff_print(struct buf *b, const struct control_diff *d)
{
    buf_lit(b, "{\"direction\":");
    print_text(b, control_direction_words[d->direction]);
    buf_lit(b, ",\"from_version\":");
    buf_u64(b, control_version(d->before));
    buf_lit(b, ",\"to_version\":");
    buf_u64(b, control_version(d->after));
    buf_lit(b, ",\"changes\":[");
    for (uint32_t i = 0; i < d->count; i++) {
        if (i != 0) {
            buf_putc(b, ',');
        }
        print_diff_item(b, &d->items[i]);
    }
    buf_lit(b, "]}");
}
