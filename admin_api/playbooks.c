#include "admin_api/playbooks.h"

#include <string.h>
#include "admin_api/api_priv.h"
#include "gateway/base/fixed.h"
#include "gateway/control/control_json.h"
#include "gateway/runtime/clock.h"

#define SOME_SYMBOL "BTC/USD"
#define SOME_REASON ",\"reason\":\"a playbook is read\",\"ticket\":\"OPS-1\"}"
#define AHEAD_MOST  86400u

/* --- templates ---------------------------------------------------------------------------------
 */

/* "{+15m}" at TEXT: how many seconds, and how long it is. */
static bool read_ahead(const char *text, uint64_t *seconds, size_t *len)
{
    size_t digits = strspn(text + 2, "0123456789");
    char unit = text[2 + digits];

    if (u64_parse(text + 2, digits, seconds) != GW_OK || (unit != 'm' && unit != 'h') ||
        text[3 + digits] != '}' || *seconds == 0 || *seconds > AHEAD_MOST) {
        return false;
    }
    *seconds *= unit == 'm' ? 60 : 3600;
    *len = digits + 4;
    return *seconds <= AHEAD_MOST;
}

bool api_action_fill(struct buf *out, const char *text, const char *symbol, int64_t now_ns)
{
    static const char name[] = "{symbol}";

    while (*text != '\0') {
        uint64_t seconds;
        size_t len;

        if (strncmp(text, name, sizeof name - 1) == 0) {
            buf_puts(out, symbol);
            text += sizeof name - 1;
        } else if (strncmp(text, "{+", 2) == 0) {
            if (!read_ahead(text, &seconds, &len)) {
                return false;
            }
            buf_rfc3339(out, now_ns + (int64_t)seconds * 1000000000, 6);
            text += len;
        } else if (text[0] == '{' && text[1] >= 'a' && text[1] <= 'z') {
            return false;
        } else {
            buf_putc(out, *text++);
        }
    }
    return true;
}

/* --- actions against the tables ----------------------------------------------------------------
 */

/* Segment by segment: what stands in braces in ROW takes any one segment. */
static bool path_fits(const char *row, const char *path, size_t len)
{
    const char *end = path + len;

    while (*row != '\0' && path < end) {
        if (*row == '{') {
            size_t segment = strcspn(path, "/?");

            if (segment == 0) {
                return false;
            }
            path += segment;
            row += strcspn(row, "}") + 1;
        } else if (*row++ != *path++) {
            return false;
        }
    }
    return *row == '\0' && path == end;
}

static const struct api_route *route_of(const struct playbook_action *a, bool *path_known)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"};
    size_t count;
    const struct api_route *rows = api_routes(&count);

    *path_known = false;
    for (size_t i = 0; i < count; i++) {
        if (path_fits(rows[i].path, a->path, strcspn(a->path, "?"))) {
            *path_known = true;
            if (strcmp(names[rows[i].method], a->method) == 0) {
                return &rows[i];
            }
        }
    }
    return NULL;
}

/* The body as it would be sent is read as the route would read it. */
static bool body_fits(const struct api_route *route, const struct playbook_action *a,
                      struct buf *why)
{
    const struct mutation *m = route->mutation;
    struct control_change change = {0};
    struct control_error e = {0};
    struct buf body = {0};
    bool ok = api_action_fill(&body, a->body, SOME_SYMBOL, clock_real_ns());

    if (!ok) {
        buf_lit(why, "body: only {symbol} and {+15m} may stand in braces");
    } else if (m != NULL) {
        body.len -= 1; /* its last brace: what whoever acts adds comes before */
        buf_puts(&body, strcmp(a->body, "{}") == 0 ? &SOME_REASON[1] : SOME_REASON);
        ok = control_body_parse(m->body, m->param != NULL ? SOME_SYMBOL : NULL, body.data, body.len,
                                NULL, &change, &e) == CONTROL_FINE;
        if (!ok) {
            buf_printf(why, "body: %s %s", e.pointer, e.text);
        }
        control_change_fini(&change);
    }
    buf_fini(&body);
    return ok;
}

static bool check_action(void *arg, const struct playbook_action *a, struct buf *why)
{
    bool path_known;
    const struct api_route *route = route_of(a, &path_known);
    enum permission permission;
    bool writes = strcmp(a->method, "GET") != 0;

    (void)arg;
    if (route == NULL || route->access != ACCESS_PERMISSION) {
        buf_printf(why, "%s %s: no such route%s; docs/reference/ROUTES.md lists all", a->method,
                   a->path, path_known ? " with this method" : "");
        return false;
    }
    if (!permission_parse(a->permission, strlen(a->permission), &permission)) {
        buf_printf(why, "permission: there is no %s; docs/reference/ROLES.md lists all",
                   a->permission);
        return false;
    }
    if (permission != route->permission) {
        buf_printf(why, "permission: the route asks for %s",
                   permission_rows[route->permission].word);
        return false;
    }
    if (writes != (a->body != NULL)) {
        buf_puts(why, writes ? "body: is missing: '{}' if reason and ticket are all"
                             : "body: GET has none: leave it out");
        return false;
    }
    if (writes != (a->typed != NULL)) {
        buf_puts(why, writes ? "typed: is missing: what is typed to confirm it"
                             : "typed: nothing is confirmed to look: leave it out");
        return false;
    }
    return !writes || body_fits(route, a, why);
}

const struct playbook_rules api_playbook_rules = {check_action, NULL};

/* --- routes ------------------------------------------------------------------------------------
 */

void playbooks_list(struct api_call *c)
{
    const struct playbooks *all = c->api->opt.playbooks;
    struct buf body = {0};

    buf_lit(&body, "{\"playbooks\":[");
    for (size_t i = 0; i < playbooks_count(all); i++) {
        buf_puts(&body, i != 0 ? "," : "");
        playbook_print(playbooks_at(all, i), clock_real_ns(), &body);
    }
    buf_lit(&body, "]}");
    call_reply(c, 200, &body);
    buf_fini(&body);
}

void playbook_get(struct api_call *c)
{
    const struct playbook *p = playbooks_find(c->api->opt.playbooks, http_param(c->req, "id"));
    struct buf body = {0};

    if (p == NULL) {
        call_problem(c,
                     &(struct api_problem){404, "not-found", "there is no such thing",
                                           "no playbook has this id: see GET /v1/playbooks", NULL});
        return;
    }
    playbook_print(p, clock_real_ns(), &body);
    call_reply(c, 200, &body);
    buf_fini(&body);
}
