#include "admin_api/portctl/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <poll.h>
#include <curl/curl.h>
#include "gateway/runtime/clock.h"

bool http_setup(void)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

void http_fini(void)
{
    curl_global_cleanup();
}

static size_t take_body(char *data, size_t size, size_t count, void *user)
{
    struct http_reply *r = user;

    if (size * count > HTTP_REPLY_MAX - r->body.len) {
        return 0;
    }
    buf_append(&r->body, data, size * count);
    return size * count;
}

#define VALUE_MAX 64u

/* The value of the field NAME ("date:") if LINE is one. */
static bool value_of(struct auth_text line, struct auth_text name, char value[VALUE_MAX])
{
    if (line.len <= name.len || line.len - name.len >= VALUE_MAX ||
        !auth_text_is_name((struct auth_text){line.s, name.len}, name.s, name.len)) {
        return false;
    }
    (void)snprintf(value, VALUE_MAX, "%.*s", (int)(line.len - name.len), line.s + name.len);
    return true;
}

/* The value of our cookie, if LINE sets it. */
static void take_cookie(struct auth_text line, char out[HTTP_COOKIE_MAX])
{
    static const char form[] = "set-cookie: " HTTP_COOKIE "=";
    const size_t name = sizeof "set-cookie:" - 1;
    size_t len = 0;

    if (line.len < sizeof form ||
        !auth_text_is_name((struct auth_text){line.s, name}, form, name) ||
        memcmp(line.s + name, form + name, sizeof form - 1 - name) != 0) {
        return;
    }
    line = (struct auth_text){line.s + sizeof form - 1, line.len - (sizeof form - 1)};
    while (len < line.len && strchr("; \r\n", line.s[len]) == NULL) {
        len++;
    }
    if (len < HTTP_COOKIE_MAX) {
        memcpy(out, line.s, len);
        out[len] = '\0';
    }
}

static size_t take_head(char *data, size_t size, size_t count, void *user)
{
    struct http_reply *r = user;
    struct auth_text line = {data, size * count};
    char value[VALUE_MAX];

    if (line.len > 5 && memcmp(line.s, "HTTP/", 5) == 0) {
        buf_reset(&r->head); /* what came before was informational */
    }
    if (line.len > HTTP_HEAD_MAX - r->head.len) {
        return 0;
    }
    buf_append(&r->head, line.s, line.len);
    take_cookie(line, r->cookie);
    if (value_of(line, AUTH_TEXT("date:"), value)) {
        r->date_s = (int64_t)curl_getdate(value, NULL);
    } else if (value_of(line, AUTH_TEXT("retry-after:"), value)) {
        long long s = strtoll(value, NULL, 10);

        r->retry_after_s = s > 0 && s < 86400 ? (int64_t)s : 0;
    }
    return size * count;
}

static enum http_result judge(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return HTTP_ANSWERED;
    case CURLE_URL_MALFORMAT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        return HTTP_NOT_SENT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return HTTP_TLS;
    default:
        return HTTP_LOST;
    }
}

static struct curl_slist *head_of(const struct http_call *call)
{
    struct curl_slist *head = NULL;

    for (size_t i = 0; i < HTTP_LINES_MAX && call->lines[i] != NULL; i++) {
        struct curl_slist *longer = curl_slist_append(head, call->lines[i]);

        GW_ASSERT(longer != NULL);
        head = longer;
    }
    return head;
}

static void set_options(CURL *h, const struct http_call *call, struct curl_slist *head,
                        struct http_reply *reply, char *why)
{
    curl_easy_setopt(h, CURLOPT_URL, call->url);
    curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(h, CURLOPT_PROXY, "");
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(h, CURLOPT_TIMEOUT, (long)call->timeout_s);
    curl_easy_setopt(h, CURLOPT_USERAGENT, "portctl/" GW_VERSION);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, head);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, reply);
    curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, take_head);
    curl_easy_setopt(h, CURLOPT_HEADERDATA, reply);
    if (call->ca != NULL) {
        curl_easy_setopt(h, CURLOPT_CAINFO, call->ca);
        curl_easy_setopt(h, CURLOPT_CAPATH, NULL); /* else the system's are trusted beside it */
    }
    if (strcmp(call->method, "HEAD") == 0) {
        curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
    } else if (strcmp(call->method, "GET") != 0) {
        curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, call->method);
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, call->body.len != 0 ? call->body.s : "");
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE, (long)call->body.len);
    }
}

enum http_result http_send(const struct http_call *call, struct http_reply *reply, char *why)
{
    CURL *h = curl_easy_init();
    struct curl_slist *head = head_of(call);
    curl_off_t connected_us = 0;
    enum http_result result;
    CURLcode code;

    GW_ASSERT(h != NULL);
    why[0] = '\0';
    reply->status = 0;
    reply->date_s = -1;
    set_options(h, call, head, reply, why);
    code = curl_easy_perform(h);
    result = judge(code);
    if (code != CURLE_OK && why[0] == '\0') {
        (void)snprintf(why, HTTP_WHY_MAX, "%s", curl_easy_strerror(code));
    }
    (void)curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &reply->status);
    (void)curl_easy_getinfo(h, CURLINFO_TOTAL_TIME_T, &reply->took_us);
    (void)curl_easy_getinfo(h, CURLINFO_APPCONNECT_TIME_T, &connected_us);
    if (result == HTTP_LOST && connected_us == 0) {
        result = HTTP_NOT_SENT; /* timed out before there was anything to send over */
    }
    curl_slist_free_all(head);
    curl_easy_cleanup(h);
    return result;
}

bool http_field(const struct buf *head, const char *name, struct buf *value)
{
    size_t len = strlen(name);
    const char *s = head->data;
    const char *end = head->len != 0 ? s + head->len : s;

    while (s < end) {
        const char *next = memchr(s, '\n', (size_t)(end - s));
        const char *stop = next != NULL ? next : end;

        if ((size_t)(stop - s) > len && s[len] == ':' &&
            auth_text_is_name((struct auth_text){s, len}, name, len)) {
            for (s += len + 1; s < stop && (*s == ' ' || *s == '\t'); s++) {
            }
            while (stop > s && strchr(" \t\r", stop[-1]) != NULL) {
                stop--;
            }
            buf_append(value, s, (size_t)(stop - s));
            return true;
        }
        s = next != NULL ? next + 1 : end;
    }
    return false;
}

/* The part of U, or NULL; the caller gives it to curl_free(). */
static char *part(CURLU *u, CURLUPart what)
{
    char *text = NULL;

    return curl_url_get(u, what, &text, 0) == CURLUE_OK ? text : NULL;
}

bool http_authority(const char *url, struct buf *authority, struct buf *why)
{
    static const CURLUPart none[] = {CURLUPART_USER, CURLUPART_QUERY, CURLUPART_FRAGMENT};
    CURLU *u = curl_url();
    bool ok = u != NULL && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK;
    char *scheme = ok ? part(u, CURLUPART_SCHEME) : NULL;
    char *host = ok ? part(u, CURLUPART_HOST) : NULL;
    char *port = ok ? part(u, CURLUPART_PORT) : NULL;
    char *path = ok ? part(u, CURLUPART_PATH) : NULL;

    ok = scheme != NULL && host != NULL && strcmp(scheme, "https") == 0 &&
         (path == NULL || strcmp(path, "/") == 0);
    for (size_t i = 0; ok && i < GW_LEN(none); i++) {
        char *text = part(u, none[i]);

        ok = text == NULL;
        curl_free(text);
    }
    if (ok) {
        buf_puts(authority, host);
        if (port != NULL && strcmp(port, "443") != 0) {
            buf_printf(authority, ":%s", port);
        }
    } else {
        buf_printf(why,
                   "%s is not the address of an admin API; it looks like "
                   "https://localhost:8445",
                   url);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(path);
    curl_url_cleanup(u);
    return ok;
}

/* --- a connection of one's own -----------------------------------------------------------------
 */

struct http_line {
    CURL *h;
    curl_socket_t fd;
    unsigned timeout_s;
};

struct http_line *http_line_open(const char *url, const char *ca, unsigned timeout_s,
                                 struct buf *why)
{
    struct http_line *l = gw_calloc(1, sizeof *l);
    const struct http_call call = {.method = "GET", .url = url, .ca = ca, .timeout_s = timeout_s};
    struct http_reply unused = {0};
    char text[HTTP_WHY_MAX] = "";
    CURLcode code;

    l->h = curl_easy_init();
    l->timeout_s = timeout_s;
    GW_ASSERT(l->h != NULL);
    set_options(l->h, &call, NULL, &unused, text);
    curl_easy_setopt(l->h, CURLOPT_CONNECT_ONLY, 1L);
    code = curl_easy_perform(l->h);
    curl_easy_setopt(l->h, CURLOPT_ERRORBUFFER, NULL);
    if (code != CURLE_OK || curl_easy_getinfo(l->h, CURLINFO_ACTIVESOCKET, &l->fd) != CURLE_OK) {
        buf_puts(why, text[0] != '\0' ? text : curl_easy_strerror(code));
        http_line_close(&l);
    }
    return l;
}

void http_line_close(struct http_line **lp)
{
    curl_easy_cleanup((*lp)->h);
    free(*lp);
    *lp = NULL;
}

/* Until the socket is ready for EVENTS. False: WHY, the time is over. */
static bool wait_for(const struct http_line *l, short events, int64_t until_ns, struct buf *why)
{
    struct pollfd p = {.fd = l->fd, .events = events};
    int64_t left_ms = (until_ns - clock_mono_ns()) / 1000000;

    if (left_ms > 0 && poll(&p, 1, left_ms > 600000 ? 600000 : (int)left_ms) > 0) {
        return true;
    }
    buf_lit(why, "nothing came in time");
    return false;
}

bool http_line_write(struct http_line *l, const char *data, size_t len, struct buf *why)
{
    int64_t until = clock_mono_ns() + l->timeout_s * INT64_C(1000000000);

    while (len != 0) {
        size_t sent = 0;
        CURLcode code = curl_easy_send(l->h, data, len, &sent);

        if (code == CURLE_AGAIN) {
            if (!wait_for(l, POLLOUT, until, why)) {
                return false;
            }
        } else if (code != CURLE_OK) {
            buf_puts(why, curl_easy_strerror(code));
            return false;
        }
        data += sent;
        len -= sent;
    }
    return true;
}

bool http_line_read(struct http_line *l, int64_t until_ns, char *data, size_t cap, size_t *len,
                    struct buf *why)
{
    for (;;) {
        CURLcode code = curl_easy_recv(l->h, data, cap, len);

        if (code == CURLE_AGAIN) {
            if (!wait_for(l, POLLIN, until_ns, why)) {
                return false;
            }
        } else if (code != CURLE_OK || *len == 0) {
            buf_puts(why, code != CURLE_OK ? curl_easy_strerror(code) : "the connection ended");
            return false;
        } else {
            return true;
        }
    }
}
