#include "auth/scopes.h"

#include <string.h>

#define SCOPE_AS_ROW(sym, bit, word, admin, help) [bit] = {word, admin, help},
const struct scope_row scope_rows[SCOPE_COUNT] = {AUTH_SCOPES(SCOPE_AS_ROW)};

uint64_t scopes_admin(void)
{
    uint64_t out = 0;

    for (unsigned i = 0; i < SCOPE_COUNT; i++) {
        out |= (uint64_t)scope_rows[i].admin << i;
    }
    return out;
}

bool scope_parse(const char *word, size_t len, enum auth_scope *out)
{
    for (unsigned i = 0; i < SCOPE_COUNT; i++) {
        if (strlen(scope_rows[i].word) == len && memcmp(scope_rows[i].word, word, len) == 0) {
            *out = (enum auth_scope)i;
            return true;
        }
    }
    return false;
}
