/* gateway/store/pg_dsn.c - what must be known of a DSN before libpq gets it: libpq looks host names
 * up itself, and blocks while it does. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/store/pg_priv.h"

bool pg_dsn_valid(const char *dsn)
{
    PQconninfoOption *options;
    char *error = NULL;
    bool uri = strncmp(dsn, "postgresql://", 13) == 0 || strncmp(dsn, "postgres://", 11) == 0;

    if (!uri && strchr(dsn, '=') == NULL) {
        return false; /* libpq would take it for the name of a database */
    }
    options = PQconninfoParse(dsn, &error);
    PQfreemem(error);
    PQconninfoFree(options);
    return options != NULL;
}

static const char *value_of(const PQconninfoOption *options, const char *keyword)
{
    for (; options->keyword != NULL; options++) {
        if (strcmp(options->keyword, keyword) == 0) {
            if (options->val != NULL && options->val[0] != '\0') {
                return options->val;
            }
            return options->envvar != NULL ? getenv(options->envvar) : NULL;
        }
    }
    return NULL;
}

static bool is_name(const char *host)
{
    unsigned char address[16];

    return host[0] != '\0' && host[0] != '/' && host[0] != '@' && strchr(host, ',') == NULL &&
           inet_pton(AF_INET, host, address) != 1 && inet_pton(AF_INET6, host, address) != 1;
}

char *pg_dsn_lookup(const char *dsn)
{
    PQconninfoOption *options = PQconninfoParse(dsn, NULL);
    char *name = NULL;
    const char *host;

    if (options == NULL) {
        return NULL;
    }
    host = value_of(options, "host");
    if (host != NULL && value_of(options, "hostaddr") == NULL && is_name(host)) {
        name = gw_strdup(host);
    }
    PQconninfoFree(options);
    return name;
}
