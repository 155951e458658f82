/* admin_api/portctl/handlers.h - what the rows of the table of commands run.
 * Why: commands.c holds the table and no code, the handlers lie with their subject.
 * Owner: none. */
#ifndef ADMIN_API_PORTCTL_HANDLERS_H
#define ADMIN_API_PORTCTL_HANDLERS_H
#include <stdio.h>
#include <jansson.h>
#include "admin_api/portctl/client.h"

command_fn key_new, key_rotate; /* issue.c */
command_fn key_list, key_show, key_revoke, key_limits, key_usage, key_flag, key_unflag; /* keys.c */
command_fn ws_token, server_time;                   /* session.c */
command_fn audit_verify_file;                       /* audit.c */
command_fn audit_search, audit_export, audit_check; /* audit_log.c */
command_fn status_show;                             /* status.c */
command_fn mode_set, halt_set, resume_ask;          /* modes.c */
command_fn kill_engage, kill_release, withdrawals_halt, withdrawals_resume, throttle_set,
    account_pause, account_resume, account_disable, account_enable, fanout_set,
    upstream_set;                                            /* controls.c */
command_fn cancel_all, commands_list, command_cancel;        /* orders.c */
command_fn connections_list, connections_kick;               /* connections.c */
command_fn paging_show, paging_send_test, paging_send_again; /* paging.c */
command_fn changes_list, change_show, change_approve, change_reject, change_cancel; /* changes.c */
command_fn request_send, request_sign;                                              /* request.c */
command_fn help_command;                                                            /* help.c */
command_fn completion_command; /* completion.c */

/* help.c: what `help WORDS` prints; false: there is no such command. */
bool help_put(struct buf *out, const char *first, const char *second);
/* completion.c: false: not a shell we know. */
bool completion_put(struct buf *out, const char *shell);

/* keys.c, also for issue.c: a key as lines for people. */
void key_print(const json_t *key, const char *secret);
/* "/v1/keys/ID" and TAIL. */
void key_target(struct buf *out, const char *id, const char *tail);
/* issue.c, for all: RFC 3339 as it is, or a duration from now on, of --OPTION; NULL: said why. */
json_t *time_value(const char *option, const char *text);
/* fields.c, for all: the answer as it came, and a line end. */
void print_json(const struct answer *a);
/* fields.c, for all: GET TARGET, whose answer has the list MEMBER; PRINT shows it to people. */
typedef void (*show_fn)(const json_t *root, const json_t *list, const struct args *a);
enum portctl_exit show_list(struct client *c, const struct args *a, const char *target,
                            const char *member, show_fn print);
/* Takes the text of OUT to stdout. */
void print_buf(struct buf *out);
/* Does the next line of IN say WORD. */
bool typed(FILE *in, const char *word);
#endif
