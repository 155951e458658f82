#include "gateway/rest/dashboard.h"

#include <stdlib.h>
#include <string.h>
#include "gateway/http/static.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define HOST_MAX 255u

struct dashboard {
    struct dashboard_options opt;
    struct static_files *files; /* NULL: not built */
    char *reason;               /* why not */
};

/* --- addresses -----------------------------------------------------------------------------------
 */

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Length of "name", "name:port" or "[v6]:port" at S: nothing in it could end a header or a policy. */
static size_t authority_len(const char *s, size_t max)
{
    size_t n = 0;

    while (n < max && (is_alnum(s[n]) || strchr("-._:[]", s[n]) != NULL) && s[n] != '\0') {
        n++;
    }
    return n;
}

/* Is TEXT "", or SCHEME followed by an authority and a path of plain characters? */
static bool address_ok(const char *text, const char *scheme)
{
    size_t len = strlen(scheme);
    size_t host;

    if (text[0] == '\0') {
        return true;
    }
    if (strncmp(text, scheme, len) != 0) {
        return false;
    }
    host = authority_len(text + len, HOST_MAX);
    text += len + host;
    while (*text == '/' || is_alnum(*text) || *text == '-' || *text == '_') {
        text++;
    }
    return host > 0 && *text == '\0';
}

/* The host of the request, without its port; empty when it holds anything unusual. */
static struct http_text host_of(const struct http_req *req)
{
    struct http_text t = http_authority(req);

    if (t.len == 0 || t.len > HOST_MAX || authority_len(t.s, t.len) != t.len) {
        return (struct http_text){"", 0};
    }
    for (size_t i = t.len; i > 0 && t.s[i - 1] != ']'; i--) {
        if (t.s[i - 1] == ':') {
            t.len = i - 1;
            break;
        }
    }
    return t;
}

/* CONFIGURED, or SCHEME, the request's host, PORT and PATH. */
static void put_address(struct buf *out, const struct http_req *req, const char *configured,
                        const char *scheme, uint16_t port, const char *path)
{
    struct http_text host = host_of(req);

    if (configured[0] != '\0') {
        buf_puts(out, configured);
    } else if (host.len > 0) {
        buf_printf(out, "%s%.*s:%u%s", scheme, (int)host.len, host.s, port, path);
    }
}

static void put_socket(struct buf *out, const struct dashboard *d, const struct http_req *req)
{
    put_address(out, req, d->opt.socket, "wss://", d->opt.ws_port, "/v2");
}

static void put_rest(struct buf *out, const struct dashboard *d, const struct http_req *req)
{
    put_address(out, req, d->opt.rest, "https://", d->opt.rest_port, "");
}

/* Adds the origin of ADDRESS to a list of sources and empties ADDRESS. */
static void add_origin(struct buf *csp, struct buf *address)
{
    const char *text = buf_cstr(address);
    const char *host = strstr(text, "://");

    if (host != NULL) {
        size_t len = (size_t)(host - text) + 3;

        len += strcspn(text + len, "/");
        buf_putc(csp, ' ');
        buf_append(csp, text, len);
    }
    buf_reset(address);
}

static void set_policy(const struct dashboard *d, struct http_req *req)
{
    struct buf csp = {0};
    struct buf address = {0};

    buf_lit(&csp, "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
                  "font-src 'self'; connect-src 'self'");
    put_socket(&address, d, req);
    add_origin(&csp, &address);
    put_rest(&address, d, req);
    add_origin(&csp, &address);
    buf_lit(&csp, "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
                  "require-trusted-types-for 'script'; trusted-types 'none'");
    http_set_header(req, "content-security-policy", buf_cstr(&csp));
    buf_fini(&address);
    buf_fini(&csp);
}

/* --- pages ---------------------------------------------------------------------------------------
 */

static void put_html(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '<' || *text == '>' || *text == '&' || *text == '"') {
            buf_printf(out, "&#%d;", *text);
        } else {
            buf_putc(out, *text);
        }
    }
}

static void reply_not_built(const struct dashboard *d, struct http_req *req)
{
    struct buf page = {0};

    buf_lit(&page, "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">"
                   "<meta name=\"viewport\" content=\"width=device-width\">"
                   "<title>Portcullis: dashboard not built</title></head>\n<body>\n"
                   "<h1>The dashboard was not built</h1>\n<p>The gateway runs; only its pages are "
                   "missing.</p>\n<p>");
    put_html(&page, d->reason);
    buf_lit(&page,
            "</p>\n<p>To build it (Node 18.19 or newer), in the source folder:</p>\n"
            "<pre>npm ci --prefix web\nnode web/build.mjs</pre>\n"
            "<p>Then set <code>admin.web_dir</code> to <code>web/dist</code> and start the gateway "
            "again.</p>\n<p>Meanwhile: <a href=\"/readyz?verbose\">/readyz</a>, "
            "<a href=\"/metrics\">/metrics</a>.</p>\n</body>\n</html>\n");
    http_reply(req, 200, "text/html; charset=utf-8", page.data, page.len);
    buf_fini(&page);
}

static void dashboard_page(struct http_req *req, void *arg)
{
    const struct dashboard *d = arg;

    set_policy(d, req);
    if (d->files == NULL || !static_reply(d->files, req, "index.html")) {
        reply_not_built(d, req);
    }
}

static void dashboard_asset(struct http_req *req, void *arg)
{
    const struct dashboard *d = arg;

    if (d->files == NULL || !static_reply(d->files, req, http_param(req, "file"))) {
        http_reply_problem(req, GW_ENOTFOUND,
                           "no such file in this build of the dashboard; load the page again");
    }
}

/* What the page must know before it can show anything. */
static void dashboard_about(struct http_req *req, void *arg)
{
    const struct dashboard *d = arg;
    struct buf body = {0};

    buf_printf(&body, "{\"name\":\"portcullis\",\"version\":\"%s\",\"build\":\"%s\",\"time\":\"",
               GW_VERSION, d->files != NULL ? static_build(d->files) : "");
    buf_rfc3339(&body, clock_real_ns(), 6);
    buf_lit(&body, "\",\"websocket\":\"");
    put_socket(&body, d, req);
    buf_lit(&body, "\",\"rest\":\"");
    put_rest(&body, d, req);
    buf_lit(&body, "\"}");
    http_reply(req, 200, "application/json", body.data, body.len);
    buf_fini(&body);
}

/* clang-format off */
const struct http_route dashboard_routes[] = {
    {HTTP_GET, "/",                 dashboard_page},
    {HTTP_GET, "/overview",         dashboard_page},
    {HTTP_GET, "/market",           dashboard_page},
    {HTTP_GET, "/market/{symbol}",  dashboard_page},
    {HTTP_GET, "/connections",      dashboard_page},
    {HTTP_GET, "/connections/{id}", dashboard_page},
    {HTTP_GET, "/keys",             dashboard_page},
    {HTTP_GET, "/keys/{id}",        dashboard_page},
    {HTTP_GET, "/incidents",        dashboard_page},
    {HTTP_GET, "/incidents/{id}",   dashboard_page},
    {HTTP_GET, "/audit",            dashboard_page},
    {HTTP_GET, "/audit/{seq}",      dashboard_page},
    {HTTP_GET, "/drills",           dashboard_page},
    {HTTP_GET, "/settings",         dashboard_page},
    {HTTP_GET, "/settings/{part}",  dashboard_page},
    {HTTP_GET, "/assets/{file}",    dashboard_asset},
    {HTTP_GET, "/v1/dashboard",     dashboard_about},
};
/* clang-format on */
const size_t dashboard_route_count = GW_LEN(dashboard_routes);

/* --- life ----------------------------------------------------------------------------------------
 */

enum gw_err dashboard_create(const struct dashboard_options *opt, struct buf *why,
                             struct dashboard **out)
{
    struct dashboard *d;
    struct buf reason = {0};

    if (!address_ok(opt->socket, "wss://") || !address_ok(opt->rest, "https://")) {
        buf_lit(why, "admin.web_socket must be wss://host[:port]/v2 and admin.web_rest "
                     "https://host[:port], or empty");
        return GW_ECONFIG;
    }
    d = gw_calloc(1, sizeof *d);
    d->opt = *opt;
    if (opt->folder[0] == '\0') {
        buf_lit(&reason, "admin.web_dir is not set");
    } else {
        d->files = static_load(opt->folder, &reason);
    }
    if (d->files == NULL) {
        log_info("app", "no_dashboard", "\"reason\":%s", log_json(buf_cstr(&reason)));
    }
    d->reason = gw_strdup(buf_cstr(&reason));
    buf_fini(&reason);
    *out = d;
    return GW_OK;
}

void dashboard_destroy(struct dashboard **dp)
{
    struct dashboard *d = *dp;

    *dp = NULL;
    if (d != NULL) {
        static_destroy(&d->files);
        free(d->reason);
        free(d);
    }
}
