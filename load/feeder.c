/* load/feeder.c - plays a recorded or made-up market into the feed contract, as the exchange core
 * would. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "load/feed_symbols.h"
#include "load/feed_writer.h"
#include "load/market_gen.h"

static const char usage[] =
    "feeder - plays a market into Redis Streams as docs/FEED.md says\n"
    "\n"
    "  --redis unix:/path | host:port   where to (needed to play)\n"
    "  --data DIR | synthetic           recordings (docs/RECORDINGS.md), or a made-up market\n"
    "  --sets A1,A2,A3,B,C,D            which recordings (default A1,A2,A3,B,C); A = A1,A2,A3; D: "
    "symbols only\n"
    "  --speed X | max                  0.1 to 1000 times the recorded pace (default 1)\n"
    "  --loop N | forever               passes (default 1); sequences go on across them\n"
    "  --time recorded | now            engine times as recorded (default), or moved to the "
    "present\n"
    "  --symbols-out FILE               write the gateway's symbol table; alone: and end\n"
    "  --snapshot-every S               seconds of market time between snapshots (default 10)\n"
    "  --maxlen N                       entries kept per stream, about (default 200000)\n"
    "  --epoch NAME                     of the sequence numbers (default: made up)\n"
    "  --stop-after N                   end after N entries\n"
    "  --gap-every N, --dup-every N     faults: leave out, or send twice, every Nth entry\n"
    "  --verify-oracles                 read the recordings, check books and checksums, play "
    "nothing\n"
    "  --quiet, --json                  no progress; a JSON summary on standard output\n"
    "made-up market: --symbols S --rate R (batches/s) --seed N --duration S --book-levels L\n"
    "                --burst F:S[:L] (rate x F for the last L seconds of every S; L is 1)\n"
    "Examples\n"
    "  feeder --data ~/recordings --sets A --redis unix:var/redis.sock --speed 10 --loop forever "
    "--time now\n"
    "  feeder --data synthetic --symbols 20 --rate 2000 --redis 127.0.0.1:6379 --duration 60\n"
    "  feeder --data ~/recordings --verify-oracles\n";

struct options {
    const char *redis;
    const char *data;
    const char *sets;
    const char *symbols_out;
    const char *epoch;
    double speed;   /* 0: max */
    uint64_t loops; /* 0: forever */
    bool now;
    bool verify;
    bool quiet;
    bool json;
    int64_t snapshot_every_ns;
    uint64_t stop_after;
    uint64_t duration_s;
    struct writer_options writer;
    struct market_gen_options gen;
};

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static int64_t clock_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* --- recordings --------------------------------------------------------------------------------
 */

static const struct {
    const char *set;
    const char *file;
    bool (*read)(struct tape *t, const char *path);
} recordings[] = {
    {"A1", "binance_spot_btcusdt_20240808.gz", tape_read_binance},
    {"A2", "binance_spot_btcusdt_20240809.gz", tape_read_binance},
    {"A3", "binance_spot_ethusdt_20240808.gz", tape_read_binance},
    {"B", "kraken_20210417_ws_book1000.gz", tape_read_kraken_book},
    {"B", "kraken_20210417_ws_trade.gz", tape_read_kraken_trades},
    {"C", "coinbase_20210417_ws.gz", tape_read_coinbase},
    {"D", "binance_20211012_exchangeinfo.gz", NULL},
};

static bool wanted(const char *sets, const char *set)
{
    size_t len = strlen(set);

    for (const char *p = sets; *p != '\0'; p += strcspn(p, ",") + (p[strcspn(p, ",")] == ',')) {
        size_t n = strcspn(p, ",");

        if ((n == len && strncmp(p, set, n) == 0) || (n == 1 && p[0] == 'A' && set[0] == 'A')) {
            return true;
        }
    }
    return false;
}

static bool read_recordings(struct tape *t, const struct options *o)
{
    char path[4096];
    bool any = false;

    for (unsigned i = 0; i < GW_LEN(recordings); i++) {
        if (!wanted(o->sets, recordings[i].set) || recordings[i].read == NULL) {
            continue;
        }
        (void)snprintf(path, sizeof path, "%s/%s", o->data, recordings[i].file);
        if (!o->quiet) {
            fprintf(stderr, "feeder: reading %s\n", recordings[i].file);
        }
        if (!recordings[i].read(t, path)) {
            return false;
        }
        any = true;
    }
    tape_finish(t);
    if (wanted(o->sets, "D")) {
        (void)snprintf(path, sizeof path, "%s/%s", o->data, recordings[6].file);
        return symbols_read_exchange_info(t, path);
    }
    if (!any) {
        fprintf(stderr, "feeder: --sets %s names no recording; known: A1 A2 A3 B C D\n", o->sets);
    }
    return any;
}

/* --- checking ----------------------------------------------------------------------------------
 */

/* Replays into books of its own: venue checksums after each step, crossed books never. */
static int verify(const struct tape *t)
{
    struct book *books = gw_calloc(t->symbol_count, sizeof *books);
    uint64_t checked = 0;
    uint64_t wrong = 0;
    uint64_t trades = 0;

    for (uint32_t i = 0; i < t->symbol_count; i++) {
        book_init(&books[i]);
    }
    for (size_t i = 0; i < t->count; i++) {
        const struct feed_event *e = &t->steps[i].e;
        struct book *b = &books[e->symbol];

        trades += e->trade_count;
        if (e->type == EVENT_BOOK_SNAPSHOT) {
            book_replace(b, e->levels[0], e->level_count[0], e->levels[1], e->level_count[1]);
        }
        for (int side = 0; e->type == EVENT_BOOK_DELTA && side < 2; side++) {
            for (uint32_t k = 0; k < e->level_count[side]; k++) {
                (void)book_set(b, (enum side)side, e->levels[side][k].px, e->levels[side][k].qty);
            }
        }
        wrong += book_crossed(b);
        if (t->steps[i].has_checksum) {
            checked++;
            wrong += book_checksum(b, BOOK_CHECKSUM_DEPTH) != t->steps[i].checksum;
        }
    }
    for (uint32_t i = 0; i < t->symbol_count; i++) {
        if (books[i].side[0].count != 0 || books[i].side[1].count != 0) {
            printf("%-10s levels %u / %u\n", t->symbols[i].info.name, books[i].side[0].count,
                   books[i].side[1].count);
        }
        book_fini(&books[i]);
    }
    free(books);
    printf("steps %zu, trades %llu, checksums %llu, wrong or crossed %llu\n", t->count,
           (unsigned long long)trades, (unsigned long long)checked, (unsigned long long)wrong);
    return wrong == 0 ? 0 : 1;
}

/* --- playing -----------------------------------------------------------------------------------
 */

struct play {
    const struct options *o;
    struct writer writer;
    int64_t start_mono_ns;
    int64_t start_real_ns;
    int64_t played_ns; /* market time since the start, unscaled */
    int64_t next_progress_ns;
    int64_t next_control_ns;
    uint64_t pass;
};

static void progress(struct play *p, int64_t now)
{
    bool terminal = isatty(STDERR_FILENO) != 0;
    double seconds = (double)(now - p->start_mono_ns) / 1e9;

    if (p->o->quiet || now < p->next_progress_ns) {
        return;
    }
    p->next_progress_ns = now + (terminal ? 1000000000 : 5 * (int64_t)1000000000);
    fprintf(stderr, "%sfeeder: pass %llu, market %.0f s, %llu entries (%.0f/s), %.0f levels/s%s",
            terminal ? "\r" : "", (unsigned long long)p->pass + 1, (double)p->played_ns / 1e9,
            (unsigned long long)p->writer.entries, (double)p->writer.entries / seconds,
            (double)p->writer.levels / seconds, terminal ? "   " : "\n");
}

/* Waits until the step at market time AT_NS is due; keeps control and progress going meanwhile. */
static bool wait_until(struct play *p, int64_t at_ns)
{
    int64_t due = p->start_mono_ns + (p->o->speed > 0 ? (int64_t)((double)at_ns / p->o->speed) : 0);

    for (;;) {
        int64_t now = clock_ns(CLOCK_MONOTONIC);
        int64_t left = due - now;

        progress(p, now);
        if (now >= p->next_control_ns) {
            p->next_control_ns = now + 50000000;
            if (!writer_serve_control(&p->writer)) {
                return false;
            }
        }
        if (stopping || left <= 0) {
            return true;
        }
        if (!writer_flush(&p->writer)) {
            return false;
        }
        usleep((useconds_t)((left < 20000000 ? left : 20000000) / 1000 + 1));
    }
}

/* Engine time of a step recorded at TS_NS, AT_NS of market time after the start. */
static int64_t engine_time(const struct play *p, int64_t ts_ns, int64_t shift_ns, int64_t origin_ns)
{
    int64_t at = ts_ns + shift_ns;

    if (!p->o->now) {
        return at;
    }
    return p->start_real_ns +
           (p->o->speed > 0 ? (int64_t)((double)(at - origin_ns) / p->o->speed) : 0);
}

static bool play_step(struct play *p, const struct tape_step *s, int64_t ts_ns)
{
    const struct writer_symbol *state = &p->writer.symbols[s->e.symbol];

    if (!writer_step(&p->writer, s, ts_ns)) {
        return false;
    }
    if (ts_ns - state->snapshot_ts_ns >= p->o->snapshot_every_ns &&
        !writer_snapshot(&p->writer, s->e.symbol, ts_ns)) {
        return false;
    }
    return p->o->stop_after == 0 || p->writer.entries < p->o->stop_after || (stopping = 1) != 0;
}

static bool play_tape(struct play *p, const struct tape *t)
{
    int64_t origin = t->steps[0].recv_ns;
    int64_t span = t->steps[t->count - 1].recv_ns - origin + 1000000000;
    int64_t ts_origin = t->steps[0].e.ts_ns;

    for (p->pass = 0; !stopping && (p->o->loops == 0 || p->pass < p->o->loops); p->pass++) {
        int64_t shift = (int64_t)p->pass * span;

        if (p->pass != 0) {
            writer_new_pass(&p->writer);
        }
        for (size_t i = 0; !stopping && i < t->count; i++) {
            const struct tape_step *s = &t->steps[i];

            p->played_ns = s->recv_ns - origin + shift;
            if (!wait_until(p, p->played_ns) ||
                !play_step(p, s, engine_time(p, s->e.ts_ns, shift, ts_origin))) {
                return false;
            }
        }
    }
    return true;
}

static bool play_made_up(struct play *p, struct market_gen *g)
{
    const int64_t origin = 1700000000 * (int64_t)1000000000; /* a constant: same seed, same bytes */
    int64_t end = (int64_t)p->o->duration_s * 1000000000;

    while (!stopping) {
        const struct tape_step *s = market_gen_next(g);

        p->played_ns = s->recv_ns;
        if (end != 0 && s->recv_ns > end) {
            return true;
        }
        if (!wait_until(p, s->recv_ns) ||
            !play_step(p, s, engine_time(p, s->e.ts_ns, origin, origin))) {
            return false;
        }
    }
    return true;
}

static void summary(const struct play *p, bool ok)
{
    double seconds = (double)(clock_ns(CLOCK_MONOTONIC) - p->start_mono_ns) / 1e9;

    if (p->o->json) {
        printf("{\"ok\":%s,\"entries\":%llu,\"levels\":%llu,\"trades\":%llu,\"faults\":%llu,"
               "\"seconds\":%.3f,\"epoch\":\"%s\"}\n",
               ok ? "true" : "false", (unsigned long long)p->writer.entries,
               (unsigned long long)p->writer.levels, (unsigned long long)p->writer.trades,
               (unsigned long long)p->writer.faults, seconds, p->writer.opt.epoch);
    } else if (!p->o->quiet) {
        fprintf(stderr, "\nfeeder: %llu entries, %llu levels, %llu trades in %.1f s\n",
                (unsigned long long)p->writer.entries, (unsigned long long)p->writer.levels,
                (unsigned long long)p->writer.trades, seconds);
    }
}

static int play(const struct options *o, const struct tape *t, struct market_gen *g)
{
    struct play *p = gw_calloc(1, sizeof *p);
    bool ok;

    p->o = o;
    (void)signal(SIGINT, on_signal);
    (void)signal(SIGTERM, on_signal);
    (void)signal(SIGPIPE, SIG_IGN);
    ok = writer_open(&p->writer, &o->writer, t);
    p->start_mono_ns = clock_ns(CLOCK_MONOTONIC);
    p->start_real_ns = clock_ns(CLOCK_REALTIME);
    ok = ok && (g != NULL ? play_made_up(p, g) : play_tape(p, t)) && writer_flush(&p->writer);
    summary(p, ok);
    if (p->writer.symbols != NULL) {
        writer_close(&p->writer);
    }
    free(p);
    return ok ? 0 : 1;
}

/* --- options -----------------------------------------------------------------------------------
 */

static bool number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    if (u64_parse(text, strlen(text), out) == GW_OK && *out >= min && *out <= max) {
        return true;
    }
    fprintf(stderr, "feeder: %s: expected a whole number from %llu to %llu\n", text,
            (unsigned long long)min, (unsigned long long)max);
    return false;
}

static bool read_speed(const char *text, double *out)
{
    char *end;

    if (strcmp(text, "max") == 0) {
        *out = 0;
        return true;
    }
    *out = strtod(text, &end);
    if (*end == '\0' && *out >= 0.1 && *out <= 1000) {
        return true;
    }
    fprintf(stderr, "feeder: --speed %s: expected 0.1 to 1000, or max\n", text);
    return false;
}

static bool read_burst(const char *text, struct market_gen_options *g)
{
    g->burst_for_s = 1;
    if (sscanf(text, "%u:%u:%u", &g->burst_factor, &g->burst_every_s, &g->burst_for_s) >= 2 &&
        g->burst_for_s != 0 && g->burst_every_s >= g->burst_for_s) {
        return true;
    }
    fprintf(stderr, "feeder: --burst %s: expected FACTOR:EVERY[:FOR], such as 10:30:3\n", text);
    return false;
}

enum {
    O_REDIS = 256,
    O_DATA,
    O_SETS,
    O_SPEED,
    O_LOOP,
    O_TIME,
    O_SYMBOLS_OUT,
    O_SNAPSHOT_EVERY,
    O_MAXLEN,
    O_EPOCH,
    O_STOP_AFTER,
    O_GAP,
    O_DUP,
    O_VERIFY,
    O_QUIET,
    O_JSON,
    O_SYMBOLS,
    O_RATE,
    O_SEED,
    O_DURATION,
    O_LEVELS,
    O_BURST,
    O_HELP,
};

static const struct option long_options[] = {
    {"redis", 1, NULL, O_REDIS},
    {"data", 1, NULL, O_DATA},
    {"sets", 1, NULL, O_SETS},
    {"speed", 1, NULL, O_SPEED},
    {"loop", 1, NULL, O_LOOP},
    {"time", 1, NULL, O_TIME},
    {"symbols-out", 1, NULL, O_SYMBOLS_OUT},
    {"snapshot-every", 1, NULL, O_SNAPSHOT_EVERY},
    {"maxlen", 1, NULL, O_MAXLEN},
    {"epoch", 1, NULL, O_EPOCH},
    {"stop-after", 1, NULL, O_STOP_AFTER},
    {"gap-every", 1, NULL, O_GAP},
    {"dup-every", 1, NULL, O_DUP},
    {"verify-oracles", 0, NULL, O_VERIFY},
    {"quiet", 0, NULL, O_QUIET},
    {"json", 0, NULL, O_JSON},
    {"symbols", 1, NULL, O_SYMBOLS},
    {"rate", 1, NULL, O_RATE},
    {"seed", 1, NULL, O_SEED},
    {"duration", 1, NULL, O_DURATION},
    {"book-levels", 1, NULL, O_LEVELS},
    {"burst", 1, NULL, O_BURST},
    {"help", 0, NULL, O_HELP},
    {NULL, 0, NULL, 0},
};

/* Options of the made-up market and faults. */
static bool read_gen_option(int option, struct options *o)
{
    uint64_t n = 0;
    bool ok;

    switch (option) {
    case O_SYMBOLS:
        ok = number(optarg, 1, 10000, &n);
        o->gen.symbols = (uint32_t)n;
        return ok;
    case O_LEVELS:
        ok = number(optarg, 10, 5000, &n);
        o->gen.levels = (uint32_t)n;
        return ok;
    case O_RATE:
        return number(optarg, 1, 10000000, &o->gen.rate);
    case O_SEED:
        return number(optarg, 0, UINT64_MAX, &o->gen.seed);
    case O_DURATION:
        return number(optarg, 1, 1000000, &o->duration_s);
    case O_BURST:
        return read_burst(optarg, &o->gen);
    case O_GAP:
        return number(optarg, 2, UINT64_MAX, &o->writer.gap_every);
    case O_DUP:
        return number(optarg, 1, UINT64_MAX, &o->writer.dup_every);
    default:
        return false;
    }
}

static bool read_pace_option(int option, struct options *o)
{
    uint64_t n = 0;
    bool ok;

    switch (option) {
    case O_SPEED:
        return read_speed(optarg, &o->speed);
    case O_LOOP:
        ok = strcmp(optarg, "forever") == 0 || number(optarg, 1, 1000000, &n);
        o->loops = n;
        return ok;
    case O_TIME:
        o->now = strcmp(optarg, "now") == 0;
        return o->now || strcmp(optarg, "recorded") == 0;
    case O_SNAPSHOT_EVERY:
        ok = number(optarg, 1, 86400, &n);
        o->snapshot_every_ns = (int64_t)n * 1000000000;
        return ok;
    case O_MAXLEN:
        ok = number(optarg, 100, 100000000, &n);
        o->writer.maxlen = (uint32_t)n;
        return ok;
    case O_STOP_AFTER:
        return number(optarg, 1, UINT64_MAX, &o->stop_after);
    default:
        return read_gen_option(option, o);
    }
}

static bool read_option(int option, struct options *o)
{
    switch (option) {
    case O_REDIS:
        o->writer.redis = o->redis = optarg;
        return true;
    case O_DATA:
        o->data = optarg;
        return true;
    case O_SETS:
        o->sets = optarg;
        return true;
    case O_SYMBOLS_OUT:
        o->symbols_out = optarg;
        return true;
    case O_EPOCH:
        o->writer.epoch = optarg;
        return strlen(optarg) < EPOCH_MAX;
    case O_VERIFY:
        o->verify = true;
        return true;
    case O_QUIET:
        o->quiet = true;
        return true;
    case O_JSON:
        o->json = true;
        return true;
    case O_HELP:
        fputs(usage, stdout);
        exit(0);
    default:
        return read_pace_option(option, o);
    }
}

int main(int argc, char **argv)
{
    static char epoch[16];
    struct options o = {
        .sets = "A1,A2,A3,B,C",
        .speed = 1,
        .loops = 1,
        .snapshot_every_ns = 10 * (int64_t)1000000000,
        .writer = {.maxlen = 200000, .epoch = epoch},
        .gen = {.symbols = 20, .rate = 200, .seed = 1, .levels = 500},
    };
    struct tape tape = {0};
    struct market_gen *gen = NULL;
    int option;
    int code = 1;

    (void)snprintf(epoch, sizeof epoch, "e%llx",
                   (unsigned long long)(clock_ns(CLOCK_REALTIME) / 1000000));
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (!read_option(option, &o)) {
            fputs("feeder: see feeder --help\n", stderr);
            return 2;
        }
    }
    if (o.data == NULL || (o.redis == NULL && o.symbols_out == NULL && !o.verify)) {
        fputs("feeder: --data and one of --redis, --symbols-out, --verify-oracles are needed; "
              "see feeder --help\n",
              stderr);
        return 2;
    }
    if (strcmp(o.data, "synthetic") == 0) {
        gen = market_gen_create(&o.gen, &tape);
    } else if (!read_recordings(&tape, &o)) {
        tape_fini(&tape);
        return 1;
    }
    code = o.symbols_out == NULL || symbols_write(&tape, o.symbols_out) ? 0 : 1;
    if (code == 0 && o.verify) {
        code = verify(&tape);
    }
    if (code == 0 && o.redis != NULL) {
        code = play(&o, &tape, gen);
    }
    market_gen_destroy(&gen);
    tape_fini(&tape);
    return code;
}
