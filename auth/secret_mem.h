/* auth/secret_mem.h - memory for secrets: locked as far as the limits allow, left out of core dumps,
 * wiped before it is given back.
 * Where they do not allow it, that is logged once.
 * Why: swap and core files outlive the process and are read by others.
 * Owner: whoever asked for it. */
#ifndef AUTH_SECRET_MEM_H
#define AUTH_SECRET_MEM_H
#include <stddef.h>

/* Zeroed, page-aligned. LEN > 0. */
void *secret_mem_get(size_t len);
/* Takes *P; NULL is fine. LEN as it was asked for. */
void secret_mem_put(void **p, size_t len);
#endif
