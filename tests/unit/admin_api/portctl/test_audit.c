/* audit verify: exit codes and words, over files it has not made itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>
#include "admin_api/portctl/handlers.h"
#include "gateway/audit/note.h"
#include "tests/unit/audit/entries.h"

#define RECORDS 50u

static char dir[] = "/tmp/gwportctl.XXXXXX";
static char said[4000]; /* stdout of the last run */

static const char *in_dir(const char *name)
{
    static char path[4][80];
    static unsigned at;

    at = (at + 1) % 4;
    (void)snprintf(path[at], sizeof path[at], "%s/%s", dir, name);
    return path[at];
}

static void put_file(const char *name, const char *data, size_t len)
{
    FILE *f = fopen(in_dir(name), "w");

    assert_true(f != NULL && fwrite(data, 1, len, f) == len);
    (void)fclose(f);
}

/* portctl LINE, where @NAME is a file of the test's folder. */
static enum portctl_exit run(const char *line)
{
    char copy[400];
    char paths[8][80];
    char *argv[24] = {(char *)(uintptr_t) "portctl"};
    struct args a;
    struct buf why = {0};
    int argc = 1;
    unsigned n = 0;
    enum portctl_exit code;
    int was = dup(1);
    int out = open(in_dir("out"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    ssize_t len;

    (void)snprintf(copy, sizeof copy, "%s", line);
    for (char *w = strtok(copy, " "); w != NULL; w = strtok(NULL, " ")) {
        if (w[0] == '@') {
            (void)snprintf(paths[n], sizeof paths[n], "%s/%s", dir, w + 1);
            w = paths[n++];
        }
        argv[argc++] = w;
    }
    if (!args_parse(argc, argv, &a, &why)) {
        fail_msg("%s", buf_cstr(&why));
    }
    assert_true(a.command->local);
    (void)fflush(stdout);
    (void)dup2(out, 1);
    code = a.command->run(NULL, &a);
    (void)fflush(stdout);
    (void)dup2(was, 1);
    len = pread(out, said, sizeof said - 1, 0);
    said[len > 0 ? len : 0] = '\0';
    (void)close(was);
    (void)close(out);
    buf_fini(&why);
    return code;
}

static int make_files(void **state)
{
    struct buf all = {0};
    struct buf notes = {0};
    struct buf key = {0};
    struct buf scratch = {0};
    uint8_t hash[32] = {0};
    uint8_t seed[32] = {3};
    struct note_signer *s = note_signer_create("exchange.example/audit", seed);
    size_t fifth = 0;

    (void)state;
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    for (unsigned i = 0; i < RECORDS; i++) {
        struct sample sample;

        sample_make(&sample, i);
        audit_entry_seal(&sample.e, i, hash, &scratch);
        memcpy(hash, sample.e.hash, 32);
        audit_entry_json(&sample.e, &all);
        buf_putc(&all, '\n');
        if (i == 4) {
            fifth = all.len;
        }
        if (i % 10 == 9) {
            struct checkpoint_note c = {.time_ns = 1790000000000000000};

            c.mark.seq = i + 1;
            memcpy(c.mark.hash, hash, 32);
            checkpoint_sign(s, &c, &notes);
            buf_putc(&notes, '\n');
        }
    }
    note_key_print(note_signer_key(s), &key);
    buf_putc(&key, '\n');
    put_file("all", all.data, all.len);
    put_file("short", all.data, fifth);
    put_file("tail", all.data + fifth, all.len - fifth);
    put_file("notes", notes.data, notes.len);
    put_file("key", key.data, key.len);
    *(char *)memmem(all.data + fifth, all.len - fifth, "user:ana", 8) = 'U';
    put_file("edited", all.data, all.len);
    note_signer_destroy(&s);
    buf_fini(&all);
    buf_fini(&notes);
    buf_fini(&key);
    buf_fini(&scratch);
    return 0;
}

static int drop_files(void **state)
{
    static const char *const names[] = {"all", "short", "tail", "notes", "key", "edited", "out"};

    (void)state;
    for (size_t i = 0; i < GW_LEN(names); i++) {
        (void)unlink(in_dir(names[i]));
    }
    return rmdir(dir);
}

#define WITH " --anchors @notes --key @key"

static void whole(void **state)
{
    (void)state;
    assert_int_equal(run("audit verify --file @all" WITH), PORTCTL_DONE);
    assert_string_equal(said,
                        "50 records whole and in order, seq 1 to 50; 5 anchors match, the last "
                        "at seq 50\n");
    assert_int_equal(run("audit verify --file @all"), PORTCTL_DONE);
    assert_non_null(strstr(said, "compared with no anchor"));
    assert_int_equal(run("audit verify --file @tail --from 6" WITH), PORTCTL_DONE);
    assert_int_equal(run("audit verify --file @short --part" WITH), PORTCTL_DONE);
    assert_int_equal(run("audit verify --json --file @all" WITH), PORTCTL_DONE);
    assert_non_null(strstr(said, "{\"ok\":true,\"records\":50,"));
}

static void tampered(void **state)
{
    (void)state;
    assert_int_equal(run("audit verify --file @edited" WITH), PORTCTL_REFUSED);
    assert_memory_equal(said, "edited: the record's contents do not match its hash; seq 7, id 0",
                        64);
    assert_int_equal(run("audit verify --json --file @edited" WITH), PORTCTL_REFUSED);
    assert_non_null(strstr(said, "\"code\":\"edited\""));
    assert_non_null(strstr(said, "\"seq\":7"));
    assert_int_equal(run("audit verify --file @short" WITH), PORTCTL_REFUSED);
    assert_memory_equal(said, "truncated", 9);
    assert_int_equal(run("audit verify --file @tail" WITH), PORTCTL_REFUSED);
    assert_memory_equal(said, "missing", 7);
    assert_int_equal(run("audit verify --file @notes" WITH), PORTCTL_REFUSED);
    assert_non_null(strstr(said, "(at its seq)"));
}

static void unusable(void **state)
{
    (void)state;
    assert_int_equal(run("audit verify --file @nothing"), PORTCTL_USAGE);
    assert_int_equal(run("audit verify --file @all --anchors @notes"), PORTCTL_USAGE);
    assert_int_equal(run("audit verify --file @all --anchors @nothing --key @key"), PORTCTL_USAGE);
    assert_int_equal(run("audit verify --file @all --anchors @notes --key @notes"), PORTCTL_USAGE);
    assert_int_equal(run("audit verify --file @all --anchors @all --key @key"), PORTCTL_USAGE);
    assert_int_equal(run("audit verify --file @all --from 0"), PORTCTL_USAGE);
    assert_string_equal(said, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),
        cmocka_unit_test(tampered),
        cmocka_unit_test(unusable),
    };

    return cmocka_run_group_tests(tests, make_files, drop_files);
}
