#include "gateway/audit/words.h"

#include <string.h>

/* struct metric_label knows one name: the second label is in the values. They are words of the
 * tables, so nothing needs escaping. */
#define PAIR(action, result)   action "\",result=\"" result,
#define PAIRS_OF(action, help) AUDIT_RESULTS(PAIR, action)
static const char *const pairs[] = {AUDIT_ACTIONS(PAIRS_OF)};
static const struct metric_label audit_pairs = {"action", pairs, GW_LEN(pairs)};

#define ACTION_WORD(action, help) action,
static const char *const actions[] = {AUDIT_ACTIONS(ACTION_WORD)};
#define RESULT_WORD(action, result) result,
static const char *const results[] = {AUDIT_RESULTS(RESULT_WORD, "")};

static const struct metric_row rows[] = {AUDIT_METRICS(METRIC_AS_ROW)};
const struct metric_table audit_metrics = {"Audit log", rows, GW_LEN(rows)};

/* The last of the words is "other". */
static unsigned find(const char *const *words, size_t count, const char *word)
{
    unsigned i = 0;

    while (i + 1 < count && strcmp(words[i], word) != 0) {
        i++;
    }
    return i;
}

void audit_count(struct metric_set *metrics, const struct audit_entry *e)
{
    unsigned action = find(actions, GW_LEN(actions), e->action);
    unsigned result = find(results, GW_LEN(results), e->outcome);

    metrics_add(metrics, AUDIT_M_RECORDS, action * (unsigned)GW_LEN(results) + result, 1);
}
