/* The emergency journal: what was acknowledged is found again, whatever happened in between. Run with
 * arguments, this program is the child that is killed or whose disk fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "gateway/audit/journal_priv.h"
#include "gateway/runtime/clock.h"
#include "tests/unit/audit/entries.h"

static char dir[] = "/tmp/gwjournal.XXXXXX";
static char file[64];
static struct metric_set *metrics;

/* --- a journal on a loop ---------------------------------------------------------------------- */

struct world {
    uv_loop_t loop;
    struct journal *j;
    unsigned acked;
    unsigned failed;
    bool closed;
};

static struct journal *open_in(struct world *w, struct buf *why)
{
    *w = (struct world){0};
    if (metrics == NULL) {
        metrics = metrics_create(&journal_metrics);
    }
    (void)uv_loop_init(&w->loop);
    w->j = journal_open(&w->loop, dir, metrics, why);
    return w->j;
}

static void on_closed(void *arg)
{
    ((struct world *)arg)->closed = true;
}

static void shut(struct world *w)
{
    if (w->j != NULL) {
        journal_close(w->j, on_closed, w);
        (void)uv_run(&w->loop, UV_RUN_DEFAULT);
        assert_true(w->closed);
        journal_destroy(&w->j);
    }
    assert_int_equal(uv_loop_close(&w->loop), 0);
}

static void on_done(void *arg, enum gw_err err, const char *id)
{
    struct world *w = arg;

    assert_true(ulid_valid(id, strlen(id)));
    w->acked += err == GW_OK;
    w->failed += err != GW_OK;
}

static void add(struct world *w, const char *text, char id[ULID_SIZE])
{
    assert_int_equal(journal_append(w->j, text, strlen(text), on_done, w, id), GW_OK);
}

static void settle(struct world *w)
{
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
}

static void must_open(struct world *w)
{
    struct buf why = {0};

    if (open_in(w, &why) == NULL) {
        fail_msg("%s", buf_cstr(&why));
    }
    buf_fini(&why);
}

static void wipe(void)
{
    static const char *const names[] = {"audit.journal", "audit.journal.lock", "audit.journal.cut",
                                        "audit.journal.new"};

    for (size_t i = 0; i < GW_LEN(names); i++) {
        char path[96];

        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
}

static int make_dir(void **state)
{
    (void)state;
    (void)snprintf(file, sizeof file, "%s", mkdtemp(dir));
    (void)snprintf(file, sizeof file, "%s/audit.journal", dir);
    return 0;
}

static int drop_dir(void **state)
{
    (void)state;
    wipe();
    metrics_fini();
    return rmdir(dir);
}

/* --- the life of records ---------------------------------------------------------------------- */

static void kept_until_retired(void **state)
{
    struct world w;
    struct buf why = {0};
    char id[3][ULID_SIZE];
    struct stat st;
    uint8_t base[32];

    (void)state;
    wipe();
    assert_int_equal(journal_crc32c(0, "123456789", 9), 0xe3069283u); /* RFC 3720, appendix B.4 */
    must_open(&w);
    add(&w, "{\"n\":1}", id[0]);
    add(&w, "{\"n\":2}", id[1]);
    add(&w, "{\"n\":3}", id[2]);
    assert_int_equal(w.acked, 0); /* never inside the call */
    assert_int_equal(journal_count(w.j), 0);
    assert_int_equal(journal_retire(w.j, id[0], NULL, NULL), GW_ENOTFOUND); /* not durable yet */
    settle(&w);
    assert_int_equal(w.acked, 3);
    assert_int_equal(journal_count(w.j), 3);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    /* nobody else may write it */
    {
        struct world other;

        assert_null(open_in(&other, &why));
        assert_non_null(strstr(buf_cstr(&why), "in use by another process\n  next: "));
        shut(&other);
    }
    assert_int_equal(journal_retire(w.j, id[1], on_done, &w), GW_OK);
    settle(&w);
    assert_int_equal(w.acked, 4);
    shut(&w);
    must_open(&w);
    assert_int_equal(journal_count(w.j), 2);
    assert_string_equal(journal_at(w.j, 0)->id, id[0]);
    assert_string_equal(journal_at(w.j, 1)->id, id[2]);
    assert_int_equal(journal_at(w.j, 1)->len, 7);
    assert_memory_equal(journal_at(w.j, 1)->payload, "{\"n\":3}", 7);
    memcpy(base, w.j->link, sizeof base);
    assert_int_equal(journal_retire(w.j, id[2], on_done, &w), GW_OK);
    assert_int_equal(journal_retire(w.j, id[0], on_done, &w), GW_OK);
    settle(&w);
    assert_int_equal(w.j->size, JOURNAL_HEAD_BYTES); /* empty: written anew */
    assert_true(memcmp(base, w.j->link, sizeof base) != 0);
    memcpy(base, w.j->link, sizeof base);
    shut(&w);
    must_open(&w);
    assert_int_equal(journal_count(w.j), 0);
    assert_memory_equal(base, w.j->link, sizeof base); /* the chain of links goes on */
    shut(&w);
    buf_fini(&why);
}

static void limits(void **state)
{
    struct world w;
    char id[ULID_SIZE];
    char *big = gw_calloc(1, JOURNAL_PAYLOAD_MAX + 1);
    unsigned taken = 0;

    (void)state;
    wipe();
    memset(big, 'x', JOURNAL_PAYLOAD_MAX + 1);
    must_open(&w);
    assert_int_equal(journal_append(w.j, big, JOURNAL_PAYLOAD_MAX + 1, NULL, NULL, id), GW_ETOOBIG);
    while (journal_append(w.j, big, JOURNAL_PAYLOAD_MAX, on_done, &w, id) == GW_OK) {
        taken++;
    }
    assert_int_equal(taken, JOURNAL_BYTES_MAX / JOURNAL_PAYLOAD_MAX);
    settle(&w);
    assert_int_equal(w.acked, taken);
    shut(&w);
    must_open(&w); /* groups of several frames come back */
    assert_int_equal(journal_count(w.j), taken);
    shut(&w);
    free(big);
}

/* --- damage ----------------------------------------------------------------------------------- */

static void write_file(const struct buf *text, size_t len)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0 && write(fd, text->data, len) == (ssize_t)len);
    close(fd);
}

static void read_back(struct buf *text, size_t ends[4])
{
    struct world w;
    char id[ULID_SIZE];
    int fd;

    wipe();
    must_open(&w);
    for (unsigned i = 0; i < 4; i++) {
        add(&w, "{\"mode\":\"SOFT_HALT\",\"target\":\"BTC/USD\"}", id);
        settle(&w);
        ends[i] = (size_t)w.j->size;
    }
    shut(&w);
    fd = open(file, O_RDONLY);
    text->len = (size_t)read(fd, buf_room(text, 4096), 4096);
    close(fd);
    assert_int_equal(text->len, ends[3]);
}

static void a_torn_end_is_cut(void **state)
{
    struct buf text = {0};
    size_t ends[4];
    struct world w;
    struct stat st;
    char path[96];

    (void)state;
    read_back(&text, ends);
    (void)snprintf(path, sizeof path, "%s.cut", file);
    for (size_t len = JOURNAL_HEAD_BYTES; len < text.len; len++) {
        size_t want = 0;

        while (want < 4 && ends[want] <= len) {
            want++;
        }
        write_file(&text, len);
        must_open(&w);
        assert_int_equal(journal_count(w.j), want);
        assert_int_equal(w.j->size, want == 0 ? JOURNAL_HEAD_BYTES : ends[want - 1]);
        shut(&w);
        assert_int_equal(stat(file, &st), 0);
        if (len > 48 && len != ends[0] && len != ends[1] && len != ends[2]) {
            assert_int_equal(stat(path, &st), 0);
        }
    }
    /* and it goes on from there */
    write_file(&text, ends[2] + 20);
    must_open(&w);
    add(&w, "{}", path);
    settle(&w);
    shut(&w);
    must_open(&w);
    assert_int_equal(journal_count(w.j), 4);
    shut(&w);
    buf_fini(&text);
}

static void damage_is_refused(void **state)
{
    struct buf text = {0};
    struct buf why = {0};
    size_t ends[4];
    struct world w;
    unsigned refused = 0;
    unsigned cut = 0;

    (void)state;
    read_back(&text, ends);
    for (size_t at = 0; at < text.len; at++) {
        char was = text.data[at];

        text.data[at] = (char)(was ^ 1 << at % 8);
        write_file(&text, text.len);
        buf_reset(&why);
        if (open_in(&w, &why) == NULL) {
            refused++;
            assert_non_null(strstr(buf_cstr(&why), "\n  next: "));
        } else {
            /* only the length of the last frame: as if the rest had not been written */
            assert_true(at >= ends[2] + 4 && at < ends[2] + 8);
            assert_int_equal(journal_count(w.j), 3);
            cut++;
        }
        shut(&w);
        text.data[at] = was;
    }
    assert_true(refused >= text.len - 4 && cut >= 3);
    /* a hole of whole sectors in the last frame: the disk never had it */
    (void)buf_room(&text, 2048);
    memset(text.data + ends[3], 0, 1500);
    write_file(&text, ends[3] + 1500);
    must_open(&w);
    assert_int_equal(journal_count(w.j), 4);
    shut(&w);
    /* a record taken out of the middle */
    memmove(text.data + ends[0], text.data + ends[1], ends[3] - ends[1]);
    write_file(&text, ends[3] - (ends[1] - ends[0]));
    buf_reset(&why);
    assert_null(open_in(&w, &why));
    assert_non_null(strstr(buf_cstr(&why), "a record does not follow from the one before"));
    assert_non_null(strstr(buf_cstr(&why), "keep a copy of the file"));
    shut(&w);
    buf_fini(&text);
    buf_fini(&why);
}

/* --- a disk that is full, for real: a limit on the size of files ------------------------------- */

static void a_full_disk(void **state)
{
    struct rlimit was;
    struct rlimit tight = {.rlim_cur = 100000};
    struct world w;
    char *text = gw_calloc(1, 3000);
    char id[400][ULID_SIZE];
    unsigned durable[400];
    unsigned count = 0;

    (void)state;
    wipe();
    memset(text, 'y', 2999);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    must_open(&w);
    tight.rlim_max = was.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    for (unsigned i = 0; i < 60; i++) {
        unsigned before = w.acked;

        add(&w, text, id[i]);
        settle(&w);
        if (w.acked > before) {
            durable[count++] = i;
        }
    }
    assert_true(w.failed > 10 && count > 20);
    assert_true(journal_failing(w.j));
    assert_int_equal(journal_count(w.j), count);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    add(&w, "{\"again\":true}", id[60]);
    settle(&w);
    assert_false(journal_failing(w.j));
    durable[count++] = 60;
    shut(&w);
    must_open(&w);
    assert_int_equal(journal_count(w.j), count);
    for (unsigned i = 0; i < count; i++) {
        assert_string_equal(journal_at(w.j, i)->id, id[durable[i]]);
    }
    shut(&w);
    free(text);
}

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
        cmocka_unit_test(kept_until_retired),
        cmocka_unit_test(limits),
        cmocka_unit_test(a_torn_end_is_cut),
        cmocka_unit_test(damage_is_refused),
        cmocka_unit_test(a_full_disk),
        cmocka_unit_test(a_failing_disk),
        cmocka_unit_test(killed_two_hundred_times),
    };

    if (argc == 5 && strcmp(argv[1], "child") == 0) {
        return child_main(argv[2], strtoull(argv[3], NULL, 10),
                          (unsigned)strtoul(argv[4], NULL, 10));
    }
    return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
