#include "gateway/http/sse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "gateway/base/buf.h"
#include "gateway/http/sse_ring.h"

static const char *const cut_words[] = {"lost_place", "stalled", "noisy"};
static const struct metric_label cut_label = {"why", cut_words, GW_LEN(cut_words)};
static const char *const open_words[] = {"fresh", "resumed", "reset", "refused"};
static const struct metric_label open_label = {"how", open_words, GW_LEN(open_words)};

/* clang-format off */
#define SSE_METRICS(X)                                                                              \
    X(SSE_M_STREAMS, "sse_streams",      GAUGE,   NULL,        "open event streams")                 \
    X(SSE_M_EVENTS,  "sse_events_total", COUNTER, NULL,        "events published")                   \
    X(SSE_M_SENT,    "sse_sent_total",   COUNTER, NULL,        "events handed to readers")           \
    X(SSE_M_CUT,     "sse_cut_total",    COUNTER, &cut_label,  "readers cut because they did not keep up, or sent") \
    X(SSE_M_OPENED,  "sse_opened_total", COUNTER, &open_label, "event streams asked for")
/* clang-format on */
enum sse_metric { SSE_METRICS(METRIC_AS_ENUM) SSE_M_COUNT };
enum sse_cut { SSE_CUT_LOST_PLACE, SSE_CUT_STALLED, SSE_CUT_NOISY };
enum sse_opened { SSE_FRESH, SSE_RESUMED, SSE_RESET, SSE_REFUSED };
static const struct metric_row rows[] = {SSE_METRICS(METRIC_AS_ROW)};
const struct metric_table sse_metrics = {"sse", rows, SSE_M_COUNT};

struct reader {
    struct sse *hub;
    struct http_stream *stream;
    uint64_t cursor; /* number of the event it gets next */
    char owner[SSE_OWNER_MAX];
    char names[SSE_NAMES_MAX]; /* of what it may see, a blank before and after each; "": all */
    struct reader *prev;
    struct reader *next;
};

struct sse {
    struct sse_options opt;
    uv_timer_t timer;
    struct sse_ring *ring;
    char head[SSE_ID_MAX];
    struct reader *readers;
    uint32_t count;
    bool closing;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

/* --- readers -----------------------------------------------------------------------------------
 */

static void forget(struct reader *r)
{
    struct sse *s = r->hub;

    DL_DELETE(s->readers, r);
    s->count--;
    metrics_set(s->opt.metrics, SSE_M_STREAMS, 0, s->count);
    free(r);
}

static void count_cut(struct sse *s, enum sse_cut why)
{
    metrics_add(s->opt.metrics, SSE_M_CUT, (unsigned)why, 1);
}

static void on_gone(void *arg, enum http_stream_why why)
{
    struct reader *r = arg;

    if (why == HTTP_STREAM_STALLED) {
        count_cut(r->hub, SSE_CUT_STALLED);
    } else if (why == HTTP_STREAM_NOISY) {
        count_cut(r->hub, SSE_CUT_NOISY);
    }
    forget(r);
}

/* How much of TEXT, an event, R gets: all of it, its id, or nothing. */
static size_t share_of(const struct reader *r, const char *text, size_t len)
{
    const char *name = text;
    char word[SSE_NAME_MAX + 2];
    size_t id_len = 0;

    if (r->names[0] == '\0') {
        return len;
    }
    if (strncmp(name, "id: ", 4) == 0) {
        id_len = strcspn(name, "\n") + 1;
        name += id_len;
    }
    name += strlen("event: ");
    (void)snprintf(word, sizeof word, " %.*s ", (int)strcspn(name, "\n"), name);
    return strstr(r->names, word) != NULL ? len : id_len;
}

/* Hands over what R has not got, as far as its buffer takes it. R may be freed when this returns. */
static void feed(struct reader *r)
{
    struct sse *s = r->hub;

    if (r->cursor < sse_ring_oldest(s->ring)) {
        count_cut(s, SSE_CUT_LOST_PLACE);
        http_stream_cut(r->stream);
        forget(r);
        return;
    }
    while (r->cursor < sse_ring_next(s->ring)) {
        size_t len;
        const char *text = sse_ring_text(s->ring, r->cursor, &len);

        size_t share = share_of(r, text, len);

        if (share + 1 > http_stream_room(r->stream)) {
            return; /* on_room() goes on */
        }
        r->cursor++;
        if (share == 0) {
            continue;
        }
        GW_ASSERT(http_stream_send(r->stream, text, share));
        if (share != len) {
            GW_ASSERT(http_stream_send(r->stream, "\n", 1)); /* an id alone fires nothing */
        }
        metrics_inc(s->opt.metrics, SSE_M_SENT);
    }
}

static void on_room(void *arg)
{
    feed(arg);
}

static void on_heartbeat(uv_timer_t *timer)
{
    static const char comment[] = ":\n\n";
    struct sse *s = timer->data;
    struct reader *r;

    DL_FOREACH(s->readers, r)
    {
        if (http_stream_idle(r->stream)) {
            GW_ASSERT(http_stream_send(r->stream, comment, sizeof comment - 1));
        }
    }
}

/* --- events ------------------------------------------------------------------------------------
 */

static bool id_valid(const char *id)
{
    size_t len = strlen(id);

    for (size_t i = 0; i < len; i++) {
        if (id[i] <= ' ' || id[i] > '~') {
            return false; /* it comes back in a header */
        }
    }
    return len != 0 && len < SSE_ID_MAX;
}

static bool name_valid(const char *name)
{
    size_t len = strlen(name);

    return len != 0 && len < SSE_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == len;
}

static bool data_valid(const char *data, size_t len)
{
    return memchr(data, '\n', len) == NULL && memchr(data, '\r', len) == NULL &&
           memchr(data, '\0', len) == NULL;
}

enum gw_err sse_set_head(struct sse *s, const char *id)
{
    if (!id_valid(id)) {
        return GW_EINVAL;
    }
    memcpy(s->head, id, strlen(id) + 1);
    return GW_OK;
}

enum gw_err sse_publish(struct sse *s, const char *id, const char *name, const char *data,
                        size_t len)
{
    struct buf text = {0};
    struct reader *r;
    struct reader *next;
    enum gw_err err;

    GW_ASSERT(!s->closing);
    if (len > SSE_DATA_MAX) {
        return GW_ETOOBIG;
    }
    if ((id != NULL && !id_valid(id)) || !name_valid(name) || !data_valid(data, len)) {
        return GW_EINVAL;
    }
    if (id != NULL) {
        buf_printf(&text, "id: %s\n", id);
    }
    buf_printf(&text, "event: %s\ndata: ", name);
    buf_append(&text, data, len);
    buf_lit(&text, "\n\n");
    err = sse_ring_add(s->ring, id, text.data, text.len);
    if (err != GW_OK) {
        buf_fini(&text);
        return err;
    }
    if (id != NULL) {
        memcpy(s->head, id, strlen(id) + 1);
    }
    metrics_inc(s->opt.metrics, SSE_M_EVENTS);
    DL_FOREACH_SAFE(s->readers, r, next)
    {
        feed(r);
    }
    return GW_OK;
}

/* --- opening -----------------------------------------------------------------------------------
 */

/* Where a reader who has seen LAST (NULL: nothing) begins. */
static enum sse_opened place_of(const struct sse *s, const char *last, uint64_t *cursor)
{
    *cursor = sse_ring_next(s->ring);
    if (last == NULL || last[0] == '\0') {
        return SSE_FRESH;
    }
    if (sse_ring_find(s->ring, last, cursor)) {
        ++*cursor;
        return SSE_RESUMED;
    }
    /* All that was published since has no id, or nothing was. */
    if (strcmp(last, s->head) == 0) {
        *cursor = sse_ring_oldest(s->ring);
        return SSE_RESUMED;
    }
    return SSE_RESET;
}

/* An id without data fires no event but is what the client comes back with. */
static void greet(struct buf *b, const struct sse *s, enum sse_opened how)
{
    buf_printf(b, "retry: %u\n", s->opt.retry_ms);
    if (s->head[0] != '\0' && how != SSE_RESUMED) {
        buf_printf(b, "id: %s\n", s->head);
    }
    if (how == SSE_RESET) {
        buf_lit(b, "event: reset\ndata: {\"newest\":");
        if (s->head[0] != '\0') {
            buf_json_str(b, s->head, strlen(s->head));
        } else {
            buf_lit(b, "null");
        }
        buf_lit(b, "}\n");
    }
    buf_putc(b, '\n');
}

void sse_open(struct sse *s, struct http_req *req, const char *owner, const char *events)
{
    struct buf text = {0};
    struct http_stream *stream;
    struct reader *r;
    uint64_t cursor;
    enum sse_opened how;

    if (s->count >= s->opt.max_streams || s->closing) {
        metrics_add(s->opt.metrics, SSE_M_OPENED, SSE_REFUSED, 1);
        http_reply_problem(req, GW_EFULL,
                           "too many event streams are open; close one (one browser needs one)");
        return;
    }
    how = place_of(s, http_header(req, "last-event-id"), &cursor);
    http_set_header(req, "x-accel-buffering", "no"); /* proxies must not collect it */
    http_stream_start(req, 200, "text/event-stream", &stream);
    if (stream == NULL) {
        return;
    }
    metrics_add(s->opt.metrics, SSE_M_OPENED, (unsigned)how, 1);
    r = gw_calloc(1, sizeof *r);
    r->hub = s;
    r->stream = stream;
    r->cursor = cursor;
    GW_ASSERT(strlen(owner) < sizeof r->owner);
    memcpy(r->owner, owner, strlen(owner) + 1);
    if (events != NULL) {
        GW_ASSERT(strlen(events) + 2 < sizeof r->names);
        (void)snprintf(r->names, sizeof r->names, " %s ", events);
    }
    DL_APPEND(s->readers, r);
    s->count++;
    metrics_set(s->opt.metrics, SSE_M_STREAMS, 0, s->count);
    http_stream_on_room(stream, on_room, r);
    http_stream_on_gone(stream, on_gone, r);
    greet(&text, s, how);
    GW_ASSERT(http_stream_send(stream, text.data, text.len));
    buf_fini(&text);
    feed(r);
}

/* --- ends --------------------------------------------------------------------------------------
 */

static void end(struct reader *r)
{
    struct http_stream *stream = r->stream;

    forget(r);
    http_stream_end(stream);
}

uint32_t sse_end_owner(struct sse *s, const char *owner)
{
    struct reader *r;
    struct reader *next;
    uint32_t ended = 0;

    DL_FOREACH_SAFE(s->readers, r, next)
    {
        if (strcmp(r->owner, owner) == 0) {
            end(r);
            ended++;
        }
    }
    return ended;
}

uint32_t sse_judge(struct sse *s, bool (*right)(void *arg, const char *owner, const char *events),
                   void *arg)
{
    struct reader *r;
    struct reader *next;
    char events[SSE_NAMES_MAX];
    uint32_t ended = 0;

    DL_FOREACH_SAFE(s->readers, r, next)
    {
        size_t len = strlen(r->names);

        (void)snprintf(events, sizeof events, "%.*s", len > 2 ? (int)len - 2 : 0,
                       r->names + (len > 2));
        if (!right(arg, r->owner, events)) {
            end(r);
            ended++;
        }
    }
    return ended;
}

uint32_t sse_streams(const struct sse *s)
{
    return s->count;
}

const char *sse_head(const struct sse *s)
{
    return s->head;
}

struct sse *sse_create(uv_loop_t *loop, const struct sse_options *opt)
{
    struct sse *s = gw_calloc(1, sizeof *s);

    s->opt = *opt;
    s->ring = sse_ring_create(opt->ring_events, opt->ring_bytes);
    uv_timer_init(loop, &s->timer);
    s->timer.data = s;
    uv_timer_start(&s->timer, on_heartbeat, opt->heartbeat_ms, opt->heartbeat_ms);
    return s;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct sse *s = handle->data;

    s->on_closed(s->on_closed_arg);
}

void sse_close(struct sse *s, void (*done)(void *arg), void *arg)
{
    GW_ASSERT(!s->closing);
    s->closing = true;
    s->on_closed = done;
    s->on_closed_arg = arg;
    while (s->readers != NULL) {
        end(s->readers);
    }
    uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

void sse_destroy(struct sse **sp)
{
    struct sse *s = *sp;

    *sp = NULL;
    GW_ASSERT(s->readers == NULL);
    sse_ring_destroy(&s->ring);
    free(s);
}
