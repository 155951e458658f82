/* admin_api/portctl/people_rows.h - the rows of commands.c about people.
 * Why: the table has one list of rows; these and their options lie with their subject.
 * Owner: none, immutable. */
#ifndef ADMIN_API_PORTCTL_PEOPLE_ROWS_H
#define ADMIN_API_PORTCTL_PEOPLE_ROWS_H
#include "admin_api/portctl/client.h"

command_fn person_login, person_logout, person_whoami, person_renew, person_elevate; /* login.c */
command_fn user_list, user_create, user_disable, user_enable, user_reset, user_grant, user_revoke,
    sessions_list, sessions_kill, access_review; /* people.c */
command_fn role_requests, role_request_show, role_request_approve, role_request_reject,
    role_request_cancel; /* role_requests.c */

extern const struct opt why_options[], reset_options[], grant_options[], create_options[],
    elevate_options[], review_options[], sessions_options[], role_requests_options[],
    role_approve_options[], role_decide_options[];

/* clang-format off */
#define PEOPLE_ROWS                                                                                          \
    {"login", "NAME", "log in as a person: every command then acts for her, without a key",                  \
     "Asks for password and code of the second factor on the terminal (else reads a line each from stdin).\n" \
     "Who has no password of her own or no second factor yet is led through both. The session is kept in a\n" \
     "file (mode 0600) until it ends: 15 minutes without a command, 8 hours at most, or portctl logout.",    \
     "portctl --env var/up.env login ana\n"                                                                  \
     "printf '%s\\n%s\\n' \"$PASSWORD\" \"$CODE\" | portctl login ana",                                      \
     NULL, 1, 1, person_login, false, NULL},                                                                       \
    {"logout", "", "end the session", NULL, "portctl logout", NULL, 0, 0, person_logout, false, NULL},             \
    {"whoami", "", "who acts: roles, permissions, when the session ends", NULL,                              \
     "portctl whoami\nportctl --json whoami | jq .permissions", NULL, 0, 0, person_whoami, false, NULL},           \
    {"renew", "", "prove the second factor again, for what needs a fresh one", NULL,                         \
     "portctl renew\nprintf '%s\\n' \"$CODE\" | portctl renew", NULL, 0, 0, person_renew, false, NULL},            \
    {"elevate", "ROLE", "take up a role for a while, where you are eligible for it", NULL,                   \
     "portctl elevate admin --minutes 30 --reason 'restart of the feed' --ticket OPS-7",                     \
     elevate_options, 1, 1, person_elevate, false, NULL},                                                          \
    {"user list", "", "users, their state and roles", NULL,                                                  \
     "portctl user list\nportctl --json user list | jq -r '.users[].name'", NULL, 0, 0, user_list, false, NULL},   \
    {"user create", "NAME", "a new user; her temporary password is shown once", NULL,                        \
     "portctl user create uma --label 'Uma Thule' --reason 'new operator'",                                  \
     create_options, 1, 1, user_create, false, NULL},                                                              \
    {"user disable", "NAME", "end her sessions and keys; she cannot log in", NULL,                           \
     "portctl user disable uma --reason 'has left the company'", why_options, 1, 1, user_disable, false, NULL},    \
    {"user enable", "NAME", "let a disabled user in again", NULL,                                            \
     "portctl user enable uma --reason 'is back from leave'", why_options, 1, 1, user_enable, false, NULL},        \
    {"user reset", "NAME", "a temporary password, shown once; ends her sessions, unlocks her", NULL,         \
     "portctl user reset uma --reason 'forgot her password'\n"                                               \
     "portctl user reset uma --factor --reason 'lost her telephone' --ticket OPS-9",                         \
     reset_options, 1, 1, user_reset, false, NULL},                                                                \
    {"user grant", "NAME ROLE", "give a role; some wait for a second person",                                \
     "What takes two persons is a request that another approves (portctl user requests) within people.grant_ttl,\n" \
     "at any gateway. Exit code 5: it waits. The same grant typed by another approves it, too.",            \
     "portctl user grant uma operator --reason 'joins the rota'\n"                                     \
     "portctl user grant uma admin --eligible --until 30d --reason 'covers for tom'",                        \
     grant_options, 2, 2, user_grant, false, NULL},                                                                \
    {"user requests", "", "roles that were asked for and take two persons", NULL,                            \
     "portctl user requests --open\nportctl --json user requests | jq '.requests[0]'",                       \
     role_requests_options, 0, 0, role_requests, false, NULL},                                                    \
    {"user request", "ID", "one of these requests", NULL, "portctl user request 01ARZ3NDEKTSV4RRFFQ69G5FAV",           \
     NULL, 1, 1, role_request_show, false, NULL},                                                                 \
    {"user approve", "ID", "grant a role that another asked for",                                                \
     "Shows who asked for what and why, and has the role typed. What is approved is what was shown: its hash goes along.", \
     "portctl user approve 01ARZ3NDEKTSV4RRFFQ69G5FAV",                                                      \
     role_approve_options, 1, 1, role_request_approve, false, NULL},                                              \
    {"user reject", "ID", "refuse a role that was asked for", NULL,                                                                 \
     "portctl user reject 01ARZ3NDEKTSV4RRFFQ69G5FAV --reason 'not before her training'",                    \
     role_decide_options, 1, 1, role_request_reject, false, NULL},                                                \
    {"user cancel", "ID", "take one's own request back", NULL,                                               \
     "portctl user cancel 01ARZ3NDEKTSV4RRFFQ69G5FAV",                                                       \
     role_decide_options, 1, 1, role_request_cancel, false, NULL},                                                \
    {"user revoke", "NAME ROLE", "take a role back, however it was held", NULL,                              \
     "portctl user revoke uma operator --reason 'left the rota'", why_options, 2, 2, user_revoke, false, NULL},    \
    {"sessions list", "", "sessions that live", NULL,                                                        \
     "portctl sessions list --user uma", sessions_options, 0, 0, sessions_list, false, NULL},                      \
    {"sessions kill", "ID", "end a session and its streams", NULL,                                           \
     "portctl sessions kill s_7rfy7b5x6pumyo666id6 --reason 'left open'", why_options, 1, 1,                 \
     sessions_kill, false, NULL},                                                                                  \
    {"review", "", "who may do what; --sign signs just that off",                                            \
     "What is signed is what was shown: when it changes in between, the signature is refused.",              \
     "portctl review\nportctl review --sign 'all as it should be'", review_options, 0, 0, access_review, false, NULL},
/* clang-format on */
#endif
