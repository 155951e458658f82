/* gateway/runtime/config.h - configuration declared in tables, read from one YAML file and the
 * environment.
 * Why: a key is one row of its module's table; the struct field, the YAML key, the environment
 * variable, the range check, the default and the docs page all follow from the row. Every key
 * `section.key` is also PORTCULLIS_SECTION_KEY in the environment, which wins over the file.
 * Owner: loaded on the main thread before any other thread starts; immutable afterwards.
 * Invariant: after config_load() returned GW_OK each field of each table holds a value inside its
 * range.
 *
 * A module declares:
 *   #define WS_CONFIG(X) / * key, type, default, min, max, help * /                          \
 *       X(max_clients, UINT, "20000", 1, 1000000, "sessions one shard accepts")
 *   struct ws_config { WS_CONFIG(CFG_FIELD) };
 *   extern const struct cfg_table ws_config_table;   (in its .c: CFG_TABLE(ws, WS_CONFIG, ...)) */
#ifndef GATEWAY_RUNTIME_CONFIG_H
#define GATEWAY_RUNTIME_CONFIG_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "gateway/base/buf.h"
#include "gateway/base/err.h"

enum cfg_type {
    CFG_BOOL,     /* true | false                                              -> bool     */
    CFG_UINT,     /* plain decimal                                             -> uint64_t */
    CFG_SIZE,     /* bytes; suffix KiB, MiB, GiB allowed                       -> uint64_t */
    CFG_MSEC,     /* milliseconds; suffix ms, s, m, h allowed                  -> uint64_t */
    CFG_TEXT,     /* any text; min and max bound its length                    -> char *   */
    CFG_ENDPOINT, /* "host:port", "[v6]:port" or "" (off); port may be 0       -> char *   */
};
/* A key that a running gateway takes over when its file is read again (config_take_live()). */
enum {
    CFG_LIVE = 16,
    CFG_BOOL_LIVE = CFG_BOOL | CFG_LIVE,
    CFG_UINT_LIVE = CFG_UINT | CFG_LIVE,
    CFG_SIZE_LIVE = CFG_SIZE | CFG_LIVE,
    CFG_MSEC_LIVE = CFG_MSEC | CFG_LIVE,
    CFG_TEXT_LIVE = CFG_TEXT | CFG_LIVE,
};
typedef bool cfg_c_BOOL, cfg_c_BOOL_LIVE;
typedef uint64_t cfg_c_UINT, cfg_c_UINT_LIVE;
typedef uint64_t cfg_c_SIZE, cfg_c_SIZE_LIVE;
typedef uint64_t cfg_c_MSEC, cfg_c_MSEC_LIVE;
typedef char *cfg_c_TEXT, *cfg_c_TEXT_LIVE;
typedef char *cfg_c_ENDPOINT;

/* clang-format off */
/* Variables whose names the runbooks of operators prescribe, beside PORTCULLIS_SECTION_KEY; they win. */
#define CFG_ENV_NAMES(X) /* variable, section, key */                                     \
    X("SLO_PAGING_ENABLED",      "slo_paging", "enabled")                                 \
    X("SLO_PAGING_WEBHOOK_URL",  "slo_paging", "webhook_url")                             \
    X("SLO_PAGING_MIN_SEVERITY", "slo_paging", "min_severity")                            \
    X("SLO_PAGING_FORMAT",       "slo_paging", "format")                                  \
    X("ESCALATION_L3_ACTION",    "incidents",  "l3_action")                               \
    X("SMOKE_ENABLED",           "smoke",      "enabled")                                  \
    X("TR_MODE",                 "smoke",      "mode")
/* clang-format on */

struct cfg_row {
    const char *key;
    enum cfg_type type;
    const char *fallback; /* default, as it would stand in the file */
    uint64_t min;
    uint64_t max;
    const char *help;
    size_t offset; /* of the field in the module's struct */
    bool live;
};
struct cfg_table {
    const char *section;
    const struct cfg_row *rows;
    size_t count;
};
/* One table and the struct its values go to. */
struct cfg_binding {
    const struct cfg_table *table;
    void *target;
};

#define CFG_FIELD(key, type, fallback, min, max, help) cfg_c_##type key;
#define CFG_ROW_OF(strukt, key, type, fallback, min, max, help)                                    \
    {#key,                                                                                         \
     (enum cfg_type)((unsigned)CFG_##type & ~(unsigned)CFG_LIVE),                                  \
     fallback,                                                                                     \
     min,                                                                                          \
     max,                                                                                          \
     help,                                                                                         \
     offsetof(strukt, key),                                                                        \
     ((unsigned)CFG_##type & CFG_LIVE) != 0},

/* Reads PATH (NULL: defaults and environment only) and ENVP ("NAME=value" array, NULL-terminated)
 * into the COUNT bindings. ERRORS receives every error, one a line: "portcullis.yaml:12:
 * ws.max_clients: ...", with what would be accepted. Unknown sections and keys, duplicate keys, and
 * unknown PORTCULLIS_ variables are errors. PORTCULLIS_DATA and PORTCULLIS_TEST_* are not ours to
 * judge and are skipped. GW_ECONFIG if there was any; the targets are then not to be used. Strings
 * are owned by the targets. */
GW_MUSTCHECK
enum gw_err config_load(const char *path, char *const *envp, const struct cfg_binding *bindings,
                        size_t count, struct buf *errors);
/* Takes the live keys of FROM over into TO, binding by binding (the same tables). CHANGED receives a
 * line for each key that differs: taken over, or "needs a restart". */
void config_take_live(const struct cfg_binding *to, const struct cfg_binding *from, size_t count,
                      struct buf *changed);
/* Frees the strings of the targets. */
void config_fini(const struct cfg_binding *bindings, size_t count);
/* Markdown: one section a table, one table row a key (key, environment, type, default, range,
 * help). */
void config_describe(const struct cfg_table *const *tables, size_t count, struct buf *out);

/* Splits a validated ENDPOINT: HOST (without brackets, at most 63 bytes) and port. False for "". */
bool config_endpoint(const char *endpoint, char host[64], uint16_t *port);
#endif
