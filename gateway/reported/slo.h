/* gateway/reported/slo.h - objectives: what was promised, and whether it is kept. Pure.
 * Why: an objective without a recent number behind it is neither kept nor missed: it is unknown, and
 * says so.
 * Owner: none; time and numbers are arguments. */
#ifndef GATEWAY_REPORTED_SLO_H
#define GATEWAY_REPORTED_SLO_H
#include "gateway/reported/component.h"
#include "gateway/reported/signal.h"

/* clang-format off */
/*    symbol           id                          signal, "": own        op  limit   target       window        title */
#define SLOS(X)                                                                                                            \
    X(SLO_ACK,         "incident_ack",             "",                    LE, "900",   "<= 15 min", "30 days",    "critical incidents acknowledged") \
    X(SLO_RECON,       "recon_mismatch_runs",      "recon_consecutive_mismatch", LT, "3", "< 3",    "runs in a row", "order reconciliation mismatch runs") \
    X(SLO_QUALITY,     "data_quality_errors",      "data_quality_errors", LE, "0",     "0",         "last cycle", "data quality errors") \
    X(SLO_STALE,       "stale_warnings",           "data_stale_warnings", LE, "0",     "0",         "last cycle", "stale warnings") \
    X(SLO_PAPER,       "paper_reconciliation_pass", "paper_reconciliation_pass_ratio", GE, "0.995", ">= 99.5 %", "as reported", "paper reconciliation pass rate") \
    X(SLO_ERRORS,      "operational_errors",       "operational_error_ratio", LE, "0.02", "<= 2 %", "as reported", "operational error rate") \
    X(SLO_FEED,        "own_feed",                 "",                    LE, "0",     "0",         "now",        "own feed silent")
/* clang-format on */
#define SLO_AS_ENUM(sym, id, signal, op, limit, target, window, title) sym,
enum slo { SLOS(SLO_AS_ENUM) SLO_COUNT };

enum slo_op { SLO_LT, SLO_LE, SLO_GE };
struct slo_row {
    const char *id;
    const char *signal;
    enum slo_op op;
    const char *limit;
    const char *target;
    const char *window;
    const char *title;
};
extern const struct slo_row slo_rows[SLO_COUNT];

enum slo_state { SLO_UNKNOWN, SLO_OK, SLO_BREACHED, SLO_STATE_COUNT };
extern const char *const slo_state_words[SLO_STATE_COUNT];

/* What no signal says. */
struct slo_facts {
    bool ack_known;               /* PostgreSQL has told the next two */
    int64_t ack_worst_s;          /* longest time to an acknowledgement, also one that is awaited */
    int64_t ack_read_mono_ns;     /* when it told them */
    const struct component *feed; /* NULL: not known */
};
struct slo_result {
    enum slo_state state;
    char value[DECIMAL_TEXT_SIZE]; /* "": not known */
    int64_t age_ns;                /* -1: not known */
};
void slo_judge(enum slo which, const struct signals *signals, const struct slo_facts *facts,
               const struct reported_now *now, struct slo_result *out);
/* {"slos":[...]} without the braces. */
void slo_print(struct buf *out, const struct signals *signals, const struct slo_facts *facts,
               const struct reported_now *now);
#endif
