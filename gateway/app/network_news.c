#include "gateway/app/network_news.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/base/buf.h"
#include "gateway/base/json_put.h"

/* One that is on its way to the incidents. */
struct telling {
    struct network_news *news;
    char key_id[KEY_ID_MAX + 1];
    char network[KEY_NET_TEXT_SIZE];
};

/* Not stored: it comes again. */
static void on_stored(void *arg, bool stored, uint64_t number)
{
    struct telling *t = arg;

    (void)number;
    if (stored) {
        keys_told(t->news->keys, t->key_id, t->network);
    }
    free(t);
}

static void on_network(void *arg, const char *key_id, const char *account, const char *network)
{
    struct network_news *n = arg;
    struct telling *t;
    struct buf key = {0};
    struct buf summary = {0};
    struct buf details = {0};
    struct incident_signal s = {.source = "gateway",
                                .severity = SEV3,
                                .title = "A watched key is used from a new network",
                                .class_ = "",
                                .playbook = "",
                                .symbol = "",
                                .component = ""};

    if (!n->config->enabled || !n->config->new_network) {
        keys_told(n->keys, key_id, network);
        return;
    }
    t = gw_calloc(1, sizeof *t);
    t->news = n;
    (void)snprintf(t->key_id, sizeof t->key_id, "%s", key_id);
    (void)snprintf(t->network, sizeof t->network, "%s", network);
    buf_printf(&key, "gateway:new_network:%s:%s", key_id, network);
    buf_printf(&summary,
               "%s of account %s was used from %s, where it was never seen; portctl key usage %s "
               "shows for what. When its owner does not know why: portctl key revoke %s",
               key_id, account, network, key_id, key_id);
    buf_putc(&details, '{');
    json_put_text(&details, "gateway", n->gateway);
    json_put_text(&details, "key", key_id);
    json_put_text(&details, "account", account);
    json_put_text(&details, "network", network);
    buf_putc(&details, '}');
    s.key = buf_cstr(&key);
    s.summary = buf_cstr(&summary);
    s.details = buf_cstr(&details);
    incidents_signal(n->incidents, &s, on_stored, t);
    buf_fini(&key);
    buf_fini(&summary);
    buf_fini(&details);
}

void network_news_start(struct network_news *n)
{
    keys_on_new_network(n->keys, on_network, n);
}
