/* auth/base64.h - the one spelling of base64 that is accepted.
 * Why: two texts for the same bytes would be two spellings of one signature.
 * Owner: none, pure. Not in constant time: for what the sender knows anyway, not for secrets.
 * Invariant: what decodes, encodes to the same text again. Source: RFC 4648 sections 3.5, 4. */
#ifndef AUTH_BASE64_H
#define AUTH_BASE64_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Standard alphabet, padding required, unused bits zero, no white space. False when TEXT is not
 * that or needs more than CAP bytes. OUT may be NULL: only *LEN is told. */
bool base64_decode(const char *text, size_t text_len, uint8_t *out, size_t cap, size_t *len);
#endif
