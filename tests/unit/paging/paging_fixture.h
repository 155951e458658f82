/* tests/unit/paging/paging_fixture.h - senders of pages over a real PostgreSQL, a receiver that answers
 * as the test says, and a clock that the test turns. Include after cmocka.h. */
#ifndef TESTS_UNIT_PAGING_PAGING_FIXTURE_H
#define TESTS_UNIT_PAGING_PAGING_FIXTURE_H
#include "tests/unit/store/pg_fixture.h"

#include <dirent.h>
#include <sys/stat.h>
#include "gateway/paging/paging_priv.h"
#include "gateway/runtime/json.h"
#include "gateway/store/migrate.h"

#define S        1000000000LL
#define BEGAN_NS (1793577600 * S)
#define GOT_MAX  2000u

static int64_t fake_ns = BEGAN_NS;

/* What came to the receiver, and what it answers. */
struct got {
    char incident[32];
    char event[16];
    char page[40];
    unsigned sender;
};
struct held {
    void (*done)(void *arg, const struct courier_answer *a);
    void *arg;
    char incident[32];
    unsigned sender;
    unsigned status;
    bool used;
};
static struct got got[GOT_MAX];
static unsigned got_count;
static unsigned status = 200; /* 0: no answer comes */
static bool hold;             /* none is given for now */
static struct held held[64];
static bool one_by_one = true; /* never two of an incident at once */

struct sender {
    unsigned number;
    struct paging_config config;
    struct paging *p;
    unsigned changes;
    uint64_t queue;
    uint64_t dead;
    bool closed;
};

static inline int64_t fake_now(void *arg)
{
    (void)arg;
    return fake_ns;
}

static inline void on_change(void *arg, uint64_t queue, uint64_t dead)
{
    struct sender *s = arg;

    s->changes++;
    s->queue = queue;
    s->dead = dead;
}

static inline void take(json_t *root, const char *name, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(root, name));

    assert_non_null(text);
    (void)snprintf(out, size, "%s", text);
}

static inline void receive(void *arg, const struct courier_request *r,
                           void (*done)(void *done_arg, const struct courier_answer *a),
                           void *done_arg)
{
    const struct sender *s = arg;
    json_t *root = json_parse_strict(r->body, r->len, 8);
    struct got g = {.sender = s->number};
    unsigned at = 0;

    assert_non_null(root);
    take(root, "incident", g.incident, sizeof g.incident);
    take(root, "event", g.event, sizeof g.event);
    take(root, "page", g.page, sizeof g.page);
    json_decref(root);
    for (unsigned i = 0; i < GW_LEN(held); i++) {
        if (held[i].used && g.incident[0] != '\0' && strcmp(held[i].incident, g.incident) == 0) {
            one_by_one = false;
        }
        at = held[at].used ? i : at;
    }
    assert_false(held[at].used);
    held[at] = (struct held){
        .done = done, .arg = done_arg, .sender = s->number, .status = status, .used = true};
    memcpy(held[at].incident, g.incident, sizeof g.incident);
    assert_true(got_count < GOT_MAX);
    if (hold || (status >= 200 && status < 300)) {
        got[got_count++] = g;
    }
}

/* Answers what waits, in any order. */
static inline bool answer(void)
{
    bool any = false;

    for (unsigned n = 0; !hold && n < GW_LEN(held); n++) {
        unsigned i = (n + (unsigned)random()) % GW_LEN(held);
        struct held h = held[i];

        if (h.used) {
            struct courier_answer a = {.status = h.status, .said = "no"};

            held[i].used = false;
            h.done(h.arg, &a);
            any = true;
        }
    }
    return any;
}

static inline void forget(void)
{
    got_count = 0;
    status = 200;
    hold = false;
    one_by_one = true;
    memset(held, 0, sizeof held);
}

static inline void sender_open(struct sender *s, struct world *w, const char *folder)
{
    struct paging_options opt = {.config = &s->config,
                                 .pg = w->pg,
                                 .state_dir = folder,
                                 .name = "test",
                                 .on_change = on_change,
                                 .arg = s,
                                 .now_ns = fake_now,
                                 .send = receive};
    struct buf why = {0};

    s->closed = false;
    s->config = (struct paging_config){.enabled = true,
                                       .webhook_url = "https://receiver.test/",
                                       .min_severity = "critical",
                                       .format = "generic",
                                       .hosts = "",
                                       .routing_key_file = "",
                                       .secret_file = "",
                                       .ca_file = "",
                                       .deadline = 10000,
                                       .backoff_min = 1000,
                                       .backoff_max = 120000,
                                       .give_up_after = 24 * 3600 * 1000};
    s->p = paging_create(&w->loop, &opt, &why);
    if (s->p == NULL) {
        fail_msg("%s", buf_cstr(&why));
    }
    buf_fini(&why);
}

static inline void on_sender_closed(void *arg)
{
    ((struct sender *)arg)->closed = true;
}

/* Ends as a process that is killed: nothing is said to PostgreSQL any more. Its pool lives on. */
static inline void sender_close(struct sender *s, struct world *w)
{
    paging_close(s->p, on_sender_closed, s);
    UNTIL(&w->loop, s->closed && s->p->calls == 0, 5000);
    for (unsigned i = 0; i < GW_LEN(held); i++) {
        held[i].used = held[i].used && held[i].sender != s->number;
    }
    paging_destroy(&s->p);
}

static inline bool sender_busy(const struct sender *s)
{
    return s->p != NULL && (s->p->calls != 0 || (!hold && s->p->flying != 0));
}

/* Until nobody has anything left to do at this time. */
static inline void settle_down(struct world *w, struct sender *senders, unsigned count)
{
    int64_t until_ns = clock_mono_ns() + 20 * S;

    for (unsigned i = 0; i < count; i++) {
        if (senders[i].p != NULL) {
            paging_wake(senders[i].p);
        }
    }
    for (unsigned idle = 0; idle < 8;) {
        bool busy = answer();

        (void)uv_run(&w->loop, UV_RUN_NOWAIT);
        for (unsigned i = 0; i < count; i++) {
            busy = busy || sender_busy(&senders[i]);
        }
        idle = busy ? 0 : idle + 1;
        if (clock_mono_ns() > until_ns) {
            fail_msg("still busy after 20 s");
        }
    }
}

static inline void page_make(struct page *p, const char *incident, enum page_kind kind,
                             enum incident_severity severity)
{
    *p = (struct page){.kind = kind,
                       .severity = severity,
                       .level = 1,
                       .list = "oncall",
                       .title = "a title",
                       .summary = "",
                       .symbol = "BTC/USD",
                       .component = "",
                       .class_ = "",
                       .playbook = "",
                       .at_ns = fake_ns};
    (void)snprintf(p->incident, sizeof p->incident, "%s", incident);
}

/* As the transaction of an incident does. */
static inline void enter_page(struct world *w, const struct page *p)
{
    struct pg_param params[PAGE_PARAMS];
    struct pg_statement s;
    struct answer a = {0};

    s = page_statement(p, params);
    assert_true(pg_query(w->pg, &s, 0, on_answer, &a));
    UNTIL(&w->loop, a.calls == 1, 5000);
    assert_string_equal(a.sqlstate, "");
    assert_int_equal(a.outcome, PG_OK);
}

static inline void enter_as(struct world *w, const char *incident, enum page_kind kind,
                            enum incident_severity severity)
{
    struct page p;

    page_make(&p, incident, kind, severity);
    enter_page(w, &p);
}

static inline void enter(struct world *w, const char *incident, enum page_kind kind)
{
    enter_as(w, incident, kind, SEV1);
}

static inline const char *sql(const char *text)
{
    const char *said = ask(server_dsn, text);

    if (said[0] == '!') {
        fail_msg("%s: SQLSTATE %s", text, said + 1);
    }
    return said;
}

static inline void empty(void)
{
    forget();
    (void)sql("TRUNCATE pages");
}

/* "trigger escalate resolve", as it came to the receiver, of INCIDENT. */
static inline const char *heard(const char *incident)
{
    static char text[4000];

    text[0] = '\0';
    for (unsigned i = 0; i < got_count; i++) {
        if (strcmp(got[i].incident, incident) == 0) {
            (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s",
                           text[0] != '\0' ? " " : "", got[i].event);
        }
    }
    return text;
}

static inline int paging_start(void **state)
{
    FILE *out;
    int code = server_start(state);

    json_setup();
    (void)setenv("PGOPTIONS", "-c client_min_messages=warning", 1);
    if (code == 0 && server_dsn[0] != '\0') {
        out = fopen("/dev/null", "w");
        code = migrate_run(server_dsn, out);
        (void)fclose(out);
    }
    return code;
}

static inline void folder_make(char folder[32])
{
    strcpy(folder, "/tmp/gwpaging.XXXXXX");
    assert_non_null(mkdtemp(folder));
}

static inline void folder_remove(const char *folder)
{
    DIR *d = opendir(folder);
    struct dirent *e;
    char path[400];

    while ((e = readdir(d)) != NULL) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        (void)unlink(path);
    }
    (void)closedir(d);
    (void)rmdir(folder);
}
#endif
