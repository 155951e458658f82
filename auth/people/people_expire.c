/* auth/people/people_expire.c - the end of roles that are held for a while.
 * Why: a right that ends by the clock ends for whoever judges by it, but who looks at the audit log
 * afterwards must see when it was over, also when nobody was logged in then, or no gateway ran.
 *
 *   poll of the epoch: something is due -> which -> of each: UPDATE ... WHERE ended_at IS NULL, its entry
 *
 * Invariant: one entry for each end, whatever the number of gateways: the row is ended in the
 * transaction of the entry, and only one of them can end it. */
#include <stdio.h>
#include "auth/people/people_priv.h"
#include "auth/people/people_sql.h"

#define BATCH "16"

/* clang-format off */
static const char due_sql[] =
    "SELECT id, user_name FROM user_roles WHERE ended_at IS NULL AND until <= " AT("$1")
    " ORDER BY until, id LIMIT " BATCH;
#define HELD_JSON "json_build_object('role', role, 'kind', kind, 'until', " JSON_TIME("until") ","  \
    " 'granted_at', " JSON_TIME("granted_at") ", 'granted_by', granted_by, 'reason', reason,"        \
    " 'ticket', ticket)"
static const char expire_sql[] =
    "WITH changed AS (UPDATE user_roles SET ended_at = until, ended_by = 'system',"
    " end_reason = 'its time was over' WHERE user_name = $1 AND until <= " AT("$2")
    " AND id = $3 AND ended_at IS NULL RETURNING *)"
    CHANGED(HELD_JSON, "json_build_object('ended_at', " JSON_TIME("ended_at") ")");
/* clang-format on */

static void on_expired(void *arg, const struct people_answer *answer)
{
    struct people *p = arg;

    (void)answer; /* another gateway was quicker, or it comes again with the next poll */
    p->ending_roles--;
}

static void expire(struct people *p, int64_t id, const char *name)
{
    struct people_op *op = people_op_create(p, ACT_ROLE_EXPIRE, on_expired, p);
    char target[PEOPLE_NAME_MAX + 6];

    (void)snprintf(target, sizeof target, "user:%s", name);
    op->change.act.actor = "system";
    op->change.act.reason = "its time was over";
    op->change.act.target = people_keep(op, target);
    people_sql(op, expire_sql);
    people_text(op, people_keep(op, name));
    people_time(op, people_now(p));
    people_int(op, id);
    p->ending_roles++;
    (void)people_op_change(op);
}

static void on_due(void *arg, const struct pg_reply *reply)
{
    struct people *p = arg;

    p->ending_roles--;
    for (size_t row = 0; row < pg_rows(reply, 0) && !p->closing; row++) {
        int64_t id = 0;

        if (pg_value_i64(reply, 0, row, 0, &id)) {
            expire(p, id, pg_value(reply, 0, row, 1, NULL));
        }
    }
    people_release(p);
}

void people_end_roles(struct people *p)
{
    const struct pg_param now = pg_int8(people_now(p) / 1000);
    const struct pg_statement s = {.sql = due_sql, .params = &now, .param_count = 1};

    if (p->ending_roles == 0 && !p->closing && pg_query(p->opt.pg, &s, 0, on_due, p)) {
        p->ending_roles++;
        people_hold(p);
    }
}
