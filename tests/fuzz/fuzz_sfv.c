/* links: gw_auth */
#include <stdlib.h>
#include "auth/digest.h"
#include "auth/sfv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static size_t write_all(const struct sfv_dict *d, char *text, size_t cap)
{
    struct auth_out o = {.s = text, .cap = cap};

    for (unsigned i = 0; i < d->member_count; i++) {
        auth_put(&o, ", ", i != 0 ? 2 : 0);
        auth_put_text(&o, d->members[i].key);
        auth_put_lit(&o, "=");
        sfv_write(d, &d->members[i], &o);
    }
    GW_ASSERT(!o.full);
    return o.len;
}

/* What was read and is written reads again, and is then written the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct sfv_dict d;
    static char once[2 * SFV_MAX_BYTES]; /* "=?1" is added to bare keys */
    static char twice[2 * SFV_MAX_BYTES];
    const struct auth_text text = {(const char *)data, len};
    enum sfv_result err = sfv_parse(text, &d);

    GW_ASSERT(d.error_at <= len || err == SFV_TOO_LONG);
    (void)!digest_verify(text, text);
    if (err == SFV_OK) {
        size_t first = write_all(&d, once, sizeof once);
        size_t second;

        if (first > SFV_MAX_BYTES) {
            return 0;
        }
        GW_ASSERT(sfv_parse((struct auth_text){once, first}, &d) == SFV_OK);
        second = write_all(&d, twice, sizeof twice);
        GW_ASSERT(first == second && memcmp(once, twice, first) == 0);
    }
    return 0;
}
