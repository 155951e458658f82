#include "ratelimit/headers.h"

#define SECOND_NS ((int64_t)1000000000)
/* The largest integer of a structured field. */
#define INTEGER_MAX UINT64_C(999999999999999)

static uint64_t seconds_up(int64_t ns)
{
    return ns > 0 ? (uint64_t)(ns / SECOND_NS + (ns % SECOND_NS != 0)) : 0;
}

static void put_name(struct buf *out, unsigned i, const char *name)
{
    buf_printf(out, "%s\"%s\"", i != 0 ? ", " : "", name);
}

static void put_parameter(struct buf *out, char name, uint64_t value)
{
    buf_putc(out, ';');
    buf_putc(out, name);
    buf_putc(out, '=');
    buf_u64(out, value < INTEGER_MAX ? value : INTEGER_MAX);
}

void headers_policy(struct buf *out, const struct headers_row *rows, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        put_name(out, i, rows[i].name);
        put_parameter(out, 'q', rows[i].quota);
        put_parameter(out, 'w', seconds_up(rows[i].window_ns));
    }
}

void headers_state(struct buf *out, const struct headers_row *rows, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        put_name(out, i, rows[i].name);
        put_parameter(out, 'r', rows[i].remaining);
        put_parameter(out, 't', seconds_up(rows[i].reset_ns));
    }
}

bool headers_retry_after(struct buf *out, int64_t retry_after_ns)
{
    uint64_t seconds = seconds_up(retry_after_ns);

    if (retry_after_ns == INT64_MAX) {
        return false;
    }
    buf_u64(out, seconds != 0 ? seconds : 1); /* 0 would ask for a retry at once */
    return true;
}

void headers_tell(headers_set_fn *set, struct http_req *req, const struct headers_row *row)
{
    struct buf text = {0};

    headers_policy(&text, row, 1);
    set(req, "ratelimit-policy", buf_cstr(&text));
    buf_reset(&text);
    headers_state(&text, row, 1);
    set(req, "ratelimit", buf_cstr(&text));
    buf_fini(&text);
}

void headers_tell_retry(headers_set_fn *set, struct http_req *req, int64_t retry_after_ns)
{
    struct buf text = {0};

    if (headers_retry_after(&text, retry_after_ns)) {
        set(req, "retry-after", buf_cstr(&text));
    }
    buf_fini(&text);
}
