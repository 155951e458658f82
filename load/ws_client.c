#include "load/ws_client.h"

#include <string.h>
#include <strings.h>
#include <openssl/evp.h>

#define CONTROL_MAX 125u
#define GUID        "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

struct frame_head {
    bool fin;
    enum ws_op op;
    size_t size; /* of the header, mask included */
    uint64_t len;
};

void ws_parser_init(struct ws_parser *p, size_t max_message, bool masked)
{
    *p = (struct ws_parser){.max_message = max_message, .masked = masked};
}

void ws_parser_fini(struct ws_parser *p)
{
    buf_fini(&p->joined);
}

static enum ws_parse refuse(struct ws_parser *p, const char *error)
{
    p->error = error;
    return WS_PARSE_ERROR;
}

static uint64_t big_endian(const unsigned char *b, unsigned count)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < count; i++) {
        v = v << 8 | b[i];
    }
    return v;
}

/* The length field; a length must take its shortest form (RFC 6455 5.2). */
static enum ws_parse read_length(struct ws_parser *p, const unsigned char *b, size_t have,
                                 struct frame_head *h)
{
    unsigned extra;

    h->len = b[1] & 0x7fu;
    extra = h->len == 126 ? 2 : h->len == 127 ? 8 : 0;
    h->size = 2 + extra + (p->masked ? 4 : 0);
    if (have < h->size) {
        return WS_PARSE_MORE;
    }
    if (extra != 0) {
        h->len = big_endian(b + 2, extra);
        if (h->len < (extra == 2 ? 126u : 65536u) || h->len > INT64_MAX) {
            return refuse(p, "frame length is not in its shortest form");
        }
    }
    return h->len > p->max_message ? refuse(p, "message too big") : WS_PARSE_EVENT;
}

/* The two fixed bytes are judged as soon as they are here, whether or not the rest is. */
static enum ws_parse read_head(struct ws_parser *p, const unsigned char *b, size_t have,
                               struct frame_head *h)
{
    if (have < 2) {
        return WS_PARSE_MORE;
    }
    h->fin = (b[0] & 0x80u) != 0;
    h->op = (enum ws_op)(b[0] & 0x0fu);
    if ((b[0] & 0x70u) != 0) {
        return refuse(p, "reserved bit set without an extension");
    }
    if (((b[1] & 0x80u) != 0) != p->masked) {
        return refuse(p, p->masked ? "unmasked frame from a client" : "masked frame from a server");
    }
    switch (h->op) {
    case WS_OP_CLOSE:
    case WS_OP_PING:
    case WS_OP_PONG:
        if (!h->fin || (b[1] & 0x7fu) > CONTROL_MAX) {
            return refuse(p, "fragmented or long control frame");
        }
        break;
    case WS_OP_CONT:
        if (!p->in_message) {
            return refuse(p, "continuation without a message");
        }
        break;
    case WS_OP_TEXT:
    case WS_OP_BINARY:
        if (p->in_message) {
            return refuse(p, "new message inside a fragmented one");
        }
        break;
    default:
        return refuse(p, "unknown opcode");
    }
    return read_length(p, b, have, h);
}

/* One fragment; an event when it is the last. */
static enum ws_parse join(struct ws_parser *p, const struct frame_head *h, const char *payload,
                          struct ws_event *out)
{
    if (!p->in_message) {
        buf_reset(&p->joined);
        p->message_op = h->op;
        p->in_message = true;
    }
    if (h->len > p->max_message - p->joined.len) {
        return refuse(p, "message too big");
    }
    buf_append(&p->joined, payload, (size_t)h->len);
    if (!h->fin) {
        return WS_PARSE_MORE;
    }
    p->in_message = false;
    *out = (struct ws_event){p->message_op, p->joined.data, p->joined.len};
    return WS_PARSE_EVENT;
}

enum ws_parse ws_parser_next(struct ws_parser *p, const char *data, size_t len, size_t *used,
                             struct ws_event *out)
{
    for (;;) {
        const char *at = data + *used;
        size_t have = len - *used;
        struct frame_head h = {0};
        enum ws_parse got = read_head(p, (const unsigned char *)at, have, &h);

        if (got != WS_PARSE_EVENT) {
            return got;
        }
        if (have - h.size < h.len) {
            return WS_PARSE_MORE;
        }
        *used += h.size + (size_t)h.len;
        if (h.op >= WS_OP_CLOSE || (h.fin && h.op != WS_OP_CONT)) {
            *out = (struct ws_event){h.op, at + h.size, (size_t)h.len};
            return WS_PARSE_EVENT;
        }
        got = join(p, &h, at + h.size, out);
        if (got != WS_PARSE_MORE) {
            return got;
        }
    }
}

uint16_t ws_close_code(const struct ws_event *close)
{
    uint64_t code;

    if (close->len == 0) {
        return WS_CLOSE_ABSENT;
    }
    if (close->len == 1) {
        return 0;
    }
    code = big_endian((const unsigned char *)close->data, 2);
    if ((code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
        (code >= 3000 && code <= 4999)) {
        return (uint16_t)code;
    }
    return 0;
}

size_t ws_frame_head(unsigned char head[WS_HEAD_MAX], enum ws_op op, uint64_t len,
                     const unsigned char *mask)
{
    unsigned extra = len < 126 ? 0 : len < 65536 ? 2 : 8;
    size_t size = 2 + extra;

    head[0] = (unsigned char)(0x80u | (unsigned)op);
    head[1] = (unsigned char)(extra == 0 ? len : extra == 2 ? 126u : 127u);
    for (unsigned i = 0; i < extra; i++) {
        head[2 + i] = (unsigned char)(len >> (8 * (extra - 1 - i)));
    }
    if (mask != NULL) {
        head[1] |= 0x80u;
        memcpy(head + size, mask, 4);
        size += 4;
    }
    return size;
}

void ws_frame_put(struct buf *out, enum ws_op op, const void *data, size_t len,
                  const unsigned char *mask)
{
    unsigned char head[WS_HEAD_MAX];

    buf_append(out, head, ws_frame_head(head, op, len, mask));
    buf_append(out, data, len);
    if (mask != NULL) {
        char *payload = out->data + out->len - len;

        for (size_t i = 0; i < len; i++) {
            payload[i] = (char)((unsigned char)payload[i] ^ mask[i & 3]);
        }
    }
}

void ws_upgrade_key(const unsigned char random[16], char key[WS_KEY_CHARS + 1])
{
    (void)EVP_EncodeBlock((unsigned char *)key, random, 16);
}

void ws_upgrade_accept(const char *key, char accept[WS_ACCEPT_CHARS + 1])
{
    char text[WS_KEY_CHARS + sizeof GUID];
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t len = strnlen(key, WS_KEY_CHARS);

    memcpy(text, key, len);
    memcpy(text + len, GUID, sizeof GUID - 1);
    GW_ASSERT(EVP_Digest(text, len + sizeof GUID - 1, digest, NULL, EVP_sha1(), NULL) == 1);
    (void)EVP_EncodeBlock((unsigned char *)accept, digest, 20);
}

void ws_upgrade_request(struct buf *out, const char *host, const char *path, const char *key)
{
    buf_printf(out,
               "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n",
               path, host, key);
}

bool ws_header(const char *head, size_t len, const char *name, const char **value,
               size_t *value_len)
{
    size_t name_len = strlen(name);
    const char *end = head + len;
    const char *line = memchr(head, '\n', len);

    while (line != NULL && ++line < end) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        const char *last = stop != NULL ? stop : end;

        if ((size_t)(last - line) > name_len && line[name_len] == ':' &&
            strncasecmp(line, name, name_len) == 0) {
            const char *from = line + name_len + 1;

            while (from < last && (*from == ' ' || *from == '\t')) {
                from++;
            }
            while (last > from && (last[-1] == ' ' || last[-1] == '\t' || last[-1] == '\r')) {
                last--;
            }
            *value = from;
            *value_len = (size_t)(last - from);
            return true;
        }
        line = stop;
    }
    return false;
}

static bool header_is(const char *head, size_t len, const char *name, const char *want,
                      bool any_case)
{
    const char *value;
    size_t value_len;

    if (!ws_header(head, len, name, &value, &value_len) || value_len != strlen(want)) {
        return false;
    }
    return any_case ? strncasecmp(value, want, value_len) == 0
                    : memcmp(value, want, value_len) == 0;
}

static unsigned http_status(const char *data, size_t len)
{
    unsigned status = 0;

    if (len < 13 || memcmp(data, "HTTP/1.1 ", 9) != 0) {
        return 0;
    }
    for (unsigned i = 9; i < 12; i++) {
        if (data[i] < '0' || data[i] > '9') {
            return 0;
        }
        status = status * 10 + (unsigned)(data[i] - '0');
    }
    return data[12] == ' ' || data[12] == '\r' ? status : 0;
}

enum ws_parse ws_upgrade_response(const char *data, size_t len, const char *key, size_t *used,
                                  unsigned *status, const char **error)
{
    const char *end = memmem(data, len, "\r\n\r\n", 4);
    char accept[WS_ACCEPT_CHARS + 1];
    const char *value;
    size_t value_len;
    size_t head_len;

    *error = NULL;
    *status = 0;
    if (end == NULL) {
        *error = len > WS_UPGRADE_MAX ? "upgrade answer is too long" : NULL;
        return *error != NULL ? WS_PARSE_ERROR : WS_PARSE_MORE;
    }
    head_len = (size_t)(end - data) + 2;
    *status = http_status(data, head_len);
    ws_upgrade_accept(key, accept);
    if (*status != 101) {
        *error = "the server refused the upgrade";
    } else if (!header_is(data, head_len, "Upgrade", "websocket", true) ||
               !header_is(data, head_len, "Connection", "upgrade", true)) {
        *error = "upgrade answer without Upgrade: websocket and Connection: Upgrade";
    } else if (!header_is(data, head_len, "Sec-WebSocket-Accept", accept, false)) {
        *error = "wrong Sec-WebSocket-Accept";
    } else if (ws_header(data, head_len, "Sec-WebSocket-Extensions", &value, &value_len) ||
               ws_header(data, head_len, "Sec-WebSocket-Protocol", &value, &value_len)) {
        *error = "the server chose an extension or subprotocol that was not offered";
    }
    if (*error != NULL) {
        return WS_PARSE_ERROR;
    }
    *used = head_len + 2;
    return WS_PARSE_EVENT;
}
