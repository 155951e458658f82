#include "load/wsflood_fds.h"

#include <stdio.h>
#include <sys/resource.h>

#define SPARE 64u /* stdio, epoll, listener, /proc */

bool fds_raise(uint32_t connections, const char *program)
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
