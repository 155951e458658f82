#include "load/wsflood_process.h"

#include <stdio.h>
#include <sys/resource.h>

#define SPARE 64u /* stdio, epoll, listener, /proc */

bool process_raise_fds(uint32_t connections, const char *program)
{
    rlim_t need = (rlim_t)connections + SPARE;
    struct rlimit limit;
    struct rlimit wanted;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= need) {
        return true;
    }
    wanted.rlim_cur = need;
    wanted.rlim_max = limit.rlim_max >= need ? limit.rlim_max : need;
    if (setrlimit(RLIMIT_NOFILE, &wanted) == 0) {
        return true;
    }
    fprintf(stderr,
            "%s: %llu descriptors are needed and the hard limit is %llu: raise it (ulimit -Hn, or "
            "LimitNOFILE= in a unit), run as root, or ask for fewer connections\n",
            program, (unsigned long long)need, (unsigned long long)limit.rlim_max);
    return false;
}

uint64_t process_cpu_us(void)
{
    struct rusage u;

    (void)getrusage(RUSAGE_SELF, &u);
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

int64_t process_clock_ns(clockid_t id)
{
    struct timespec t;

    (void)clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
