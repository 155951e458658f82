/* load/standin_core.c - a small stand-in for the exchange core: reads `control` and
 * `control:commands`, answers in `control:acks` as docs/CORE.md asks of a core. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <hiredis/hiredis.h>
#include "gateway/base/buf.h"
#include "gateway/base/fixed.h"
#include "load/standin_state.h"

#define DUE_MAX      4096u
#define KNOWN_MAX    4096u
#define ID_MAX       44
#define LOOK_BACK_MS 60000

static const char usage[] =
    "standin-core - answers the gateway as an exchange core would (docs/CORE.md); for demos and "
    "tests\n"
    "\n"
    "  --redis unix:/path | host:port   where the streams are (needed)\n"
    "  --name NAME                      the core's name in its answers (default core-1)\n"
    "  --symbols A/B,C/D                what it trades (default BTC/USD,ETH/USD)\n"
    "  --group NAME=A/B,C/D             members of `group:NAME`; may be repeated\n"
    "  --orders N                       working orders of a symbol (default 100); cancelled ones\n"
    "                                   come back in ten seconds while the mode is NORMAL\n"
    "  --circuits A,B                   its circuit breakers, open until they are reset\n"
    "  --delay MS                       from reading to doing (default 200)\n"
    "  --fail RATE                      this part of the commands fails, 0 to 1\n"
    "  --fail-symbol SYMBOL             commands for it fail\n"
    "  --silent                         reads, never answers\n"
    "  --heartbeat S                    a word to the gateways at least so often (default 5)\n"
    "  --for S                          ends after S seconds (default: at a signal)\n"
    "  --quiet                          prints no progress\n"
    "Examples\n"
    "  standin-core --redis unix:var/redis.sock\n"
    "  standin-core --redis 127.0.0.1:6379 --symbols BTC/USD,ETH/USD --group coins=BTC/USD\n"
    "  standin-core --redis unix:var/redis.sock --delay 3000 --fail 0.2      a slow, faulty core\n"
    "  standin-core --redis unix:var/redis.sock --silent                     a core that hangs\n";

struct options {
    const char *redis;
    const char *name;
    const char *symbols;
    const char *circuits;
    const char *groups[STANDIN_GROUPS_MAX];
    uint32_t group_count;
    uint64_t orders;
    uint64_t delay_ms;
    double fail;
    const char *fail_symbol;
    bool silent;
    uint64_t heartbeat_s;
    uint64_t for_s;
    bool quiet;
};

/* Something to be done when its time comes: a command, or an entry of `control`. */
struct due {
    int64_t at_ns;
    char id[27]; /* of a command; "" */
    char kind[16];
    char target[STANDIN_NAME_MAX];
    json_t *entry; /* owned */
};

struct program {
    struct options o;
    struct standin state;
    redisContext *redis;
    char control_id[ID_MAX];
    char command_id[ID_MAX];
    struct due due[DUE_MAX]; /* in the order of their times */
    uint32_t due_count;
    char known[KNOWN_MAX][27]; /* ids of commands taken; a ring */
    uint32_t known_at;
    int64_t heard_ns; /* when we last said something */
    uint64_t commands;
    uint64_t controls;
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

static int64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static void tell(const struct program *p, const char *what, const char *id, const char *target)
{
    if (!p->o.quiet) {
        fprintf(stderr, "%s: %s %s%s%s\n", p->o.name, what, target, id[0] != '\0' ? " " : "", id);
    }
}

/* --- Redis -------------------------------------------------------------------------------------
 */

static bool dial(struct program *p)
{
    static const struct timeval patience = {2, 0};
    const char *colon = strrchr(p->o.redis, ':');
    char host[64];

    redisFree(p->redis);
    p->redis = NULL;
    if (strncmp(p->o.redis, "unix:", 5) == 0) {
        p->redis = redisConnectUnixWithTimeout(p->o.redis + 5, patience);
    } else if (colon != NULL) {
        (void)snprintf(host, sizeof host, "%.*s", (int)(colon - p->o.redis), p->o.redis);
        p->redis = redisConnectWithTimeout(host, atoi(colon + 1), patience);
    }
    return p->redis != NULL && p->redis->err == 0 &&
           redisSetTimeout(p->redis, patience) == REDIS_OK;
}

/* NULL when the connection was lost. Error replies are told and freed: also NULL. */
static redisReply *call(struct program *p, int argc, const char **argv)
{
    redisReply *reply = redisCommandArgv(p->redis, argc, argv, NULL);

    if (reply != NULL && reply->type == REDIS_REPLY_ERROR) {
        fprintf(stderr, "%s: Redis refused %s: %s\n", p->o.name, argv[0], reply->str);
        freeReplyObject(reply);
        return NULL;
    }
    return reply;
}

static void say(struct program *p, struct buf *json)
{
    const char *argv[] = {"XADD", "control:acks", "MAXLEN", "~", "100000", "*", "e", NULL};

    p->heard_ns = now_ns();
    if (!p->o.silent) {
        argv[7] = buf_cstr(json);
        freeReplyObject(call(p, (int)GW_LEN(argv), argv));
    }
    buf_fini(json);
}

/* --- answers -----------------------------------------------------------------------------------
 */

static void answer(struct program *p, const char *id, const char *state, const uint64_t *count,
                   const char *detail)
{
    struct buf b = {0};

    buf_printf(&b, "{\"id\":\"%s\",\"state\":\"%s\",\"core\":\"%s\",\"version\":%llu", id, state,
               p->o.name, (unsigned long long)p->state.version);
    if (count != NULL) {
        buf_printf(&b, ",\"count\":%llu", (unsigned long long)*count);
    }
    if (detail != NULL) {
        buf_lit(&b, ",\"detail\":");
        buf_json_str(&b, detail, strlen(detail));
    }
    buf_putc(&b, '}');
    say(p, &b);
}

static void alive(struct program *p, bool need_snapshot)
{
    struct buf b = {0};

    buf_printf(&b, "{\"core\":\"%s\",\"version\":%llu%s}", p->o.name,
               (unsigned long long)p->state.version, need_snapshot ? ",\"need\":\"snapshot\"" : "");
    say(p, &b);
}

/* Every symbol whose mode is not what was told last; ALL: every one. */
static void report_modes(struct program *p, bool all)
{
    for (uint32_t i = 0; i < p->state.symbol_count; i++) {
        struct standin_symbol *s = &p->state.symbols[i];
        struct buf b = {0};

        if (!all && s->reported && s->told == s->mode) {
            continue;
        }
        s->reported = true;
        s->told = s->mode;
        buf_printf(&b, "{\"core\":\"%s\",\"version\":%llu,\"symbol\":\"%s\",\"mode\":\"%s\"}",
                   p->o.name, (unsigned long long)p->state.version, s->name,
                   standin_modes[s->mode]);
        say(p, &b);
        tell(p, standin_modes[s->mode], "", s->name);
    }
}

static void report_circuits(struct program *p)
{
    for (uint32_t i = 0; i < p->state.circuit_count; i++) {
        struct buf b = {0};

        standin_print_circuit(&p->state.circuits[i], p->o.name, &b);
        say(p, &b);
    }
}

static void apply_control(struct program *p, const json_t *entry)
{
    const char *why;

    p->controls++;
    if (!standin_apply(&p->state, entry, &why)) {
        fprintf(stderr, "%s: an entry of control is not understood: %s\n", p->o.name, why);
    }
}

static void take_control(struct program *p, const json_t *entry)
{
    apply_control(p, entry);
    report_modes(p, false);
    alive(p, false);
}

/* --- commands ----------------------------------------------------------------------------------
 */

static bool fails(const struct program *p, const struct due *d, char why[128])
{
    int symbol = standin_find(&p->state, d->target);
    bool all = strcmp(d->target, "*") == 0;

    if ((p->o.fail_symbol != NULL && strcmp(p->o.fail_symbol, d->target) == 0) ||
        (double)random() / RAND_MAX < p->o.fail) {
        (void)snprintf(why, 128, "the stand-in was told to fail");
        return true;
    }
    if (strcmp(d->kind, "circuit_reset") == 0) {
        (void)snprintf(why, 128, "no such circuit breaker here");
        return standin_find_circuit(&p->state, d->target) < 0;
    }
    if (!all && symbol < 0) {
        (void)snprintf(why, 128, "no such symbol here: %s", d->target);
        return true;
    }
    if (!all && strcmp(d->kind, "cancel_all") == 0 &&
        p->state.symbols[symbol].mode == STANDIN_HARD_HALT) {
        (void)snprintf(why, 128, "HARD_HALT: the state is not trusted, nothing is cancelled");
        return true;
    }
    return false;
}

static uint64_t set_mode(struct program *p, const struct due *d)
{
    const char *why = "";

    if (!standin_set_mode(&p->state, d->target, json_object_get(d->entry, "args"), &why)) {
        fprintf(stderr, "%s: mode not set: %s\n", p->o.name, why);
    }
    report_modes(p, false);
    return strcmp(d->target, "*") == 0 ? p->state.symbol_count : 1;
}

static void finish_command(struct program *p, const struct due *d)
{
    char why[128];
    uint64_t count = 1;

    p->commands++;
    if (fails(p, d, why)) {
        answer(p, d->id, "failed", NULL, why);
        tell(p, "failed", d->id, d->target);
        return;
    }
    if (strcmp(d->kind, "cancel_all") == 0) {
        count = standin_cancel(&p->state, d->target);
    } else if (strcmp(d->kind, "mode") == 0) {
        count = set_mode(p, d);
    } else if (strcmp(d->kind, "circuit_reset") == 0) {
        p->state.circuits[standin_find_circuit(&p->state, d->target)].open = false;
        report_circuits(p);
    }
    answer(p, d->id, "done", &count, NULL);
    tell(p, d->kind, d->id, d->target);
}

static void drop_due(struct program *p, uint32_t i)
{
    json_decref(p->due[i].entry);
    memmove(&p->due[i], &p->due[i + 1], (p->due_count - i - 1) * sizeof p->due[0]);
    p->due_count--;
}

static bool is_known(struct program *p, const char *id)
{
    for (uint32_t i = 0; i < KNOWN_MAX; i++) {
        if (strcmp(p->known[i], id) == 0) {
            return true;
        }
    }
    memcpy(p->known[p->known_at++ % KNOWN_MAX], id, 27);
    return false;
}

static void give_up(struct program *p, const char *id)
{
    for (uint32_t i = 0; i < p->due_count; i++) {
        if (strcmp(p->due[i].id, id) == 0) {
            drop_due(p, i);
            answer(p, id, "cancelled", NULL, NULL);
            tell(p, "given up", id, "");
            return;
        }
    }
}

/* All wait equally long, so the list stays in order. */
static void put_due(struct program *p, const char *id, const char *kind, const char *target,
                    const json_t *entry)
{
    struct due *d = &p->due[p->due_count];

    if (p->due_count == DUE_MAX) {
        fprintf(stderr, "%s: too much at once, left out: %s %s\n", p->o.name, kind, target);
        return;
    }
    *d = (struct due){.at_ns = now_ns() + (int64_t)p->o.delay_ms * 1000000};
    (void)snprintf(d->id, sizeof d->id, "%s", id);
    (void)snprintf(d->kind, sizeof d->kind, "%s", kind);
    (void)snprintf(d->target, sizeof d->target, "%s", target);
    d->entry = json_deep_copy(entry);
    p->due_count++;
}

static void take_command(struct program *p, const json_t *entry)
{
    const char *id = json_string_value(json_object_get(entry, "id"));
    const char *kind = json_string_value(json_object_get(entry, "kind"));
    const char *target = json_string_value(json_object_get(entry, "target"));
    const char *asked = json_string_value(json_object_get(entry, "ts_ns"));
    json_int_t deadline_ms = json_integer_value(json_object_get(entry, "deadline_ms"));
    uint64_t asked_ns = 0;

    if (id == NULL || strlen(id) != 26 || kind == NULL) {
        fprintf(stderr, "%s: a command without id or kind\n", p->o.name);
        return;
    }
    if (strcmp(kind, "cancel") == 0) {
        give_up(p, id);
        return;
    }
    if (target == NULL || asked == NULL || u64_parse(asked, strlen(asked), &asked_ns) != GW_OK) {
        fprintf(stderr, "%s: command %s without target or ts_ns\n", p->o.name, id);
        return;
    }
    if (is_known(p, id) ||
        clock_ns(CLOCK_REALTIME) > (int64_t)asked_ns + (int64_t)deadline_ms * 1000000) {
        return; /* sent twice, or too late to be meant */
    }
    answer(p, id, "accepted", NULL, NULL);
    put_due(p, id, kind, target, entry);
}

static void do_what_is_due(struct program *p)
{
    while (p->due_count != 0 && p->due[0].at_ns <= now_ns()) {
        if (p->due[0].id[0] != '\0') {
            finish_command(p, &p->due[0]);
        } else {
            take_control(p, p->due[0].entry);
        }
        drop_due(p, 0);
    }
}

/* --- reading -----------------------------------------------------------------------------------
 */

/* ENTRY: [id, [field, value]]. The JSON of its field `e`; NULL when there is none. */
static json_t *entry_json(const redisReply *entry, char last_id[ID_MAX])
{
    const redisReply *fields;
    json_error_t error;

    if (entry->elements != 2 || entry->element[0]->len >= ID_MAX) {
        return NULL;
    }
    memcpy(last_id, entry->element[0]->str, entry->element[0]->len + 1);
    fields = entry->element[1];
    if (fields->elements != 2 || strcmp(fields->element[0]->str, "e") != 0) {
        return NULL;
    }
    return json_loadb(fields->element[1]->str, fields->element[1]->len, JSON_REJECT_DUPLICATES,
                      &error);
}

static void take_stream(struct program *p, const redisReply *stream)
{
    bool control = strcmp(stream->element[0]->str, "control") == 0;
    const redisReply *entries = stream->element[1];

    for (size_t i = 0; i < entries->elements; i++) {
        json_t *json = entry_json(entries->element[i], control ? p->control_id : p->command_id);

        if (json == NULL) {
            fprintf(stderr, "%s: an entry of %s is not JSON in one field e\n", p->o.name,
                    stream->element[0]->str);
        } else if (control) {
            put_due(p, "", "control", "", json);
        } else {
            take_command(p, json);
        }
        json_decref(json);
    }
}

/* False when the connection was lost. */
static bool read_once(struct program *p)
{
    const char *argv[] = {"XREAD",       "COUNT",      "200",     "BLOCK",
                          "20",          "STREAMS",    "control", "control:commands",
                          p->control_id, p->command_id};
    redisReply *reply = call(p, (int)GW_LEN(argv), argv);
    bool ok = reply != NULL;

    for (size_t i = 0; ok && reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        take_stream(p, reply->element[i]);
    }
    freeReplyObject(reply);
    return ok;
}

/* The last snapshot and what follows, at once. False: there is none. */
static bool load_control(struct program *p)
{
    const char *argv[] = {"XREVRANGE", "control", "+", "-", "COUNT", "10000"};
    redisReply *reply = call(p, (int)GW_LEN(argv), argv);
    size_t count = reply != NULL ? reply->elements : 0;
    size_t from = 0;
    bool found = false;
    char id[ID_MAX] = "0-0";

    memcpy(p->control_id, id, 4);
    for (size_t i = 0; i < count && !found; i++) { /* newest first */
        json_t *json = entry_json(reply->element[i], id);
        const char *type = json_string_value(json_object_get(json, "type"));

        found = type != NULL && strcmp(type, "snapshot") == 0;
        from = i + 1;
        json_decref(json);
    }
    for (size_t i = from; i > 0; i--) {
        json_t *json = entry_json(reply->element[i - 1], p->control_id);

        if (json != NULL) {
            apply_control(p, json);
        }
        json_decref(json);
    }
    freeReplyObject(reply);
    return found;
}

static void connected(struct program *p)
{
    bool found = load_control(p);

    /* what was asked while we were away and is still meant; what we know is not done twice */
    (void)snprintf(p->command_id, sizeof p->command_id, "%lld-0",
                   (long long)(clock_ns(CLOCK_REALTIME) / 1000000 - LOOK_BACK_MS));
    report_modes(p, true);
    report_circuits(p);
    alive(p, !found);
    tell(p, found ? "control state read" : "asked for the control state", "", "");
}

static void serve(struct program *p)
{
    int64_t end_ns = p->o.for_s != 0 ? now_ns() + (int64_t)p->o.for_s * 1000000000 : INT64_MAX;
    int64_t before = now_ns();
    bool up = false;
    bool told = false;

    while (!stopping && now_ns() < end_ns) {
        int64_t now = now_ns();

        if (!up && (up = dial(p))) {
            connected(p);
            told = false;
        } else if (!up) {
            if (!told) {
                fprintf(stderr, "%s: Redis at %s does not answer: is it running? trying on\n",
                        p->o.name, p->o.redis);
            }
            told = true;
            usleep(200000);
            continue;
        }
        up = read_once(p) && p->redis->err == 0;
        standin_grow(&p->state, (double)(now - before) / 1e9);
        before = now;
        if (up) {
            do_what_is_due(p);
        }
        if (up && now - p->heard_ns > (int64_t)p->o.heartbeat_s * 1000000000) {
            report_circuits(p);
            alive(p, false);
        }
    }
}

/* --- options -----------------------------------------------------------------------------------
 */

enum {
    O_REDIS = 256,
    O_NAME,
    O_SYMBOLS,
    O_GROUP,
    O_CIRCUITS,
    O_ORDERS,
    O_DELAY,
    O_FAIL,
    O_FAIL_SYMBOL,
    O_SILENT,
    O_HEARTBEAT,
    O_FOR,
    O_QUIET,
    O_HELP,
};

static const struct option long_options[] = {
    {"redis", 1, NULL, O_REDIS},
    {"name", 1, NULL, O_NAME},
    {"symbols", 1, NULL, O_SYMBOLS},
    {"group", 1, NULL, O_GROUP},
    {"orders", 1, NULL, O_ORDERS},
    {"delay", 1, NULL, O_DELAY},
    {"fail", 1, NULL, O_FAIL},
    {"fail-symbol", 1, NULL, O_FAIL_SYMBOL},
    {"silent", 0, NULL, O_SILENT},
    {"heartbeat", 1, NULL, O_HEARTBEAT},
    {"for", 1, NULL, O_FOR},
    {"quiet", 0, NULL, O_QUIET},
    {"help", 0, NULL, O_HELP},
    {"circuits", 1, NULL, O_CIRCUITS},
    {NULL, 0, NULL, 0},
};

static bool number(const char *text, uint64_t most, uint64_t *out)
{
    if (u64_parse(text, strlen(text), out) == GW_OK && *out <= most) {
        return true;
    }
    fprintf(stderr, "standin-core: %s: expected a whole number up to %llu\n", text,
            (unsigned long long)most);
    return false;
}

static bool read_rate(const char *text, double *out)
{
    char *end;

    *out = strtod(text, &end);
    if (end != text && *end == '\0' && *out >= 0 && *out <= 1) {
        return true;
    }
    fprintf(stderr, "standin-core: --fail %s: expected 0 to 1, such as 0.2\n", text);
    return false;
}

static bool read_number_option(int option, struct options *o)
{
    switch (option) {
    case O_ORDERS:
        return number(optarg, 100000000, &o->orders);
    case O_DELAY:
        return number(optarg, 3600000, &o->delay_ms);
    case O_HEARTBEAT:
        return number(optarg, 3600, &o->heartbeat_s);
    case O_FOR:
        return number(optarg, 1000000, &o->for_s);
    case O_FAIL:
        return read_rate(optarg, &o->fail);
    case O_SILENT:
        o->silent = true;
        return true;
    case O_QUIET:
        o->quiet = true;
        return true;
    case O_HELP:
        fputs(usage, stdout);
        exit(0);
    default:
        return false;
    }
}

static bool read_option(int option, struct options *o)
{
    switch (option) {
    case O_REDIS:
        o->redis = optarg;
        return true;
    case O_NAME:
        o->name = optarg;
        return optarg[0] != '\0' && strlen(optarg) <= 32 &&
               strspn(optarg,
                      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-") ==
                   strlen(optarg);
    case O_SYMBOLS:
        o->symbols = optarg;
        return true;
    case O_GROUP:
        if (o->group_count < STANDIN_GROUPS_MAX) {
            o->groups[o->group_count++] = optarg;
            return true;
        }
        return false;
    case O_CIRCUITS:
        o->circuits = optarg;
        return true;
    case O_FAIL_SYMBOL:
        o->fail_symbol = optarg;
        return true;
    default:
        return read_number_option(option, o);
    }
}

static bool set_up(struct program *p)
{
    p->state.orders = (uint32_t)p->o.orders;
    if (!standin_add_symbols(&p->state, p->o.symbols)) {
        fprintf(stderr,
                "standin-core: --symbols %s: expected up to %u names such as BTC/USD,ETH/USD\n",
                p->o.symbols, STANDIN_SYMBOLS_MAX);
        return false;
    }
    for (uint32_t i = 0; i < p->o.group_count; i++) {
        if (!standin_add_group(&p->state, p->o.groups[i])) {
            fprintf(stderr, "standin-core: --group %s: expected NAME=A/B,C/D of --symbols\n",
                    p->o.groups[i]);
            return false;
        }
    }
    if (p->o.circuits != NULL && !standin_add_circuits(&p->state, p->o.circuits)) {
        fprintf(stderr, "standin-core: --circuits %s: expected up to %u names as risk,fees\n",
                p->o.circuits, STANDIN_CIRCUITS_MAX);
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    static struct program p = {.o = {.name = "core-1",
                                     .symbols = "BTC/USD,ETH/USD",
                                     .orders = 100,
                                     .delay_ms = 200,
                                     .heartbeat_s = 5}};
    int option;

    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (!read_option(option, &p.o)) {
            fputs("standin-core: see standin-core --help\n", stderr);
            return 2;
        }
    }
    if (p.o.redis == NULL || optind != argc || !set_up(&p)) {
        fputs("standin-core: --redis is needed; see standin-core --help\n", stderr);
        return 2;
    }
    (void)signal(SIGINT, on_signal);
    (void)signal(SIGTERM, on_signal);
    (void)signal(SIGPIPE, SIG_IGN);
    serve(&p);
    if (!p.o.quiet) {
        fprintf(stderr, "%s: %llu commands, %llu entries of control\n", p.o.name,
                (unsigned long long)p.commands, (unsigned long long)p.controls);
    }
    while (p.due_count != 0) {
        drop_due(&p, p.due_count - 1);
    }
    standin_fini(&p.state);
    redisFree(p.redis);
    return 0;
}
