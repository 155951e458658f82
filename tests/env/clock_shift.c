/* tests/env/clock_shift.c - LD_PRELOAD: a process whose clocks are off by what a file says, now.
 * Why: a clock that is set back, and two minutes that pass in a moment, without touching the machine's.
 *   cc -shared -fPIC -O1 -o clock_shift.so clock_shift.c -ldl
 * CLOCK_SHIFT_FILE: two int64 of ns, added to the wall clock and to the monotonic one. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift;

__attribute__((constructor)) static void open_file(void)
{
    const char *path = getenv("CLOCK_SHIFT_FILE");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *p;

    if (fd >= 0) {
        p = mmap(NULL, 16, PROT_READ, MAP_SHARED, fd, 0);
        shift = p != MAP_FAILED ? p : NULL;
        close(fd);
    }
}

static void add(struct timespec *ts, int64_t ns)
{
    int64_t sum = ts->tv_nsec + ns % 1000000000;

    ts->tv_sec += ns / 1000000000 + (sum < 0 ? -1 : sum / 1000000000);
    ts->tv_nsec = sum < 0 ? sum + 1000000000 : sum % 1000000000;
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
    static int (*next)(clockid_t, struct timespec *);
    int ret;

    if (next == NULL) {
        next = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    }
    ret = next != NULL ? next(id, ts) : (int)syscall(SYS_clock_gettime, id, ts);
    if (ret == 0 && shift != NULL) {
        if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) {
            add(ts, shift[0]);
        } else if (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE ||
                   id == CLOCK_MONOTONIC_RAW || id == CLOCK_BOOTTIME) {
            add(ts, shift[1]);
        }
    }
    return ret;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    struct timespec ts;
    int ret = clock_gettime(CLOCK_REALTIME, &ts);

    (void)zone;
    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;
    return ret;
}

time_t time(time_t *out)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_REALTIME, &ts);
    if (out != NULL) {
        *out = ts.tv_sec;
    }
    return ts.tv_sec;
}
