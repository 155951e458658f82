#include "auth/master_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/crypto.h>
#include "auth/base64.h"
#include "auth/key_make.h"
#include "auth/secret_mem.h"

#define FILE_MAX   16384u
#define LINE_BYTES 64u /* of the line that master_keys_make() writes */

struct master_keys {
    size_t count;
    struct envelope_master keys[MASTER_KEYS_MAX];
};

/* --- reading ----------------------------------------------------------------------------------- */

/* What the file must be before a byte of it is read. */
static bool check_file(int fd, const char *path, struct buf *why)
{
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0) {
        buf_printf(why, "%s: %s; next: name the file of master keys", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        buf_printf(why, "%s: not a file; next: name the file of master keys", path);
    } else if ((st.st_mode & 077) != 0) {
        buf_printf(why, "%s: mode %04o lets others at it; next: chmod 600 it, and change the keys",
                   path, (unsigned)(st.st_mode & 07777));
    } else if (st.st_uid != geteuid() && st.st_uid != 0) {
        buf_printf(why, "%s: belongs to user %u; next: chown it to the gateway's user", path,
                   (unsigned)st.st_uid);
    } else if (st.st_size > (off_t)FILE_MAX) {
        buf_printf(why, "%s: longer than %u bytes; next: keep only keys still in use", path,
                   FILE_MAX);
    } else {
        return true;
    }
    return false;
}

static bool read_line(const char *line, size_t len, struct envelope_master *out)
{
    const char *colon = memchr(line, ':', len);
    size_t digits = colon != NULL ? (size_t)(colon - line) : 0;
    size_t got = 0;
    uint64_t version = 0;

    if (digits == 0 || digits > 10 || line[0] == '0') {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        if (line[i] < '0' || line[i] > '9') {
            return false;
        }
        version = version * 10 + (uint64_t)(line[i] - '0');
    }
    out->version = (uint32_t)version;
    return version <= INT32_MAX && /* api_keys.master_version */
           base64_decode(colon + 1, len - digits - 1, out->key, sizeof out->key, &got) &&
           got == sizeof out->key;
}

/* In the order of versions; false when it is there already. */
static bool insert(struct master_keys *m, const struct envelope_master *key)
{
    size_t at = m->count;

    while (at > 0 && m->keys[at - 1].version > key->version) {
        at--;
    }
    if (at > 0 && m->keys[at - 1].version == key->version) {
        return false;
    }
    memmove(&m->keys[at + 1], &m->keys[at], (m->count - at) * sizeof *key);
    m->keys[at] = *key;
    m->count++;
    return true;
}

static bool read_text(struct master_keys *m, const char *text, size_t len, const char *path,
                      struct buf *why)
{
    unsigned number = 0;

    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t line = end != NULL ? (size_t)(end - text) - at : len - at;
        struct envelope_master key;
        bool fine = true;

        number++;
        if (line > 0 && text[at] != '#') {
            /* never the line itself: it may be a key */
            fine =
                m->count < MASTER_KEYS_MAX && read_line(text + at, line, &key) && insert(m, &key);
            OPENSSL_cleanse(&key, sizeof key);
        }
        if (!fine) {
            buf_printf(why,
                       "%s:%u: not `version:base64 of 32 bytes`, a version twice, or more than %u "
                       "keys; next: correct that line",
                       path, number, MASTER_KEYS_MAX);
            return false;
        }
        at += line + 1;
    }
    if (m->count == 0) {
        buf_printf(why, "%s: no key in it; next: make one: 1:base64 of 32 random bytes", path);
    }
    return m->count > 0;
}

enum gw_err master_keys_read(const char *path, struct master_keys **out, struct buf *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct master_keys *m = NULL;
    void *text = NULL;
    ssize_t len = 0;
    bool fine = check_file(fd, path, why);

    *out = NULL;
    if (fine) {
        text = secret_mem_get(FILE_MAX);
        len = read(fd, text, FILE_MAX); /* a small file: one piece */
        fine = len >= 0;
        if (!fine) {
            buf_printf(why, "%s: %s; next: look after the disk", path, strerror(errno));
        }
    }
    if (fine) {
        m = secret_mem_get(sizeof *m);
        fine = read_text(m, text, (size_t)len, path, why);
    }
    secret_mem_put(&text, FILE_MAX);
    if (fd >= 0) {
        (void)close(fd);
    }
    if (!fine) {
        if (m != NULL) {
            master_keys_destroy(&m);
        }
        return GW_ECONFIG;
    }
    *out = m;
    return GW_OK;
}

/* --- making ------------------------------------------------------------------------------------ */

enum gw_err master_keys_make(const char *path, struct buf *why)
{
    uint8_t key[ENVELOPE_KEY_BYTES];
    char line[LINE_BYTES] = "1:";
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool fine;
    size_t len;

    if (fd < 0) {
        buf_printf(why, "%s: %s; next: %s", path, strerror(errno),
                   errno == EEXIST ? "use that file, or name another"
                                   : "name a file in a folder "
                                     "you may write to");
        return GW_ECONFIG;
    }
    fine = key_random(NULL, key, sizeof key);
    key_base64(key, sizeof key, line + 2);
    len = strlen(line);
    line[len++] = '\n';
    fine = fine && fchmod(fd, 0600) == 0 && write(fd, line, len) == (ssize_t)len && fsync(fd) == 0;
    OPENSSL_cleanse(key, sizeof key);
    OPENSSL_cleanse(line, sizeof line);
    if (!fine) {
        buf_printf(why, "%s: %s; next: look after the disk", path, strerror(errno));
        (void)unlink(path);
    }
    (void)close(fd);
    return fine ? GW_OK : GW_ECONFIG;
}

/* --- holding ----------------------------------------------------------------------------------- */

void master_keys_destroy(struct master_keys **mp)
{
    void *p = *mp;

    *mp = NULL;
    secret_mem_put(&p, sizeof **mp);
}

const struct envelope_master *master_keys_all(const struct master_keys *m, size_t *count)
{
    *count = m->count;
    return m->keys;
}
