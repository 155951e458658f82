/* audit search, audit check, audit export: the log as the server has it. What is exported is what audit verify
 * reads. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "admin_api/portctl/fields.h"
#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/http.h"
#include "admin_api/portctl/text.h"

#define PAGES_MAX 10000000u /* of an export that never ends */

static const char *const filters[] = {"actor", "action", "target", "outcome", "ticket", "incident",
                                      "from",  "to",     "q",      "cursor",  "limit",  "order"};

static void put_target(struct buf *out, const char *path, const struct args *a)
{
    char lead = '?';

    buf_puts(out, path);
    for (size_t i = 0; i < GW_LEN(filters); i++) {
        const char *value = args_get(a, filters[i]);

        if (value != NULL) {
            buf_printf(out, "%c%s=", lead, filters[i]);
            put_segment(out, value);
            lead = '&';
        }
    }
}

static const struct field columns[] = {
    {"SEQ", "seq", FIELD_PLAIN},       {"TIME", "time", FIELD_TIME},
    {"ACTOR", "actor", FIELD_PLAIN},   {"ACTION", "action", FIELD_PLAIN},
    {"TARGET", "target", FIELD_PLAIN}, {"OUTCOME", "outcome", FIELD_PLAIN},
    {"TICKET", "ticket", FIELD_PLAIN}, {"REASON", "reason", FIELD_PLAIN},
};

static void print_entries(const json_t *root, const json_t *list, const struct args *a)
{
    const char *next = text_member(root, "next");
    struct buf out = {0};

    (void)a;
    fields_list(&out, list, columns, GW_LEN(columns));
    if (out.len == 0) {
        say("no such records");
    }
    print_buf(&out);
    if (next[0] != '\0') {
        table_clean(&out, next, strlen(next));
        say("there is more: the same again with --cursor %s", buf_cstr(&out));
        buf_fini(&out);
    }
}

enum portctl_exit audit_search(struct client *c, const struct args *a)
{
    struct buf target = {0};
    enum portctl_exit code;

    put_target(&target, "/v1/audit", a);
    code = show_list(c, a, buf_cstr(&target), "entries", print_entries);
    buf_fini(&target);
    return code;
}

enum portctl_exit audit_check(struct client *c, const struct args *a)
{
    struct answer answer;
    enum portctl_exit code =
        client_call(c, &(struct call){.method = "GET", .target = "/v1/audit/verify"}, &answer);
    const char *text = text_member(answer.root, "text");
    bool whole = json_is_true(json_object_get(json_object_get(answer.root, "result"), "ok"));

    (void)a;
    if (code == PORTCTL_DONE && client_settings(c)->json) {
        print_json(&answer);
    } else if (code == PORTCTL_DONE) {
        struct buf out = {0};

        table_clean(&out, text, strlen(text));
        buf_putc(&out, '\n');
        print_buf(&out);
    }
    if (code == PORTCTL_DONE && !whole) {
        say_next("change nothing; export the log, and ask who had access to the database");
        code = PORTCTL_REFUSED;
    }
    answer_fini(&answer);
    return code;
}

/* --- export ------------------------------------------------------------------------------------ */

/* The path of `Link: </v1/audit/export?...>; rel="next"`; false: there is none. */
static bool next_page(const struct answer *a, struct buf *target)
{
    static const char route[] = "/v1/audit/export?";
    struct buf link = {0};
    bool found = http_field(&a->head, "link", &link);
    const char *text = buf_cstr(&link);
    const char *end = strchr(text, '>');

    found = found && text[0] == '<' && end != NULL && strstr(end, "rel=\"next\"") != NULL &&
            strncmp(text + 1, route, sizeof route - 1) == 0;
    if (found) {
        buf_reset(target);
        buf_append(target, text + 1, (size_t)(end - text - 1));
    }
    buf_fini(&link);
    return found;
}

static size_t lines_of(const struct buf *text)
{
    size_t n = 0;

    for (size_t i = 0; i < text->len; i++) {
        n += text->data[i] == '\n';
    }
    return n;
}

static enum portctl_exit export_pages(struct client *c, struct buf *target, FILE *out)
{
    struct answer answer;
    size_t records = 0;
    enum portctl_exit code = PORTCTL_DONE;
    bool more = true;

    for (unsigned page = 0; more && code == PORTCTL_DONE && page < PAGES_MAX; page++) {
        code = client_call(c,
                           &(struct call){.method = "GET",
                                          .target = buf_cstr(target),
                                          .accept = "application/x-ndjson",
                                          .as_is = true},
                           &answer);
        if (code == PORTCTL_DONE) {
            more = next_page(&answer, target);
            records += lines_of(&answer.text);
            if (fwrite(answer.text.data, 1, answer.text.len, out) != answer.text.len) {
                say("cannot write: %s", strerror(errno));
                say_next("look at the disk, then export again");
                code = PORTCTL_USAGE;
            }
            if (isatty(STDERR_FILENO) != 0) {
                fprintf(stderr, "\r%zu records%s", records, more ? "" : "\n");
            }
        }
        answer_fini(&answer);
    }
    if (code == PORTCTL_DONE) {
        say("%zu records", records);
    } else if (records != 0) {
        say("%zu records, and then it ended: the export is not whole", records);
    }
    return code;
}

enum portctl_exit audit_export(struct client *c, const struct args *a)
{
    const char *path = args_get(a, "out");
    bool file = path != NULL && strcmp(path, "-") != 0;
    int fd = file ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    FILE *out = file ? (fd >= 0 ? fdopen(fd, "w") : NULL) : stdout;
    struct buf target = {0};
    enum portctl_exit code;

    if (out == NULL) {
        say("cannot make %s: %s", path, strerror(errno));
        say_next("give a new file; one that exists is not touched");
        return PORTCTL_USAGE;
    }
    put_target(&target, "/v1/audit/export", a);
    code = export_pages(c, &target, out);
    if (file && fclose(out) != 0 && code == PORTCTL_DONE) {
        say("%s could not be written: %s", path, strerror(errno));
        say_next("look at the disk, then export again");
        code = PORTCTL_USAGE;
    }
    buf_fini(&target);
    return code;
}
