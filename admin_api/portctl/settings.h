/* admin_api/portctl/settings.h - where the server is and who asks.
 * Why: an option wins over the file of --env, and that over the environment, for every setting
 * alike.
 * Owner: the caller, who ends it with settings_fini(). */
#ifndef ADMIN_API_PORTCTL_SETTINGS_H
#define ADMIN_API_PORTCTL_SETTINGS_H
#include "admin_api/portctl/cli.h"

struct settings {
    char *url; /* NULL: not given, as all of them */
    char *key_file;
    char *key_id;
    char *session_file; /* NULL: the one of the address */
    bool key_named;     /* on the line: then it signs, whoever has logged in */
    char *ws;           /* the public WebSocket, for the smoke test */
    char *ca;           /* the only certificates that are trusted, instead of the system's */
    unsigned timeout_s;
    bool json;
    bool verbose;
};

/* False: WHY says what is wrong. */
GW_MUSTCHECK
bool settings_read(const struct args *a, struct settings *out, struct buf *why);
void settings_fini(struct settings *s);
/* The last value of NAME in TEXT, lines KEY=VALUE as a shell would take them without expanding
 * anything; NULL: none. The caller frees. */
char *settings_line(const char *text, const char *name);
#endif
