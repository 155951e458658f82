/* admin_api/portctl/handlers.h - what the rows of the table of commands run.
 * Why: commands.c holds the table and no code, the handlers lie with their subject.
 * Owner: none. */
#ifndef ADMIN_API_PORTCTL_HANDLERS_H
#define ADMIN_API_PORTCTL_HANDLERS_H
#include <stdio.h>
#include <jansson.h>
#include "admin_api/portctl/client.h"

command_fn key_new, key_rotate;                                   /* issue.c */
command_fn key_list, key_show, key_revoke, key_limits, key_usage; /* keys.c */
command_fn ws_token, server_time;                                 /* session.c */
command_fn audit_verify_file;                                     /* audit.c */
command_fn help_command;                                          /* help.c */
command_fn completion_command;                                    /* completion.c */

/* help.c: what `help WORDS` prints; false: there is no such command. */
bool help_put(struct buf *out, const char *first, const char *second);
/* completion.c: false: not a shell we know. */
bool completion_put(struct buf *out, const char *shell);

/* keys.c, also for issue.c: a key as lines for people. */
void key_print(const json_t *key, const char *secret);
/* "/v1/keys/ID" and TAIL. */
void key_target(struct buf *out, const char *id, const char *tail);
/* Does the next line of IN say WORD. */
bool typed(FILE *in, const char *word);

/* The answer as it came, and a line end. */
void print_json(const struct answer *a);
/* Takes the text of OUT to stdout. */
void print_buf(struct buf *out);
#endif
