/* gateway/reported/rules_priv.h - one rule, as read and as judged. */
#ifndef GATEWAY_REPORTED_RULES_PRIV_H
#define GATEWAY_REPORTED_RULES_PRIV_H
#include <uthash.h>
#include "gateway/reported/rules.h"

/* clang-format off */
#define RULE_OPS(X)          \
    X(LESS,     "<")         \
    X(LESS_EQ,  "<=")        \
    X(MORE,     ">")         \
    X(MORE_EQ,  ">=")        \
    X(EQUAL,    "==")        \
    X(OTHER,    "!=")        \
    X(STALE,    "stale")
/* clang-format on */
#define RULE_OP_AS_ENUM(sym, word) RULE_##sym,
enum rule_op { RULE_OPS(RULE_OP_AS_ENUM) RULE_OP_COUNT };
extern const char *const rule_op_words[RULE_OP_COUNT];

enum rule_about { RULE_SIGNAL, RULE_COMPONENT, RULE_GROUP };

struct rule {
    enum rule_about about;
    char id[SIGNAL_NAME_MAX + 1];
    char name[SIGNAL_NAME_MAX + 1]; /* of the signal, component (also "ea:*") or group */
    struct signal_sample labels;    /* only its labels */
    enum rule_op op;
    char value[DECIMAL_TEXT_SIZE];
    unsigned states; /* bits of enum component_state */
    int64_t for_ns;
    enum incident_severity severity;
    char playbook[65];
    char class_[32];
    char title[201];
};

/* What one rule says of one thing. */
enum watch_state { WATCH_NEW, WATCH_QUIET, WATCH_PENDING, WATCH_FIRING };
struct watch {
    enum watch_state state;
    int64_t since_ns; /* monotonic: it holds */
    UT_hash_handle hh;
    char key[]; /* of the incident */
};

struct rules {
    struct rule *v;
    uint32_t count;
    struct watch *watches;
};
#endif
