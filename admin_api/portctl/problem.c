#include "admin_api/portctl/problem.h"

#include <inttypes.h>
#include <stdlib.h>
#include "admin_api/portctl/table.h"
#include "auth/signature.h"

static const char *member(const json_t *root, const char *name)
{
    const char *text = json_string_value(json_object_get(root, name));

    return text != NULL ? text : "";
}

static void put_clean(struct buf *out, const char *text)
{
    table_clean(out, text, strlen(text));
}

void put_skew(struct buf *out, int64_t skew_s)
{
    if (skew_s == 0) {
        buf_lit(out, "this machine's clock agrees with the server's");
    } else {
        buf_printf(out, "this machine's clock is %" PRId64 " s %s the server's",
                   skew_s > 0 ? skew_s : -skew_s, skew_s > 0 ? "ahead of" : "behind");
    }
}

/* The time that the server names in its detail: to the second, as the Date of the answer is, but
 * there even where somebody in between has taken the Date away. */
static int64_t server_time(const struct problem *p)
{
    static const char words[] = "server time ";
    const char *at = strstr(member(p->root, "detail"), words);
    int64_t t = at != NULL ? (int64_t)strtoll(at + sizeof words - 1, NULL, 10) : 0;

    return t > 0 ? t : p->date_s;
}

/* Was it the clock? Any 401 with clocks too far apart is; the server need not say so. */
static bool is_skew(const struct problem *p, int64_t server_s)
{
    int64_t skew = p->now_s - server_s;
    const char *code = member(p->root, "code");

    return p->status == 401 &&
           (strstr(code, "skew") != NULL || strcmp(code, "expired") == 0 ||
            (server_s >= 0 && (skew > SIGNATURE_WINDOW_S || skew < -SIGNATURE_WINDOW_S)));
}

static void put_errors(struct buf *out, const json_t *errors)
{
    size_t i;
    const json_t *e;

    json_array_foreach(errors, i, e)
    {
        buf_lit(out, "  ");
        put_clean(out, member(e, "pointer"));
        buf_lit(out, ": ");
        put_clean(out, member(e, "detail"));
        buf_putc(out, '\n');
    }
}

/* The detail is that of the only field that is wrong. */
static bool repeated(const json_t *root)
{
    const json_t *errors = json_object_get(root, "errors");

    return json_array_size(errors) == 1 &&
           strcmp(member(json_array_get(errors, 0), "detail"), member(root, "detail")) == 0;
}

/* clang-format off */
static const struct {
    const char *code; /* as in gateway/gate/problem.h */
    const char *next;
} nexts[] = {
    {"self-approval",         "another person approves it, with a key of another account"},
    {"approval-expired",      "ask for it again; it waits for gate.change_ttl"},
    {"change-decided",        "portctl change show ID says by whom; ask anew if it is still wanted"},
    {"stage-hold",            "look at the present stage meanwhile, then ask for the next"},
    {"root-cause-missing",    "write the root cause into the incident, then ask again"},
    {"illegal-transition",    "portctl status shows what is; portctl resume takes the step that is allowed"},
    {"version-conflict",      "somebody was faster: look (portctl status), then decide anew"},
    {"payload-differs",       "look again (portctl change show ID), then decide anew"},
    {"precondition-required", "look at what is there now; If-Match takes the ETag that a GET of it gives"},
    {"idempotency-in-progress", "portctl status shows what came of it"},
    {"audit-unavailable",     "nothing was changed, halts work all the same; try again when portctl status says that "
                              "PostgreSQL answers"},
    {"journal-not-entered",   "try again in a moment; portctl status counts what the journal holds"},
    {"second-factor-required", "sign with a key, or sign in again with the second factor"},
};
/* clang-format on */

static const char *next_of(const char *code)
{
    for (size_t i = 0; i < GW_LEN(nexts); i++) {
        if (strcmp(nexts[i].code, code) == 0) {
            return nexts[i].next;
        }
    }
    return NULL;
}

static void put_next(const struct problem *p, struct buf *out)
{
    const json_t *wait = json_object_get(p->root, "retry_after");
    const char *key_id = p->key_id != NULL ? p->key_id : "the key";
    const char *code = member(p->root, "code"); /* "": the path is not known there */

    buf_lit(out, "  next: ");
    if (next_of(code) != NULL) {
        buf_puts(out, next_of(code));
    } else if (json_is_number(wait)) {
        buf_printf(out, "try again after %.0f s", json_number_value(wait));
    } else if (p->retry_after_s > 0) {
        buf_printf(out, "try again after %" PRId64 " s", p->retry_after_s);
    } else if (p->status == 400 || p->status == 422) {
        buf_printf(out, "correct what is named above; see portctl help %s", p->command);
    } else if (p->person && p->status == 401) {
        buf_lit(out, "log in (again): portctl login NAME");
    } else if (p->person && p->status == 403) {
        buf_puts(out, strcmp(code, "second-factor-required") == 0 ? "portctl renew, then again"
                      : strcmp(code, "enrolment-required") == 0
                          ? "portctl login NAME leads through password and second factor"
                          : "ask somebody whose roles allow it; yours: portctl whoami");
    } else if (p->status == 401) {
        buf_printf(out,
                   "check that --key-id (%s) belongs to --key-file, is active and may be used "
                   "from this address",
                   key_id);
    } else if (p->status == 403) {
        buf_printf(out,
                   "ask for a key with the scope that is missing, from an address that it "
                   "allows (used: %s)",
                   key_id);
    } else if (p->status == 404 && strcmp(code, "not-found") == 0) {
        buf_puts(out, strncmp(p->command, "key ", 4) == 0
                          ? "check the id: portctl key list"
                          : "check the name: portctl status, portctl changes");
    } else if (p->status == 404) {
        buf_lit(out, "check that --url is the admin address of a gateway that keeps keys "
                     "(auth.database), and of a version that has this");
    } else if (p->status == 409 || p->status == 412) {
        buf_lit(out, "look at what is there now, then decide anew");
    } else if (p->status == 429) {
        buf_lit(out, "wait, then try again; a key of another --rate-class may do more");
    } else if (p->status >= 500) {
        buf_lit(out, "try again later; /readyz?verbose of the admin address says what is wrong");
    } else {
        buf_lit(out, "check that --url is the admin address of a gateway of this version");
    }
    buf_putc(out, '\n');
}

enum portctl_exit problem_put(const struct problem *p, struct buf *out)
{
    int64_t server_s = server_time(p);

    buf_lit(out, "portctl: refused: ");
    put_clean(out, p->root != NULL ? member(p->root, "title") : "the answer is not JSON");
    buf_printf(out, " (%ld", p->status);
    if (member(p->root, "code")[0] != '\0') {
        buf_putc(out, ' ');
        put_clean(out, member(p->root, "code"));
    }
    buf_putc(out, ')');
    if (member(p->root, "detail")[0] != '\0' && !repeated(p->root)) {
        buf_lit(out, ": ");
        put_clean(out, member(p->root, "detail"));
    }
    buf_putc(out, '\n');
    put_errors(out, json_object_get(p->root, "errors"));
    if (member(p->root, "instance")[0] != '\0') {
        buf_lit(out, "  instance: ");
        put_clean(out, member(p->root, "instance"));
        buf_putc(out, '\n');
    }
    if (is_skew(p, server_s)) {
        buf_lit(out, "  clock: ");
        if (server_s >= 0) {
            put_skew(out, p->now_s - server_s);
        } else {
            buf_lit(out, "the clocks of this machine and the server differ; portctl time");
        }
        buf_lit(out, "\n  next: " SKEW_NEXT ", check with portctl time, then try again\n");
    } else {
        put_next(p, out);
    }
    return p->status == 401 ? PORTCTL_AUTH : PORTCTL_REFUSED;
}
