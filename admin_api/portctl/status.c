/* status: what is held back, by whom, since and until when, what waits for a decision, and whether
 * the audit log can be relied on. PostgreSQL may be away: that is a line of it and no failure. */
#include <stdlib.h>
#include "admin_api/portctl/changes.h"
#include "admin_api/portctl/fields.h"
#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/text.h"
#include "admin_api/portctl/values.h"
#include "gateway/base/fixed.h"

#define SYMBOLS_SHOWN 50u

struct status {
    struct answer stats;
    struct answer control; /* all cells */
    struct answer symbols; /* those held back */
    struct answer changes; /* no root: not known */
};

static enum portctl_exit get(struct client *c, const char *target, long quiet, struct answer *a)
{
    return client_call(c, &(struct call){.method = "GET", .target = target, .quiet = quiet}, a);
}

static enum portctl_exit fetch(struct client *c, struct status *s)
{
    enum portctl_exit code = get(c, "/v1/stats", 0, &s->stats);

    if (code == PORTCTL_DONE) {
        code = get(c, "/v1/control", 0, &s->control);
    }
    if (code == PORTCTL_DONE) {
        code = get(c, "/v1/symbols?halted=true", 0, &s->symbols);
    }
    if (code == PORTCTL_DONE) {
        code = get(c, "/v1/changes?open=true", 503, &s->changes);
        if (code != PORTCTL_DONE && s->changes.status == 503) {
            json_decref(s->changes.root);
            s->changes.root = NULL;
            code = PORTCTL_DONE;
        }
    }
    return code;
}

/* Is VALUE what nobody has ever set? */
static bool is_default(const json_t *value)
{
    static const char *const loosest[] = {"NORMAL", "normal", "primary"};
    json_t *members = (json_t *)(uintptr_t)value; /* jansson's loop takes no const */
    const char *name;
    const json_t *v;
    bool same = true;

    json_object_foreach(members, name, v)
    {
        bool word = false;

        for (size_t i = 0; json_is_string(v) && i < GW_LEN(loosest); i++) {
            word = word || strcmp(json_string_value(v), loosest[i]) == 0;
        }
        same = same && (word || json_is_null(v) || json_is_false(v) ||
                        (json_is_array(v) && json_array_size(v) == 0) ||
                        (json_is_integer(v) && json_integer_value(v) == 0));
    }
    return same;
}

static int64_t time_of(const json_t *object, const char *name)
{
    const char *text = text_member(object, name);
    int64_t ns = 0;

    return rfc3339_parse(text, strlen(text), &ns) == GW_OK ? ns : 0;
}

/* --- for people -------------------------------------------------------------------------------- */

static void put_line(struct table *t, const char *title, const char *text)
{
    table_cell(t, title);
    table_cell(t, text);
}

static bool says(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

static void put_audit(struct table *t, const json_t *audit)
{
    struct buf text = {0};
    json_int_t journaled = json_integer_value(json_object_get(audit, "journaled"));
    json_int_t unaudited = json_integer_value(json_object_get(audit, "unaudited"));

    buf_printf(&text, "head %" JSON_INTEGER_FORMAT "; PostgreSQL %s",
               json_integer_value(json_object_get(audit, "head")),
               says(audit, "database") ? "answers"
                                       : "IS AWAY: halts work and are journaled, nothing resumes");
    put_line(t, "audit", buf_cstr(&text));
    buf_reset(&text);
    buf_printf(&text, "%" JSON_INTEGER_FORMAT " to be entered", journaled);
    if (unaudited != 0) {
        buf_printf(&text, ", %" JSON_INTEGER_FORMAT " IN MEMORY ALONE: no disk took them",
                   unaudited);
    }
    put_line(t, "journal", buf_cstr(&text));
    buf_fini(&text);
}

static void put_head(struct buf *out, const struct status *s)
{
    const json_t *stats = s->stats.root;
    struct buf text = {0};
    struct table t;

    table_init(&t, 2, NULL);
    put_line(&t, "orders", says(stats, "accepting_orders") ? "accepted" : "NOT ACCEPTED");
    put_line(&t, "system mode", text_member(stats, "system_mode"));
    put_line(&t, "kill switch", says(stats, "kill_switch") ? "ENGAGED" : "off");
    put_line(&t, "withdrawals", says(stats, "withdrawals_halted") ? "HALTED" : "open");
    put_audit(&t, json_object_get(stats, "audit"));
    buf_printf(&text, "%" JSON_INTEGER_FORMAT,
               json_integer_value(json_object_get(stats, "control_version")));
    put_line(&t, "version", buf_cstr(&text));
    buf_reset(&text);
    put_time(&text, text_member(stats, "time"));
    put_line(&t, "time", buf_cstr(&text));
    table_print(&t, out);
    table_fini(&t);
    buf_fini(&text);
}

/* Returns how many decisions are due. */
static unsigned put_cells(struct buf *out, const struct status *s)
{
    static const char *const titles[] = {"KIND",  "TARGET", "VALUE",  "SINCE",
                                         "UNTIL", "BY",     "TICKET", "REASON"};
    static const struct field since = {"", "since", FIELD_TIME};
    static const struct field until = {"", "until", FIELD_TIME};
    int64_t now = time_of(s->stats.root, "time");
    struct table t;
    unsigned due = 0;
    size_t i;
    const json_t *cell;

    table_init(&t, GW_LEN(titles), titles);
    json_array_foreach(json_object_get(s->control.root, "cells"), i, cell)
    {
        struct buf text = {0};
        int64_t end = time_of(cell, "until");

        if (is_default(json_object_get(cell, "value"))) {
            continue;
        }
        value_put(&text, json_object_get(cell, "value"));
        table_cell(&t, text_member(cell, "kind"));
        table_cell(&t, text_member(cell, "target"));
        table_cell(&t, buf_cstr(&text));
        field_cell(&t, cell, &since);
        buf_reset(&text);
        field_put(&text, cell, &until);
        if (end != 0 && end <= now) {
            buf_lit(&text, " DECISION DUE");
            due++;
        }
        table_cell(&t, buf_cstr(&text));
        table_cell(&t, text_member(cell, "by"));
        table_cell(&t, text_member(cell, "ticket"));
        table_cell(&t, text_member(cell, "reason"));
        buf_fini(&text);
    }
    buf_lit(out, "\nheld back\n");
    if (t.count == t.columns) {
        buf_lit(out, "nothing\n");
    }
    table_print(&t, out);
    table_fini(&t);
    return due;
}

static void put_symbols(struct buf *out, const struct status *s)
{
    static const struct field columns[] = {
        {"SYMBOL", "symbol", FIELD_PLAIN},
        {"MODE IN EFFECT", "effective_mode", FIELD_PLAIN},
        {"BECAUSE OF", "decided_by_kind", FIELD_PLAIN},
        {"TARGET", "decided_by_target", FIELD_PLAIN},
        {"CORE SAYS", "observed_mode", FIELD_PLAIN},
    };
    const json_t *list = json_object_get(s->symbols.root, "symbols");
    struct table t;
    size_t i;
    const json_t *symbol;

    if (json_array_size(list) == 0) {
        return;
    }
    fields_table(&t, columns, GW_LEN(columns));
    json_array_foreach(list, i, symbol)
    {
        if (i < SYMBOLS_SHOWN) {
            fields_row(&t, symbol, columns, GW_LEN(columns));
        }
    }
    buf_printf(out, "\nsymbols held back: %zu\n", json_array_size(list));
    table_print(&t, out);
    table_fini(&t);
    if (json_array_size(list) > SYMBOLS_SHOWN) {
        buf_printf(out, "... and %zu more: portctl --json status\n",
                   json_array_size(list) - SYMBOLS_SHOWN);
    }
}

static void put_changes(struct buf *out, const struct status *s)
{
    const json_t *list = json_object_get(s->changes.root, "changes");

    buf_lit(out, "\nwaiting for a second person\n");
    if (s->changes.root == NULL) {
        buf_lit(out, "not known: PostgreSQL is away\n");
    } else if (json_array_size(list) == 0) {
        buf_lit(out, "nothing\n");
    } else {
        changes_put(out, list);
    }
}

static void print_text(const struct status *s)
{
    struct buf out = {0};
    unsigned due;

    put_head(&out, s);
    due = put_cells(&out, s);
    put_symbols(&out, s);
    put_changes(&out, s);
    print_buf(&out);
    if (due != 0) {
        say("%u decision%s due: the time that was given has passed, and it stays in force", due,
            due == 1 ? " is" : "s are");
        say_next("resume it, or set it again with a new --until");
    }
}

/* --- for programs ------------------------------------------------------------------------------ */

static enum portctl_exit print_whole(const struct status *s)
{
    json_t *root = json_pack("{s:O, s:O?, s:O?, s:O?}", "stats", s->stats.root, "cells",
                             json_object_get(s->control.root, "cells"), "symbols",
                             json_object_get(s->symbols.root, "symbols"), "changes",
                             json_object_get(s->changes.root, "changes"));
    char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;

    if (text != NULL) {
        puts(text);
    }
    json_decref(root);
    free(text);
    return text != NULL ? PORTCTL_DONE : answer_lacks("cells");
}

/* --- for monitoring ---------------------------------------------------------------------------- */

static void put_note(struct buf *out, bool is, const char *what)
{
    if (is) {
        buf_printf(out, "%s%s", out->len != 0 ? "; " : "", what);
    }
}

/* One line: all is well, or what somebody has to look at. */
static enum portctl_exit check(const struct status *s)
{
    const json_t *stats = s->stats.root;
    const json_t *audit = json_object_get(stats, "audit");
    struct buf table = {0};
    struct buf notes = {0};
    unsigned due = put_cells(&table, s);
    enum portctl_exit code;

    put_note(&notes, json_integer_value(json_object_get(audit, "unaudited")) != 0,
             "a change is in memory alone: no disk took it");
    put_note(&notes, !says(audit, "database"), "PostgreSQL is away");
    put_note(&notes, json_integer_value(json_object_get(audit, "journaled")) != 0,
             "halts wait for the audit log");
    put_note(&notes, due != 0, "a decision is due");
    put_note(&notes, !says(stats, "accepting_orders"), "orders are not accepted");
    put_note(&notes, strstr(buf_cstr(&table), "\nheld back\nnothing\n") == NULL,
             "something is held back");
    put_note(&notes, json_array_size(json_object_get(s->changes.root, "changes")) != 0,
             "a request waits for a second person");
    code = notes.len == 0 ? PORTCTL_DONE : PORTCTL_ATTENTION;
    printf("%s\n", notes.len == 0 ? "nothing is held back, nothing waits" : buf_cstr(&notes));
    buf_fini(&table);
    buf_fini(&notes);
    return code;
}

enum portctl_exit status_show(struct client *c, const struct args *a)
{
    struct status s = {0};
    enum portctl_exit code = fetch(c, &s);

    if (code == PORTCTL_DONE && args_get(a, "check") != NULL) {
        code = check(&s);
    } else if (code == PORTCTL_DONE && client_settings(c)->json) {
        code = print_whole(&s);
    } else if (code == PORTCTL_DONE) {
        print_text(&s);
    }
    answer_fini(&s.stats);
    answer_fini(&s.control);
    answer_fini(&s.symbols);
    answer_fini(&s.changes);
    return code;
}
