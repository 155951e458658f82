/* auth/digest.h - Content-Digest of a request, recomputed over the raw body. Pure.
 * Why: the signature covers the field, the field covers the body; without this step a signed
 * request could carry any body.
 * Owner: none.
 * Source: RFC 9530 sections 2, 5: sha-256 and sha-512, the others are ignored. */
#ifndef AUTH_DIGEST_H
#define AUTH_DIGEST_H
#include "auth/fault.h"
#include "auth/text.h"
#include "gateway/base/err.h"

/* At least one known digest in FIELD and every known one must be that of BODY, as it came off the
 * wire; compared in constant time. AUTH_DIGEST_SYNTAX, _UNKNOWN or _MISMATCH. */
GW_MUSTCHECK
enum auth_fault digest_verify(struct auth_text field, struct auth_text body);
#endif
