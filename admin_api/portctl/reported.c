/* components, signals, triage, slo: what others report, and what it comes to. What is too old is said to
 * be so. */
#include <inttypes.h>
#include <stdlib.h>
#include "admin_api/portctl/fields.h"
#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/reported_rows.h"
#include "admin_api/portctl/text.h"

const struct opt components_options[] = {
    {"group", "NAME", "of this group", NULL, 0, '\0'},
    {"bad", NULL, "those that are not well", NULL, 0, '\0'},
    {0},
};
const struct opt signals_options[] = {
    {"name", "NAME", "of this name", NULL, 0, '\0'},
    {"stale", NULL, "those that are too old", NULL, 0, '\0'},
    {0},
};

/* "12 s", "3 min", "2 h"; "-" when it is not known. */
static void put_age(struct table *t, const json_t *v)
{
    struct buf text = {0};
    json_int_t s = json_integer_value(v);

    if (json_is_integer(v)) {
        buf_printf(&text, "%" JSON_INTEGER_FORMAT " %s",
                   s < 120    ? s
                   : s < 7200 ? s / 60
                              : s / 3600,
                   s < 120    ? "s"
                   : s < 7200 ? "min"
                              : "h");
    }
    table_cell(t, buf_cstr(&text));
    buf_fini(&text);
}

static void put_incomplete(const json_t *root)
{
    if (json_is_false(json_object_get(root, "complete"))) {
        say("PostgreSQL is away: what other gateways have heard is not known");
    }
}

/* --- components -------------------------------------------------------------------------------- */

static void put_components(struct buf *out, const json_t *list, const struct args *a)
{
    static const char *const titles[] = {"COMPONENT", "GROUP",       "ROLE",  "STATE",
                                         "HEARD",     "TTL S",       "IN",    "OUT",
                                         "VERSION",   "REPORTED BY", "DETAIL"};
    static const struct field seq[] = {{"", "seq_in", FIELD_PLAIN},
                                       {"", "seq_out", FIELD_PLAIN},
                                       {"", "version", FIELD_PLAIN},
                                       {"", "source", FIELD_PLAIN},
                                       {"", "detail", FIELD_PLAIN}};
    static const struct field ttl = {"", "ttl_s", FIELD_PLAIN};
    const char *group = args_get(a, "group");
    struct table t;
    size_t i;
    const json_t *c;

    table_init(&t, GW_LEN(titles), titles);
    json_array_foreach(list, i, c)
    {
        bool well = strcmp(text_member(c, "state"), "OK") == 0;

        if ((group != NULL && strcmp(text_member(c, "group"), group) != 0) ||
            (well && args_get(a, "bad") != NULL)) {
            continue;
        }
        table_cell(&t, text_member(c, "id"));
        table_cell(&t, text_member(c, "group"));
        table_cell(&t, text_member(c, "role"));
        table_cell(&t, text_member(c, "state"));
        put_age(&t, json_object_get(c, "age_s"));
        field_cell(&t, c, &ttl);
        for (size_t k = 0; k < GW_LEN(seq); k++) {
            field_cell(&t, c, &seq[k]);
        }
    }
    table_print(&t, out);
    table_fini(&t);
}

static void put_groups(struct buf *out, const json_t *list)
{
    static const struct field columns[] = {
        {"GROUP", "group", FIELD_PLAIN},
        {"STATE", "state", FIELD_PLAIN},
        {"WHY", "reason", FIELD_PLAIN},
    };

    if (json_array_size(list) != 0) {
        buf_putc(out, '\n');
        fields_list(out, list, columns, GW_LEN(columns));
    }
}

static void print_components(const json_t *root, const json_t *list, const struct args *a)
{
    struct buf out = {0};

    put_components(&out, list, a);
    put_groups(&out, json_object_get(root, "groups"));
    print_buf(&out);
    put_incomplete(root);
}

enum portctl_exit components_show(struct client *c, const struct args *a)
{
    return show_list(c, a, "/v1/components", "components", print_components);
}

/* --- signals ----------------------------------------------------------------------------------- */

static void put_labels(struct table *t, const json_t *labels)
{
    json_t *members = (json_t *)(uintptr_t)labels; /* jansson's loop takes no const */
    struct buf text = {0};
    const char *name;
    const json_t *v;

    json_object_foreach(members, name, v)
    {
        const char *value = json_string_value(v);

        buf_printf(&text, "%s%s=%s", text.len != 0 ? "," : "", name, value != NULL ? value : "");
    }
    table_cell(t, buf_cstr(&text));
    buf_fini(&text);
}

static void put_signals(struct buf *out, const json_t *list, const struct args *a)
{
    static const char *const titles[] = {"SIGNAL", "LABELS", "VALUE",      "UNIT",
                                         "AGE",    "",       "REPORTED BY"};
    const char *name = args_get(a, "name");
    struct table t;
    size_t i;
    const json_t *s;

    table_init(&t, GW_LEN(titles), titles);
    json_array_foreach(list, i, s)
    {
        bool stale = json_is_true(json_object_get(s, "stale"));

        if ((name != NULL && strcmp(text_member(s, "name"), name) != 0) ||
            (!stale && args_get(a, "stale") != NULL)) {
            continue;
        }
        table_cell(&t, text_member(s, "name"));
        put_labels(&t, json_object_get(s, "labels"));
        table_cell(&t, text_member(s, "value"));
        table_cell(&t, text_member(s, "unit"));
        put_age(&t, json_object_get(s, "age_s"));
        table_cell(&t, stale ? "STALE: UNKNOWN NOW" : "");
        table_cell(&t, text_member(s, "source"));
    }
    table_print(&t, out);
    table_fini(&t);
}

static void print_signals(const json_t *root, const json_t *list, const struct args *a)
{
    struct buf out = {0};

    if (json_array_size(list) == 0) {
        say("no signal has been reported");
        return;
    }
    put_signals(&out, list, a);
    print_buf(&out);
    put_incomplete(root);
}

enum portctl_exit signals_show(struct client *c, const struct args *a)
{
    return show_list(c, a, "/v1/signals", "signals", print_signals);
}

/* --- objectives -------------------------------------------------------------------------------- */

/* "ok" as it is; whatever else shall be seen. */
static void put_state(struct table *t, const char *state)
{
    char loud[16] = "";
    size_t n = 0;

    for (; state[n] != '\0' && n + 1 < sizeof loud; n++) {
        loud[n] = (char)(state[n] >= 'a' && state[n] <= 'z' ? state[n] - 'a' + 'A' : state[n]);
    }
    loud[n] = '\0';
    table_cell(t, strcmp(state, "ok") == 0 ? state : loud);
}

static void print_slos(const json_t *root, const json_t *list, const struct args *a)
{
    static const char *const titles[] = {"OBJECTIVE", "TARGET", "VALUE", "STATE", "AGE", "WINDOW"};
    struct buf out = {0};
    struct table t;
    size_t i;
    const json_t *s;

    (void)root;
    (void)a;
    table_init(&t, GW_LEN(titles), titles);
    json_array_foreach(list, i, s)
    {
        table_cell(&t, text_member(s, "title"));
        table_cell(&t, text_member(s, "target"));
        table_cell(&t, text_member(s, "value"));
        put_state(&t, text_member(s, "state"));
        put_age(&t, json_object_get(s, "age_s"));
        table_cell(&t, text_member(s, "window"));
    }
    table_print(&t, &out);
    table_fini(&t);
    print_buf(&out);
}

enum portctl_exit slo_show(struct client *c, const struct args *a)
{
    return show_list(c, a, "/v1/slo", "slos", print_slos);
}

/* --- triage ------------------------------------------------------------------------------------ */

static void put_line(struct table *t, const char *title, const char *text)
{
    table_cell(t, title);
    table_cell(t, text);
}

static void put_snapshot(struct table *t, const json_t *root, const char *name)
{
    const json_t *v = json_object_get(root, name);
    const char *state = text_member(v, "state");
    struct buf text = {0};

    if (strcmp(state, "ok") == 0 || strcmp(state, "bad") == 0) {
        buf_printf(&text, "%s: %s, %" JSON_INTEGER_FORMAT " s old",
                   state[0] == 'o' ? "well" : "BAD", text_member(v, "value"),
                   json_integer_value(json_object_get(v, "age_s")));
    } else {
        buf_lit(&text, "UNKNOWN");
    }
    put_line(t, name, buf_cstr(&text));
    buf_fini(&text);
}

static void put_breach(struct table *t, const json_t *root)
{
    const json_t *b = json_object_get(root, "last_slo_breach");
    struct buf text = {0};

    if (json_is_object(b)) {
        buf_printf(&text, "%s was %s at ", text_member(b, "slo"), text_member(b, "value"));
        put_time(&text, text_member(b, "since"));
        buf_puts(&text,
                 json_is_null(json_object_get(b, "ended_at")) ? ", NOT MET SINCE" : ", met again");
    } else {
        buf_puts(&text, json_is_true(json_object_get(root, "last_slo_breach_known"))
                            ? "none"
                            : "UNKNOWN: PostgreSQL does not answer");
    }
    put_line(t, "last missed objective", buf_cstr(&text));
    buf_fini(&text);
}

static void put_postmortems(struct table *t, const json_t *root)
{
    const json_t *owed = json_object_get(root, "postmortems");
    struct buf text = {0};

    if (json_is_object(owed)) {
        buf_printf(&text, "%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT,
                   json_integer_value(json_object_get(owed, "overdue")),
                   json_integer_value(json_object_get(owed, "owed")));
    } else {
        buf_lit(&text, "UNKNOWN");
    }
    put_line(t, "postmortems overdue", buf_cstr(&text));
    buf_fini(&text);
}

static void put_head(struct buf *out, const json_t *root)
{
    struct buf text = {0};
    struct table t;

    table_init(&t, 2, NULL);
    put_line(&t, "orders",
             json_is_true(json_object_get(root, "accepting_orders")) ? "accepted" : "NOT ACCEPTED");
    put_line(&t, "kill switch",
             json_is_true(json_object_get(root, "kill_switch")) ? "ENGAGED" : "off");
    put_line(&t, "halt reason", text_member(root, "halt_reason"));
    put_time(&text, text_member(root, "trading_halted_until"));
    put_line(&t, "decision due", buf_cstr(&text));
    put_breach(&t, root);
    put_snapshot(&t, root, "reconciliation");
    put_snapshot(&t, root, "quality");
    buf_reset(&text);
    if (json_is_integer(json_object_get(root, "ack_overdue"))) {
        buf_printf(&text, "%" JSON_INTEGER_FORMAT,
                   json_integer_value(json_object_get(root, "ack_overdue")));
    } else {
        buf_lit(&text, "UNKNOWN");
    }
    put_line(&t, "acknowledgements overdue", buf_cstr(&text));
    put_postmortems(&t, root);
    table_print(&t, out);
    table_fini(&t);
    buf_fini(&text);
}

static void put_incidents(struct buf *out, const json_t *root)
{
    static const struct field columns[] = {
        {"INCIDENT", "id", FIELD_PLAIN},      {"SEVERITY", "severity", FIELD_PLAIN},
        {"STATE", "state", FIELD_PLAIN},      {"SINCE", "opened_at", FIELD_TIME},
        {"ACK BY", "ack_due_at", FIELD_TIME}, {"LEVEL", "level", FIELD_PLAIN},
        {"TITLE", "title", FIELD_PLAIN},
    };
    const json_t *list = json_object_get(root, "open_incidents");

    buf_lit(out, "\nopen incidents, worst first");
    if (json_is_true(json_object_get(root, "incidents_stale"))) {
        buf_lit(out, " (PostgreSQL does not answer: as of ");
        put_time(out, text_member(root, "incidents_as_of"));
        buf_putc(out, ')');
    }
    buf_putc(out, '\n');
    if (!json_is_array(list)) {
        buf_lit(out, "not known\n");
        return;
    }
    if (json_array_size(list) == 0) {
        buf_lit(out, "none\n");
        return;
    }
    fields_list(out, list, columns, GW_LEN(columns));
}

enum portctl_exit triage_show(struct client *c, const struct args *a)
{
    struct answer answer;
    struct buf out = {0};
    enum portctl_exit code =
        client_call(c, &(struct call){.method = "GET", .target = "/v1/triage"}, &answer);

    (void)a;
    if (code == PORTCTL_DONE && client_settings(c)->json) {
        print_json(&answer);
    } else if (code == PORTCTL_DONE && !json_is_object(answer.root)) {
        code = answer_lacks("kill_switch");
    } else if (code == PORTCTL_DONE) {
        put_head(&out, answer.root);
        put_incidents(&out, answer.root);
        print_buf(&out);
    }
    answer_fini(&answer);
    return code;
}
