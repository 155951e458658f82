#include "gateway/base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERR_AS_ROW(sym, http, ws, retry, text) {#sym, http, ws, retry, text},
static const struct gw_err_row rows[GW_ERR_COUNT] = {GW_ERRORS(ERR_AS_ROW)};

const struct gw_err_row *gw_err_row(enum gw_err err)
{
    GW_ASSERT((unsigned)err < GW_ERR_COUNT);
    return &rows[err];
}

void gw_assert_failed(const char *expr, const char *file, int line)
{
    fprintf(stderr, "{\"level\":\"fatal\",\"event\":\"assert\",\"expr\":\"%s\",\"at\":\"%s:%d\"}\n",
            expr, file, line);
    abort();
}

static void *must(void *p)
{
    GW_ASSERT(p != NULL);
    return p;
}

void *gw_malloc(size_t bytes)
{
    return must(malloc(bytes != 0 ? bytes : 1));
}

void *gw_calloc(size_t count, size_t bytes)
{
    return must(calloc(count != 0 ? count : 1, bytes != 0 ? bytes : 1));
}

void *gw_realloc(void *p, size_t bytes)
{
    return must(realloc(p, bytes != 0 ? bytes : 1));
}

char *gw_strdup(const char *s)
{
    return must(strdup(s));
}
