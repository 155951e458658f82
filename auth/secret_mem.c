#include "auth/secret_mem.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <openssl/crypto.h>
#include "gateway/base/err.h"
#include "gateway/runtime/log.h"

/* It works without, but whoever runs this should know that swap may hold secrets. */
static void warn_once(int error)
{
    static atomic_flag warned = ATOMIC_FLAG_INIT;
    struct rlimit limit = {0};

    if (!atomic_flag_test_and_set(&warned)) {
        (void)getrlimit(RLIMIT_MEMLOCK, &limit);
        log_warn(
            "auth", "secrets_not_locked",
            "\"error\":%s,\"limit_bytes\":%llu,\"next\":\"secrets may reach swap: raise the limit "
            "of locked memory (systemd: LimitMEMLOCK=64M, shell: ulimit -l), or run without swap\"",
            log_json(strerror(error)), (unsigned long long)limit.rlim_cur);
    }
}

void *secret_mem_get(size_t len)
{
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    GW_ASSERT(p != MAP_FAILED);
    if (mlock(p, len) != 0) {
        warn_once(errno);
    }
    (void)madvise(p, len, MADV_DONTDUMP); /* every kernel that we run on has it */
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
