#include "load/wsflood_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/base/fixed.h"

static const char help[] =
    "wsflood - many TLS WebSocket sessions from one process: latency, throughput, order\n"
    "\n"
    "usage: wsflood --url wss://HOST[:PORT]/PATH --subscribe SPEC... [options]\n"
    "\n"
    "  --url URL            server, for example wss://localhost:8443/v2\n"
    "  --ca FILE            trust this CA (PEM)\n"
    "  --insecure           trust any certificate\n"
    "  --subscribe SPEC     CHANNEL:SYMBOL[,SYMBOL...][:DEPTH or MINUTES], repeatable;\n"
    "                       channels: book trade ohlc ticker instrument (no symbol)\n"
    "  --spread             session n sends only SPEC n modulo their number (default: all of "
    "them)\n"
    "  --interval-ms I      ask for this conflation interval (gw.interval_ms)\n"
    "  --sessions N         sessions (default 100)\n"
    "  --connect-rate R     new connections a second (default 500)\n"
    "  --warmup S           seconds after the last connect that do not count (default 2)\n"
    "  --duration S         measured seconds (default 10)\n"
    "  --stall P%           this share of the sessions stops reading after the warm-up\n"
    "  --stall-for S        ... and reads again S seconds later (default: never)\n"
    "  --churn R            R reading sessions a second leave and come back as new ones, while\n"
    "                       measuring\n"
    "  --resume             a session that was closed comes back and resumes its streams; not "
    "after\n"
    "                       1008, 4003 and 4013\n"
    "  --rcvbuf BYTES       socket receive buffer (smaller: a stalled session shows sooner)\n"
    "  --sources K          connect from 127.0.0.1 .. 127.0.0.K in turn (limits per address)\n"
    "  --pid PID            sample CPU time and memory of the server process\n"
    "  --json FILE|-        write the report as one JSON object\n"
    "  --marks FILE         write when each session has read each notice of an operator's action:\n"
    "                       its audit id and the time (unix, ns), one a line\n"
    "  --quiet              no progress lines\n"
    "  --help\n"
    "\n"
    "Latency is receive time minus the newest \"timestamp\" of an update, so both sides need one\n"
    "clock and a feed whose times are now. Frames that are older than\n"
    "the connection of a session that came back do not count. Exit status: 0 fine; 1 a session\n"
    "could not connect, was closed (with --resume: and did not come back), was refused a\n"
    "subscription, or saw a break in gw.s/gw.p, a gap in trade_id that it was not told of, or a\n"
    "trade twice; 2 usage.\n"
    "\n"
    "examples:\n"
    "  wsflood --url wss://localhost:8443/v2 --ca var/tls/ca.pem --sessions 1000 \\\n"
    "          --subscribe book:BTC/USDT:10 --duration 30 --json -\n"
    "  wsflood --url wss://localhost:8443/v2 --insecure --sessions 5000 --connect-rate 300 "
    "--spread \\\n"
    "          --subscribe book:BTC/USDT,ETH/USDT:25 --subscribe trade:BTC/USDT --stall 5% \\\n"
    "          --pid $(pidof portcullis) --json report.json\n"
    "  wsflood --url wss://localhost:8443/v2 --ca var/tls/ca.pem --sessions 2000 --resume \\\n"
    "          --churn 50 --stall 5% --stall-for 20 --subscribe book:BTC/USDT:10 \\\n"
    "          --subscribe trade:BTC/USDT --duration 120 --json report.json\n";

enum option_id {
    OPT_URL = 256,
    OPT_CA,
    OPT_INSECURE,
    OPT_SUBSCRIBE,
    OPT_SPREAD,
    OPT_INTERVAL_MS,
    OPT_SESSIONS,
    OPT_CONNECT_RATE,
    OPT_WARMUP,
    OPT_DURATION,
    OPT_STALL,
    OPT_STALL_FOR,
    OPT_CHURN,
    OPT_RESUME,
    OPT_RCVBUF,
    OPT_SOURCES,
    OPT_PID,
    OPT_JSON,
    OPT_MARKS,
    OPT_QUIET,
    OPT_HELP
};

static const struct option options[] = {
    {"url", required_argument, NULL, OPT_URL},
    {"ca", required_argument, NULL, OPT_CA},
    {"insecure", no_argument, NULL, OPT_INSECURE},
    {"subscribe", required_argument, NULL, OPT_SUBSCRIBE},
    {"spread", no_argument, NULL, OPT_SPREAD},
    {"interval-ms", required_argument, NULL, OPT_INTERVAL_MS},
    {"sessions", required_argument, NULL, OPT_SESSIONS},
    {"connect-rate", required_argument, NULL, OPT_CONNECT_RATE},
    {"warmup", required_argument, NULL, OPT_WARMUP},
    {"duration", required_argument, NULL, OPT_DURATION},
    {"stall", required_argument, NULL, OPT_STALL},
    {"stall-for", required_argument, NULL, OPT_STALL_FOR},
    {"churn", required_argument, NULL, OPT_CHURN},
    {"resume", no_argument, NULL, OPT_RESUME},
    {"rcvbuf", required_argument, NULL, OPT_RCVBUF},
    {"sources", required_argument, NULL, OPT_SOURCES},
    {"pid", required_argument, NULL, OPT_PID},
    {"json", required_argument, NULL, OPT_JSON},
    {"marks", required_argument, NULL, OPT_MARKS},
    {"quiet", no_argument, NULL, OPT_QUIET},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

#define FIELD(name) offsetof(struct wf_options, name)
/* clang-format off */
static const struct number {
    enum option_id id;
    const char *name;
    uint32_t min;
    uint32_t max;
    size_t at;
} numbers[] = {
    {OPT_INTERVAL_MS,  "--interval-ms",  0,    1000,       FIELD(interval_ms)},
    {OPT_SESSIONS,     "--sessions",     1,    WF_SESSIONS_MAX, FIELD(sessions)},
    {OPT_CONNECT_RATE, "--connect-rate", 1,    100000,     FIELD(connect_rate)},
    {OPT_WARMUP,       "--warmup",       0,    3600,       FIELD(warmup_s)},
    {OPT_DURATION,     "--duration",     1,    604800,     FIELD(duration_s)},
    {OPT_STALL,        "--stall",        0,    100,        FIELD(stall_percent)},
    {OPT_STALL_FOR,    "--stall-for",    1,    604800,     FIELD(stall_for_s)},
    {OPT_CHURN,        "--churn",        1,    10000,      FIELD(churn)},
    {OPT_RCVBUF,       "--rcvbuf",       1024, 1073741824, FIELD(rcvbuf_bytes)},
    {OPT_SOURCES,      "--sources",      1,    254,        FIELD(sources)},
    {OPT_PID,          "--pid",          1,    4194304,    FIELD(pid)},
};
/* clang-format on */

static bool complain(const char *what, const char *value, const char *advice)
{
    fprintf(stderr, "wsflood: %s '%s': %s\n", what, value, advice);
    return false;
}

static bool parse_u64(const char *text, size_t len, uint64_t min, uint64_t max, uint64_t *out)
{
    return u64_parse(text, len, out) == GW_OK && *out >= min && *out <= max;
}

static bool parse_number(const struct number *n, const char *text, struct wf_options *o)
{
    size_t len = strlen(text);
    uint64_t v;

    if (n->id == OPT_STALL && len > 1 && text[len - 1] == '%') {
        len--;
    }
    if (parse_u64(text, len, n->min, n->max, &v)) {
        *(uint32_t *)(void *)((char *)o + n->at) = (uint32_t)v;
        return true;
    }
    fprintf(stderr, "wsflood: %s '%s': give a whole number from %u to %u\n", n->name, text, n->min,
            n->max);
    return false;
}

static bool copy_part(char *out, size_t size, const char *from, size_t len)
{
    if (len == 0 || len >= size) {
        return false;
    }
    memcpy(out, from, len);
    out[len] = '\0';
    return true;
}

/* wss://host[:port][/path], [v6] in brackets. The path goes into a request line: no blanks, no
 * controls. */
static bool parse_url(struct wf_options *o, const char *url)
{
    static const char advice[] = "give wss://HOST[:PORT]/PATH, for example wss://localhost:8443/v2";
    const char *host = url + 6;
    const char *path;
    const char *colon;
    const char *host_end;
    uint64_t port;

    if (strncmp(url, "wss://", 6) != 0) {
        return complain("--url", url, advice);
    }
    path = host + strcspn(host, "/");
    if (*host == '[') {
        host++;
        host_end = memchr(host, ']', (size_t)(path - host));
        colon = host_end != NULL && host_end[1] == ':' ? host_end + 1 : NULL;
    } else {
        colon = memchr(host, ':', (size_t)(path - host));
        host_end = colon != NULL ? colon : path;
    }
    if (host_end == NULL || !copy_part(o->host, sizeof o->host, host, (size_t)(host_end - host)) ||
        (*path != '\0' && !copy_part(o->path, sizeof o->path, path, strlen(path)))) {
        return complain("--url", url, advice);
    }
    if (colon != NULL) {
        if (!parse_u64(colon + 1, (size_t)(path - colon - 1), 1, 65535, &port)) {
            return complain("--url", url, advice);
        }
        (void)snprintf(o->port, sizeof o->port, "%u", (unsigned)port);
    }
    for (const char *p = url; *p != '\0'; p++) {
        if ((unsigned char)*p <= ' ' || (unsigned char)*p > '~') {
            return complain("--url", url, "no blanks or control characters are allowed");
        }
    }
    return true;
}

static bool same_stream(const struct wf_stream *a, const struct wf_stream *b)
{
    return a->channel == b->channel && a->interval == b->interval &&
           a->symbol_len == b->symbol_len && memcmp(a->symbol, b->symbol, a->symbol_len) == 0;
}

static bool add_stream(struct wf_options *o, struct wf_spec *spec, const char *symbol, size_t len)
{
    struct wf_stream *s = &o->streams[o->stream_count];

    if (o->stream_count == WF_STREAMS_MAX) {
        return complain("--subscribe", spec->text, "too many symbols, 4096 in all are allowed");
    }
    if (len >= WF_SYMBOL_MAX || (len == 0 && spec->channel != SCAN_INSTRUMENT)) {
        return complain("--subscribe", spec->text, "a symbol has 1 to 31 characters");
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)symbol[i] <= ' ' || (unsigned char)symbol[i] > '~' || symbol[i] == '"' ||
            symbol[i] == '\\') {
            return complain("--subscribe", spec->text, "a symbol holds a character it cannot have");
        }
    }
    *s = (struct wf_stream){.channel = spec->channel, .symbol_len = (uint32_t)len};
    memcpy(s->symbol, symbol, len);
    if (spec->channel == SCAN_OHLC) {
        s->interval = spec->parameter != 0 ? spec->parameter : 1;
    }
    for (uint32_t i = 0; i < o->stream_count; i++) {
        if (same_stream(&o->streams[i], s)) {
            return complain("--subscribe", spec->text,
                            "this stream is already subscribed by an earlier --subscribe");
        }
    }
    o->stream_count++;
    spec->count++;
    return true;
}

static bool parse_parameter(struct wf_spec *spec, const char *text, size_t len)
{
    uint64_t v;

    if (spec->channel != SCAN_BOOK && spec->channel != SCAN_OHLC) {
        return complain("--subscribe", spec->text, "only book (depth) and ohlc (minutes) take one");
    }
    if (!parse_u64(text, len, 1, 1000000, &v)) {
        return complain("--subscribe", spec->text, "depth or minutes must be a positive number");
    }
    spec->parameter = (uint32_t)v;
    return true;
}

static bool parse_spec(struct wf_options *o, const char *text)
{
    struct wf_spec *spec = &o->specs[o->spec_count];
    size_t name_len = strcspn(text, ":");
    const char *symbol = text + name_len + (text[name_len] == ':');
    const char *end = symbol + strcspn(symbol, ":");

    if (o->spec_count == WF_SPECS_MAX) {
        return complain("--subscribe", text, "at most 64 are allowed: put symbols into one, a,b,c");
    }
    *spec = (struct wf_spec){.text = text, .channel = SCAN_OTHER, .first = o->stream_count};
    for (unsigned i = 0; i < SCAN_STREAMS; i++) {
        if (strlen(scan_channel_names[i]) == name_len &&
            memcmp(text, scan_channel_names[i], name_len) == 0) {
            spec->channel = (enum scan_channel)i;
        }
    }
    if (spec->channel == SCAN_OTHER) {
        return complain("--subscribe", text, "channels are book trade ohlc ticker instrument");
    }
    if (*end == ':' && !parse_parameter(spec, end + 1, strlen(end + 1))) {
        return false;
    }
    o->spec_count++;
    if (spec->channel == SCAN_INSTRUMENT) {
        return add_stream(o, spec, "", 0);
    }
    for (;;) {
        size_t len = strcspn(symbol, ",:");

        if (!add_stream(o, spec, symbol, len)) {
            return false;
        }
        symbol += len;
        if (*symbol++ != ',') {
            return true;
        }
    }
}

static bool apply(struct wf_options *o, int id)
{
    for (unsigned i = 0; i < GW_LEN(numbers); i++) {
        if ((int)numbers[i].id == id) {
            o->has_interval_ms = o->has_interval_ms || id == OPT_INTERVAL_MS;
            return parse_number(&numbers[i], optarg, o);
        }
    }
    switch (id) {
    case OPT_URL:
        return parse_url(o, optarg);
    case OPT_CA:
        o->ca_file = optarg;
        return true;
    case OPT_INSECURE:
        o->insecure = true;
        return true;
    case OPT_SUBSCRIBE:
        return parse_spec(o, optarg);
    case OPT_SPREAD:
        o->spread = true;
        return true;
    case OPT_JSON:
        o->json_path = optarg;
        return true;
    case OPT_MARKS:
        o->marks_path = optarg;
        return true;
    case OPT_RESUME:
        o->resume = true;
        return true;
    case OPT_QUIET:
        o->quiet = true;
        return true;
    default:
        fputs("wsflood: see wsflood --help\n", stderr);
        return false;
    }
}

enum wf_parse wf_options_parse(struct wf_options *o, int argc, char **argv)
{
    int id;

    *o = (struct wf_options){.port = "443",
                             .path = "/",
                             .sessions = 100,
                             .connect_rate = 500,
                             .warmup_s = 2,
                             .duration_s = 10};
    o->streams = gw_calloc(WF_STREAMS_MAX + 1, sizeof *o->streams);
    while ((id = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (id == OPT_HELP) {
            fputs(help, stdout);
            return WF_HELP;
        }
        if (!apply(o, id)) {
            return WF_USAGE;
        }
    }
    if (optind != argc) {
        (void)complain("argument", argv[optind], "is not understood, see wsflood --help");
        return WF_USAGE;
    }
    if (o->host[0] == '\0' || o->spec_count == 0 || (o->ca_file == NULL) == !o->insecure) {
        fputs("wsflood: needed are --url, one --subscribe, and either --ca FILE or --insecure; "
              "see wsflood --help\n",
              stderr);
        return WF_USAGE;
    }
    return WF_RUN;
}

void wf_options_fini(struct wf_options *o)
{
    free(o->streams);
    o->streams = NULL;
}

bool wf_cursor_known(enum scan_channel channel, const struct wf_cursor *c)
{
    return c->epoch != 0 && (channel == SCAN_BOOK    ? c->seq != WF_SEQ_NONE
                             : channel == SCAN_TRADE ? c->trade_id != WF_SEQ_NONE
                                                     : false);
}

static bool wanted(const struct wf_resume *resume, uint32_t stream)
{
    return resume == NULL || resume->cursors[stream].epoch == resume->epoch_id;
}

static void put_symbols(struct buf *out, const struct wf_options *o, const struct wf_spec *spec,
                        const struct wf_resume *resume)
{
    bool first = true;

    for (uint32_t i = spec->first; i < spec->first + spec->count; i++) {
        if (wanted(resume, i)) {
            buf_puts(out, first ? ",\"symbol\":[" : ",");
            buf_json_str(out, o->streams[i].symbol, o->streams[i].symbol_len);
            first = false;
        }
    }
    if (!first) {
        buf_putc(out, ']');
    }
}

/* Nothing when nothing is known. */
static void put_resume(struct buf *out, const struct wf_options *o, const struct wf_spec *spec,
                       const struct wf_resume *resume)
{
    bool book = spec->channel == SCAN_BOOK;
    bool first = true;

    for (uint32_t i = spec->first; i < spec->first + spec->count; i++) {
        const struct wf_cursor *c = &resume->cursors[i];

        if (!wanted(resume, i) || !wf_cursor_known(spec->channel, c)) {
            continue;
        }
        if (first) {
            buf_lit(out, "\"resume\":{\"session\":");
            buf_json_str(out, resume->session, strlen(resume->session));
            buf_lit(out, ",\"e\":");
            buf_json_str(out, resume->epoch, strlen(resume->epoch));
            buf_puts(out, book ? ",\"s\":{" : ",\"trade_id\":{");
        } else {
            buf_putc(out, ',');
        }
        buf_json_str(out, o->streams[i].symbol, o->streams[i].symbol_len);
        buf_putc(out, ':');
        buf_u64(out, book ? c->seq : c->trade_id);
        first = false;
    }
    if (!first) {
        buf_lit(out, "}}");
    }
}

static void put_gw(struct buf *out, const struct wf_options *o, const struct wf_spec *spec,
                   const struct wf_resume *resume)
{
    size_t before;

    buf_lit(out, ",\"gw\":{");
    before = out->len;
    if (resume != NULL) {
        put_resume(out, o, spec, resume);
    }
    if (o->has_interval_ms) {
        buf_printf(out, "%s\"interval_ms\":%u", out->len == before ? "" : ",", o->interval_ms);
    }
    if (out->len == before) {
        out->len -= sizeof ",\"gw\":{" - 1;
    } else {
        buf_putc(out, '}');
    }
}

void wf_options_request(const struct wf_options *o, const struct wf_spec *spec, uint32_t req_id,
                        const struct wf_resume *resume, struct buf *out)
{
    buf_printf(out, "{\"method\":\"subscribe\",\"req_id\":%u,\"params\":{\"channel\":\"%s\"",
               req_id, scan_channel_names[spec->channel]);
    if (spec->channel != SCAN_INSTRUMENT) {
        put_symbols(out, o, spec, resume);
    }
    if (spec->parameter != 0) {
        buf_printf(out, ",\"%s\":%u", spec->channel == SCAN_BOOK ? "depth" : "interval",
                   spec->parameter);
    }
    put_gw(out, o, spec, resume);
    buf_lit(out, "}}");
}
