#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "auth/secret_mem.h"

/* AddressSanitizer puts a mlock() in its place that does nothing. */
#ifndef __has_feature
#define __has_feature(x) 0 /* gcc */
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define LOCKS false
#else
#define LOCKS true
#endif

/* Without the right to lock memory, two secrets; what is logged goes to FD. */
static void unlocked(int fd)
{
    const struct rlimit none = {0, 0};
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct caps[2];
    void *one;
    void *two;

    if (dup2(fd, STDERR_FILENO) < 0 || syscall(SYS_capget, &header, caps) != 0) {
        _exit(2);
    }
    caps[0].effective &= ~(1u << CAP_IPC_LOCK);
    if (syscall(SYS_capset, &header, caps) != 0 || setrlimit(RLIMIT_MEMLOCK, &none) != 0) {
        _exit(3);
    }
    one = secret_mem_get(100);
    two = secret_mem_get(100);
    memset(one, 'x', 100); /* it is there all the same */
    secret_mem_put(&one, 100);
    secret_mem_put(&two, 100);
    _exit(one == NULL && two == NULL ? 0 : 4);
}

static void a_limit_on_locked_memory_is_told_once(void **state)
{
    char text[2048] = "";
    size_t len = 0;
    ssize_t got;
    int ends[2];
    int status = 0;
    pid_t child;
    const char *line;

    (void)state;
    if (!LOCKS) {
        skip();
    }
    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        unlocked(ends[1]);
    }
    (void)close(ends[1]);
    while ((got = read(ends[0], text + len, sizeof text - 1 - len)) > 0) {
        len += (size_t)got;
    }
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    line = strstr(text, "\"event\":\"secrets_not_locked\"");
    assert_non_null(line);
    assert_non_null(strstr(line, "LimitMEMLOCK"));
    assert_null(strstr(line + 1, "\"event\":\"secrets_not_locked\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_on_locked_memory_is_told_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
