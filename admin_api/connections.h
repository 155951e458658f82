/* admin_api/connections.h - what the API asks of those who hold the WebSocket connections.
 * Why: connections belong to threads that the API does not know; it asks, and is answered on its own.
 * Owner: the control loop. Invariant: each question is answered once, within about a second. */
#ifndef ADMIN_API_CONNECTIONS_H
#define ADMIN_API_CONNECTIONS_H
#include <stdbool.h>
#include <stdint.h>
#include "gateway/base/err.h"

#define CONNECTIONS_LIMIT_MAX 1000u

enum connections_question { CONNECTIONS_LIST, CONNECTIONS_SUMMARY, CONNECTIONS_CLOSE };

struct connections_ask {
    enum connections_question question;
    uint64_t id; /* CLOSE */
    uint64_t min_backlog;
    const char *key; /* NULL: any */
    const char *ip;  /* NULL: any */
    uint32_t limit;
};
/* GW_OK: JSON is the answer, CLOSE: the connection as it was. GW_ENOTFOUND: CLOSE, there is none.
 * GW_ETIMEOUT: JSON names the shard that did not answer. GW_EFULL: not asked. JSON is borrowed. */
typedef void connections_fn(void *arg, enum gw_err err, const char *json);

struct connections_view {
    /* CB comes once: inside the call when nobody can be asked. */
    void (*ask)(void *arg, const struct connections_ask *ask, connections_fn *cb, void *cb_arg);
    /* Subscriptions there are now: of a symbol, or (SYMBOL_NONE) of all. */
    uint64_t (*followers)(void *arg, uint32_t symbol);
    /* Open connections: of the symbols whose FELT is set (by number), NULL: all. False: not known. */
    bool (*clients)(void *arg, const bool *felt, uint64_t *out);
    /* Open connections that named a token of KEY. */
    uint32_t (*of_key)(void *arg, const char *key);
    void *arg;
};
#endif
