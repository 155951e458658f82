/* auth/signature_priv.h - what the files of the signature share.
 * Owner: auth/signature*.c. */
#ifndef AUTH_SIGNATURE_PRIV_H
#define AUTH_SIGNATURE_PRIV_H
#include "auth/signature.h"

/* Prints the reason into WHY and returns FAULT. */
enum auth_fault signature_refuse(char *why, enum auth_fault fault, const char *fmt, ...)
    GW_PRINTF(3, 4);
/* How often field NAME (lower case) came; *VALUE is the first one, without white space around. */
unsigned signature_field(const struct signature_message *m, struct auth_text name,
                         struct auth_text *value);
#endif
