#include "gateway/audit/anchor_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "gateway/audit/file.h"

#define FILE_MAX (1u << 30)
#define DASH     "\xe2\x80\x94 "

void anchors_fini(struct anchors *a)
{
    free(a->marks);
    *a = (struct anchors){0};
}

static void add(struct anchors *a, const struct checkpoint_note *c)
{
    if (a->count == a->cap) {
        a->cap = a->cap != 0 ? 2 * a->cap : 64;
        a->marks = gw_realloc(a->marks, a->cap * sizeof *a->marks);
    }
    a->marks[a->count++] = c->mark;
    a->last_time_ns = c->time_ns;
}

/* Bytes of the note at TEXT, without the empty line behind it; 0: it does not end. The signature
 * lines are over where an empty line follows one. */
static size_t note_length(const char *text, size_t len)
{
    bool signature = false;
    size_t at = 0;

    while (at < len) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t n;

        if (end == NULL) {
            return 0;
        }
        n = (size_t)(end - (text + at));
        if (n == 0 && signature) {
            return at;
        }
        signature = n >= 4 && memcmp(text + at, DASH, 4) == 0;
        at += n + 1;
    }
    return 0;
}

static size_t line_of(const char *text, size_t at)
{
    size_t line = 1;

    for (size_t i = 0; i < at; i++) {
        line += text[i] == '\n';
    }
    return line;
}

/* Counts the notes, and where what is behind the last one begins. */
static size_t count_notes(const char *text, size_t len, size_t *good)
{
    size_t count = 0;
    size_t n;

    *good = 0;
    while ((n = note_length(text + *good, len - *good)) != 0) {
        *good += n + 1;
        count++;
    }
    return count;
}

bool anchors_read(const char *text, size_t len, const struct note_key *key, size_t newest,
                  struct anchors *out, size_t *bad_line, const char **why)
{
    size_t count;
    size_t at = 0;

    *out = (struct anchors){0};
    count = count_notes(text, len, &out->good_bytes);
    out->torn = out->good_bytes < len;
    /* a cut note is short; more than that is no note at all */
    if (len - out->good_bytes > NOTE_BYTES_MAX) {
        *bad_line = line_of(text, out->good_bytes);
        *why = "not a signed note";
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        size_t n = note_length(text + at, len - at);
        struct checkpoint_note c;

        if (newest == 0 || i + newest >= count) {
            if (!checkpoint_verify(text + at, n, key, &c, why)) {
                *bad_line = line_of(text, at);
                return false;
            }
            add(out, &c);
        }
        at += n + 1;
    }
    return true;
}

bool anchors_load(const char *path, const struct note_key *key, size_t newest, struct anchors *out,
                  struct buf *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct buf text = {0};
    size_t line = 0;
    const char *what = "";
    bool ok = false;

    *out = (struct anchors){0};
    if (fd < 0 && errno == ENOENT) {
        return true;
    }
    if (fd < 0 || file_read_all(fd, FILE_MAX, &text) != GW_OK) {
        buf_printf(why, "cannot read the anchors in %s: %s\n  next: check the path and its owner",
                   path, strerror(errno));
    } else if (!anchors_read(text.data, text.len, key, newest, out, &line, &what)) {
        buf_printf(why,
                   "%s:%zu: %s\n  next: compare the file with its copies (Redis stream "
                   "audit:anchors, mirrors); if the key was changed, give each key its own file",
                   path, line, what);
    } else {
        ok = true;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    buf_fini(&text);
    return ok;
}

enum gw_err anchors_append(const char *path, const char *note, size_t len, size_t *size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    struct buf both = {0};
    enum gw_err err = GW_ESYS;
    int saved;

    if (fd < 0) {
        return GW_ESYS;
    }
    buf_append(&both, note, len);
    buf_putc(&both, '\n');
    /* what a crash or a failed try left behind the good part goes first */
    if (ftruncate(fd, (off_t)*size) == 0 &&
        file_write_at(fd, both.data, both.len, (off_t)*size) == GW_OK && fdatasync(fd) == 0 &&
        (*size != 0 || file_sync_folder(path) == GW_OK)) {
        *size += both.len;
        err = GW_OK;
    }
    saved = errno;
    if (err != GW_OK) {
        (void)!ftruncate(fd, (off_t)*size);
    }
    (void)close(fd);
    errno = saved;
    buf_fini(&both);
    return err;
}
