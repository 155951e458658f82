#include "gateway/runtime/json.h"

#include "gateway/base/fixed.h"

void json_setup(void)
{
    json_object_seed(0);
}

/* Does TEXT nest deeper than MAX? Strings are skipped; anything malformed is jansson's to refuse.
 */
static bool too_deep(const char *text, size_t len, unsigned max)
{
    unsigned depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > max) {
                return true;
            }
        } else if ((c == '}' || c == ']') && depth != 0) {
            depth--;
        }
    }
    return false;
}

json_t *json_parse_strict(const char *text, size_t len, unsigned max_depth)
{
    json_error_t error;

    if (too_deep(text, len, max_depth)) {
        return NULL;
    }
    return json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
}

bool json_read_u64(const json_t *v, uint64_t *out)
{
    if (json_is_integer(v)) {
        if (json_integer_value(v) < 0) {
            return false;
        }
        *out = (uint64_t)json_integer_value(v);
        return true;
    }
    return json_is_string(v) &&
           u64_parse(json_string_value(v), json_string_length(v), out) == GW_OK;
}
