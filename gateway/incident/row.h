/* gateway/incident/row.h - an incident as a row of PostgreSQL; for gateway/incident only.
 * Why: the columns are declared once; reading, writing and the texts of the statements follow.
 * Owner: none. */
#ifndef GATEWAY_INCIDENT_ROW_H
#define GATEWAY_INCIDENT_ROW_H
#include "gateway/incident/incident.h"
#include "gateway/store/pg.h"

#define ROW_COLUMNS 43u /* as row_columns() puts them */
#define ROW_PARAMS  40u

/* A time of nanoseconds as a parameter of AT(): microseconds, or NULL. */
#define ROW_AT(n)    "('epoch'::timestamptz + " n "::bigint * interval '1 microsecond')"
#define ROW_UTC(col) "to_char(" col " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

/* What a SELECT (or RETURNING) of `incidents AS i` lists. */
void row_columns(struct buf *out);
/* The whole row, FIRST is the first column; NULL: it is no incident. */
struct incident *row_read(const struct pg_reply *r, size_t statement, size_t row, size_t first);
/* INSERT (NEW_ONE) or UPDATE of all columns, RETURNING row_columns(). */
void row_write_sql(struct buf *out, bool new_one);
/* Its parameters; they borrow from I. */
void row_params(const struct incident *i, struct pg_param params[ROW_PARAMS]);
struct pg_param row_time(int64_t ns);
#endif
