/* gateway/app/connections.h - the API's questions about connections, put to every shard.
 *
 *   API -> one struct roster a shard -> shards -> inbox -> merged, as JSON -> API
 *
 * Owner: the main thread.
 * Invariant: each question is answered once: when the last shard has answered, or after a second with
 * those that have, naming the others. */
#ifndef GATEWAY_APP_CONNECTIONS_H
#define GATEWAY_APP_CONNECTIONS_H
#include "admin_api/connections.h"
#include "gateway/runtime/mailbox.h"
#include "ws/shard.h"

struct connections;

/* SHARDS, FOLLOW and KEYS (sessions by key) are borrowed; INBOX is opened here. */
struct connections *connections_create(uv_loop_t *loop, struct shard *const *shards, uint32_t count,
                                       struct mailbox *inbox, const struct follow *follow,
                                       struct ip_limit *keys);
const struct connections_view *connections_view(const struct connections *c);
/* Who waits is answered; the loop must run once more before the end. The shards have ended. */
void connections_close(struct connections *c);
void connections_destroy(struct connections **cp);
#endif
