/* The table of commands. A new command is a row, its options and a handler; parsing, help and
 * completion follow. */
#include "admin_api/portctl/handlers.h"
#include "auth/scopes.h"

#define SCOPE_WORD(sym, bit, word, admin, help) word " "
#define ALGORITHMS                              "ed25519 hmac-sha256 hmac-sha512-kraken"
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
    {"ip",         "NETWORK", "an address or network it is accepted from; repeatable", NULL, OPT_REPEAT, '\0'},
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

const struct command commands[] = {
    {"key new", "", "issue a key",
     "An Ed25519 pair is made on this machine and only its public half is sent. With --algorithm\n"
     "hmac-sha256 or hmac-sha512-kraken (for clients of that scheme) the server makes the secret and\n"
     "shows it once: it goes into --out, or onto the terminal.",
     "portctl key new --account ops --label laptop --scope keys.read --ip 10.0.0.0/8 \\\n"
     "    --not-after 90d --reason 'new operator' --out ops.pem\n"
     "portctl key new --account mm1 --label feed --scope market --algorithm hmac-sha512-kraken \\\n"
     "    --reason onboarding --ticket OPS-7",
     new_options, 0, 0, key_new, false},
    {"key list", "", "list keys",
     NULL,
     "portctl key list --account mm1 --state active\n"
     "portctl --json key list | jq -r '.keys[].id'",
     list_options, 0, 0, key_list, false},
    {"key show", "ID", "show all of one key but its secret",
     NULL,
     "portctl key show pk_7rfy7b5x6pumyo666id6",
     NULL, 1, 1, key_show, false},
    {"key rotate", "ID", "issue a successor of a key; the old one stays good for a while",
     "The successor has the same owner, scopes, addresses and limits. An Ed25519 pair is made on this\n"
     "machine, as for key new.",
     "portctl key rotate pk_7rfy7b5x6pumyo666id6 --overlap 24h --reason yearly --out ops-2.pem",
     rotate_options, 1, 1, key_rotate, false},
    {"key revoke", "ID", "end a key at once and for good",
     "On a terminal the id must be typed again; elsewhere --yes is needed.",
     "portctl key revoke pk_7rfy7b5x6pumyo666id6 --reason 'laptop lost' --ticket OPS-9\n"
     "portctl key revoke pk_7rfy7b5x6pumyo666id6 --reason 'laptop lost' --yes",
     revoke_options, 1, 1, key_revoke, false},
    {"key limits", "ID", "give a key another rate class",
     "Each call of a low key counts as four against the limits, of a minimal key as ten.",
     "portctl key limits pk_7rfy7b5x6pumyo666id6 --rate-class low --reason 'polls too much'",
     limits_options, 1, 1, key_limits, false},
    {"key usage", "ID", "when, from where and for what a key was used last",
     NULL,
     "portctl key usage pk_7rfy7b5x6pumyo666id6",
     NULL, 1, 1, key_usage, false},
    {"ws-token", "", "obtain a token for private WebSocket channels; printed alone on stdout",
     NULL,
     "TOKEN=$(portctl ws-token)",
     NULL, 0, 0, ws_token, false},
    {"time", "", "the server's time and how far this clock is from it; needs no key",
     NULL,
     "portctl --url https://localhost:8445 --ca var/tls/ca.pem time",
     NULL, 0, 0, server_time, false},
    {"audit verify", "", "is an export of the audit log whole, in order and as it was signed?",
     "Needs no server. Finds records that were edited, deleted, inserted, reordered or cut off, and names\n"
     "the first bad one. Without anchors a rewritten end is not found, and a cut one neither. Exit code 0:\n"
     "whole; 1: not; 2: a file cannot be read.",
     "portctl audit verify --file export.ndjson --anchors anchors.txt --key audit.key.pub\n"
     "portctl --json audit verify --file - --anchors anchors.txt --key audit.key.pub < export.ndjson\n"
     "portctl audit verify --file october.ndjson --from 120001 --part --anchors anchors.txt \\\n"
     "    --key audit.key.pub",
     audit_options, 0, 0, audit_verify_file, true},
    {"completion", "bash|zsh", "print the completion of a shell",
     NULL,
     "portctl completion bash > ~/.local/share/bash-completion/completions/portctl\n"
     "portctl completion zsh > ~/.zfunc/_portctl    # a folder of $fpath",
     NULL, 1, 1, completion_command, true},
    {"help", "[COMMAND]", "help on a command",
     NULL,
     "portctl help key new",
     NULL, 0, 2, help_command, true},
    {0},
};
/* clang-format on */
