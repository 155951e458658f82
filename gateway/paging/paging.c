#include "gateway/paging/paging.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <utlist.h>
#include "gateway/audit/file.h"
#include "gateway/paging/paging_priv.h"
#include "gateway/runtime/clock.h"
#include "gateway/runtime/log.h"

#define TICK_MS       1000u
#define SECRET_MAX    4096u
#define POISON_TRIES  5u /* 400, 413, 422: the receiver has read it and will not take it */
#define RETRY_AFTER_S 600

#define PAGING_ROW(...) CFG_ROW_OF(struct paging_config, __VA_ARGS__)
static const struct cfg_row config_rows[] = {PAGING_CONFIG(PAGING_ROW)};
const struct cfg_table paging_config_table = {"slo_paging", config_rows, GW_LEN(config_rows)};

#define PAGE_RESULT_AS_WORD(sym, word) word,
static const char *const result_words[] = {PAGE_RESULTS(PAGE_RESULT_AS_WORD)};
static const struct metric_label result_label = {"result", result_words, PAGE_RESULT_COUNT};
static const struct metric_row metric_rows[] = {PAGING_METRICS(METRIC_AS_ROW)};
const struct metric_table paging_metrics = {"Paging", metric_rows, GW_LEN(metric_rows)};

/* --- configuration ----------------------------------------------------------------------------- */

static bool host_listed(const char *list, const char *host)
{
    size_t len = strlen(host);

    while (*list != '\0') {
        size_t n;

        list += strspn(list, ", ");
        n = strcspn(list, ", ");
        if (n == len && strncasecmp(list, host, len) == 0) {
            return true;
        }
        list += n;
    }
    return false;
}

void paging_check(const struct paging_config *c, struct buf *errors)
{
    enum body_format format;
    char host[256];
    struct buf why = {0};

    if (!body_format_parse(c->format, &format)) {
        buf_lit(errors, "slo_paging.format: expected alertmanager, pagerduty or generic\n");
    } else if (format == BODY_PAGERDUTY && c->routing_key_file[0] == '\0' && c->enabled) {
        buf_lit(errors, "slo_paging.routing_key_file: format pagerduty needs it\n");
    }
    if (strcmp(c->min_severity, "critical") != 0 && strcmp(c->min_severity, "warning") != 0) {
        buf_lit(errors, "slo_paging.min_severity: expected critical or warning\n");
    }
    if (c->webhook_url[0] == '\0' && c->enabled) {
        buf_lit(errors, "slo_paging.webhook_url: enabled without a receiver; give its URL, or "
                        "slo_paging.enabled: false\n");
    } else if (c->webhook_url[0] != '\0' && !courier_url(c->webhook_url, host, &why)) {
        buf_printf(errors, "slo_paging.webhook_url: %s\n", buf_cstr(&why));
    } else if (c->webhook_url[0] != '\0' && c->hosts[0] != '\0' && !host_listed(c->hosts, host)) {
        buf_printf(errors,
                   "slo_paging.webhook_url: its host %s is not in slo_paging.hosts; correct one of "
                   "them\n",
                   host);
    }
    if (c->backoff_max < c->backoff_min) {
        buf_lit(errors, "slo_paging.backoff_max: below slo_paging.backoff_min\n");
    }
    buf_fini(&why);
}

/* First line of the file PATH; NULL and WHY when there is none. */
static char *read_secret(const char *key, const char *path, struct buf *why)
{
    struct buf text = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *out = NULL;

    if (fd < 0 || file_read_all(fd, SECRET_MAX, &text) != GW_OK) {
        buf_printf(why, "slo_paging.%s: cannot read %s: %s\n", key, path, strerror(errno));
    } else {
        while (text.len > 0 && isspace((unsigned char)text.data[text.len - 1])) {
            text.len--;
        }
        if (text.len == 0 || memchr(text.data, '\n', text.len) != NULL) {
            buf_printf(why, "slo_paging.%s: %s should hold one line\n", key, path);
        } else {
            out = gw_strdup(buf_cstr(&text));
        }
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    buf_fini(&text);
    return out;
}

/* --- clocks ----------------------------------------------------------------------------------- */

int64_t paging_wall_ns(const struct paging *p)
{
    return p->opt.now_ns != NULL ? p->opt.now_ns(p->opt.arg) : clock_real_ns();
}

int64_t paging_mono_ns(const struct paging *p)
{
    return p->opt.now_ns != NULL ? p->opt.now_ns(p->opt.arg) : clock_mono_ns();
}

bool paging_on(const struct paging *p)
{
    return p->opt.config->enabled && p->host[0] != '\0';
}

void paging_others(struct paging *p, bool known, bool send)
{
    p->others_known = known;
    p->others = send;
}

const char *paging_off(const struct paging *p)
{
    return paging_on(p) || !p->others_known || p->others ? NULL : PAGING_OFF_WHY;
}

void paging_suppressed(struct paging *p, unsigned count)
{
    metrics_add(p->metrics, PAGING_M_SUPPRESSED, 0, count);
    log_info("paging", "suppressed", "\"pages\":%u,\"next\":\"%s\"", count,
             "nobody is paged: set slo_paging.enabled where that is not wanted");
}

/* --- one page --------------------------------------------------------------------------------- */

void paging_drop(struct page_row *r)
{
    DL_DELETE(r->paging->rows, r);
    page_row_destroy(&r);
}

bool paging_busy(const struct paging *p, const struct page_row *r)
{
    const struct page_row *o;
    bool before = true; /* in the list: spooled earlier */

    if (r->page.incident[0] == '\0') {
        return false;
    }
    DL_FOREACH(p->rows, o)
    {
        if (o == r) {
            before = false;
        } else if (strcmp(o->page.incident, r->page.incident) == 0 &&
                   (o->state == ROW_FLYING || (before && o->state == ROW_WAITING) ||
                    (o->state == ROW_SETTLING && o->result == PAGE_FAILED))) {
            return true;
        }
    }
    return false;
}

void paging_test_over(struct paging *p, int64_t id, enum paging_said said, const char *detail)
{
    struct test_wait *w;
    struct test_wait *next;

    DL_FOREACH_SAFE(p->tests, w, next)
    {
        if (w->id == id && id != 0) {
            DL_DELETE(p->tests, w);
            w->cb(w->arg, said, id, detail);
            free(w);
        }
    }
}

/* What becomes of R is known; PostgreSQL, or the spool, is told. */
static void settle(struct page_row *r, enum page_result result)
{
    struct paging *p = r->paging;

    r->result = result;
    metrics_add(p->metrics, PAGING_M_RESULTS, result, 1);
    if (result == PAGE_DEAD) {
        log_error(
            "paging", "dead_letter",
            "\"incident\":%s,\"kind\":\"%s\",\"tries\":%u,\"error\":%s,\"next\":\"correct the "
            "cause, then portctl paging retry\"",
            log_json(r->page.incident), page_kind_words[r->page.kind], r->tries,
            log_json(r->error));
    }
    if (r->id != 0) {
        r->state = ROW_SETTLING;
        queue_settle(r);
    } else if (result == PAGE_FAILED) {
        r->state = ROW_WAITING;
    } else {
        spool_mark(r, result == PAGE_DEAD ? ROW_DEAD : ROW_SENT);
    }
}

/* Full jitter: between nothing and the bound, which doubles. */
static int64_t delay_of(const struct paging *p, uint32_t tries, int64_t retry_after_s)
{
    const struct paging_config *c = p->opt.config;
    uint64_t bound = c->backoff_min;
    int64_t least = retry_after_s < RETRY_AFTER_S ? retry_after_s * 1000 : RETRY_AFTER_S * 1000;
    int64_t ms;

    for (uint32_t i = 1; i < tries && bound < c->backoff_max; i++) {
        bound *= 2;
    }
    bound = bound < c->backoff_max ? bound : c->backoff_max;
    ms = (int64_t)((uint64_t)random() % (bound + 1));
    return ms > least ? ms : least;
}

static void say_error(struct page_row *r, const struct courier_answer *a)
{
    if (a->status == 0) {
        (void)snprintf(r->error, sizeof r->error, "no answer: %s", a->said);
    } else if (a->status >= 300 && a->status < 400) {
        (void)snprintf(r->error, sizeof r->error,
                       "answered %u: redirects are not followed; name the right URL in "
                       "slo_paging.webhook_url",
                       a->status);
    } else {
        (void)snprintf(r->error, sizeof r->error, "answered %u%s%s", a->status,
                       a->said[0] != '\0' ? ": " : "", a->said);
    }
}

static bool hopeless(const struct paging *p, const struct page_row *r, unsigned status)
{
    bool poison = status == 400 || status == 413 || status == 422;

    return r->age_ms >= (int64_t)p->opt.config->give_up_after ||
           (poison && r->tries >= POISON_TRIES);
}

static void on_answer(void *arg, const struct courier_answer *a)
{
    struct page_row *r = arg;
    struct paging *p = r->paging;
    int64_t id = r->id;
    char error[sizeof r->error] = "";

    p->flying--;
    metrics_set(p->metrics, PAGING_M_FLYING, 0, p->flying);
    if (p->closing) {
        return;
    }
    if (a->status >= 200 && a->status < 300) {
        r->error[0] = '\0';
        circuit_closed(p->circuit);
        settle(r, PAGE_DELIVERED);
        paging_test_over(p, id, PAGING_DELIVERED, "");
    } else {
        say_error(r, a);
        memcpy(error, r->error, sizeof error);
        r->delay_ms = delay_of(p, r->tries, a->retry_after_s);
        r->next_ns = paging_mono_ns(p) + r->delay_ms * NS_PER_MS;
        circuit_failed(
            p->circuit, error,
            r->page.kind == PAGE_TEST || hopeless(p, r, a->status) ? -1 : r->delay_ms * NS_PER_MS);
        log_warn("paging", "not_delivered",
                 "\"incident\":%s,\"kind\":\"%s\",\"tries\":%u,\"error\":%s,\"again_in_ms\":%lld",
                 log_json(r->page.incident), page_kind_words[r->page.kind], r->tries,
                 log_json(r->error), (long long)r->delay_ms);
        settle(r, r->page.kind == PAGE_TEST   ? PAGE_SKIPPED
                  : hopeless(p, r, a->status) ? PAGE_DEAD
                                              : PAGE_FAILED);
        paging_test_over(p, id, PAGING_REFUSED, error);
    }
    paging_wake(p);
}

/* Does it go out at all? */
static bool wanted(const struct paging *p, const struct page_row *r)
{
    const char *needs = severity_rows[r->page.severity].paging;
    bool all = strcmp(p->opt.config->min_severity, "warning") == 0;

    return r->page.kind == PAGE_TEST || strcmp(needs, "critical") == 0 ||
           (all && needs[0] != '\0') ||
           (r->told && (r->page.kind == PAGE_ACKNOWLEDGE || r->page.kind == PAGE_RESOLVE));
}

static void fly(struct page_row *r)
{
    struct paging *p = r->paging;
    const struct body_page page = {&r->page, r->uid, r->since_ns};
    struct buf body = {0};
    struct buf sign = {0};
    struct buf name = {0};
    struct courier_request request = {.url = p->opt.config->webhook_url};

    body_print(&p->body, &page, &body);
    buf_printf(&name, "portcullis-page: %s", r->uid);
    request.body = body.data;
    request.len = body.len;
    request.headers[0] = "content-type: application/json";
    request.headers[1] = buf_cstr(&name);
    if (p->secret != NULL) {
        body_sign(p->secret, strlen(p->secret), paging_wall_ns(p) / 1000000000, &body, &sign);
        request.headers[2] = buf_cstr(&sign);
    }
    r->state = ROW_FLYING;
    p->flying++;
    circuit_retried(p->circuit);
    metrics_set(p->metrics, PAGING_M_FLYING, 0, p->flying);
    if (p->opt.send != NULL) {
        p->opt.send(p->opt.arg, &request, on_answer, r);
    } else {
        courier_post(p->courier, &request, on_answer, r);
    }
    buf_fini(&body);
    buf_fini(&sign);
    buf_fini(&name);
}

void paging_dispatch(struct page_row *r)
{
    struct paging *p = r->paging;

    if (!wanted(p, r)) {
        (void)snprintf(r->error, sizeof r->error, "below slo_paging.min_severity (%s)",
                       p->opt.config->min_severity);
        settle(r, PAGE_SKIPPED);
    } else {
        fly(r);
    }
}

/* --- the tick --------------------------------------------------------------------------------- */

void paging_count(struct paging *p, uint64_t queue, uint64_t dead, int64_t oldest_s)
{
    bool changed = queue != p->queue || dead != p->dead;

    p->queue = queue;
    p->dead = dead;
    p->oldest_s = oldest_s;
    metrics_set(p->metrics, PAGING_M_QUEUE, 0, (int64_t)queue);
    metrics_set(p->metrics, PAGING_M_DEAD, 0, (int64_t)dead);
    metrics_set(p->metrics, PAGING_M_OLDEST, 0, oldest_s > 0 ? oldest_s : 0);
    if (changed && p->opt.on_change != NULL) {
        p->opt.on_change(p->opt.arg, queue, dead);
    }
}

/* While PostgreSQL is away: what is known here. */
static void count_here(struct paging *p)
{
    int64_t oldest = 0;
    uint64_t queue = 0;
    const struct page_row *r;

    DL_FOREACH(p->rows, r)
    {
        if (r->state == ROW_WAITING || r->state == ROW_FLYING ||
            (r->state == ROW_SETTLING && r->result == PAGE_FAILED)) {
            int64_t age = (paging_wall_ns(p) - r->page.at_ns) / 1000000000;

            queue++;
            oldest = age > oldest ? age : oldest;
        }
    }
    paging_count(p, queue, p->dead, oldest);
}

/* What PostgreSQL has not been told of the rows claimed; one that failed goes out again from here while
 * nobody else can claim it. */
static void step_settle(struct paging *p, bool up)
{
    int64_t now = paging_mono_ns(p);
    struct page_row *r;
    struct page_row *next;

    DL_FOREACH_SAFE(p->rows, r, next)
    {
        if (r->state != ROW_SETTLING || r->asking) {
            continue;
        }
        if (up) {
            queue_settle(r);
        } else if (r->result == PAGE_FAILED && r->next_ns <= now && p->flying < PAGING_IN_FLIGHT &&
                   paging_on(p)) {
            r->age_ms += r->delay_ms;
            r->tries++;
            fly(r);
        }
    }
}

static bool settling(const struct paging *p)
{
    const struct page_row *r;

    DL_FOREACH(p->rows, r)
    {
        if (r->state == ROW_SETTLING) {
            return true;
        }
    }
    return false;
}

static void step_tests(struct paging *p)
{
    int64_t now = paging_mono_ns(p);
    struct test_wait *w;
    struct test_wait *next;

    DL_FOREACH_SAFE(p->tests, w, next)
    {
        if (w->id != 0 && w->until_ns <= now) {
            paging_test_over(p, w->id, PAGING_QUEUED, "");
        }
    }
}

void paging_tick(struct paging *p)
{
    bool up = pg_up(p->opt.pg);
    bool spooled = spool_count(p) != 0;

    step_tests(p);
    if (circuit_asked(p->circuit)) {
        queue_hurry(p);
    }
    step_settle(p, up);
    if (!p->entering && !paging_on(p)) {
        spool_suppress(p);
    } else if (!p->entering && (!up || (spooled && p->enter_refused))) {
        spool_send(p);
    }
    if (!up) {
        count_here(p);
        return;
    }
    if (p->claiming || p->entering) {
        p->again = true;
    } else if (spooled) { /* before anything that came later */
        (void)spool_enter(p);
    } else if (p->flying < PAGING_IN_FLIGHT && !settling(p)) {
        queue_claim(p);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct paging *p = timer->data;
    uint32_t ms = p->opt.tick_ms != 0 ? p->opt.tick_ms : TICK_MS;

    uv_timer_start(&p->tick, on_tick, ms, ms);
    paging_tick(p);
}

void paging_wake(struct paging *p)
{
    if (!p->closing) {
        uv_timer_start(&p->tick, on_tick, 0, 0);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

static bool configure(struct paging *p, struct buf *why)
{
    const struct paging_config *c = p->opt.config;
    struct courier_options courier = {.ca_file = c->ca_file, .deadline_ms = (uint32_t)c->deadline};

    if (!body_format_parse(c->format, &p->body.format) ||
        (c->webhook_url[0] != '\0' && !courier_url(c->webhook_url, p->host, why))) {
        return false; /* paging_check() has said why */
    }
    if (c->secret_file[0] != '\0') {
        p->secret = read_secret("secret_file", c->secret_file, why);
        if (p->secret == NULL) {
            return false;
        }
    }
    if (c->routing_key_file[0] != '\0') {
        p->routing_key = read_secret("routing_key_file", c->routing_key_file, why);
        if (p->routing_key == NULL) {
            return false;
        }
    }
    p->body.source = p->opt.name;
    p->body.routing_key = p->routing_key != NULL ? p->routing_key : "";
    if (p->opt.send == NULL && p->host[0] != '\0') {
        p->courier = courier_create(p->loop, &courier);
    }
    return true;
}

struct paging *paging_create(uv_loop_t *loop, const struct paging_options *opt, struct buf *why)
{
    struct paging *p = gw_calloc(1, sizeof *p);

    p->loop = loop;
    p->opt = *opt;
    p->metrics = metrics_create(&paging_metrics);
    ulid_make(p->me, clock_real_ns());
    if (!configure(p, why) || !spool_open(p, why)) {
        return NULL; /* the process ends; what was opened is the kernel's */
    }
    if (p->host[0] != '\0') { /* closed until a page fails: no receiver is asked without one */
        p->circuit = circuit_create(CIRCUIT_PAGING);
        circuit_closed(p->circuit);
    }
    uv_timer_init(loop, &p->tick);
    p->tick.data = p;
    paging_wake(p);
    return p;
}

static void on_part_closed(void *arg)
{
    struct paging *p = arg;

    if (--p->open == 0) {
        p->done(p->done_arg);
    }
}

static void on_tick_closed(uv_handle_t *handle)
{
    on_part_closed(handle->data);
}

void paging_close(struct paging *p, void (*done)(void *arg), void *arg)
{
    struct test_wait *w;
    struct test_wait *next;

    p->closing = true;
    circuit_destroy(&p->circuit);
    p->done = done;
    p->done_arg = arg;
    p->open = 1u + (p->courier != NULL) + (p->journal != NULL);
    DL_FOREACH_SAFE(p->tests, w, next)
    {
        if (w->id != 0) {
            paging_test_over(p, w->id, PAGING_QUEUED, "");
        }
    }
    uv_close((uv_handle_t *)&p->tick, on_tick_closed);
    if (p->courier != NULL) {
        courier_close(p->courier, on_part_closed, p);
    }
    if (p->journal != NULL) {
        journal_close(p->journal, on_part_closed, p);
    }
}

void paging_destroy(struct paging **pp)
{
    struct paging *p = *pp;

    *pp = NULL;
    GW_ASSERT(p->closing && p->open == 0 && p->calls == 0);
    while (p->rows != NULL) {
        paging_drop(p->rows);
    }
    if (p->courier != NULL) {
        courier_destroy(&p->courier);
    }
    if (p->journal != NULL) {
        journal_destroy(&p->journal);
    }
    free(p->secret);
    free(p->routing_key);
    free(p);
}
