/* auth/sfv.h - strict reader of structured field dictionaries. Pure, bounded, fuzzed.
 * Why: Signature-Input, Signature and Content-Digest are dictionaries; a lenient reader of them is
 * a way around the signature.
 * Owner: the caller, who owns struct sfv_dict and the text that its slices borrow.
 * Invariant: what was read and is written again reads the same, and is written the same.
 * Source: RFC 9651 (and RFC 8941) sections 3, 4.2. Stricter than those: a key twice is refused
 * instead of the last one winning, base64 has one spelling; decimals, dates and display strings,
 * which none of these fields has, are refused. */
#ifndef AUTH_SFV_H
#define AUTH_SFV_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "auth/text.h"
#include "gateway/base/err.h"

#define SFV_MAX_BYTES   2048u
#define SFV_MAX_MEMBERS 8u
#define SFV_MAX_ITEMS   24u /* in all inner lists together */
#define SFV_MAX_PARAMS  24u /* of all members and items together */

enum sfv_result { SFV_OK, SFV_SYNTAX, SFV_DUPLICATE, SFV_TOO_LONG };
enum sfv_type { SFV_INTEGER, SFV_STRING, SFV_TOKEN, SFV_BYTES, SFV_BOOLEAN };

struct sfv_value {
    enum sfv_type type;
    int64_t integer;       /* SFV_INTEGER; SFV_BOOLEAN: 0 or 1 */
    struct auth_text text; /* string: between the quotes, its escapes still in; bytes: base64 */
};
struct sfv_param {
    struct auth_text key;
    struct sfv_value value;
};
struct sfv_range {
    unsigned first; /* in dict->params or dict->items */
    unsigned count;
};
struct sfv_item {
    struct sfv_value value;
    struct sfv_range params;
};
struct sfv_member {
    struct auth_text key;
    bool is_list;
    struct sfv_value value; /* unless is_list */
    struct sfv_range items; /* if is_list */
    struct sfv_range params;
};
struct sfv_dict {
    unsigned member_count;
    unsigned item_count;
    unsigned param_count;
    size_t error_at; /* byte at which reading stopped, when it failed */
    struct sfv_member members[SFV_MAX_MEMBERS];
    struct sfv_item items[SFV_MAX_ITEMS];
    struct sfv_param params[SFV_MAX_PARAMS];
};

/* Reads all of TEXT, which D then borrows. An empty text is an empty dictionary. */
GW_MUSTCHECK
enum sfv_result sfv_parse(struct auth_text text, struct sfv_dict *d);
/* The parameter KEY in RANGE, or NULL. Borrowed from D. */
const struct sfv_value *sfv_param(const struct sfv_dict *d, struct sfv_range range,
                                  const char *key);
/* Bytes of an SFV_BYTES. False when V is another type or has more than CAP bytes. */
GW_MUSTCHECK
bool sfv_bytes(const struct sfv_value *v, uint8_t *out, size_t cap, size_t *len);
/* Writes the value of MEMBER in canonical form, RFC 9651 section 4.1; O may become full. */
void sfv_write(const struct sfv_dict *d, const struct sfv_member *member, struct auth_out *o);
#endif
