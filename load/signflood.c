/* load/signflood.c - GET requests over kept-alive TLS connections, signed (RFC 9421), spoilt or plain.
 * Why: Node signs and sends too slowly to find out what the gateway's verified path costs and what a
 * flood of bad signatures does to others. One thread, epoll; a connection has one request under way.
 * With --rate the schedule is kept: a request that had to wait for a connection counts from when it
 * was due, so that a slow server cannot hide its slowness. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include "load/hist.h"
#include "load/signflood_request.h"
#include "load/tls_client.h"

#define SECOND_NS       1000000000ll
#define ANSWER_MAX      16384u
#define STATUS_MAX      600u
#define CONNECTIONS_MAX 10000
#define REUSE_NS        SECOND_NS /* a spoilt request is sent again for so long */

static const char help[] =
    "signflood - signed GET requests over kept-alive TLS connections: latency, statuses\n"
    "\n"
    "usage: signflood --port P --ca FILE --path PATH [options]\n"
    "\n"
    "  --port P          of 127.0.0.1; the certificate must be for localhost\n"
    "  --ca FILE         trust this CA (PEM)\n"
    "  --path PATH       with its query, for example /v1/time\n"
    "  --key-id ID       sign with this key (default: unsigned)\n"
    "  --key-file FILE   PEM (Ed25519) or a line hmac-sha256:BASE64\n"
    "  --spoil           each signature has a wrong bit; one is made a second\n"
    "  --connections C   (default 1)\n"
    "  --rate R          requests a second over all of them (default: each as fast as it is "
    "answered)\n"
    "  --warmup S        seconds that do not count (default 1)\n"
    "  --duration S      measured seconds (default 5)\n"
    "  --source A        connect from the address A (default 127.0.0.1)\n"
    "  --sources K       and from the K - 1 addresses behind it, in turn (default 1)\n"
    "  --help\n"
    "\n"
    "Prints one JSON object. Exit status: 0 fine; 1 it could not connect or nothing was answered;\n"
    "2 usage.\n"
    "\n"
    "examples:\n"
    "  signflood --port 8445 --ca var/tls/ca.pem --path /v1/time\n"
    "  signflood --port 8445 --ca var/tls/ca.pem --path '/v1/keys?limit=1' --key-id pk_... \\\n"
    "            --key-file ops.pem --rate 150 --duration 30\n"
    "  signflood --port 8445 --ca var/tls/ca.pem --path /v1/keys --key-id pk_... --key-file "
    "ops.pem "
    "\\\n"
    "            --spoil --connections 200 --rate 20000 --source 127.0.0.2 --sources 4\n";

struct conn {
    int fd;
    struct tls_conn *tls;
    bool ready;       /* handshake done */
    int64_t start_ns; /* of the request under way; 0: idle */
    size_t sent;
    struct buf request;
    struct buf answer;
    struct conn *next_idle;
};

struct flood {
    const char *ca;
    const char *key_file;
    int port;
    int connections;
    long rate;
    int warmup_s;
    int duration_s;
    struct in_addr source;
    int sources;
    struct signer signer;
    char authority[32];
    struct tls_client *tls;
    int epoll;
    int timer;
    struct conn *conns;
    struct conn *idle;
    struct conn **idle_end;
    struct buf spoilt;
    int64_t spoilt_ns;
    int64_t due_ns; /* of the next request, with --rate */
    int64_t begin_ns;
    int64_t end_ns;
    struct hist *hist;
    uint64_t statuses[STATUS_MAX];
    uint64_t lost; /* connections that ended with a request under way, or were closed */
    uint64_t late; /* requests that waited for a connection */
};

static int64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * SECOND_NS + t.tv_nsec;
}

/* --- connections ------------------------------------------------------------------------------- */

static void watch(struct flood *f, struct conn *c, uint32_t events, int op)
{
    struct epoll_event e = {.events = events, .data.ptr = c};

    GW_ASSERT(epoll_ctl(f->epoll, op, c->fd, &e) == 0);
}

static bool conn_open(struct flood *f, struct conn *c, int number)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)f->port)};
    struct sockaddr_in from = {.sin_family = AF_INET};
    int one = 1;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    from.sin_addr.s_addr = htonl(ntohl(f->source.s_addr) + (uint32_t)(number % f->sources));
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&from, sizeof from) != 0 ||
        connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0) {
        fprintf(stderr, "signflood: cannot connect: %s; check --port and --source\n",
                strerror(errno));
        return false;
    }
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)fcntl(c->fd, F_SETFL, O_NONBLOCK);
    c->tls = tls_conn_create(f->tls, c->fd, "localhost");
    c->ready = false;
    c->start_ns = 0;
    watch(f, c, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
    return true;
}

/* In turn, so that all addresses have their part. */
static void put_idle(struct flood *f, struct conn *c)
{
    c->start_ns = 0;
    c->next_idle = NULL;
    *f->idle_end = c;
    f->idle_end = &c->next_idle;
}

static struct conn *take_idle(struct flood *f)
{
    struct conn *c = f->idle;

    f->idle = c->next_idle;
    if (f->idle == NULL) {
        f->idle_end = &f->idle;
    }
    return c;
}

static void drop_idle(struct flood *f, const struct conn *c)
{
    struct conn **at = &f->idle;

    while (*at != NULL && *at != c) {
        at = &(*at)->next_idle;
    }
    if (*at == c) {
        *at = c->next_idle;
        if (*at == NULL) {
            f->idle_end = at;
        }
    }
}

/* The server has cut it: another takes its place. */
static bool conn_reopen(struct flood *f, struct conn *c)
{
    f->lost++;
    drop_idle(f, c);
    tls_conn_destroy(&c->tls);
    (void)close(c->fd);
    return now_ns() >= f->end_ns || conn_open(f, c, (int)(c - f->conns));
}

/* --- requests ---------------------------------------------------------------------------------- */

static bool send_some(struct flood *f, struct conn *c)
{
    size_t n;
    enum tls_io io = tls_write(c->tls, c->request.data + c->sent, c->request.len - c->sent, &n);

    c->sent += n;
    (void)f;
    return io == TLS_DONE || io == TLS_WANT_WRITE || io == TLS_WANT_READ;
}

/* DUE_NS: when it should have gone, 0: now. */
static bool start(struct flood *f, struct conn *c, int64_t due_ns)
{
    int64_t now = now_ns();

    if (f->signer.spoil) {
        if (f->spoilt.len == 0 || now - f->spoilt_ns > REUSE_NS) {
            signer_request(&f->signer, &f->spoilt);
            f->spoilt_ns = now;
        }
        buf_reset(&c->request);
        buf_append(&c->request, f->spoilt.data, f->spoilt.len);
    } else {
        signer_request(&f->signer, &c->request);
        now = now_ns(); /* signing is not the server's */
    }
    c->sent = 0;
    buf_reset(&c->answer);
    c->start_ns = due_ns != 0 ? due_ns : now;
    return send_some(f, c);
}

/* Starts what is due on idle connections; OVERDUE: one has just come free. */
static bool start_due(struct flood *f, bool overdue)
{
    int64_t now = now_ns();

    while (f->idle != NULL && now < f->end_ns && (f->rate == 0 || f->due_ns <= now)) {
        struct conn *c = take_idle(f);
        int64_t due = f->rate != 0 && overdue ? f->due_ns : 0;

        f->late += due != 0;
        if (f->rate != 0) {
            f->due_ns += SECOND_NS / f->rate;
        }
        if (!start(f, c, due) && !conn_reopen(f, c)) {
            return false;
        }
    }
    return true;
}

/* Length of the whole answer when it is there, 0 when not yet; *STATUS. */
static size_t whole_answer(struct conn *c, unsigned *status)
{
    const char *text = buf_cstr(&c->answer);
    const char *body = strstr(text, "\r\n\r\n");
    const char *field = strcasestr(text, "\r\ncontent-length:");
    size_t len;

    if (body == NULL || strncmp(text, "HTTP/1.1 ", 9) != 0) {
        return 0;
    }
    *status = (unsigned)strtoul(text + 9, NULL, 10);
    len = field != NULL && field < body ? strtoul(field + 17, NULL, 10) : 0;
    len += (size_t)(body + 4 - text);
    return c->answer.len >= len ? len : 0;
}

static void answered(struct flood *f, struct conn *c, unsigned status)
{
    int64_t now = now_ns();

    if (now >= f->begin_ns && now < f->end_ns) {
        f->statuses[status < STATUS_MAX ? status : 0]++;
        hist_record(f->hist, (uint64_t)(now - c->start_ns));
    }
    put_idle(f, c);
}

static bool read_some(struct flood *f, struct conn *c)
{
    char chunk[4096];
    unsigned status = 0;
    enum tls_io io;
    size_t n;

    do {
        io = tls_read(c->tls, chunk, sizeof chunk, &n);
        buf_append(&c->answer, chunk, n);
        if (c->start_ns != 0 && whole_answer(c, &status) != 0) {
            answered(f, c, status);
        }
    } while (io == TLS_DONE && n != 0 && c->answer.len < ANSWER_MAX && tls_pending(c->tls));
    return io == TLS_DONE || io == TLS_WANT_READ;
}

static bool on_event(struct flood *f, struct conn *c, uint32_t events)
{
    bool ok = true;

    if (!c->ready) {
        enum tls_io io = tls_handshake(c->tls);

        if (io == TLS_DONE) {
            c->ready = true;
            watch(f, c, EPOLLIN, EPOLL_CTL_MOD);
            put_idle(f, c);
        } else if (io != TLS_WANT_READ && io != TLS_WANT_WRITE) {
            fprintf(stderr, "signflood: %s\n", tls_error());
            return conn_reopen(f, c);
        } else {
            watch(f, c, io == TLS_WANT_WRITE ? EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
        }
    } else if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        ok = read_some(f, c);
    }
    return ok || conn_reopen(f, c);
}

/* --- the run ----------------------------------------------------------------------------------- */

static void arm(struct flood *f)
{
    struct itimerspec t = {.it_value = {f->due_ns / SECOND_NS, f->due_ns % SECOND_NS}};

    if (f->rate != 0) {
        (void)timerfd_settime(f->timer, TFD_TIMER_ABSTIME, &t, NULL);
    }
}

static bool turn(struct flood *f)
{
    struct epoll_event events[256];
    int count;
    bool freed = false;

    arm(f);
    count = epoll_wait(f->epoll, events, 256, 100);
    for (int i = 0; i < count; i++) {
        struct conn *c = events[i].data.ptr;

        if (c == NULL) {
            uint64_t ticks;

            (void)!read(f->timer, &ticks, sizeof ticks);
        } else {
            /* what was due before this answer came had to wait for it */
            freed = freed || (c->start_ns != 0 && f->idle == NULL && f->due_ns < now_ns());
            if (!on_event(f, c, events[i].events)) {
                return false;
            }
        }
    }
    return start_due(f, freed);
}

static bool all_ready(const struct flood *f)
{
    for (int i = 0; i < f->connections; i++) {
        if (!f->conns[i].ready) {
            return false;
        }
    }
    return true;
}

static bool run(struct flood *f)
{
    struct epoll_event tick = {.events = EPOLLIN};
    int64_t patience = now_ns() + 20 * SECOND_NS;

    f->epoll = epoll_create1(EPOLL_CLOEXEC);
    f->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    GW_ASSERT(epoll_ctl(f->epoll, EPOLL_CTL_ADD, f->timer, &tick) == 0);
    f->idle_end = &f->idle;
    f->conns = gw_calloc((size_t)f->connections, sizeof *f->conns);
    f->due_ns = f->end_ns = INT64_MAX;
    for (int i = 0; i < f->connections; i++) {
        if (!conn_open(f, &f->conns[i], i)) {
            return false;
        }
    }
    f->end_ns = 0; /* nothing is sent before all are connected */
    while (!all_ready(f)) {
        struct epoll_event events[256];
        int count = epoll_wait(f->epoll, events, 256, 100);

        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr != NULL && !on_event(f, events[i].data.ptr, events[i].events)) {
                return false;
            }
        }
        if (now_ns() > patience || f->lost != 0) {
            fprintf(stderr, "signflood: not all connections were accepted: see max_per_ip, "
                            "or use more --sources\n");
            return false;
        }
    }
    f->lost = 0;
    f->due_ns = now_ns();
    f->begin_ns = f->due_ns + f->warmup_s * SECOND_NS;
    f->end_ns = f->begin_ns + f->duration_s * SECOND_NS;
    while (now_ns() < f->end_ns) {
        if (!turn(f)) {
            return false;
        }
    }
    return true;
}

static void report(const struct flood *f)
{
    uint64_t count = hist_count(f->hist);
    const char *comma = "";

    printf("{\"requests\":%llu,\"per_s\":%.1f,\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,"
           "\"max_us\":%.1f,\"mean_us\":%.1f,\"lost\":%llu,\"late\":%llu,\"statuses\":{",
           (unsigned long long)count, (double)count / f->duration_s,
           (double)hist_at(f->hist, 50000) / 1e3, (double)hist_at(f->hist, 90000) / 1e3,
           (double)hist_at(f->hist, 99000) / 1e3, (double)hist_max(f->hist) / 1e3,
           (double)hist_mean(f->hist) / 1e3, (unsigned long long)f->lost,
           (unsigned long long)f->late);
    for (unsigned i = 0; i < STATUS_MAX; i++) {
        if (f->statuses[i] != 0) {
            printf("%s\"%u\":%llu", comma, i, (unsigned long long)f->statuses[i]);
            comma = ",";
        }
    }
    printf("}}\n");
}

/* --- options ----------------------------------------------------------------------------------- */

enum option_id {
    OPT_PORT = 256,
    OPT_CA,
    OPT_PATH,
    OPT_ID,
    OPT_FILE,
    OPT_SPOIL,
    OPT_CONNS,
    OPT_RATE,
    OPT_WARMUP,
    OPT_DURATION,
    OPT_SOURCE,
    OPT_SOURCES,
    OPT_HELP
};
/* clang-format off */
static const struct option long_options[] = {
    {"port", required_argument, NULL, OPT_PORT},           {"ca", required_argument, NULL, OPT_CA},
    {"path", required_argument, NULL, OPT_PATH},           {"key-id", required_argument, NULL, OPT_ID},
    {"key-file", required_argument, NULL, OPT_FILE},       {"spoil", no_argument, NULL, OPT_SPOIL},
    {"connections", required_argument, NULL, OPT_CONNS},   {"rate", required_argument, NULL, OPT_RATE},
    {"warmup", required_argument, NULL, OPT_WARMUP},       {"duration", required_argument, NULL, OPT_DURATION},
    {"source", required_argument, NULL, OPT_SOURCE},       {"sources", required_argument, NULL, OPT_SOURCES},
    {"help", no_argument, NULL, OPT_HELP},                 {0},
};
/* clang-format on */

static bool number(const char *name, const char *text, long min, long max, long *out)
{
    char *end;

    errno = 0;
    *out = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *out < min || *out > max) {
        fprintf(stderr, "signflood: --%s %s: give %ld to %ld; see --help\n", name, text, min, max);
        return false;
    }
    return true;
}

static bool take_number(struct flood *f, int id, const char *text)
{
    long n = 0;
    bool ok = true;

    switch (id) {
    case OPT_PORT:
        ok = number("port", text, 1, 65535, &n);
        f->port = (int)n;
        break;
    case OPT_CONNS:
        ok = number("connections", text, 1, CONNECTIONS_MAX, &n);
        f->connections = (int)n;
        break;
    case OPT_RATE:
        ok = number("rate", text, 1, 1000000, &f->rate);
        break;
    case OPT_WARMUP:
        ok = number("warmup", text, 0, 60, &n);
        f->warmup_s = (int)n;
        break;
    case OPT_DURATION:
        ok = number("duration", text, 1, 600, &n);
        f->duration_s = (int)n;
        break;
    default:
        ok = number("sources", text, 1, 60000, &n);
        f->sources = (int)n;
        break;
    }
    return ok;
}

static bool take_option(struct flood *f, int id)
{
    switch (id) {
    case OPT_CA:
        f->ca = optarg;
        return true;
    case OPT_PATH:
        f->signer.path = optarg;
        return optarg[0] == '/';
    case OPT_ID:
        f->signer.key_id = optarg;
        return true;
    case OPT_FILE:
        f->key_file = optarg;
        return true;
    case OPT_SPOIL:
        f->signer.spoil = true;
        return true;
    case OPT_SOURCE:
        return inet_pton(AF_INET, optarg, &f->source) == 1 && ntohl(f->source.s_addr) >> 24 == 127;
    case OPT_HELP:
        fputs(help, stdout);
        exit(0);
    case '?':
        return false;
    default:
        return take_number(f, id, optarg);
    }
}

static bool read_options(struct flood *f, int argc, char **argv)
{
    struct buf why = {0};
    int id;
    bool ok = true;

    while (ok && (id = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        ok = take_option(f, id);
    }
    if (!ok || optind != argc || f->port == 0 || f->ca == NULL || f->signer.path == NULL ||
        (f->signer.key_id == NULL) != (f->key_file == NULL)) {
        fputs("signflood: --port, --ca and --path are needed, --key-id and --key-file go together, "
              "--source is in 127.0.0.0/8; see --help\n",
              stderr);
        return false;
    }
    if (f->key_file != NULL && !signer_load(&f->signer, f->key_file, &why)) {
        fprintf(stderr, "signflood: --key-file %s\n", buf_cstr(&why));
        ok = false;
    }
    buf_fini(&why);
    return ok;
}

static void clean_up(struct flood *f)
{
    for (int i = 0; f->conns != NULL && i < f->connections; i++) {
        struct conn *c = &f->conns[i];

        if (c->tls != NULL) {
            tls_conn_destroy(&c->tls);
            (void)close(c->fd);
        }
        buf_fini(&c->request);
        buf_fini(&c->answer);
    }
    free(f->conns);
    buf_fini(&f->spoilt);
    signer_fini(&f->signer);
    hist_destroy(&f->hist);
    if (f->tls != NULL) {
        tls_client_destroy(&f->tls);
    }
}

int main(int argc, char **argv)
{
    static struct flood f = {.connections = 1, .warmup_s = 1, .duration_s = 5, .sources = 1};
    struct tls_client_options tls = {0};
    char error[256];
    bool ok;

    f.source.s_addr = htonl(INADDR_LOOPBACK);
    if (!read_options(&f, argc, argv)) {
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)snprintf(f.authority, sizeof f.authority, "localhost:%d", f.port);
    f.signer.authority = f.authority;
    f.hist = hist_create();
    tls.ca_file = f.ca;
    f.tls = tls_client_create(&tls, error, sizeof error);
    if (f.tls == NULL) {
        fprintf(stderr, "signflood: --ca %s\n", error);
        clean_up(&f);
        return 2;
    }
    ok = run(&f);
    report(&f);
    ok = ok && hist_count(f.hist) != 0;
    clean_up(&f);
    return ok ? 0 : 1;
}
