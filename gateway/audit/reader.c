#include "gateway/audit/reader.h"

#include <string.h>

void audit_reader_init(struct audit_reader *r, struct audit_chain *chain)
{
    *r = (struct audit_reader){.chain = chain};
}

void audit_reader_fini(struct audit_reader *r)
{
    buf_fini(&r->partial);
    buf_fini(&r->arena);
}

static bool take_line(struct audit_reader *r, const char *line, size_t len)
{
    struct audit_entry e;

    if (audit_entry_parse(line, len, &r->arena, &e, &r->bad_field) != GW_OK) {
        audit_chain_unreadable(r->chain);
        return false;
    }
    return audit_chain_feed(r->chain, &e);
}

bool audit_reader_feed(struct audit_reader *r, const char *data, size_t len)
{
    const char *end = data + len;

    while (data < end && r->chain->result.fault == AUDIT_WHOLE) {
        const char *stop = memchr(data, '\n', (size_t)(end - data));
        size_t n = (size_t)((stop != NULL ? stop : end) - data);

        if (stop != NULL && r->partial.len == 0) {
            (void)take_line(r, data, n);
        } else {
            buf_append(&r->partial, data, n);
            if (stop != NULL || r->partial.len > AUDIT_LINE_MAX) {
                (void)take_line(r, r->partial.data, r->partial.len);
                buf_reset(&r->partial);
            }
        }
        data += n + (stop != NULL);
    }
    return r->chain->result.fault == AUDIT_WHOLE;
}

void audit_reader_end(struct audit_reader *r, bool complete)
{
    if (r->partial.len > 0) {
        r->bad_field = "line";
        audit_chain_unreadable(r->chain);
    }
    audit_chain_end(r->chain, complete);
}
