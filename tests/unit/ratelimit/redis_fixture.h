/* tests/unit/ratelimit/redis_fixture.h - a redis-server of the test's own, on a unix socket.
 * Why: what it does with the script, with signals and after a restart is not to be imagined.
 * Owner: the test; the server dies with it. */
#ifndef TESTS_UNIT_RATELIMIT_REDIS_FIXTURE_H
#define TESTS_UNIT_RATELIMIT_REDIS_FIXTURE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <hiredis/hiredis.h>

struct redis_fixture {
    char dir[32];
    char socket[64];
    char endpoint[80];
    pid_t pid; /* 0: not running */
    redisContext *direct;
};

static inline void fixture_exec(const struct redis_fixture *f)
{
    int null = open("/dev/null", O_RDWR);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(null, 0);
    dup2(null, 1);
    dup2(null, 2);
    execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", f->socket, "--save", "",
           "--enable-debug-command", "local", "--appendonly", "no", "--dir", f->dir, (char *)NULL);
    _exit(127);
}

/* False: there is no redis-server here. */
static inline bool fixture_start(struct redis_fixture *f)
{
    int status;

    f->pid = fork();
    assert_true(f->pid >= 0);
    if (f->pid == 0) {
        fixture_exec(f);
    }
    for (int tries = 0; tries < 500; tries++) {
        redisContext *c = redisConnectUnix(f->socket);
        redisReply *pong = c != NULL && c->err == 0 ? redisCommand(c, "PING") : NULL;

        if (pong != NULL && pong->type == REDIS_REPLY_STATUS) {
            freeReplyObject(pong);
            f->direct = c;
            return true;
        }
        freeReplyObject(pong);
        redisFree(c);
        if (waitpid(f->pid, &status, WNOHANG) == f->pid) {
            f->pid = 0;
            return false;
        }
        usleep(10000);
    }
    fail_msg("redis-server does not answer");
    return false;
}

static inline void fixture_kill(struct redis_fixture *f)
{
    redisFree(f->direct);
    f->direct = NULL;
    if (f->pid != 0) {
        kill(f->pid, SIGKILL);
        waitpid(f->pid, NULL, 0);
    }
    f->pid = 0;
}

static inline int fixture_setup(void **state)
{
    struct redis_fixture *f = calloc(1, sizeof *f);

    strcpy(f->dir, "/tmp/limits-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->socket, sizeof f->socket, "%s/redis.sock", f->dir);
    snprintf(f->endpoint, sizeof f->endpoint, "unix:%s", f->socket);
    if (!fixture_start(f)) {
        print_message("no redis-server here: tests with Redis are skipped\n");
    }
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct redis_fixture *f = *state;

    fixture_kill(f);
    unlink(f->socket);
    rmdir(f->dir);
    free(f);
    return 0;
}

static inline struct redis_fixture *fixture_need(void **state)
{
    struct redis_fixture *f = *state;

    if (f->pid == 0) {
        skip();
    }
    return f;
}

/* Must answer, and not with an error. The caller frees. */
static inline redisReply *fixture_call(struct redis_fixture *f, int argc, const char **argv)
{
    redisReply *reply = redisCommandArgv(f->direct, argc, argv, NULL);

    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR) {
        fail_msg("%s: %s", argv[0], reply->str);
    }
    return reply;
}

static inline void fixture_flush(struct redis_fixture *f)
{
    const char *argv[] = {"FLUSHALL"};

    freeReplyObject(fixture_call(f, 1, argv));
}
#endif
