/* gateway/audit/file.h - files that hold what was promised: written whole, synced, then named.
 * Why: after a failed sync the kernel may drop the pages and report nothing a second time; so what
 * failed once is never synced again but written anew.
 * Owner: any thread; blocks. errno tells what failed. */
#ifndef GATEWAY_AUDIT_FILE_H
#define GATEWAY_AUDIT_FILE_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "gateway/base/buf.h"
#include "gateway/base/err.h"

/* All of it or GW_ESYS; goes on after short writes. */
GW_MUSTCHECK
enum gw_err file_write_at(int fd, const void *data, size_t len, off_t at);
/* The whole file; GW_ETOOBIG above MAX. */
GW_MUSTCHECK
enum gw_err file_read_all(int fd, size_t max, struct buf *out);
/* Syncs the folder PATH is in. */
GW_MUSTCHECK
enum gw_err file_sync_folder(const char *path);
/* PATH.new, synced, renamed to PATH, folder synced: afterwards PATH is the old file or the new one,
 * never part of one. */
GW_MUSTCHECK
enum gw_err file_replace(const char *path, const void *data, size_t len, mode_t mode);
#endif
