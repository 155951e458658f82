/* links: gateway/core/entry.c gateway/core/command.c gw_core */
#include <string.h>
#include "gateway/base/err.h"
#include "gateway/core/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void ignore(void *arg, const struct core_command_view *c)
{
    (void)arg;
    (void)c;
}

/* Whatever cores and gateways write: refused, or inside every bound; a command prints as JSON that is
 * taken again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct core_commands *t = core_commands_create(2, ignore, NULL);
    struct core_request r;
    struct core_ack a;

    if (core_ack_parse((const char *)data, len, &a) == ENTRY_OK) {
        GW_ASSERT(core_name_valid(a.core));
        GW_ASSERT(a.type != CORE_ACK_COMMAND || core_id_valid(a.id, strlen(a.id)));
        GW_ASSERT(a.count <= CORE_NUMBER_MAX && a.version <= CORE_NUMBER_MAX);
    }
    if (core_request_parse((const char *)data, len, &r) == ENTRY_OK && !r.cancel) {
        struct core_command_view view;
        struct buf b = {0};
        char id[CORE_ID_SIZE];

        memcpy(id, r.id, sizeof id);
        GW_ASSERT(core_commands_add(t, &r, 0, 0) && core_commands_get(t, id, &view));
        core_command_print(&b, &view);
        GW_ASSERT(memchr(b.data, '\n', b.len) == NULL);
        buf_fini(&b);
    }
    core_request_fini(&r);
    core_commands_destroy(&t);
    return 0;
}
