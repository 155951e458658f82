#include "gateway/base/json_put.h"

void json_put_name(struct buf *out, const char *name)
{
    GW_ASSERT(out->len > 0);
    buf_printf(out, "%s\"%s\":", out->data[out->len - 1] == '{' ? "" : ",", name);
}

void json_put_text(struct buf *out, const char *name, const char *text)
{
    json_put_name(out, name);
    if (text != NULL) {
        buf_json_str(out, text, strlen(text));
    } else {
        buf_lit(out, "null");
    }
}

void json_put_given(struct buf *out, const char *name, const char *text)
{
    json_put_text(out, name, text != NULL && text[0] != '\0' ? text : NULL);
}

void json_put_time(struct buf *out, const char *name, int64_t unix_ns)
{
    json_put_name(out, name);
    if (unix_ns == 0) {
        buf_lit(out, "null");
        return;
    }
    buf_putc(out, '"');
    buf_rfc3339(out, unix_ns, 6);
    buf_putc(out, '"');
}
