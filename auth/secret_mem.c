#include "auth/secret_mem.h"

#include <openssl/crypto.h>
#include <sys/mman.h>
#include "gateway/base/err.h"

void *secret_mem_get(size_t len)
{
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    GW_ASSERT(p != MAP_FAILED);
    (void)mlock(p, len); /* RLIMIT_MEMLOCK may be small */
    (void)madvise(p, len, MADV_DONTDUMP);
    return p;
}

void secret_mem_put(void **p, size_t len)
{
    if (*p != NULL) {
        OPENSSL_cleanse(*p, len);
        (void)munmap(*p, len);
        *p = NULL;
    }
}
