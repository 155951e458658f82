/* The table of commands. A new command is a row, its options and a handler; parsing, help and
 * completion follow. */
#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/circuit_rows.h"
#include "admin_api/portctl/incident_rows.h"
#include "admin_api/portctl/people_rows.h"
#include "admin_api/portctl/reported_rows.h"
#include "admin_api/portctl/playbook_rows.h"
#include "admin_api/portctl/ticket_rows.h"
#include "auth/scopes.h"

#define SCOPE_WORD(sym, bit, word, admin, help) word " "
#define ALGORITHMS                              "ed25519 hmac-sha256 hmac-sha512-kraken bearer"
#define STATES                                  "active pending expired revoked disabled"
#define RATE_CLASSES                            "default low minimal"
#define REASON                                  "why, for the audit log"
#define TICKET                                  "number of the ticket, for the audit log"
#define OUT_HELP                                                                                   \
    "new file (mode 0600) for the private key or secret; one that exists is not touched"

/* clang-format off */
const struct opt global_options[] = {
    {"url",      "URL",  "admin address, https://HOST:PORT (ADMIN_URL)", NULL, 0, '\0'},
    {"key-file", "FILE", "key to sign with: PEM (Ed25519) or a line hmac-sha256:BASE64 (ADMIN_KEY_FILE)",
                                                               NULL, OPT_FILE, '\0'},
    {"key-id",   "ID",   "its id (ADMIN_KEY_ID)",                    NULL, 0, '\0'},
    {"session-file", "FILE", "where login keeps the session (PORTCTL_SESSION; else under XDG_STATE_HOME)", NULL, OPT_FILE, '\0'},
    {"ca",       "FILE", "trust these CA certificates and no others (PORTCTL_CA)", NULL, OPT_FILE, '\0'},
    {"env",      "FILE", "read the settings from lines KEY=VALUE, such as var/up.env", NULL, OPT_FILE, '\0'},
    {"json",     NULL,   "print the server's JSON as it is",         NULL, 0, '\0'},
    {"timeout",  "S",    "seconds to wait for an answer (10)",       NULL, 0, '\0'},
    {"verbose",  NULL,   "show requests and times, never a secret",  NULL, 0, 'v'},
    {"help",     NULL,   "this, or that of a command",               NULL, 0, 'h'},
    {"version",  NULL,   "print the version",                        NULL, 0, '\0'},
    {0},
};

static const struct opt new_options[] = {
    {"account",    "ACCOUNT", "who the key belongs to",              NULL, OPT_REQUIRED, '\0'},
    {"label",      "TEXT",    "what people call it",                 NULL, OPT_REQUIRED, '\0'},
    {"scope",      "WORD",    "what it may do; repeatable",          AUTH_SCOPES(SCOPE_WORD), OPT_REPEAT, '\0'},
    {"ip",         "NETWORK", "an address or network it is accepted from; repeatable; needed for scopes that administer", NULL, OPT_REPEAT, '\0'},
    {"rate-class", "CLASS",   "what a call of it costs (default)",  RATE_CLASSES, 0, '\0'},
    {"not-before", "TIME",    "accepted from then on: RFC 3339, or 24h, 7d from now", NULL, 0, '\0'},
    {"not-after",  "TIME",    "and until before then",               NULL, 0, '\0'},
    {"algorithm",  "NAME",    "kind of key (ed25519)",               ALGORITHMS, OPT_STRICT, '\0'},
    {"out",        "FILE",    OUT_HELP,                              NULL, OPT_FILE, '\0'},
    {"reason",     "TEXT",    REASON,                                NULL, OPT_REQUIRED, '\0'},
    {"ticket",     "ID",      TICKET,                                NULL, 0, '\0'},
    {0},
};
static const struct opt list_options[] = {
    {"account", "ACCOUNT", "only its keys",       NULL,   0,          '\0'},
    {"state",   "STATE",   "only keys in it",     STATES, OPT_STRICT, '\0'},
    {"after",   "ID",      "from the key behind this one on", NULL, 0, '\0'},
    {0},
};
static const struct opt rotate_options[] = {
    {"overlap", "TIME", "how long the old key stays good: 90s, 15m, 24h, 7d (1h)", NULL, 0, '\0'},
    {"not-after", "TIME", "end of the new key (it lives as long as the old one was to)", NULL, 0, '\0'},
    {"ip",      "NETWORK", "where the new key is accepted from, when the old one has no networks; repeatable", NULL, OPT_REPEAT, '\0'},
    {"out",     "FILE", OUT_HELP,                 NULL,   OPT_FILE,     '\0'},
    {"reason",  "TEXT", REASON,                   NULL,   OPT_REQUIRED, '\0'},
    {"ticket",  "ID",   TICKET,                   NULL,   0,            '\0'},
    {0},
};
static const struct opt revoke_options[] = {
    {"reason", "TEXT",  REASON,                   NULL,   OPT_REQUIRED, '\0'},
    {"ticket", "ID",    TICKET,                   NULL,   0,            '\0'},
    {"yes",    NULL,    "do not ask, for programs", NULL, 0,            '\0'},
    {0},
};
static const struct opt flag_options[] = {
    {"reason", "TEXT",  REASON,                   NULL,   OPT_REQUIRED, '\0'},
    {"ticket", "ID",    TICKET,                   NULL,   0,            '\0'},
    {0},
};
static const struct opt limits_options[] = {
    {"rate-class", "CLASS", "what a call of it costs", RATE_CLASSES, OPT_REQUIRED, '\0'},
    {"reason",     "TEXT",  REASON,                   NULL, OPT_REQUIRED, '\0'},
    {"ticket",     "ID",    TICKET,                   NULL, 0,            '\0'},
    {0},
};
static const struct opt audit_options[] = {
    {"file",    "FILE", "the export, one record a line; - for stdin", NULL, OPT_REQUIRED | OPT_FILE, '\0'},
    {"anchors", "FILE", "signed heads to compare with",  NULL, OPT_FILE, '\0'},
    {"key",     "FILE", "public key they are signed with (audit.key.pub)", NULL, OPT_FILE, '\0'},
    {"from",    "SEQ",  "the export begins there (1)",   NULL, 0,        '\0'},
    {"part",    NULL,   "the export does not reach the end: anchors behind it are no fault", NULL, 0, '\0'},
    {0},
};

#define SCOPES  "global order_entry"
#define MODES   "NORMAL CANCEL_ONLY SOFT_HALT HARD_HALT"
#define UNTIL   "decide by then: RFC 3339, or 15m, 24h from now; it stays in force until somebody does"
#define ROW_WHY                                                                                     \
    {"reason",   "TEXT", "why, 10 to 500 characters, for the audit log", NULL, OPT_REQUIRED, '\0'}, \
    {"ticket",   "ID",   "its ticket; a loosening needs one",           NULL, 0, '\0'},             \
    {"incident", "ID",   "its incident",                                NULL, 0, '\0'}
#define ROW_UNTIL   {"until",   "TIME", UNTIL,                          NULL, 0, '\0'}
#define ROW_DRY     {"dry-run", NULL,   "show what it would do, and stop", NULL, 0, '\0'}
#define ROW_YES     {"yes",     NULL,   "do not ask, for programs",     NULL, 0, '\0'}
#define ROWS_MANY                                                                                   \
    {"symbols",  "A,B",  "these",                                       NULL, 0, '\0'},             \
    {"group",    "NAME", "a group of symbols",                          NULL, 0, '\0'},             \
    {"all",      NULL,   "all symbols",                                 NULL, 0, '\0'}

static const struct opt mode_options[] = {ROWS_MANY, ROW_WHY, ROW_UNTIL, ROW_DRY, ROW_YES, {0}};
static const struct opt halt_options[] = {
    {"hard", NULL, "HARD_HALT: the state is not trusted, nothing is shown", NULL, 0, '\0'},
    ROWS_MANY, ROW_WHY, ROW_UNTIL, ROW_DRY, ROW_YES, {0}};
static const struct opt resume_options[] = {
    {"to", "MODE", "this mode and not the next one", MODES, OPT_STRICT, '\0'},
    ROWS_MANY, ROW_WHY, ROW_UNTIL, ROW_DRY, ROW_YES, {0}};
static const struct opt kill_options[] = {
    {"scope", "SCOPE", "global (if left out), order_entry or adapter:ID", SCOPES, 0, '\0'},
    ROW_WHY, ROW_UNTIL, ROW_DRY, ROW_YES, {0}};
static const struct opt release_options[] = {
    {"symbols", "A,B", "open these alone",                              NULL, 0, '\0'},
    {"percent", "N",   "for so many of a hundred keys",                 NULL, 0, '\0'},
    {"scope", "SCOPE", "global (if left out), order_entry or adapter:ID", SCOPES, 0, '\0'},
    ROW_WHY, ROW_UNTIL, ROW_DRY, ROW_YES, {0}};
static const struct opt withdrawal_options[] = {
    {"asset", "ASSET", "of this one alone",                             NULL, 0, '\0'},
    ROW_WHY, ROW_UNTIL, ROW_DRY, ROW_YES, {0}};
static const struct opt control_options[] = {ROW_WHY, ROW_UNTIL, ROW_DRY, ROW_YES, {0}};
static const struct opt cancel_options[] = {
    {"all",    NULL,     "of all symbols",                              NULL, 0, '\0'},
    ROW_WHY, ROW_DRY, ROW_YES, {0}};
static const struct opt command_options[] = {ROW_WHY, {0}};
static const struct opt commands_options[] = {
    {"symbol", "SYMBOL", "about this one",                              NULL, 0, '\0'},
    {0},
};
static const struct opt connections_options[] = {
    {"key",         "ID",      "of this key",                           NULL, 0, '\0'},
    {"ip",          "ADDRESS", "from this address",                     NULL, 0, '\0'},
    {"min-backlog", "BYTES",   "at least so far behind",                NULL, 0, '\0'},
    {"limit",       "N",       "at most so many",                       NULL, 0, '\0'},
    {"closed",      NULL,      "those that were closed last, and why",  NULL, 0, '\0'},
    {0},
};
static const struct opt paging_options[] = {
    {"note", "TEXT", "why, for the audit log",                          NULL, 0, '\0'},
    {0},
};
static const struct opt fanout_options[] = {
    {"for",        "TIME", "it ends by itself: 15m, 2h, or RFC 3339",    NULL, 0, '\0'},
    {"conflation", "MS",   "20, 50, 100, 250 or 1000 (the profile's own)", NULL, 0, '\0'},
    {"depth",      "N",    "default depth: 10, 25, 100, 500 or 1000 (the profile's own)", NULL, 0, '\0'},
    {"sub-ops",    "N",    "subscription operations a second (the profile's own)", NULL, 0, '\0'},
    ROW_WHY, ROW_DRY, ROW_YES, {0}};
static const struct opt changes_options[] = {
    {"open", NULL, "those that wait for a second person",               NULL, 0, '\0'},
    {0},
};
static const struct opt approve_options[] = {
    {"reason", "TEXT", "why, for the audit log (that of the request)",  NULL, 0, '\0'},
    ROW_YES, {0}};
static const struct opt decide_options[] = {
    {"reason", "TEXT", "why, for the audit log (that of the request)",  NULL, 0, '\0'},
    {0},
};
#define ROWS_FILTER                                                                                 \
    {"actor",    "WHO",  "who did it: key:pk_..., user:ana",            NULL, 0, '\0'},             \
    {"action",   "WORD", "what: symbol.mode, kill.release",             NULL, 0, '\0'},             \
    {"target",   "WHAT", "to what: BTC/USD, *",                         NULL, 0, '\0'},             \
    {"outcome",  "WORD", "done, requested, approved, rejected, ...",    NULL, 0, '\0'},             \
    {"ticket",   "ID",   "of this ticket",                              NULL, 0, '\0'},             \
    {"incident", "ID",   "of this incident",                            NULL, 0, '\0'},             \
    {"from",     "TIME", "from then on, RFC 3339",                      NULL, 0, '\0'},             \
    {"to",       "TIME", "and before then",                             NULL, 0, '\0'},             \
    {"q",        "TEXT", "that is part of one of them, or of the reason", NULL, 0, '\0'}
static const struct opt search_options[] = {
    ROWS_FILTER,
    {"order",    "ORDER", "desc, newest first (if left out), or asc",   "asc desc", OPT_STRICT, '\0'},
    {"limit",    "N",     "so many at once",                            NULL, 0, '\0'},
    {"cursor",   "TEXT",  "go on where an answer ended",                NULL, 0, '\0'},
    {0},
};
static const struct opt export_options[] = {
    {"out",      "FILE",  "a new file (mode 0600); stdout if left out", NULL, OPT_FILE, '\0'},
    {"limit",    "N",     "so many a request (1000)",                   NULL, 0, '\0'},
    ROWS_FILTER,
    {0},
};
#define ROWS_REQUEST                                                                                \
    {"body",   "FILE",          "what to send; - for stdin",            NULL, OPT_FILE, '\0'},      \
    {"header", "'Name: value'", "a header field; repeatable",           NULL, OPT_REPEAT, '\0'}
static const struct opt request_options[] = {
    ROWS_REQUEST, {"include", NULL, "print the head of the answer too", NULL, 0, '\0'}, {0}};
static const struct opt sign_options[] = {ROWS_REQUEST, {0}};

static const struct opt status_options[] = {
    {"check", NULL, "for monitoring: one line; exit code 0 or 7", NULL, 0, '\0'},
    {0},
};

#define MANY_MORE                                                                                  \
    "Before anything is sent, the change is shown: before and after, direction, how much it reaches.\n" \
    "Then the symbol (or ALL, KILL, RELEASE, or how many SYMBOLS) has to be typed, unless --yes.\n" \
    "What tightens takes effect at once. What loosens waits for another person: exit code 5."

const struct command commands[] = {
    {"status", "", "what is held back, by whom, until when; what waits; is the audit log well?",
     "Works without PostgreSQL. With --json one object: stats, cells, symbols, changes (null: not known).\n"
     "With --check: exit code 0 when nothing is held back, nothing waits and the audit log is well, else 7.",
     "portctl status\n"
     "portctl status --check || mail -s 'look at the gateway' ops\n"
     "portctl --json status | jq -r '.cells[] | [.kind, .target, .by] | @tsv'",
     status_options, 0, 0, status_show, false, NULL},
    {"halt", "[SYMBOL]", "SOFT_HALT at once: no new orders, the last book marked stale",
     MANY_MORE,
     "portctl halt BTC/USD --reason 'prices are off' --ticket OPS-7 --until 30m\n"
     "portctl halt --all --hard --reason 'ledger and engine differ' --ticket OPS-7 --yes",
     halt_options, 0, 1, halt_set, false, NULL},
    {"resume", "[SYMBOL]", "ask for the next mode on the way back to NORMAL",
     "HARD_HALT leads to CANCEL_ONLY, SOFT_HALT and CANCEL_ONLY to NORMAL; --to names another. From\n"
     "CANCEL_ONLY the reason has to say how the state was validated. Another person approves it.",
     "portctl resume BTC/USD --reason 'prices agree again' --ticket OPS-7",
     resume_options, 0, 1, resume_ask, false, NULL},
    {"mode", "[SYMBOL] MODE", "set the trading mode of a symbol, a list, a group or all",
     MANY_MORE,
     "portctl mode BTC/USD CANCEL_ONLY --reason 'maintenance of the core' --ticket OPS-7\n"
     "portctl mode --symbols BTC/USD,ETH/USD SOFT_HALT --reason 'prices are off' --dry-run\n"
     "portctl mode --group stable CANCEL_ONLY --reason 'peg is off' --ticket OPS-7",
     mode_options, 1, 2, mode_set, false, MODES},
    {"kill on", "", "engage the kill switch: orders are accepted nowhere",
     MANY_MORE,
     "portctl kill on --reason 'runaway orders' --ticket OPS-7\n"
     "portctl kill on --scope adapter:fix1 --reason 'runaway orders' --yes",
     kill_options, 0, 0, kill_engage, false, NULL},
    {"kill release", "", "ask for the next stage of its release, or for its end",
     "A stage opens --symbols for --percent of the keys; one left out means all of them. Without either\n"
     "the switch is to be off. A stage has to hold for gate.stage_hold before the next.",
     "portctl kill release --symbols BTC/USD --percent 10 --reason 'first stage' --ticket OPS-7\n"
     "portctl kill release --reason 'all is well again' --ticket OPS-7",
     release_options, 0, 0, kill_release, false, NULL},
    {"withdrawals halt", "", "halt withdrawals of all assets or of one",
     MANY_MORE,
     "portctl withdrawals halt --reason 'wallet under review' --ticket OPS-7\n"
     "portctl withdrawals halt --asset BTC --reason 'chain reorganised' --ticket OPS-7",
     withdrawal_options, 0, 0, withdrawals_halt, false, NULL},
    {"withdrawals resume", "", "ask for withdrawals to go on",
     NULL,
     "portctl withdrawals resume --asset BTC --reason 'chain is settled' --ticket OPS-7",
     withdrawal_options, 0, 0, withdrawals_resume, false, NULL},
    {"throttle", "SYMBOL N|off", "at most N new orders a second",
     MANY_MORE,
     "portctl throttle BTC/USD 100 --reason 'matching is slow' --ticket OPS-7\n"
     "portctl throttle BTC/USD off --reason 'matching is fast again' --ticket OPS-7",
     control_options, 2, 2, throttle_set, false, "off"},
    {"account pause", "ID", "an account may send no orders",
     MANY_MORE,
     "portctl account pause mm1 --reason 'quotes far from the market' --ticket OPS-7",
     control_options, 1, 1, account_pause, false, NULL},
    {"account resume", "ID", "ask for an account to trade again",
     NULL,
     "portctl account resume mm1 --reason 'fixed, they say how' --ticket OPS-7",
     control_options, 1, 1, account_resume, false, NULL},
    {"account disable", "ID", "no key of an account is accepted any more",
     "At once, on every gateway; its WebSocket connections are closed with 4003. Its keys are not revoked:\n"
     "account enable, with a second person, makes them good again.",
     "portctl account disable mm1 --reason 'its keys were found in a public repository' --ticket SEC-7",
     control_options, 1, 1, account_disable, false, NULL},
    {"account enable", "ID", "ask for the keys of an account to be accepted again",
     "Another person approves it; see portctl approve.",
     "portctl account enable mm1 --reason 'new keys are out, the old ones revoked' --ticket SEC-7",
     control_options, 1, 1, account_enable, false, NULL},
    {"fanout", "normal|degraded|emergency", "how hard market data is sent out, until --for is over",
     NULL,
     "portctl fanout degraded --for 15m --reason 'queues are growing' --ticket OPS-7\n"
     "portctl fanout emergency --for 5m --conflation 1000 --depth 10 --reason 'queues are growing' \\\n"
     "    --ticket OPS-7\n"
     "portctl fanout normal --reason 'queues are short again' --ticket OPS-7",
     fanout_options, 1, 1, fanout_set, false, "normal degraded emergency"},
    {"upstream", "primary|alternate", "which feed is followed",
     NULL,
     "portctl upstream alternate --reason 'the primary is silent' --ticket OPS-7",
     control_options, 1, 1, upstream_set, false, "primary alternate"},
    {"cancel-all", "[SYMBOL]", "have the core cancel all open orders of a symbol, or of all",
     "The core is asked and answers in its own time: portctl commands.",
     "portctl cancel-all BTC/USD --reason 'wrong tick size went live' --ticket OPS-7\n"
     "portctl cancel-all --all --reason 'ledger and engine differ' --ticket OPS-7 --yes",
     cancel_options, 0, 1, cancel_all, false, NULL},
    {"commands", "", "what the core was told to do, and what it says it did",
     NULL,
     "portctl commands --symbol BTC/USD",
     commands_options, 0, 0, commands_list, false, NULL},
    {"command cancel", "ID", "give a command up that the core has not settled",
     NULL,
     "portctl command cancel 01KQ3V7J9W8Y2M4N6P8R0T2V4X --reason 'sent by mistake'",
     command_options, 1, 1, command_cancel, false, NULL},
    {"connections list", "", "who is connected over WebSocket, largest backlog first",
     NULL,
     "portctl connections list --min-backlog 65536\n"
     "portctl connections list --closed",
     connections_options, 0, 0, connections_list, false, NULL},
    {"connections kick", "ID", "close a connection; its next one is told why",
     NULL,
     "portctl connections kick 4294967301 --reason 'floods the gateway' --ticket OPS-7",
     command_options, 1, 1, connections_kick, false, NULL},
    {"paging test", "", "send a test page, and hear what the receiver said",
     "It goes the way of all pages: through the queue, signed, in the configured format. Tried once.",
     "portctl paging test",
     paging_options, 0, 0, paging_send_test, false, NULL},
    {"paging retry", "ID", "send a dead letter again",
     NULL,
     "portctl paging retry 17 --note 'the receiver had a wrong certificate'",
     paging_options, 1, 1, paging_send_again, false, NULL},
    {"paging", "", "pages that wait for the receiver, and those given up",
     NULL,
     "portctl paging\n"
     "portctl --json paging",
     NULL, 0, 0, paging_show, false, NULL},
    {"changes", "", "requests to loosen, newest first",
     NULL,
     "portctl changes --open",
     changes_options, 0, 0, changes_list, false, NULL},
    {"change show", "ID", "one request: what it would change, who asked, its hash",
     NULL,
     "portctl change show 01KQ3V7J9W8Y2M4N6P8R0T2V4X",
     NULL, 1, 1, change_show, false, NULL},
    {"approve", "ID", "carry out what another person asked for",
     "The request is fetched and shown; what is sent is the hash of what was shown.",
     "portctl approve 01KQ3V7J9W8Y2M4N6P8R0T2V4X\n"
     "portctl approve 01KQ3V7J9W8Y2M4N6P8R0T2V4X --reason 'checked the books' --yes",
     approve_options, 1, 1, change_approve, false, NULL},
    {"reject", "ID", "refuse a request",
     NULL,
     "portctl reject 01KQ3V7J9W8Y2M4N6P8R0T2V4X --reason 'books still differ'",
     decide_options, 1, 1, change_reject, false, NULL},
    {"cancel", "ID", "take one's own request back",
     NULL,
     "portctl cancel 01KQ3V7J9W8Y2M4N6P8R0T2V4X",
     decide_options, 1, 1, change_cancel, false, NULL},
    {"key new", "", "issue a key",
     "An Ed25519 pair is made on this machine and only its public half is sent. With --algorithm\n"
     "hmac-sha256 or hmac-sha512-kraken (for clients of that scheme) the server makes the secret and\n"
     "shows it once: it goes into --out, or onto the terminal. A bearer key is a token for programs that\n"
     "cannot sign; it opens report-in alone, and its one scope is report.write.",
     "portctl key new --account ops --label laptop --scope keys.read --ip 10.0.0.0/8 \\\n"
     "    --not-after 90d --reason 'new operator' --out ops.pem\n"
     "portctl key new --account mm1 --label feed --scope market --algorithm hmac-sha512-kraken \\\n"
     "    --reason onboarding --ticket OPS-7\n"
     "portctl key new --account ops --label alertmanager --scope report.write --algorithm bearer \\\n"
     "    --reason 'alerts come in' --out alertmanager.token",
     new_options, 0, 0, key_new, false, NULL},
    {"key list", "", "list keys",
     "ANYWHERE yes: a scope of the key administers, and no network binds it. Rotate it with --ip, or issue\n"
     "another one and revoke it.",
     "portctl key list --account mm1 --state active\n"
     "portctl --json key list | jq -r '.keys[].id'",
     list_options, 0, 0, key_list, false, NULL},
    {"key show", "ID", "show all of one key but its secret",
     NULL,
     "portctl key show pk_7rfy7b5x6pumyo666id6",
     NULL, 1, 1, key_show, false, NULL},
    {"key rotate", "ID", "issue a successor of a key; the old one stays good for a while",
     "The successor has the same owner, scopes, addresses and limits. An Ed25519 pair is made on this\n"
     "machine, as for key new. An old key that administers and has no networks (key list: ANYWHERE) gets\n"
     "its networks now, with --ip.",
     "portctl key rotate pk_7rfy7b5x6pumyo666id6 --overlap 24h --reason yearly --out ops-2.pem\n"
     "portctl key rotate pk_7rfy7b5x6pumyo666id6 --ip 10.1.0.0/16 --reason 'bind it' --out ops-2.pem",
     rotate_options, 1, 1, key_rotate, false, NULL},
    {"key revoke", "ID", "end a key at once and for good",
     "On a terminal the id must be typed again; elsewhere --yes is needed.",
     "portctl key revoke pk_7rfy7b5x6pumyo666id6 --reason 'laptop lost' --ticket OPS-9\n"
     "portctl key revoke pk_7rfy7b5x6pumyo666id6 --reason 'laptop lost' --yes",
     revoke_options, 1, 1, key_revoke, false, NULL},
    {"key limits", "ID", "give a key another rate class",
     "Each call of a low key counts as four against the limits, of a minimal key as ten.",
     "portctl key limits pk_7rfy7b5x6pumyo666id6 --rate-class low --reason 'polls too much'",
     limits_options, 1, 1, key_limits, false, NULL},
    {"key flag", "ID", "watch a key: a network it was never seen from opens an incident",
     "It goes on working. Keys with admin scopes are watched anyway.",
     "portctl key flag pk_7rfy7b5x6pumyo666id6 --reason 'orders nobody remembers' --ticket SEC-8",
     flag_options, 1, 1, key_flag, false, NULL},
    {"key unflag", "ID", "watch a key no longer",
     NULL,
     "portctl key unflag pk_7rfy7b5x6pumyo666id6 --reason 'it was their new data centre' --ticket SEC-8",
     flag_options, 1, 1, key_unflag, false, NULL},
    {"key usage", "ID", "from which networks and for what a key was used, and what it was refused",
     NULL,
     "portctl key usage pk_7rfy7b5x6pumyo666id6",
     NULL, 1, 1, key_usage, false, NULL},
    {"ws-token", "", "obtain a token for private WebSocket channels; printed alone on stdout",
     NULL,
     "TOKEN=$(portctl ws-token)",
     NULL, 0, 0, ws_token, false, NULL},
    {"time", "", "the server's time and how far this clock is from it; needs no key",
     NULL,
     "portctl --url https://localhost:8445 --ca var/tls/ca.pem time",
     NULL, 0, 0, server_time, false, NULL},
    {"audit verify", "", "is an export of the audit log whole, in order and as it was signed?",
     "Needs no server. Finds records that were edited, deleted, inserted, reordered or cut off, and names\n"
     "the first bad one. Without anchors a rewritten end is not found, and a cut one neither. Exit code 0:\n"
     "whole; 1: not; 2: a file cannot be read.",
     "portctl audit verify --file export.ndjson --anchors anchors.txt --key audit.key.pub\n"
     "portctl --json audit verify --file - --anchors anchors.txt --key audit.key.pub < export.ndjson\n"
     "portctl audit verify --file october.ndjson --from 120001 --part --anchors anchors.txt \\\n"
     "    --key audit.key.pub",
     audit_options, 0, 0, audit_verify_file, true, NULL},
    {"audit search", "", "records of the audit log, newest first",
     NULL,
     "portctl audit search --ticket OPS-7\n"
     "portctl audit search --action symbol.mode --target BTC/USD --from 2026-11-20T00:00:00Z --order asc",
     search_options, 0, 0, audit_search, false, NULL},
    {"audit export", "", "the audit log as lines, for audit verify",
     NULL,
     "portctl audit export --out audit.ndjson\n"
     "portctl audit export --from 2026-11-01T00:00:00Z --to 2026-12-01T00:00:00Z --out november.ndjson",
     export_options, 0, 0, audit_export, false, NULL},
    {"audit check", "", "has the server walk its whole audit log and compare it with the last anchor",
     "A server that was taken over can say anything: export, and use audit verify elsewhere.",
     "portctl audit check",
     NULL, 0, 0, audit_check, false, NULL},
    {"request", "METHOD PATH", "sign and send anything, print the answer as it comes",
     "PATH is percent-encoded as it shall be sent. Exit code 1 for an answer of 400 or more, 4 for 401.",
     "portctl request GET '/v1/symbols?halted=true'\n"
     "portctl request PUT /v1/symbols/BTC%2FUSD/mode --header 'If-Match: *' --body halt.json --include",
     request_options, 2, 2, request_send, false, "GET HEAD POST PUT PATCH DELETE OPTIONS"},
    {"sign", "METHOD PATH", "print the header fields that sign a request, for curl",
     "Good for a minute and for one request. If-Match and Idempotency-Key are signed, too: give them here.",
     "portctl sign GET /v1/stats | curl --cacert ca.pem -H @- https://localhost:8445/v1/stats\n"
     "portctl sign PUT /v1/withdrawals --header 'If-Match: *' --body halt.json |\n"
     "    curl --cacert ca.pem -H @- -X PUT --data-binary @halt.json https://localhost:8445/v1/withdrawals",
     sign_options, 2, 2, request_sign, false, "GET HEAD POST PUT PATCH DELETE OPTIONS"},
    REPORTED_ROWS
    INCIDENT_ROWS
    PEOPLE_ROWS
    PLAYBOOK_ROWS
    CIRCUIT_ROWS
    TICKET_ROWS
    {"completion", "bash|zsh", "print the completion of a shell",
     NULL,
     "portctl completion bash > ~/.local/share/bash-completion/completions/portctl\n"
     "portctl completion zsh > ~/.zfunc/_portctl    # a folder of $fpath",
     NULL, 1, 1, completion_command, true, "bash zsh"},
    {"help", "[COMMAND]", "help on a command",
     NULL,
     "portctl help key new",
     NULL, 0, 2, help_command, true, NULL},
    {0},
};
/* clang-format on */
