/* gateway/incident/detect.h - what this gateway sees of itself that a person should look at: rules over
 * samples.
 * Why: many faults show in a counter before anybody complains. A rule fires on the first sample that
 * says so for long enough, and is clear only after a time without: what flaps is one signal.
 *
 *   sample (once a second) -> rule -> QUIET -> (says so for `hold`) -> FIRING -> (not for `clear`) -> QUIET
 *                                                 | at once, and again every minute    | once
 *                                                 +---------> struct incident_signal <-+
 *
 * Owner: whoever holds it; pure: the clock is in the sample.
 * Invariant: a signal that was told as firing is told as cleared, once, after the next quiet time; so is
 * each rule that is quiet after a start, since the process before may have told otherwise. */
#ifndef GATEWAY_INCIDENT_DETECT_H
#define GATEWAY_INCIDENT_DETECT_H
#include "gateway/incident/incidents.h"
#include "gateway/runtime/config.h"

/* clang-format off */
#define DETECT_CONFIG(X) /* key, type, default, min, max, help */                                                         \
    X(enabled,          BOOL_LIVE, "true", 0, 0,          "this gateway's own detectors open incidents")                   \
    X(window,           MSEC_LIVE, "60s",  1000, 3600000, "what is counted below is counted over so long")                 \
    X(clear,            MSEC_LIVE, "5m",   1000, 86400000, "a signal is over after so long without its cause")             \
    X(gaps,             UINT_LIVE, "1",    0, 1000000,    "sequence gaps within the window; 0 (also below): this one is off") \
    X(duplicates,       UINT_LIVE, "1",    0, 1000000,    "entries with a sequence number that was seen before")           \
    X(slow_closes,      UINT_LIVE, "20",   0, 1000000,    "connections closed as slow consumers (playbook ws_overload)")   \
    X(replays,          UINT_LIVE, "10",   0, 1000000,    "requests whose nonce was known")                                \
    X(auth_failures,    UINT_LIVE, "100",  0, 1000000,    "requests that were not authentic")                              \
    X(clock_steps,      UINT_LIVE, "1",    0, 1000000,    "times this host's clock was set by more than half a second")    \
    X(reconnects,       UINT_LIVE, "3",    0, 1000000,    "times the feed came back after it was lost, within reconnect_window") \
    X(reconnect_window, MSEC_LIVE, "5m",   1000, 3600000, "see reconnects")                                                \
    X(silent,           MSEC_LIVE, "30s",  0, 86400000,   "a symbol without an event for so long, and twenty times as long as is usual for it, while others live; 0 (also below): off") \
    X(redis_away,       MSEC_LIVE, "10s",  0, 86400000,   "no connection to Redis answers for so long")                    \
    X(postgres_away,    MSEC_LIVE, "10s",  0, 86400000,   "no connection to PostgreSQL answers for so long")               \
    X(journal,          MSEC_LIVE, "60s",  0, 86400000,   "the emergency journal is not drained for so long, though PostgreSQL answers") \
    X(anchor,           MSEC_LIVE, "5m",   0, 86400000,   "the audit log has not been signed for so long, though PostgreSQL answers") \
    X(approvals,        MSEC_LIVE, "10m",  0, 86400000,   "a request to loosen waits for a second person for so long") \
    X(new_network,      BOOL_LIVE, "true", 0, 0,          "a key with admin scopes, or one that is flagged, is used from a network it was never seen from")

/*    symbol      key                    severity class                  playbook      title */
#define DETECT_RULES(X)                                                                                                   \
    X(GAP,        "gateway:sequence_gap", SEV3, "data_quality",        "",           "Market data has sequence gaps")        \
    X(DUPLICATE,  "gateway:sequence_duplicate", SEV2, "data_quality",        "",           "Market data repeats sequence numbers") \
    X(SLOW,       "gateway:slow_consumers", SEV2, "",                 "ws_overload", "Many WebSocket clients are too slow") \
    X(REPLAY,     "gateway:replay",      SEV2, "",                    "",           "Requests are being replayed")          \
    X(AUTH,       "gateway:auth_failures", SEV3, "",                  "",           "Many requests are not authentic")      \
    X(CLOCK,      "gateway:clock_step",  SEV3, "",                    "",           "The clock of a gateway was set")       \
    X(RECONNECT,  "gateway:upstream_reconnects", SEV2, "broker_connectivity", "",   "The feed is lost again and again")     \
    X(SILENT,     "gateway:silent_symbol", SEV2, "data_quality",      "",           "A symbol is silent while others live") \
    X(REDIS,      "gateway:redis_away",  SEV2, "broker_connectivity", "",           "Redis is away")                        \
    X(POSTGRES,   "gateway:postgres_away", SEV2, "",                  "",           "PostgreSQL is away")                   \
    X(JOURNAL,    "gateway:audit_journal", SEV2, "",                  "",           "Acts on this disk do not reach the audit log") \
    X(UNAUDITED,  "gateway:audit_unaudited", SEV1, "",                "",           "A change is in force that no disk has taken") \
    X(ANCHOR,     "gateway:audit_anchor", SEV3, "",                   "",           "The audit log is not being signed")    \
    X(BROKEN,     "gateway:audit_broken", SEV1, "",                   "",           "The audit log does not follow from its last signed head") \
    X(KILL,       "gateway:kill_switch", SEV1, "",                    "kill_switch", "The kill switch is engaged")          \
    X(DUE,        "gateway:decision_due", SEV2, "",                   "",           "A halt has passed its time: somebody has to decide") \
    X(LATE,       "gateway:core_commands", SEV2, "broker_connectivity", "",       "The core has not confirmed a command in its time") \
    X(WAITING,    "gateway:approvals_waiting", SEV3, "",              "",           "A request to loosen waits for a second person") \
    X(ALONE,      "gateway:break_glass", SEV1, "",                    "",           "One person alone has loosened, by break-glass")
/* clang-format on */
#define DETECT_RULE_AS_ENUM(sym, key, severity, class_, playbook, title) DETECT_##sym,
enum detect_rule { DETECT_RULES(DETECT_RULE_AS_ENUM) DETECT_RULE_COUNT };

struct detect_config {
    DETECT_CONFIG(CFG_FIELD)
};
extern const struct cfg_table detect_config_table;

struct detect_rule_row {
    const char *key;
    enum incident_severity severity;
    const char *class_;
    const char *playbook;
    const char *title;
};
extern const struct detect_rule_row detect_rules[DETECT_RULE_COUNT];

/* A symbol, since the start of this process. */
struct detect_pulse {
    const char *name; /* borrowed for ever */
    uint64_t events, gaps, duplicates;
    bool live;
    bool halted; /* nothing is to be expected of it */
};

/* Counters only grow; one that falls has begun anew. */
struct detect_sample {
    int64_t mono_ns;
    int64_t wall_ns;
    uint64_t slow_closes, replays, auth_failures, reconnects, clock_steps;
    bool redis_up, postgres_up;
    uint64_t journaled, unaudited; /* records */
    bool anchoring;                /* the audit log is signed at all */
    int64_t anchored_ns;           /* wall: last signature, 0: none so far */
    bool chain_broken;
    bool kill_engaged;
    uint64_t decisions_due;
    uint64_t late_commands;
    uint64_t approval_wait_s;
    uint64_t break_glass;
    bool feed_up;
    const struct detect_pulse
        *pulses; /* always of the same symbols in the same order; NULL: not known */
    uint32_t pulse_count;
};

struct detect;
typedef void detect_fn(void *arg, const struct incident_signal *s);

/* CONFIG is read at each step. GATEWAY: its name, for the details. */
struct detect *detect_create(const struct detect_config *config, const char *gateway);
void detect_destroy(struct detect **dp);
void detect_step(struct detect *d, const struct detect_sample *s, detect_fn *sink, void *arg);
#endif
