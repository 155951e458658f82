#include "admin_api/portctl/session_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <openssl/crypto.h>

#define FILE_MAX 1024u
#define ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

void session_file_path(struct buf *path, const char *given, const char *authority)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");

    if (given != NULL) {
        buf_puts(path, given);
        return;
    }
    if (state != NULL && state[0] == '/') {
        buf_puts(path, state);
    } else {
        buf_printf(path, "%s/.local/state", home != NULL ? home : "");
    }
    buf_lit(path, "/portctl/session-");
    for (; *authority != '\0'; authority++) {
        buf_putc(path, strchr(ALPHABET ".", *authority) != NULL ? *authority : '_');
    }
}

static bool is_text(const char *s)
{
    return s[0] != '\0' && s[strspn(s, ALPHABET)] == '\0';
}

/* Three lines: authority, token, CSRF token. */
static bool parse(char *text, const char *authority, struct session_file *out)
{
    char *rest = text;
    const char *where = strsep(&rest, "\n");
    const char *token = strsep(&rest, "\n");
    const char *csrf = strsep(&rest, "\n");

    if (where == NULL || token == NULL || csrf == NULL || strcmp(where, authority) != 0 ||
        !is_text(token) || !is_text(csrf) || strlen(token) >= sizeof out->token ||
        strlen(csrf) >= sizeof out->csrf) {
        return false;
    }
    memcpy(out->token, token, strlen(token) + 1);
    memcpy(out->csrf, csrf, strlen(csrf) + 1);
    return true;
}

bool session_file_load(const char *path, const char *authority, struct session_file *out,
                       struct buf *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char text[FILE_MAX];
    struct stat st;
    ssize_t n = -1;
    bool ok;

    if (fd < 0) {
        if (errno != ENOENT && errno != ENOTDIR) {
            buf_printf(why, "cannot read the session file %s: %s\n  next: portctl login NAME", path,
                       strerror(errno));
        }
        return false;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & 077) != 0) {
        buf_printf(why,
                   "others may read the session file %s, so it is not used\n  next: delete it, "
                   "then portctl login NAME",
                   path);
    } else {
        n = read(fd, text, sizeof text - 1);
    }
    (void)close(fd);
    text[n > 0 ? n : 0] = '\0';
    ok = n > 0 && parse(text, authority, out);
    OPENSSL_cleanse(text, sizeof text);
    return ok;
}

/* The folders on the way, for the owner alone. */
static void make_folders(const char *path)
{
    char *copy = gw_strdup(path);

    for (char *at = strchr(copy + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        *at = '\0';
        (void)mkdir(copy, 0700);
        *at = '/';
    }
    free(copy);
}

static bool write_text(int fd, const struct buf *text)
{
    return write(fd, text->data, text->len) == (ssize_t)text->len && fsync(fd) == 0;
}

bool session_file_save(const char *path, const char *authority, const struct session_file *s,
                       struct buf *why)
{
    struct buf fresh = {0};
    struct buf text = {0};
    bool ok = false;
    int fd;

    make_folders(path);
    buf_printf(&fresh, "%s.XXXXXX", path);
    buf_printf(&text, "%s\n%s\n%s\n", authority, s->token, s->csrf);
    (void)buf_cstr(&fresh);
    fd = mkostemp(fresh.data, O_CLOEXEC); /* mode 0600 */
    if (fd >= 0) {
        ok = write_text(fd, &text);
        ok = close(fd) == 0 && ok && rename(fresh.data, path) == 0;
        if (!ok) {
            (void)unlink(fresh.data);
        }
    }
    if (!ok) {
        buf_printf(why, "cannot write the session file %s: %s\n  next: give --session-file FILE",
                   path, strerror(errno));
    }
    OPENSSL_cleanse(text.data, text.len);
    buf_fini(&text);
    buf_fini(&fresh);
    return ok;
}

void session_file_remove(const char *path)
{
    (void)unlink(path);
}

void session_file_wipe(struct session_file *s)
{
    OPENSSL_cleanse(s, sizeof *s);
}
