/* admin_api/portctl/session_file.h - a person's session between two commands: cookie and CSRF token on
 * disk.
 * Why: who has logged in need not say the password again; nobody else on the machine may say it was
 * her. A session belongs to one address and is sent to no other.
 * Owner: the caller; ended with session_file_wipe().
 * Invariant: the file has mode 0600 and is replaced, never written over. */
#ifndef ADMIN_API_PORTCTL_SESSION_FILE_H
#define ADMIN_API_PORTCTL_SESSION_FILE_H
#include <stdbool.h>
#include "gateway/base/buf.h"

#define SESSION_TEXT_MAX 64u /* with NUL */

struct session_file {
    char token[SESSION_TEXT_MAX];
    char csrf[SESSION_TEXT_MAX];
};

/* GIVEN, or a file of AUTHORITY under XDG_STATE_HOME (~/.local/state). */
void session_file_path(struct buf *path, const char *given, const char *authority);
/* False with WHY: there is one, and it cannot be used. False without: there is none for AUTHORITY. */
GW_MUSTCHECK
bool session_file_load(const char *path, const char *authority, struct session_file *out,
                       struct buf *why);
GW_MUSTCHECK
bool session_file_save(const char *path, const char *authority, const struct session_file *s,
                       struct buf *why);
void session_file_remove(const char *path);
void session_file_wipe(struct session_file *s);
#endif
