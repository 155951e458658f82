/* audit verify: an export of the audit log, checked without any server. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/table.h"
#include "admin_api/portctl/text.h"
#include "gateway/audit/anchor_file.h"
#include "gateway/audit/reader.h"

#define PIECE (1u << 20)

struct job {
    struct anchors anchors;
    struct audit_chain chain;
    struct audit_reader reader;
    uint64_t from;
    bool part;
};

/* False: said why. */
static bool load_anchors(const struct args *a, struct job *j, struct audit_result *forked)
{
    const char *path = args_get(a, "anchors");
    const char *key_path = args_get(a, "key");
    struct note_key key;
    struct buf why = {0};
    bool ok = true;

    if ((path != NULL) != (key_path != NULL)) {
        say("--anchors and --key go together: without the key anybody could have signed them");
        say_next("give both; the key lies beside the gateway's, with .pub behind its name");
        return false;
    }
    if (path != NULL && access(path, R_OK) != 0) {
        say("cannot read %s: %s", path, strerror(errno));
        say_next("check --anchors");
        return false;
    }
    if (path != NULL) {
        ok = note_key_read(key_path, &key, &why) && anchors_load(path, &key, 0, &j->anchors, &why);
    }
    if (!ok) {
        say("%s", buf_cstr(&why)); /* with its own "next:" */
    } else if (j->anchors.torn) {
        say("%s ends in the middle of a note, which is not used", path);
    }
    buf_fini(&why);
    if (ok) {
        forked->fault = audit_marks_sort(j->anchors.marks, &j->anchors.count, &forked->bad_seq);
        forked->expected_seq = forked->bad_seq;
    }
    return ok;
}

static void progress(uint64_t done, uint64_t of, uint64_t records)
{
    if (isatty(2)) {
        (void)fprintf(stderr, "\r%llu records", (unsigned long long)records);
        if (of > 0) {
            (void)fprintf(stderr, ", %llu %%", (unsigned long long)(done * 100 / of));
        }
        (void)fprintf(stderr, "%s", done == of && of > 0 ? "\r\033[K" : "\033[K");
    }
}

/* False: said why. */
static bool read_export(const char *path, struct job *j)
{
    int fd = strcmp(path, "-") == 0 ? dup(0) : open(path, O_RDONLY | O_CLOEXEC);
    char *piece = gw_malloc(PIECE);
    struct stat st = {0};
    uint64_t done = 0;
    ssize_t n = fd < 0 || fstat(fd, &st) != 0 ? -1 : 1;

    while (n > 0 && (n = read(fd, piece, PIECE)) > 0) {
        done += (uint64_t)n;
        if (!audit_reader_feed(&j->reader, piece, (size_t)n)) {
            break;
        }
        progress(done, S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0, j->chain.result.count);
    }
    if (n < 0) {
        say("cannot read %s: %s", path, strerror(errno));
        say_next("check --file");
    } else {
        audit_reader_end(&j->reader, !j->part);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    free(piece);
    return n >= 0;
}

static enum portctl_exit report(const struct args *a, const struct audit_result *r,
                                const char *field)
{
    struct buf out = {0};

    if (args_get(a, "json") != NULL) {
        audit_result_json(r, &out);
    } else {
        struct buf text = {0};

        audit_result_text(r, &text);
        table_clean(&out, text.data, text.len);
        if (r->fault == AUDIT_UNREADABLE) {
            buf_printf(&out, " (at its %s)", field);
        }
        buf_fini(&text);
    }
    buf_putc(&out, '\n');
    print_buf(&out);
    if (r->fault != AUDIT_WHOLE) {
        say_next(
            "keep this export and the anchors as they are; compare with another copy, and ask who "
            "had access to the database");
    }
    return r->fault == AUDIT_WHOLE ? PORTCTL_DONE : PORTCTL_REFUSED;
}

enum portctl_exit audit_verify_file(struct client *c, const struct args *a)
{
    const char *from = args_get(a, "from");
    struct job j = {.from = 1, .part = args_get(a, "part") != NULL};
    struct audit_result forked = {0};
    enum portctl_exit code = PORTCTL_USAGE;

    (void)c;
    if (from != NULL && !number_parse(from, 1, INT64_MAX, &j.from)) {
        say("--from %s: not a sequence number", from);
        say_next("give the seq of the first record of the export");
        return PORTCTL_USAGE;
    }
    if (load_anchors(a, &j, &forked)) {
        if (forked.fault != AUDIT_WHOLE) {
            code = report(a, &forked, "");
        } else {
            audit_chain_init(&j.chain, j.from, NULL, j.anchors.marks, j.anchors.count);
            audit_reader_init(&j.reader, &j.chain);
            if (read_export(args_get(a, "file"), &j)) {
                code = report(a, &j.chain.result, j.reader.bad_field);
            }
            audit_reader_fini(&j.reader);
            audit_chain_fini(&j.chain);
        }
    }
    anchors_fini(&j.anchors);
    return code;
}
