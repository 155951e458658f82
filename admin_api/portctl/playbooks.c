/* playbooks, playbook show: what to do when, as a list and as a page to read at three in the morning. */
#include <stdlib.h>
#include <string.h>
#include "admin_api/portctl/fields.h"
#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/playbook_rows.h"
#include "admin_api/portctl/text.h"

static const struct field columns[] = {
    {"ID", "id", FIELD_PLAIN},
    {"TITLE", "title", FIELD_PLAIN},
    {"SEVERITY", "severity", FIELD_PLAIN},
    {"VERSION", "version", FIELD_PLAIN},
    {"OWNER", "owner", FIELD_PLAIN},
    {"NEXT REVIEW", "next_review_at", FIELD_PLAIN},
};

static void print_list(const json_t *root, const json_t *list, const struct args *a)
{
    struct buf out = {0};
    size_t overdue = 0;
    size_t i;
    const json_t *p;

    (void)root;
    (void)a;
    if (json_array_size(list) == 0) {
        say("there are no playbooks");
        say_next(
            "set playbooks.dir to a folder of them and restart the gateway; docs/PLAYBOOKS.md");
        return;
    }
    fields_list(&out, list, columns, GW_LEN(columns));
    print_buf(&out);
    json_array_foreach(list, i, p)
    {
        overdue += json_is_true(json_object_get(p, "review_overdue"));
    }
    if (overdue != 0) {
        say("%zu of them have to be reviewed", overdue);
    }
}

enum portctl_exit playbooks_list(struct client *c, const struct args *a)
{
    return show_list(c, a, "/v1/playbooks", "playbooks", print_list);
}

/* --- one of them -------------------------------------------------------------------------------
 */

static void put_clean(struct buf *out, const char *text)
{
    table_clean(out, text, strlen(text));
}

/* TEXT as lines of about 96 characters behind INDENT. */
static void put_wrapped(struct buf *out, const char *indent, const char *text)
{
    size_t column = 0;

    while (*text != '\0') {
        size_t word = strcspn(text, " \n");

        if (column != 0 && column + 1 + word > 96 - strlen(indent)) {
            buf_putc(out, '\n');
            column = 0;
        }
        buf_puts(out, column == 0 ? indent : " ");
        table_clean(out, text, word);
        column += word + 1;
        text += word;
        text += strspn(text, " \n");
    }
    buf_putc(out, '\n');
}

static void put_texts(struct buf *out, const char *title, const json_t *list)
{
    size_t i;
    const json_t *item;

    if (json_array_size(list) == 0) {
        return;
    }
    buf_printf(out, "\n%s\n", title);
    json_array_foreach(list, i, item)
    {
        const char *text = json_string_value(item);

        buf_lit(out, "  - ");
        put_clean(out, text != NULL ? text : "");
        buf_putc(out, '\n');
    }
}

static void put_guard(struct buf *out, const json_t *guard)
{
    const json_t *answers = json_object_get(guard, "answers");
    size_t i;
    const json_t *a;

    buf_lit(out, "     ? ");
    put_clean(out, text_member(guard, "question"));
    buf_putc(out, '\n');
    json_array_foreach(answers, i, a)
    {
        const json_t *locks = json_object_get(a, "locks");
        size_t k;
        const json_t *step;

        buf_lit(out, "       ");
        put_clean(out, text_member(a, "answer"));
        buf_lit(out, ": ");
        put_clean(out, text_member(a, "text"));
        json_array_foreach(locks, k, step)
        {
            buf_puts(out, k == 0 ? " Locks " : ", ");
            put_clean(out, json_is_string(step) ? json_string_value(step) : "");
        }
        buf_putc(out, '\n');
    }
}

static void put_step(struct buf *out, const json_t *s, size_t number)
{
    const json_t *action = json_object_get(s, "action");
    const json_t *lines = json_object_get(s, "commands");
    size_t i;
    const json_t *item;

    buf_printf(out, "%3zu%s ", number, json_is_true(json_object_get(s, "mandatory")) ? "*" : " ");
    put_clean(out, text_member(s, "title"));
    buf_lit(out, "  (");
    put_clean(out, text_member(s, "id"));
    json_array_foreach(json_object_get(s, "after"), i, item)
    {
        buf_puts(out, i == 0 ? ", after " : " ");
        put_clean(out, json_is_string(item) ? json_string_value(item) : "");
    }
    buf_lit(out, ")\n");
    put_wrapped(out, "     ", text_member(s, "text"));
    if (json_is_object(json_object_get(s, "guard"))) {
        put_guard(out, json_object_get(s, "guard"));
    }
    if (json_is_object(action)) {
        buf_lit(out, "     $ ");
        put_clean(out, text_member(action, "portctl"));
        buf_putc(out, '\n');
    }
    json_array_foreach(lines, i, item)
    {
        buf_lit(out, "     $ ");
        put_clean(out, json_is_string(item) ? json_string_value(item) : "");
        buf_putc(out, '\n');
    }
}

static void put_steps(struct buf *out, const json_t *steps)
{
    const char *phase = "";
    size_t i;
    const json_t *s;

    json_array_foreach(steps, i, s)
    {
        if (strcmp(phase, text_member(s, "phase")) != 0) {
            phase = text_member(s, "phase");
            buf_putc(out, '\n');
            put_clean(out, phase);
            buf_putc(out, '\n');
        }
        put_step(out, s, i + 1);
    }
}

static void put_end(struct buf *out, const json_t *p)
{
    static const struct field contacts[] = {
        {"ROLE", "role", FIELD_PLAIN}, {"NAME", "name", FIELD_PLAIN}, {"HOW", "how", FIELD_PLAIN}};
    size_t i;
    const json_t *item;

    buf_lit(out, "\nover when\n");
    json_array_foreach(json_object_get(p, "exit"), i, item)
    {
        buf_lit(out, "  - ");
        put_clean(out, text_member(item, "text"));
        buf_putc(out, '\n');
    }
    buf_lit(out, "\ncontacts\n");
    fields_list(out, json_object_get(p, "contacts"), contacts, GW_LEN(contacts));
    if (text_member(p, "notice")[0] != '\0') {
        buf_lit(out, "\nnotice for clients\n");
        put_wrapped(out, "  ", text_member(p, "notice"));
    }
}

static enum portctl_exit print_one(const json_t *p)
{
    struct buf out = {0};

    if (!json_is_array(json_object_get(p, "steps"))) {
        return answer_lacks("steps");
    }
    put_clean(&out, text_member(p, "title"));
    buf_lit(&out, "  ");
    put_clean(&out, text_member(p, "severity"));
    buf_printf(&out, "  version %" JSON_INTEGER_FORMAT ", owner ",
               json_integer_value(json_object_get(p, "version")));
    put_clean(&out, text_member(p, "owner"));
    buf_lit(&out, ", next review ");
    put_clean(&out, text_member(p, "next_review_at"));
    buf_puts(&out, json_is_true(json_object_get(p, "review_overdue")) ? " OVERDUE\n" : "\n");
    put_texts(&out, "signals", json_object_get(p, "signals"));
    put_texts(&out, "symptoms", json_object_get(p, "symptoms"));
    put_steps(&out, json_object_get(p, "steps"));
    put_end(&out, p);
    print_buf(&out);
    return PORTCTL_DONE;
}

enum portctl_exit playbook_show(struct client *c, const struct args *a)
{
    struct buf target = {0};
    struct answer answer;
    enum portctl_exit code;

    buf_lit(&target, "/v1/playbooks/");
    put_segment(&target, a->words[0]);
    code = client_call(c, &(struct call){.method = "GET", .target = buf_cstr(&target)}, &answer);
    if (code == PORTCTL_DONE && client_settings(c)->json) {
        print_json(&answer);
    } else if (code == PORTCTL_DONE) {
        code = print_one(answer.root);
    }
    answer_fini(&answer);
    buf_fini(&target);
    return code;
}
