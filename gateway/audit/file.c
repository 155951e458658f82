#include "gateway/audit/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum gw_err file_write_at(int fd, const void *data, size_t len, off_t at)
{
    const char *p = data;

    while (len > 0) {
        ssize_t n = pwrite(fd, p, len, at);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n == 0 ? ENOSPC : errno;
            return GW_ESYS;
        }
        p += n;
        at += n;
        len -= (size_t)n;
    }
    return GW_OK;
}

enum gw_err file_read_all(int fd, size_t max, struct buf *out)
{
    struct stat st;
    size_t size;
    off_t at = 0;

    if (fstat(fd, &st) != 0) {
        return GW_ESYS;
    }
    size = (size_t)st.st_size;
    if (size > max) {
        return GW_ETOOBIG;
    }
    while ((size_t)at < size) {
        ssize_t n = pread(fd, buf_room(out, size - (size_t)at), size - (size_t)at, at);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return GW_ESYS;
        }
        at += n;
        out->len += (size_t)n;
    }
    return GW_OK;
}

enum gw_err file_sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    struct buf folder = {0};
    enum gw_err err = GW_ESYS;
    int fd;

    if (slash == NULL) {
        buf_putc(&folder, '.');
    } else {
        buf_append(&folder, path, slash == path ? 1 : (size_t)(slash - path));
    }
    fd = open(buf_cstr(&folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        err = fsync(fd) == 0 ? GW_OK : GW_ESYS;
        (void)close(fd);
    }
    buf_fini(&folder);
    return err;
}

enum gw_err file_replace(const char *path, const void *data, size_t len, mode_t mode)
{
    struct buf name = {0};
    enum gw_err err = GW_ESYS;
    const char *fresh;
    int fd;
    int saved;

    buf_printf(&name, "%s.new", path);
    fresh = buf_cstr(&name);
    (void)unlink(fresh);
    fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd >= 0) {
        bool ok = file_write_at(fd, data, len, 0) == GW_OK && fsync(fd) == 0;

        ok = close(fd) == 0 && ok;
        if (ok && rename(fresh, path) == 0) {
            err = file_sync_folder(path);
        } else {
            saved = errno;
            (void)unlink(fresh);
            errno = saved;
        }
    }
    buf_fini(&name);
    return err;
}
