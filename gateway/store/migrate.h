/* gateway/store/migrate.h - brings a database's schema to what this program expects.
 * Why: the schema is part of the program: the files of gateway/store/migrations are compiled in,
 * each with its SHA-256, and run in order, each in a transaction, under an advisory lock so that two
 * runs do not meet. What was applied is kept in schema_migrations.
 * Owner: the caller's thread. Blocks: for the command line, never on a loop.
 * Invariant: an applied file never changes; a database holds the migrations 1..n, without gaps. */
#ifndef GATEWAY_STORE_MIGRATE_H
#define GATEWAY_STORE_MIGRATE_H
#include <stddef.h>
#include <stdio.h>

struct migration {
    int version; /* 1, 2, ... */
    const char *name;
    const char *sha256; /* of the file, in hex */
    const char *sql;
};
/* Made from the files by migrations.cmake. */
extern const struct migration migrations[];
extern const size_t migration_count;
extern const char *const migration_grants;

/* Applies what is missing and tells OUT. If the setting portcullis.writer_role names a role, that
 * role is granted what the gateway needs. 0, or 1 after an error, which OUT was told with what to do
 * next; what had been applied before it stays. */
int migrate_run(const char *dsn, FILE *out);
/* The same with another list, and GRANTS that may be NULL. */
int migrate_apply(const char *dsn, const struct migration *list, size_t count, const char *grants,
                  FILE *out);
#endif
