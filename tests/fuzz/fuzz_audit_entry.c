/* links: gw_audit */
#include <stdlib.h>
#include "gateway/audit/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What is read as a record is what would be written for it, byte by byte; redaction leaves JSON. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct buf arena;
    static struct buf again;
    struct audit_entry e;
    const char *field = NULL;

    if (audit_entry_parse((const char *)data, len, &arena, &e, &field) == GW_OK) {
        struct audit_entry *copy = audit_entry_copy(&e);

        buf_reset(&again);
        audit_entry_json(copy, &again);
        GW_ASSERT(again.len == len && memcmp(again.data, data, len) == 0);
        (void)!audit_entry_check(copy, &field);
        free(copy);
    }
    buf_reset(&again);
    (void)audit_text_clean(&again, (const char *)data, len, 64);
    GW_ASSERT(audit_text_valid(again.data, again.len - 1) && again.len <= 65);
    buf_reset(&again);
    audit_redact((const char *)data, len, &again);
    return 0;
}
