/* gateway/audit/note_file.c - keys of notes on disk. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/crypto.h>
#include "gateway/audit/file.h"
#include "gateway/audit/note.h"

#define FILE_MAX 1024u
#define NEXT     "\n  next: "

/* One line of PATH without its end; 0 and WHY when there is none. MISSING: not there at all. */
static size_t read_line(const char *path, char text[FILE_MAX], bool is_private, bool *missing,
                        struct buf *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    ssize_t len;

    *missing = fd < 0 && errno == ENOENT;
    if (fd < 0) {
        buf_printf(why, "cannot read %s: %s" NEXT "check the path and its owner", path,
                   strerror(errno));
        return 0;
    }
    if (is_private && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & 077) != 0)) {
        (void)close(fd);
        buf_printf(why,
                   "others may read the key file %s, so it is not used" NEXT
                   "chmod 600 %s; if others could reach it, make a new one",
                   path, path);
        return 0;
    }
    len = read(fd, text, FILE_MAX);
    (void)close(fd);
    if (len > 0 && text[len - 1] == '\n') {
        len--;
    }
    if (len <= 0 || len == FILE_MAX) {
        buf_printf(why, "%s is empty, unreadable or too long" NEXT "restore it from its copy",
                   path);
        return 0;
    }
    return (size_t)len;
}

static bool write_new(const char *path, const char *line, mode_t mode, struct buf *why)
{
    enum gw_err err = file_replace(path, line, strlen(line), mode);

    if (err != GW_OK) {
        buf_printf(why,
                   "cannot write %s: %s" NEXT "check the folder, its owner and the space on it",
                   path, strerror(errno));
    }
    return err == GW_OK;
}

static void put_seed(struct buf *out, const struct note_key *key, const uint8_t *seed)
{
    struct note_key as_public = *key;
    struct buf text = {0};

    /* the private form has the seed where the public one has the public key */
    memcpy(as_public.public_key, seed, NOTE_KEY_BYTES);
    note_key_print(&as_public, &text);
    buf_lit(out, "PRIVATE+KEY+");
    buf_append(out, text.data, text.len);
    buf_putc(out, '\n');
    OPENSSL_cleanse(text.data, text.len);
    OPENSSL_cleanse(&as_public, sizeof as_public);
    buf_fini(&text);
}

static struct note_signer *make(const char *path, const char *name, struct buf *why)
{
    uint8_t seed[NOTE_KEY_BYTES];
    struct note_signer *s;
    struct buf line = {0};
    struct buf pub = {0};
    struct buf pub_path = {0};

    GW_ASSERT(getrandom(seed, sizeof seed, 0) == (ssize_t)sizeof seed);
    s = note_signer_create(name, seed);
    put_seed(&line, note_signer_key(s), seed);
    note_key_print(note_signer_key(s), &pub);
    buf_putc(&pub, '\n');
    buf_printf(&pub_path, "%s.pub", path);
    if (!write_new(buf_cstr(&pub_path), buf_cstr(&pub), 0644, why) ||
        !write_new(path, buf_cstr(&line), 0600, why)) {
        note_signer_destroy(&s);
    }
    OPENSSL_cleanse(seed, sizeof seed);
    OPENSSL_cleanse(line.data, line.len);
    buf_fini(&line);
    buf_fini(&pub);
    buf_fini(&pub_path);
    return s;
}

struct note_signer *note_signer_open(const char *path, const char *name, struct buf *why)
{
    char text[FILE_MAX];
    struct buf first = {0};
    bool missing = false;
    size_t len = read_line(path, text, true, &missing, &first);
    struct note_signer *s = NULL;

    if (!note_name_valid(name, strlen(name))) {
        buf_printf(why, "%s is no name for a key" NEXT "use one like exchange.example/audit", name);
    } else if (missing) {
        s = make(path, name, why);
    } else if (len == 0) {
        buf_append(why, first.data, first.len);
    } else {
        s = note_signer_parse(text, len);
        if (s == NULL) {
            buf_printf(why,
                       "%s holds no key of the form PRIVATE+KEY+NAME+ID+BASE64" NEXT
                       "restore it from its copy, or move it away to get a new key",
                       path);
        } else if (strcmp(s != NULL ? note_signer_key(s)->name : "", name) != 0) {
            buf_printf(why, "the key in %s is named %s, not %s" NEXT "correct one of the two", path,
                       note_signer_key(s)->name, name);
            note_signer_destroy(&s);
        }
    }
    OPENSSL_cleanse(text, sizeof text);
    buf_fini(&first);
    return s;
}

bool note_key_read(const char *path, struct note_key *out, struct buf *why)
{
    char text[FILE_MAX];
    bool missing;
    size_t len = read_line(path, text, false, &missing, why);

    if (len != 0 && !note_key_parse(text, len, out)) {
        buf_printf(why,
                   "%s holds no key of the form NAME+ID+BASE64" NEXT
                   "give the .pub file that lies beside the gateway's audit key",
                   path);
        return false;
    }
    return len != 0;
}
