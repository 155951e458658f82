/* gateway/incident/signals.c - signals on their way into PostgreSQL, in the order in which they came.
 * While it is away they are kept in a file of gate.state_dir; each has a name that its row in the
 * timeline keeps, so that what is found in the file after a crash is not entered twice. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>
#include "gateway/audit/file.h"
#include "gateway/audit/ulid.h"
#include "gateway/base/utf8.h"
#include "gateway/incident/incidents_priv.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/json.h"
#include "gateway/runtime/log.h"

#define NAME      "incidents.pending"
#define BYTES_MAX (64u << 20)
#define QUEUE_MAX 4096u
#define RETRY_NS  ((int64_t)500000000)

struct signal {
    struct incident_ask *ask;
    char id[ULID_SIZE];
    incident_signal_fn *cb; /* NULL: nobody waits */
    void *arg;
    bool kept;    /* the file on the disk has it */
    bool writing; /* the file being written has it */
    bool spooled; /* its page went out without PostgreSQL */
    bool stored;  /* of one in `answers` */
    uint64_t number;
    struct signal *prev;
    struct signal *next;
};

struct signals {
    struct incidents *all;
    char *path;             /* NULL: no state_dir */
    struct signal *queue;   /* the first is being entered */
    struct signal *answers; /* hear at the next tick */
    unsigned count;
    bool entering;
    int64_t retry_ns; /* mono: not before */
    bool dirty;       /* the file is not what the queue is */
    bool has_file;    /* the file has signals */
    bool busy;        /* it is being written */
    int64_t write_ns; /* mono: not before, after a failure */
    uv_work_t work;
    struct buf text;
    enum gw_err err;
};

static void signal_destroy(struct signal *s)
{
    incident_ask_destroy(&s->ask);
    free(s);
}

static void tell(struct signal *s, bool stored, uint64_t number)
{
    incident_signal_fn *cb = s->cb;

    s->cb = NULL;
    if (cb != NULL) {
        cb(s->arg, stored, number);
    }
}

bool arrivals_idle(const struct signals *s)
{
    return !s->entering && !s->busy;
}

void arrivals_each(const struct signals *s,
                   void (*fn)(void *arg, const struct incident_ask *signal), void *arg)
{
    const struct signal *x;

    DL_FOREACH(s->queue, x)
    {
        if (x->ask->act == ACT_FIRE) {
            fn(arg, x->ask);
        }
    }
}

/* --- the file -----------------------------------------------------------------------------------
 */

static void put(struct buf *out, const char *name, const char *value)
{
    if (value != NULL) {
        buf_printf(out, ",\"%s\":", name);
        buf_json_str(out, value, strlen(value));
    }
}

static void put_signal(struct buf *out, const struct signal *s)
{
    const struct incident_ask *a = s->ask;

    buf_printf(out, "{\"id\":\"%s\",\"cleared\":%s,\"at_ns\":\"%" PRId64 "\"", s->id,
               a->act == ACT_CLEAR ? "true" : "false", a->at_ns);
    put(out, "source", incident_source_words[a->source]);
    put(out, "severity", severity_rows[a->severity].word);
    put(out, "class", a->class_ != INCIDENT_CLASS_COUNT ? incident_class_words[a->class_] : NULL);
    put(out, "key", a->key);
    put(out, "title", a->title);
    put(out, "summary", a->summary);
    put(out, "playbook", a->playbook);
    put(out, "symbol", a->symbol);
    put(out, "component", a->component);
    put(out, "details", a->details);
    buf_putc(out, '}');
}

static void print_queue(struct signals *s)
{
    struct signal *x;
    const char *comma = "";

    buf_reset(&s->text);
    buf_lit(&s->text, "{\"v\":1,\"signals\":[");
    DL_FOREACH(s->queue, x)
    {
        buf_puts(&s->text, comma);
        put_signal(&s->text, x);
        x->writing = true;
        comma = ",\n";
    }
    buf_lit(&s->text, "]}\n");
}

static void on_work(uv_work_t *work)
{
    struct signals *s = work->data;

    s->err = file_replace(s->path, s->text.data, s->text.len, 0600);
}

static void on_written(uv_work_t *work, int status)
{
    struct signals *s = work->data;
    bool ok = status == 0 && s->err == GW_OK;
    struct signal *x;
    struct signal *next;

    s->busy = false;
    if (!ok) {
        s->dirty = true;
        s->write_ns = clock_mono_ns() + 2 * RETRY_NS;
        log_error("incident", "signals_not_kept",
                  "\"path\":%s,\"next\":\"look at the disk; they are in memory alone\"",
                  log_json(s->path));
    }
    s->has_file = ok ? false : s->has_file;
    DL_FOREACH_SAFE(s->queue, x, next)
    {
        if (x->writing) {
            x->writing = false;
            x->kept = x->kept || ok;
            s->has_file = s->has_file || ok;
            tell(x, ok || x->kept, 0);
        }
    }
    incidents_release(s->all);
}

static void keep(struct signals *s)
{
    if (s->path == NULL || s->busy || !s->dirty || clock_mono_ns() < s->write_ns) {
        return;
    }
    print_queue(s);
    s->dirty = false;
    s->busy = uv_queue_work(s->all->loop, &s->work, on_work, on_written) == 0;
    if (s->busy) {
        incidents_hold(s->all);
    }
}

/* --- into PostgreSQL ----------------------------------------------------------------------------
 */

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

/* Nobody else can tell people now. */
static void spool(struct signals *s, struct signal *x)
{
    const struct incident_ask *a = x->ask;
    struct page p = {
        .kind = PAGE_TRIGGER,
        .severity = a->severity,
        .level = 1,
        .list = "oncall",
        .title = a->title,
        .summary = or_empty(a->summary),
        .symbol = or_empty(a->symbol),
        .component = or_empty(a->component),
        .class_ = a->class_ != INCIDENT_CLASS_COUNT ? incident_class_words[a->class_] : "",
        .playbook = or_empty(a->playbook),
        .at_ns = clock_real_ns(),
    };

    if (!x->spooled && a->act == ACT_FIRE && s->all->opt.sink.spool != NULL) {
        x->spooled = true;
        (void)snprintf(p.incident, sizeof p.incident, "S-%s", x->id);
        (void)s->all->opt.sink.spool(s->all->opt.arg, &p);
    }
}

/* PostgreSQL does not take it now: the disk does. */
static void put_aside(struct signals *s)
{
    struct signal *x;
    struct signal *next;

    DL_FOREACH_SAFE(s->queue, x, next)
    {
        spool(s, x);
        s->dirty = s->dirty || (!x->kept && !x->writing);
        if (s->path == NULL && x->cb != NULL) {
            metrics_inc(s->all->opt.metrics, INCIDENT_M_LOST);
            tell(x, false, 0);
        }
    }
    keep(s);
}

static void take_first(struct signals *s)
{
    struct signal *x = s->queue;

    DL_DELETE(s->queue, x);
    s->count--;
    s->dirty = s->dirty || x->kept || x->writing;
    signal_destroy(x);
}

static void enter(struct signals *s);

static void on_entered(void *arg, const struct incident_answer *answer)
{
    struct signals *s = arg;
    enum incident_fault fault = answer->problem.fault;

    s->entering = false;
    if (fault == INCIDENT_AWAY || fault == INCIDENT_DOUBT) {
        s->retry_ns = clock_mono_ns() + RETRY_NS;
        put_aside(s);
        return;
    }
    if (fault != INCIDENT_FINE && fault != INCIDENT_NOTHING) {
        log_error("incident", "bad_signal", "\"key\":%s,\"field\":\"%s\",\"why\":%s",
                  log_json(s->queue->ask->key), answer->problem.field,
                  log_json(answer->problem.detail));
        metrics_inc(s->all->opt.metrics, INCIDENT_M_LOST);
    }
    tell(s->queue, fault == INCIDENT_FINE || fault == INCIDENT_NOTHING,
         answer->incident != NULL ? answer->incident->number : 0);
    take_first(s);
    enter(s);
}

static void enter(struct signals *s)
{
    if (s->queue == NULL || s->entering || s->all->closing) {
        return;
    }
    s->entering = true;
    change_start(s->all, s->queue->ask, NULL, on_entered, s);
}

void arrivals_tick(struct signals *s)
{
    struct signal *x;
    struct signal *next;

    DL_FOREACH_SAFE(s->answers, x, next)
    {
        DL_DELETE(s->answers, x);
        tell(x, x->stored, x->number);
        signal_destroy(x);
    }
    metrics_set(s->all->opt.metrics, INCIDENT_M_QUEUE, 0, s->count);
    if (s->queue != NULL && !s->entering && clock_mono_ns() >= s->retry_ns) {
        if (pg_up(s->all->opt.pg)) {
            enter(s);
        } else {
            s->retry_ns = clock_mono_ns() + RETRY_NS;
            put_aside(s);
        }
    }
    if (s->queue == NULL && s->has_file) {
        s->dirty = true;
    }
    keep(s);
}

/* --- from outside -------------------------------------------------------------------------------
 */

/* At most MOST characters of TEXT, without controls; what is not UTF-8 is not shown. */
static char *clean(const char *text, unsigned most)
{
    struct buf out = {0};
    unsigned chars = 0;

    for (const char *p = text; *p != '\0' && chars < most;) {
        size_t len = 1;

        while (((unsigned char)p[len] & 0xc0) == 0x80) {
            len++;
        }
        if (utf8_plain(p, len, NULL)) {
            buf_append(&out, p, len);
        } else {
            buf_putc(&out, *p == '\n' || *p == '\t' ? ' ' : '?');
        }
        chars++;
        p += len;
    }
    return (char *)buf_cstr(&out); /* the buffer's memory, handed over */
}

static enum incident_source source_of(const char *word)
{
    unsigned source = incident_word(incident_source_words, INCIDENT_SOURCE_COUNT, word);

    return source < INCIDENT_SOURCE_COUNT ? (enum incident_source)source : SOURCE_GATEWAY;
}

/* Is TEXT a JSON object? */
static bool is_object(const char *text)
{
    json_t *root = text[0] != '\0' ? json_parse_strict(text, strlen(text), 8) : NULL;
    bool ok = json_is_object(root);

    json_decref(root);
    return ok;
}

static struct signal *make(const struct incident_signal *in)
{
    struct signal *s = gw_calloc(1, sizeof *s);
    char *title = clean(in->title != NULL && in->title[0] != '\0' ? in->title : in->key, 200);
    char *summary = clean(or_empty(in->summary), 2000);
    char *key = clean(in->key, 300);
    char *symbol = clean(or_empty(in->symbol), 64);
    char *component = clean(or_empty(in->component), 128);
    struct incident_ask a = {
        .act = in->cleared ? ACT_CLEAR : ACT_FIRE,
        .severity = in->severity < SEVERITY_COUNT ? in->severity : SEV3,
        .class_ = incident_class_parse(or_empty(in->class_)),
        .source = source_of(or_empty(in->source)),
        .at_ns = in->at_ns / 1000 * 1000,
        .key = key,
        .title = title,
        .summary = summary[0] != '\0' ? summary : NULL,
        .playbook = in->playbook != NULL && in->playbook[0] != '\0' ? in->playbook : NULL,
        .symbol = symbol[0] != '\0' ? symbol : NULL,
        .component = component[0] != '\0' ? component : NULL,
        .details = in->details != NULL && is_object(in->details) ? in->details : NULL,
        .signal_id = s->id,
    };

    a.detected_by = a.source == SOURCE_ALERT ? DETECTED_ALERT : DETECTED_GATEWAY;
    ulid_make(s->id, clock_real_ns());
    s->ask = incident_ask_copy(&a);
    free(title);
    free(summary);
    free(key);
    free(symbol);
    free(component);
    return s;
}

/* The incident of a signal that is known to fire and about which nothing else is on its way. */
static uint64_t known(const struct signals *s, const char *key)
{
    const struct signal *x;

    DL_FOREACH(s->queue, x)
    {
        if (strcmp(x->ask->key, key) == 0) {
            return 0;
        }
    }
    for (const struct slot *slot = s->all->slots; slot != NULL; slot = slot->hh.next) {
        const struct incident *i = slot->incident;

        if (i->state != INCIDENT_CLOSED && i->signal == SIGNAL_FIRING && i->signal_key != NULL &&
            strcmp(i->signal_key, key) == 0) {
            return i->number;
        }
    }
    return 0;
}

void incidents_signal(struct incidents *all, const struct incident_signal *in,
                      incident_signal_fn *cb, void *arg)
{
    struct signals *s = all->signals;
    struct signal *x = make(in);
    uint64_t number = in->cleared ? 0 : known(s, x->ask->key);

    x->cb = cb;
    x->arg = arg;
    if (number != 0 || s->count >= QUEUE_MAX || x->ask->key[0] == '\0') {
        x->stored = number != 0;
        x->number = number;
        if (number == 0) {
            metrics_inc(all->opt.metrics, INCIDENT_M_LOST);
        }
        DL_APPEND(s->answers, x);
        return;
    }
    DL_APPEND(s->queue, x);
    s->count++;
    if (pg_up(all->opt.pg)) {
        enter(s);
    } else {
        put_aside(s);
    }
}

/* --- life ---------------------------------------------------------------------------------------
 */

static char *text_of(const json_t *v, const char *name)
{
    const char *text = json_string_value(json_object_get(v, name));

    return (char *)(text != NULL ? text : "");
}

static bool read_one(struct signals *s, const json_t *v)
{
    const char *id = text_of(v, "id");
    uint64_t at_ns = 0;
    struct incident_signal in = {
        .key = text_of(v, "key"),
        .source = text_of(v, "source"),
        .cleared = json_is_true(json_object_get(v, "cleared")),
        .title = text_of(v, "title"),
        .summary = text_of(v, "summary"),
        .class_ = text_of(v, "class"),
        .playbook = text_of(v, "playbook"),
        .symbol = text_of(v, "symbol"),
        .component = text_of(v, "component"),
        .details = text_of(v, "details"),
    };
    struct signal *x;

    if (!ulid_valid(id, strlen(id)) || in.key[0] == '\0' ||
        !severity_parse(text_of(v, "severity"), strlen(text_of(v, "severity")), &in.severity) ||
        !json_read_u64(json_object_get(v, "at_ns"), &at_ns) || at_ns > INT64_MAX) {
        return false;
    }
    in.at_ns = (int64_t)at_ns;
    x = make(&in);
    memcpy(x->id, id, sizeof x->id);
    free((char *)x->ask->signal_id);
    x->ask->signal_id = gw_strdup(id);
    x->kept = x->spooled = true;
    DL_APPEND(s->queue, x);
    s->count++;
    s->has_file = true;
    return true;
}

static bool read_all(struct signals *s, const struct buf *text)
{
    json_t *root = json_parse_strict(text->data, text->len, 4);
    const json_t *list = json_object_get(root, "signals");
    bool ok = json_is_array(list);
    const json_t *v;
    size_t n;

    json_array_foreach(list, n, v)
    {
        ok = ok && read_one(s, v);
    }
    json_decref(root);
    return ok;
}

static void read_file(struct signals *s, struct buf *why)
{
    int fd = s->path != NULL ? open(s->path, O_RDONLY | O_CLOEXEC) : -1;
    struct buf text = {0};

    if (fd >= 0) {
        if (file_read_all(fd, BYTES_MAX, &text) != GW_OK || !read_all(s, &text)) {
            buf_printf(why, "%s is no list of signals: move the file away and start again\n",
                       s->path);
        }
        (void)close(fd);
    } else if (s->path != NULL && errno != ENOENT) {
        buf_printf(why, "%s: %s: let the gateway's user read it\n", s->path, strerror(errno));
    }
    buf_fini(&text);
}

struct signals *arrivals_open(struct incidents *all, struct buf *why)
{
    struct signals *s = gw_calloc(1, sizeof *s);
    struct buf path = {0};

    s->all = all;
    s->work.data = s;
    if (all->opt.state_dir[0] != '\0') {
        buf_printf(&path, "%s/%s", all->opt.state_dir, NAME);
        s->path = (char *)buf_cstr(&path); /* the buffer's memory, handed over */
    }
    read_file(s, why);
    return s;
}

void arrivals_destroy(struct signals **sp)
{
    struct signals *s = *sp;
    struct signal *x;
    struct signal *next;

    *sp = NULL;
    GW_ASSERT(!s->busy);
    DL_FOREACH_SAFE(s->queue, x, next)
    {
        signal_destroy(x);
    }
    DL_FOREACH_SAFE(s->answers, x, next)
    {
        signal_destroy(x);
    }
    buf_fini(&s->text);
    free(s->path);
    free(s);
}
