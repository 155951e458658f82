/* gateway/app/main.c - the command line of `portcullis`. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "auth/bootstrap.h"
#include "auth/master_key.h"
#include "auth/people/people_bootstrap.h"
#include "auth/people/rewrap.h"
#include "auth/people/roles.h"
#include "auth/scopes.h"
#include "gateway/app/daemon.h"
#include "gateway/app/describe.h"
#include "gateway/app/incident_wiring.h"
#include "gateway/feed/symbol_file.h"
#include "gateway/runtime/json.h"
#include "gateway/runtime/log.h"
#include "gateway/store/migrate.h"

extern char **environ;

static const char usage[] =
    "portcullis - edge gateway of an exchange: market data to WebSocket and REST clients\n"
    "\n"
    "  portcullis --config FILE            run (ends on SIGTERM or SIGINT after a drain; on "
    "SIGHUP\n"
    "                                      reads FILE again and takes its live keys over)\n"
    "  portcullis --config FILE --check-config\n"
    "                                      read everything, report every error, do nothing\n"
    "  portcullis --config FILE --migrate  bring the tables of auth.database up to date, then end\n"
    "  portcullis --config FILE --bootstrap-key KEYFILE [--account A] [--scopes S,S...] [--ip "
    "NETWORK]...\n"
    "                                      the first key: its private half goes to KEYFILE (mode "
    "0600);\n"
    "                                      without --ip it may be used on this host alone; "
    "refused\n"
    "                                      while keys that administer are active, unless these "
    "are\n"
    "                                      said to be lost: --keys-lost. --algorithm hmac-sha256\n"
    "                                      makes a secret (base64) instead of a key pair\n"
    "  portcullis --config FILE --bootstrap-user NAME --roles R,R... [--label L] "
    "[--lasting-password]\n"
    "                                      the first user; password, second factor and recovery\n"
    "                                      codes are printed, once\n"
    "  portcullis --make-master-key FILE   a new master key, for auth.master_key_file\n"
    "  portcullis --config FILE --rewrap-keys\n"
    "                                      what older master keys wrap is wrapped by the newest; "
    "they\n"
    "                                      can be taken away then\n"
    "  portcullis --describe WHAT          print a table as Markdown: " DESCRIBE_NAMES "\n"
    "  portcullis --describe openapi       print the HTTP API as OpenAPI 3.1 (also served at "
    "/openapi.json)\n"
    "  portcullis --version | --help\n"
    "\n"
    "Every key of the file can also come from the environment, for example\n"
    "  PORTCULLIS_WS_SHARDS=2 portcullis --config /etc/portcullis.yaml\n"
    "Examples\n"
    "  portcullis --config var/portcullis.yaml --check-config\n"
    "  portcullis --config /etc/portcullis.yaml --bootstrap-key ops.pem --account ops\n"
    "  portcullis --config /etc/portcullis.yaml --bootstrap-user ana --roles security,operator\n"
    "  portcullis --config /etc/portcullis.yaml --rewrap-keys\n"
    "  portcullis --describe config | less\n";

struct arguments {
    const char *config;
    const char *describe;
    const char *bootstrap; /* where the first key goes */
    const char *master;    /* where a new master key goes */
    const char *account;
    const char *scopes; /* NULL: all */
    const char *user;   /* to be created */
    const char *roles;
    const char *label;
    const char *nets[KEY_NETS_MAX];
    size_t net_count;
    const char *algorithm;
    bool keys_lost;
    bool lasting;
    bool check;
    bool migrate;
    bool rewrap;
};

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"check-config", no_argument, NULL, 'k'},
    {"describe", required_argument, NULL, 'd'},
    {"version", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {"migrate", no_argument, NULL, 'm'},
    {"bootstrap-key", required_argument, NULL, 'b'},
    {"account", required_argument, NULL, 'a'},
    {"scopes", required_argument, NULL, 's'},
    {"ip", required_argument, NULL, 'i'},
    {"algorithm", required_argument, NULL, 'A'},
    {"keys-lost", no_argument, NULL, 'K'},
    {"make-master-key", required_argument, NULL, 'M'},
    {"rewrap-keys", no_argument, NULL, 'W'},
    {"bootstrap-user", required_argument, NULL, 'u'},
    {"roles", required_argument, NULL, 'r'},
    {"label", required_argument, NULL, 'l'},
    {"lasting-password", no_argument, NULL, 'L'},
    {NULL, 0, NULL, 0},
};

/* Where the value of OPTION goes; NULL: it has none. */
static const char **value_of(struct arguments *a, int option)
{
    const struct {
        int option;
        const char **value;
    } values[] = {
        {'c', &a->config}, {'d', &a->describe},  {'b', &a->bootstrap}, {'a', &a->account},
        {'s', &a->scopes}, {'M', &a->master},    {'u', &a->user},      {'r', &a->roles},
        {'l', &a->label},  {'A', &a->algorithm},
    };

    for (unsigned i = 0; i < GW_LEN(values); i++) {
        if (values[i].option == option) {
            return values[i].value;
        }
    }
    return NULL;
}

static bool add_net(struct arguments *a, const char *text)
{
    struct key_net net;

    if (a->net_count == KEY_NETS_MAX || !key_net_parse(text, strlen(text), &net)) {
        fprintf(
            stderr,
            "portcullis: --ip %s: not a network such as 10.1.0.0/16, bits behind its prefix, or "
            "more than %u; next: correct it\n",
            text, KEY_NETS_MAX);
        return false;
    }
    a->nets[a->net_count++] = text;
    return true;
}

/* -1: go on; otherwise the exit code. */
static int read_arguments(int argc, char **argv, struct arguments *a)
{
    int option;

    while ((option = getopt_long(argc, argv, "c:d:vh", options, NULL)) != -1) {
        const char **value = value_of(a, option);

        if (value != NULL) {
            *value = optarg;
            continue;
        }
        switch (option) {
        case 'k':
            a->check = true;
            break;
        case 'm':
            a->migrate = true;
            break;
        case 'W':
            a->rewrap = true;
            break;
        case 'L':
            a->lasting = true;
            break;
        case 'K':
            a->keys_lost = true;
            break;
        case 'i':
            if (!add_net(a, optarg)) {
                return 2;
            }
            break;
        case 'v':
            puts("portcullis " GW_VERSION);
            return 0;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            fputs("portcullis: see portcullis --help\n", stderr);
            return 2;
        }
    }
    if (optind != argc) {
        fprintf(stderr, "portcullis: unexpected argument %s; see portcullis --help\n",
                argv[optind]);
        return 2;
    }
    return -1;
}

static void seed(void)
{
    unsigned value = 1;

    if (getrandom(&value, sizeof value, 0) == (ssize_t)sizeof value) {
        srandom(value); /* jitter of reconnects, nothing secret */
    }
    json_setup();
}

static const char *config_path; /* for SIGHUP */

static void check_rules(const char *path, struct buf *errors)
{
    struct rules *rules = rules_read(path, errors);

    if (rules != NULL) {
        rules_destroy(&rules);
    }
}

/* All of it is right, or ERRORS says what is not. */
static bool load(const char *path, struct daemon_config *config, struct buf *errors)
{
    struct cfg_binding bindings[DAEMON_BINDINGS];
    enum log_level level;

    daemon_bindings(config, bindings);
    if (config_load(path, environ, bindings, DAEMON_BINDINGS, errors) == GW_OK) {
        if (!log_level_parse(config->log.level, &level)) {
            buf_lit(errors, "log.level: expected debug, info, warn or error\n");
        }
        fanout_check(&config->fanout, errors);
        incident_wiring_environment(&config->incidents, errors);
        paging_check(&config->paging, errors);
        check_rules(config->reported.rules_file, errors);
        playbook_wiring_check(&config->playbooks, errors);
        smoke_check(&config->smoke, errors);
    }
    return errors->len == 0;
}

static bool reread(struct daemon_config *fresh)
{
    struct buf errors = {0};
    bool ok = load(config_path, fresh, &errors);

    if (!ok) {
        log_error("app", "config_refused", "\"errors\":%s,\"next\":\"nothing was changed\"",
                  log_json(buf_cstr(&errors)));
    }
    buf_fini(&errors);
    return ok;
}

static int run(struct daemon_config *config, const struct symbols *symbols)
{
    enum log_level level = LOG_INFO;
    int code;

    (void)log_level_parse(config->log.level, &level);
    log_start(level);
    code = daemon_run(config, symbols, reread);
    log_stop();
    metrics_fini();
    return code;
}

/* "keys.read,ws.token" as bits; NULL is all of them. */
static bool read_scopes(const char *list, uint64_t *out)
{
    *out = list == NULL ? (1ull << SCOPE_COUNT) - 1 : 0;
    while (list != NULL && *list != '\0') {
        size_t len = strcspn(list, ",");
        enum auth_scope scope;

        if (!scope_parse(list, len, &scope)) {
            fprintf(stderr, "portcullis: no scope %.*s; there are:", (int)len, list);
            for (unsigned i = 0; i < SCOPE_COUNT; i++) {
                fprintf(stderr, " %s", scope_rows[i].word);
            }
            fputc('\n', stderr);
            return false;
        }
        *out |= 1ull << scope;
        list += len + (list[len] == ',');
    }
    return true;
}

static int make_master_key(const char *path)
{
    struct buf why = {0};
    int code = master_keys_make(path, &why) == GW_OK ? 0 : 1;

    if (code != 0) {
        fprintf(stderr, "portcullis: %s\n", buf_cstr(&why));
    } else {
        printf("%s: a new master key; keep a copy where the database's backups are not\n", path);
    }
    buf_fini(&why);
    return code;
}

/* "security,operator" as bits. */
static bool read_roles(const char *list, uint64_t *out)
{
    *out = 0;
    while (list != NULL && *list != '\0') {
        size_t len = strcspn(list, ",");
        enum role role;

        if (!role_parse(list, len, &role)) {
            fprintf(stderr, "portcullis: no role %.*s; there are:", (int)len, list);
            for (unsigned i = 0; i < ROLE_COUNT; i++) {
                fprintf(stderr, " %s", role_rows[i].word);
            }
            fputc('\n', stderr);
            return false;
        }
        *out |= 1ull << role;
        list += len + (list[len] == ',');
    }
    if (*out == 0) {
        fputs("portcullis: give --roles, for example --roles security,operator\n", stderr);
    }
    return *out != 0;
}

/* The master keys of CONFIG, NULL when it names no file; to be destroyed. False: said why. */
static bool read_masters(const struct daemon_config *config, struct master_keys **out)
{
    const char *path = config->auth.master_key_file;
    struct buf why = {0};
    bool fine;

    *out = NULL;
    fine = path[0] == '\0' || master_keys_read(path, out, &why) == GW_OK;
    if (!fine) {
        fprintf(stderr, "portcullis: %s\n", buf_cstr(&why));
    }
    buf_fini(&why);
    return fine;
}

static int make_user(const struct arguments *a, const struct daemon_config *config)
{
    struct people_bootstrap_options opt = {
        .name = a->user, .label = a->label, .lasting = a->lasting, .issuer = config->people.issuer};
    struct master_keys *masters;
    int code = 2;

    if (!read_masters(config, &masters)) {
        code = 1;
    } else if (read_roles(a->roles, &opt.roles)) {
        code = people_bootstrap(config->auth.database, masters, &opt, stdout);
    }
    if (masters != NULL) {
        master_keys_destroy(&masters);
    }
    return code;
}

static int make_key(const struct arguments *a, const struct daemon_config *config)
{
    static const char *const here[] = {"127.0.0.0/8", "::1/128"};
    struct bootstrap_options opt = {
        .ip_allow = a->net_count != 0 ? a->nets : here,
        .ip_allow_count = a->net_count != 0 ? a->net_count : GW_LEN(here),
        .account = a->account != NULL ? a->account : "operations",
        .label = "first key",
        .keys_lost = a->keys_lost,
        .algorithm = KEY_ED25519,
    };
    struct master_keys *masters = NULL;
    int code = 2;

    if (a->algorithm != NULL &&
        (!key_alg_parse(a->algorithm, &opt.algorithm) ||
         (opt.algorithm != KEY_ED25519 && opt.algorithm != KEY_HMAC_SHA256))) {
        fprintf(stderr, "portcullis: --algorithm %s: next: give ed25519 or hmac-sha256\n",
                a->algorithm);
    } else if (opt.algorithm != KEY_ED25519 && !read_masters(config, &masters)) {
        code = 1;
    } else if (read_scopes(a->scopes, &opt.scopes)) {
        code = bootstrap_key(config->auth.database, masters, &opt, stdout, a->bootstrap);
    }
    if (masters != NULL) {
        master_keys_destroy(&masters);
    }
    return code;
}

static int rewrap(const struct daemon_config *config)
{
    struct master_keys *masters;
    int code = 1;

    if (config->auth.master_key_file[0] == '\0') {
        fputs("portcullis: auth.master_key_file is not set; name the file with the old and the new "
              "master key in the configuration\n",
              stderr);
    } else if (read_masters(config, &masters)) {
        code = rewrap_keys(config->auth.database, masters, stdout);
        master_keys_destroy(&masters);
    }
    return code;
}

/* What works on the database and ends. */
static int work_on_database(const struct arguments *a, const struct daemon_config *config)
{
    if (config->auth.database[0] == '\0') {
        fputs("portcullis: auth.database is not set; give it a DSN in the configuration\n", stderr);
        return 1;
    }
    if (a->migrate) {
        return migrate_run(config->auth.database, stdout);
    }
    if (a->rewrap) {
        return rewrap(config);
    }
    return a->user != NULL ? make_user(a, config) : make_key(a, config);
}

static int load_and_run(const struct arguments *a)
{
    struct daemon_config config = {0};
    struct cfg_binding bindings[DAEMON_BINDINGS];
    struct symbols *symbols = symbols_create();
    struct buf errors = {0};
    int code = 1;

    config_path = a->config;
    daemon_bindings(&config, bindings);
    if (load(a->config, &config, &errors)) {
        (void)!symbol_file_load(config.feed.symbols_file, symbols, &errors);
        smoke_reserve(&config.smoke, symbols, &errors);
    }
    if (errors.len != 0) {
        fputs(buf_cstr(&errors), stderr);
        fputs(
            "portcullis: not started; correct the lines above (--describe config lists all keys)\n",
            stderr);
    } else if (a->check) {
        printf("ok: %u symbols\n", symbols_count(symbols));
        code = 0;
    } else if (a->migrate || a->rewrap || a->bootstrap != NULL || a->user != NULL) {
        code = work_on_database(a, &config);
    } else {
        code = run(&config, symbols);
    }
    config_fini(bindings, DAEMON_BINDINGS);
    symbols_destroy(&symbols);
    buf_fini(&errors);
    return code;
}

int main(int argc, char **argv)
{
    struct arguments a = {0};
    int code = read_arguments(argc, argv, &a);

    if (code >= 0) {
        return code;
    }
    seed();
    if (a.describe != NULL) {
        return describe(a.describe);
    }
    if (a.master != NULL) {
        return make_master_key(a.master);
    }
    return load_and_run(&a);
}
