#include "auth/sfv.h"

#include <inttypes.h>
#include <stdio.h>
#include "auth/base64.h"

struct reader {
    const char *p;
    const char *end;
    struct sfv_dict *d;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_alpha(char c)
{
    return is_lower(c) || (c >= 'A' && c <= 'Z');
}

/* RFC 9110 5.6.2, and ':' and '/' */
static bool is_token_char(char c)
{
    return is_alpha(c) || is_digit(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~:/", c) != NULL);
}

static bool take(struct reader *r, char c)
{
    if (r->p == r->end || *r->p != c) {
        return false;
    }
    r->p++;
    return true;
}

static void skip_sp(struct reader *r)
{
    while (take(r, ' ')) {
    }
}

static void skip_ows(struct reader *r)
{
    while (take(r, ' ') || take(r, '\t')) {
    }
}

/* 4.2.3.3 */
static enum sfv_result read_key(struct reader *r, struct auth_text *key)
{
    key->s = r->p;
    if (r->p == r->end || (!is_lower(*r->p) && *r->p != '*')) {
        return SFV_SYNTAX;
    }
    while (r->p < r->end && (is_lower(*r->p) || is_digit(*r->p) ||
                             (*r->p != '\0' && strchr("_-.*", *r->p) != NULL))) {
        r->p++;
    }
    key->len = (size_t)(r->p - key->s);
    return SFV_OK;
}

/* 4.2.4; a point is left behind and fails as what follows */
static enum sfv_result read_integer(struct reader *r, struct sfv_value *v)
{
    bool negative = take(r, '-');
    unsigned digits = 0;
    int64_t n = 0;

    for (; r->p < r->end && is_digit(*r->p); r->p++) {
        if (++digits > 15) {
            return SFV_SYNTAX;
        }
        n = n * 10 + (*r->p - '0');
    }
    v->type = SFV_INTEGER;
    v->integer = negative ? -n : n;
    return digits != 0 ? SFV_OK : SFV_SYNTAX;
}

/* 4.2.5 */
static enum sfv_result read_string(struct reader *r, struct sfv_value *v)
{
    v->type = SFV_STRING;
    v->text.s = ++r->p;
    for (; r->p < r->end && *r->p != '"'; r->p++) {
        if (*r->p < ' ' || *r->p > '~') {
            return SFV_SYNTAX;
        }
        if (*r->p == '\\' && (++r->p == r->end || (*r->p != '"' && *r->p != '\\'))) {
            return SFV_SYNTAX;
        }
    }
    v->text.len = (size_t)(r->p - v->text.s);
    return take(r, '"') ? SFV_OK : SFV_SYNTAX;
}

/* 4.2.6 */
static enum sfv_result read_token(struct reader *r, struct sfv_value *v)
{
    v->type = SFV_TOKEN;
    v->text.s = r->p;
    while (r->p < r->end && is_token_char(*r->p)) {
        r->p++;
    }
    v->text.len = (size_t)(r->p - v->text.s);
    return SFV_OK;
}

/* 4.2.7 */
static enum sfv_result read_bytes(struct reader *r, struct sfv_value *v)
{
    const char *close = memchr(r->p + 1, ':', (size_t)(r->end - r->p - 1));
    size_t len;

    v->type = SFV_BYTES;
    v->text.s = r->p + 1;
    if (close == NULL) {
        return SFV_SYNTAX;
    }
    v->text.len = (size_t)(close - v->text.s);
    if (!base64_decode(v->text.s, v->text.len, NULL, 0, &len)) {
        return SFV_SYNTAX;
    }
    r->p = close + 1;
    return SFV_OK;
}

/* 4.2.8 */
static enum sfv_result read_boolean(struct reader *r, struct sfv_value *v)
{
    r->p++;
    v->type = SFV_BOOLEAN;
    v->integer = r->p < r->end && *r->p == '1';
    return take(r, '1') || take(r, '0') ? SFV_OK : SFV_SYNTAX;
}

/* 4.2.3.1 */
static enum sfv_result read_value(struct reader *r, struct sfv_value *v)
{
    char c = r->p < r->end ? *r->p : '\0';

    *v = (struct sfv_value){0};
    if (is_digit(c) || c == '-') {
        return read_integer(r, v);
    }
    if (is_alpha(c) || c == '*') {
        return read_token(r, v);
    }
    switch (c) {
    case '"':
        return read_string(r, v);
    case ':':
        return read_bytes(r, v);
    case '?':
        return read_boolean(r, v);
    default:
        return SFV_SYNTAX;
    }
}

static void set_true(struct sfv_value *v)
{
    *v = (struct sfv_value){.type = SFV_BOOLEAN, .integer = 1};
}

/* 4.2.3.2 */
static enum sfv_result read_params(struct reader *r, struct sfv_range *range)
{
    struct sfv_dict *d = r->d;
    enum sfv_result err = SFV_OK;

    range->first = d->param_count;
    range->count = 0;
    while (err == SFV_OK && take(r, ';')) {
        struct sfv_param *param = &d->params[d->param_count];

        if (d->param_count == SFV_MAX_PARAMS) {
            return SFV_TOO_LONG;
        }
        skip_sp(r);
        err = read_key(r, &param->key);
        for (unsigned i = range->first; err == SFV_OK && i < d->param_count; i++) {
            err = auth_text_equal(d->params[i].key, param->key) ? SFV_DUPLICATE : SFV_OK;
        }
        if (err == SFV_OK) {
            set_true(&param->value);
            err = take(r, '=') ? read_value(r, &param->value) : SFV_OK;
            d->param_count++;
            range->count++;
        }
    }
    return err;
}

/* 4.2.1.2, behind the opening parenthesis */
static enum sfv_result read_list(struct reader *r, struct sfv_range *range)
{
    struct sfv_dict *d = r->d;
    enum sfv_result err = SFV_OK;

    range->first = d->item_count;
    range->count = 0;
    for (;;) {
        skip_sp(r);
        if (take(r, ')')) {
            return SFV_OK;
        }
        if (d->item_count == SFV_MAX_ITEMS) {
            return SFV_TOO_LONG;
        }
        err = read_value(r, &d->items[d->item_count].value);
        if (err == SFV_OK) {
            err = read_params(r, &d->items[d->item_count].params);
        }
        if (err != SFV_OK) {
            return err;
        }
        d->item_count++;
        range->count++;
        if (r->p == r->end || (*r->p != ' ' && *r->p != ')')) {
            return SFV_SYNTAX;
        }
    }
}

static enum sfv_result read_member(struct reader *r)
{
    struct sfv_dict *d = r->d;
    struct sfv_member *m = &d->members[d->member_count];
    enum sfv_result err;

    if (d->member_count == SFV_MAX_MEMBERS) {
        return SFV_TOO_LONG;
    }
    *m = (struct sfv_member){0};
    err = read_key(r, &m->key);
    for (unsigned i = 0; err == SFV_OK && i < d->member_count; i++) {
        err = auth_text_equal(d->members[i].key, m->key) ? SFV_DUPLICATE : SFV_OK;
    }
    if (err != SFV_OK) {
        return err;
    }
    set_true(&m->value);
    if (take(r, '=')) {
        m->is_list = take(r, '(');
        err = m->is_list ? read_list(r, &m->items) : read_value(r, &m->value);
    }
    d->member_count++;
    return err == SFV_OK ? read_params(r, &m->params) : err;
}

/* 4.2.2 */
static enum sfv_result read_dict(struct reader *r)
{
    skip_sp(r);
    while (r->p < r->end) {
        enum sfv_result err = read_member(r);

        if (err != SFV_OK) {
            return err;
        }
        skip_ows(r);
        if (r->p == r->end) {
            return SFV_OK;
        }
        if (!take(r, ',')) {
            return SFV_SYNTAX;
        }
        skip_ows(r);
        if (r->p == r->end) {
            return SFV_SYNTAX; /* a comma with nothing behind it */
        }
    }
    return SFV_OK;
}

enum sfv_result sfv_parse(struct auth_text text, struct sfv_dict *d)
{
    struct reader r = {text.s, text.s + text.len, d};
    enum sfv_result err = SFV_TOO_LONG;

    d->member_count = d->item_count = d->param_count = 0;
    d->error_at = SFV_MAX_BYTES;
    if (text.len <= SFV_MAX_BYTES) {
        err = text.len != 0 ? read_dict(&r) : SFV_OK;
        d->error_at = err != SFV_OK ? (size_t)(r.p - text.s) : 0;
    }
    return err;
}

const struct sfv_value *sfv_param(const struct sfv_dict *d, struct sfv_range range, const char *key)
{
    for (unsigned i = range.first; i < range.first + range.count; i++) {
        if (auth_text_is(d->params[i].key, key)) {
            return &d->params[i].value;
        }
    }
    return NULL;
}

bool sfv_bytes(const struct sfv_value *v, uint8_t *out, size_t cap, size_t *len)
{
    return v->type == SFV_BYTES && base64_decode(v->text.s, v->text.len, out, cap, len);
}

static void write_value(const struct sfv_value *v, struct auth_out *o)
{
    char digits[24];

    switch (v->type) {
    case SFV_INTEGER:
        (void)snprintf(digits, sizeof digits, "%" PRId64, v->integer);
        auth_put(o, digits, strlen(digits));
        break;
    case SFV_STRING:
        auth_put_lit(o, "\"");
        auth_put_text(o, v->text);
        auth_put_lit(o, "\"");
        break;
    case SFV_TOKEN:
        auth_put_text(o, v->text);
        break;
    case SFV_BYTES:
        auth_put_lit(o, ":");
        auth_put_text(o, v->text);
        auth_put_lit(o, ":");
        break;
    case SFV_BOOLEAN:
        auth_put(o, v->integer != 0 ? "?1" : "?0", 2);
        break;
    }
}

static void write_params(const struct sfv_dict *d, struct sfv_range range, struct auth_out *o)
{
    for (unsigned i = range.first; i < range.first + range.count; i++) {
        const struct sfv_param *param = &d->params[i];

        auth_put_lit(o, ";");
        auth_put_text(o, param->key);
        if (param->value.type != SFV_BOOLEAN || param->value.integer == 0) {
            auth_put_lit(o, "=");
            write_value(&param->value, o);
        }
    }
}

void sfv_write(const struct sfv_dict *d, const struct sfv_member *member, struct auth_out *o)
{
    if (!member->is_list) {
        write_value(&member->value, o);
    } else {
        auth_put_lit(o, "(");
        for (unsigned i = 0; i < member->items.count; i++) {
            const struct sfv_item *item = &d->items[member->items.first + i];

            auth_put(o, " ", i != 0);
            write_value(&item->value, o);
            write_params(d, item->params, o);
        }
        auth_put_lit(o, ")");
    }
    write_params(d, member->params, o);
}
