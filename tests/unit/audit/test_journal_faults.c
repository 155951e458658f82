/* The emergency journal: what was acknowledged is found again, whatever happened in between. Run with
 * arguments, this program is the child that is killed or whose disk fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>
#include "tests/unit/audit/journal_fixture.h"

/* --- children --------------------------------------------------------------------------------- */

/* What a record with the number N holds: anyone can tell whether it is whole. */
static size_t payload_of(char *text, uint64_t n)
{
    size_t len = 20 + (size_t)(n * 7919 % (n % 17 == 0 ? 60000 : 700));

    memset(text, (char)('a' + n % 26), len);
    (void)snprintf(text, 21, "%020llu", (unsigned long long)n);
    text[20] = (char)('a' + n % 26);
    return len;
}

struct child {
    struct world w;
    uint64_t next;
    unsigned open;
    unsigned total; /* 0: until killed */
    unsigned failed;
};

static void tell(char what, const char *id)
{
    char line[32];
    int n = snprintf(line, sizeof line, "%c%s\n", what, id);

    if (write(1, line, (size_t)n) != n) {
        _exit(3);
    }
}

static void child_go(struct child *c);

static void child_retired(void *arg, enum gw_err err, const char *id)
{
    struct child *c = arg;

    c->open--;
    if (err == GW_OK) {
        tell('R', id);
    }
    child_go(c);
}

static void child_appended(void *arg, enum gw_err err, const char *id)
{
    struct child *c = arg;

    c->open--;
    tell(err == GW_OK ? 'A' : 'F', id);
    child_go(c);
}

/* Keeps a few calls under way: mostly appends, but retires more when much lives. */
static void child_go(struct child *c)
{
    static char text[61000];

    while (c->open < 6 && (c->total == 0 || c->next < c->total)) {
        size_t live = journal_count(c->w.j);
        char id[ULID_SIZE];

        c->open++;
        if (live > 0 && (live > 40 || rnd() % 3 == 0)) {
            (void)snprintf(id, sizeof id, "%s", journal_at(c->w.j, rnd() % live)->id);
            tell('r', id); /* from now on it may be gone */
            c->next += c->total != 0;
            if (journal_retire(c->w.j, id, child_retired, c) != GW_OK) {
                _exit(4);
            }
        } else {
            size_t len = payload_of(text, c->next++);

            if (journal_append(c->w.j, text, len, child_appended, c, id) != GW_OK) {
                _exit(5);
            }
        }
    }
}

static int child_main(const char *folder, uint64_t seed, unsigned total)
{
    static struct child c;
    struct buf why = {0};

    memcpy(dir, folder, sizeof dir);
    random_state = seed;
    c.next = total != 0 ? 0 : seed % 1000000;
    c.total = total;
    if (open_in(&c.w, &why) == NULL) {
        (void)dprintf(2, "%s\n", buf_cstr(&why));
        return 6;
    }
    child_go(&c);
    (void)uv_run(&c.w.loop, UV_RUN_DEFAULT);
    return 0;
}

/* What the parent knows of each record. */
static struct known {
    char id[ULID_SIZE];
    bool acked;
    bool asked_away;
    bool gone;
} * known;
static size_t known_count;

static struct known *know(const char *id)
{
    for (size_t i = known_count; i > 0; i--) {
        if (strcmp(known[i - 1].id, id) == 0) {
            return &known[i - 1];
        }
    }
    known = gw_realloc(known, (known_count + 1) * sizeof *known);
    known[known_count] = (struct known){0};
    (void)snprintf(known[known_count].id, ULID_SIZE, "%s", id);
    return &known[known_count++];
}

/* Starts a child with ARGV, kills it after MS (0: waits), and notes what it acknowledged. */
static void run_child(const char *const *argv, unsigned ms, unsigned *failed)
{
    int out[2];
    FILE *in;
    pid_t pid;
    char line[64];
    int code = 0;

    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        (void)dup2(out[1], 1);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(126);
    }
    close(out[1]);
    in = fdopen(out[0], "r");
    if (ms != 0) {
        (void)usleep(ms * 1000);
        (void)kill(pid, SIGKILL);
    }
    while (fgets(line, sizeof line, in) != NULL) {
        size_t n = strcspn(line, "\n");

        if (line[n] != '\n') {
            break; /* killed while it spoke */
        }
        line[n] = '\0';
        if (line[0] == 'F') {
            (*failed)++;
            continue;
        }
        know(line + 1)->acked |= line[0] == 'A';
        know(line + 1)->asked_away |= line[0] == 'r';
        know(line + 1)->gone |= line[0] == 'R';
    }
    (void)fclose(in);
    (void)waitpid(pid, &code, 0);
    if (ms == 0 && (!WIFEXITED(code) || WEXITSTATUS(code) != 0)) {
        fail_msg("the child ended with %x", code);
    }
}

static bool lives_in(const struct journal *j, const char *id)
{
    size_t i = 0;

    while (i < journal_count(j) && strcmp(journal_at(j, i)->id, id) != 0) {
        i++;
    }
    return i < journal_count(j);
}

/* Everything acknowledged is there and whole; what is gone is gone. Forgets what cannot come back. */
static unsigned check_journal(void)
{
    static char text[61000];
    struct world w;
    unsigned found = 0;
    size_t kept = 0;

    must_open(&w);
    for (size_t i = 0; i < journal_count(w.j); i++) {
        const struct journal_record *r = journal_at(w.j, i);
        size_t len = payload_of(text, strtoull(r->payload, NULL, 10));

        assert_int_equal(r->len, len);
        assert_memory_equal(r->payload, text, len);
        assert_false(know(r->id)->gone);
        know(r->id)->acked = true; /* found: from now on it must stay */
    }
    for (size_t i = 0; i < known_count; i++) {
        bool lives = lives_in(w.j, known[i].id);

        if (known[i].acked && !known[i].asked_away && !lives) {
            fail_msg("acknowledged record %s is lost", known[i].id);
        }
        found += lives;
        if (lives) {
            known[i].asked_away = false;
            known[kept++] = known[i];
        }
    }
    known_count = kept;
    shut(&w);
    return found;
}

static void killed_two_hundred_times(void **state)
{
    unsigned found = 0;
    unsigned failed = 0;
    unsigned acked = 0;
    char seed[24];

    (void)state;
    wipe();
    known_count = 0;
    for (unsigned round = 0; round < 200; round++) {
        const char *argv[] = {"/proc/self/exe", "child", dir, seed, "0", NULL};

        (void)snprintf(seed, sizeof seed, "%llu", (unsigned long long)(rnd() % 1000000000));
        run_child(argv, 4 + (unsigned)(rnd() % 60), &failed);
        for (size_t i = 0; i < known_count; i++) {
            acked += known[i].acked;
        }
        found += check_journal();
    }
    assert_int_equal(failed, 0);
    print_message("200 kills, %u times an acknowledged record was to be found, %u found in all\n",
                  acked, found);
    assert_true(acked > 1000);
}

/* --- a failing disk, by libfiu ---------------------------------------------------------------- */

#define RANDOM(point, p, error)                                                                    \
    "enable_random name=posix/io/" point ",probability=" p ",failinfo=" error
static const char *const faults[][2] = {
    {RANDOM("sync/fdatasync", "0.3", "5"), NULL},
    {RANDOM("sync/fsync", "0.3", "5"), RANDOM("sync/fdatasync", "0.5", "5")},
    {RANDOM("rw/pwrite", "0.2", "28"), NULL},
    {RANDOM("rw/pwrite/reduce", "0.5", "0"), RANDOM("rw/pwrite", "0.1", "5")},
    {RANDOM("dir/rename", "0.5", "5"), RANDOM("sync/fdatasync", "0.3", "5")},
};

static void run_with_faults(const char *const both[2], unsigned *failed)
{
    char self[256];
    char seed[24];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    const char *argv[16] = {"fiu-run", "-x", "-f", "", "-c", both[0]};
    unsigned at = 6;
    struct world w;

    assert_true(n > 0);
    self[n] = '\0';
    (void)snprintf(seed, sizeof seed, "%llu", (unsigned long long)(rnd() % 1000000000));
    if (both[1] != NULL) {
        argv[at++] = "-c";
        argv[at++] = both[1];
    }
    argv[at++] = self;
    argv[at++] = "child";
    argv[at++] = dir;
    argv[at++] = seed;
    argv[at++] = "400";
    wipe();
    known_count = 0;
    must_open(&w); /* so that the child's opening has nothing to write */
    shut(&w);
    run_child(argv, 0, failed);
    (void)check_journal();
}

static void a_failing_disk(void **state)
{
    unsigned failed = 0;

    (void)state;
    if (access("/usr/bin/fiu-run", X_OK) != 0) {
        print_message("skipped: fiu-run is not installed; next: apt-get install fiu-utils\n");
        skip();
    }
    for (size_t f = 0; f < GW_LEN(faults); f++) {
        unsigned before = failed;

        for (unsigned round = 0; round < 6; round++) {
            run_with_faults(faults[f], &failed);
        }
        print_message("%s: %u records refused\n", faults[f][0], failed - before);
        if (f != 0) { /* alone, a failed fdatasync is mended by writing anew */
            assert_true(failed > before);
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failing_disk),
        cmocka_unit_test(killed_two_hundred_times),
    };

    if (argc == 5 && strcmp(argv[1], "child") == 0) {
        /* libfiu leaves memory behind, which is not ours to look for */
        _exit(
            child_main(argv[2], strtoull(argv[3], NULL, 10), (unsigned)strtoul(argv[4], NULL, 10)));
    }
    return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
