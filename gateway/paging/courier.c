#include "gateway/paging/courier.h"

#include <stdlib.h>
#include <string.h>
#include <curl/curl.h>
#include "gateway/base/err.h"
#include "gateway/base/fixed.h"

/* A socket of libcurl's. */
struct wire {
    uv_poll_t poll;
    struct courier *c;
    curl_socket_t fd;
};

struct errand {
    struct courier *c;
    CURL *easy;
    struct curl_slist *headers;
    struct courier_answer answer;
    size_t said;
    char why[CURL_ERROR_SIZE];
    char *body;
    courier_fn *cb;
    void *arg;
    struct errand *prev;
    struct errand *next;
};

struct courier {
    struct courier_options opt;
    CURLM *multi;
    uv_loop_t *loop;
    uv_timer_t timer;
    struct errand *errands;
    unsigned open; /* handles */
    bool closing;
    void (*done)(void *arg);
    void *arg;
};

/* --- URLs ------------------------------------------------------------------------------------- */

static bool loopback(const char *host)
{
    return strcmp(host, "localhost") == 0 || strcmp(host, "127.0.0.1") == 0 ||
           strcmp(host, "[::1]") == 0;
}

static char *part(CURLU *u, CURLUPart what)
{
    char *text = NULL;

    return curl_url_get(u, what, &text, 0) == CURLUE_OK ? text : NULL;
}

bool courier_url(const char *url, char host[256], struct buf *why)
{
    CURLU *u = curl_url();
    bool whole = u != NULL && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK;
    char *scheme = whole ? part(u, CURLUPART_SCHEME) : NULL;
    char *name = whole ? part(u, CURLUPART_HOST) : NULL;
    char *user = whole ? part(u, CURLUPART_USER) : NULL;
    bool ok = false;

    if (scheme == NULL || name == NULL || strlen(name) > 255) {
        buf_lit(why, "not a URL: https://host/path is expected");
    } else if (user != NULL) {
        buf_lit(why, "a user in the URL is not sent: use a path or a signature that the receiver "
                     "checks");
    } else if (strcmp(scheme, "https") != 0 && !(strcmp(scheme, "http") == 0 && loopback(name))) {
        buf_lit(why, "https is expected; http only to this machine (localhost, 127.0.0.1, [::1])");
    } else {
        (void)snprintf(host, 256, "%s", name);
        ok = true;
    }
    curl_free(scheme);
    curl_free(name);
    curl_free(user);
    curl_url_cleanup(u);
    return ok;
}

/* --- the loop waits for libcurl ----------------------------------------------------------------
 */

static void on_handle_closed(struct courier *c)
{
    if (--c->open == 0 && c->closing) {
        c->done(c->arg);
    }
}

static void on_wire_closed(uv_handle_t *handle)
{
    struct wire *w = handle->data;
    struct courier *c = w->c;

    free(w);
    on_handle_closed(c);
}

static void end_errand(struct errand *e)
{
    struct courier *c = e->c;

    if (e->prev != NULL) {
        e->prev->next = e->next;
    } else {
        c->errands = e->next;
    }
    if (e->next != NULL) {
        e->next->prev = e->prev;
    }
    curl_multi_remove_handle(c->multi, e->easy);
    curl_easy_cleanup(e->easy);
    curl_slist_free_all(e->headers);
    free(e->body);
    free(e);
}

static void finish(struct errand *e, CURLcode code)
{
    struct courier_answer a = e->answer;
    courier_fn *cb = e->cb;
    void *arg = e->arg;
    curl_off_t wait = 0;
    long status = 0;

    curl_easy_getinfo(e->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(e->easy, CURLINFO_RETRY_AFTER, &wait);
    if (code == CURLE_OK) {
        a.status = (unsigned)status;
        a.retry_after_s = wait > 0 ? (int64_t)wait : 0;
    } else {
        (void)snprintf(a.said, sizeof a.said, "%.*s", (int)sizeof a.said - 1,
                       e->why[0] != '\0' ? e->why : curl_easy_strerror(code));
    }
    end_errand(e);
    cb(arg, &a);
}

/* Those that are over. A callback may post anew. */
static void reap(struct courier *c)
{
    int left;
    CURLMsg *m;

    while (!c->closing && (m = curl_multi_info_read(c->multi, &left)) != NULL) {
        struct errand *e = NULL;

        if (m->msg == CURLMSG_DONE) {
            CURLcode code = m->data.result;

            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&e);
            finish(e, code);
        }
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct wire *w = poll->data;
    struct courier *c = w->c;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    int running;

    flags |= (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
    flags |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    (void)curl_multi_socket_action(c->multi, w->fd, flags, &running);
    reap(c);
}

static void on_timer(uv_timer_t *timer)
{
    struct courier *c = timer->data;
    int running;

    (void)curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    reap(c);
}

static int on_timeout(CURLM *multi, long ms, void *arg)
{
    struct courier *c = arg;

    (void)multi;
    if (c->closing || ms < 0) {
        uv_timer_stop(&c->timer);
    } else {
        uv_timer_start(&c->timer, on_timer, (uint64_t)ms, 0);
    }
    return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket)
{
    struct courier *c = arg;
    struct wire *w = socket;
    int events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w != NULL) {
            uv_poll_stop(&w->poll);
            curl_multi_assign(c->multi, fd, NULL);
            uv_close((uv_handle_t *)&w->poll, on_wire_closed);
        }
        return 0;
    }
    if (w == NULL) {
        w = gw_calloc(1, sizeof *w);
        w->c = c;
        w->fd = fd;
        w->poll.data = w;
        if (uv_poll_init_socket(c->loop, &w->poll, fd) != 0) {
            free(w);
            return -1;
        }
        c->open++;
        curl_multi_assign(c->multi, fd, w);
    }
    events |= what != CURL_POLL_OUT ? UV_READABLE : 0;
    events |= what != CURL_POLL_IN ? UV_WRITABLE : 0;
    return uv_poll_start(&w->poll, events, on_poll) == 0 ? 0 : -1;
}

/* --- errands ---------------------------------------------------------------------------------- */

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct errand *e = arg;

    for (size_t i = 0; i < size * count && e->said + 1 < sizeof e->answer.said; i++) {
        bool plain = data[i] >= ' ' && data[i] <= '~';

        e->answer.said[e->said++] = plain ? data[i] : ' ';
    }
    return size * count;
}

static void set_options(struct errand *e, const struct courier_request *r)
{
    const struct courier_options *opt = &e->c->opt;
    CURL *h = e->easy;

    curl_easy_setopt(h, CURLOPT_URL, r->url);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(h, CURLOPT_PROXY, "");
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(h, CURLOPT_FORBID_REUSE, 1L); /* pages are rare, receivers restart */
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)opt->deadline_ms);
    curl_easy_setopt(h, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)65536);
    curl_easy_setopt(h, CURLOPT_USERAGENT, "portcullis/" GW_VERSION);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, e->headers);
    curl_easy_setopt(h, CURLOPT_POST, 1L);
    curl_easy_setopt(h, CURLOPT_POSTFIELDS, e->body);
    curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE, (long)r->len);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, e);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, e->why);
    curl_easy_setopt(h, CURLOPT_PRIVATE, (char *)e);
    if (opt->ca_file[0] != '\0') {
        curl_easy_setopt(h, CURLOPT_CAINFO, opt->ca_file);
        curl_easy_setopt(h, CURLOPT_CAPATH, NULL); /* else the system's are trusted beside it */
    }
}

static void add_header(struct errand *e, const char *line)
{
    struct curl_slist *longer = curl_slist_append(e->headers, line);

    GW_ASSERT(longer != NULL);
    e->headers = longer;
}

void courier_post(struct courier *c, const struct courier_request *r, courier_fn *cb, void *arg)
{
    struct errand *e = gw_calloc(1, sizeof *e);

    GW_ASSERT(!c->closing);
    e->c = c;
    e->cb = cb;
    e->arg = arg;
    e->body = gw_malloc(r->len + 1);
    memcpy(e->body, r->body, r->len);
    e->easy = curl_easy_init();
    GW_ASSERT(e->easy != NULL);
    add_header(e, "expect:"); /* not asked for: one trip */
    for (size_t i = 0; i < COURIER_HEADERS_MAX && r->headers[i] != NULL; i++) {
        add_header(e, r->headers[i]);
    }
    set_options(e, r);
    e->next = c->errands;
    if (e->next != NULL) {
        e->next->prev = e;
    }
    c->errands = e;
    GW_ASSERT(curl_multi_add_handle(c->multi, e->easy) == CURLM_OK); /* starts the timer */
}

/* --- life ------------------------------------------------------------------------------------- */

struct courier *courier_create(uv_loop_t *loop, const struct courier_options *opt)
{
    struct courier *c = gw_calloc(1, sizeof *c);

    GW_ASSERT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    c->opt = *opt;
    c->loop = loop;
    c->multi = curl_multi_init();
    GW_ASSERT(c->multi != NULL);
    uv_timer_init(loop, &c->timer);
    c->timer.data = c;
    c->open = 1;
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    return c;
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_handle_closed(handle->data);
}

void courier_close(struct courier *c, void (*done)(void *arg), void *arg)
{
    c->closing = true;
    c->done = done;
    c->arg = arg;
    while (c->errands != NULL) {
        end_errand(c->errands); /* its sockets are given back through on_socket() */
    }
    curl_multi_cleanup(c->multi);
    c->multi = NULL;
    uv_close((uv_handle_t *)&c->timer, on_timer_closed);
}

void courier_destroy(struct courier **cp)
{
    struct courier *c = *cp;

    *cp = NULL;
    GW_ASSERT(c->closing && c->open == 0);
    curl_global_cleanup();
    free(c);
}
