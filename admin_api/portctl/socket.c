/* admin_api/portctl/socket.c - RFC 6455, the client's half. */
#include "admin_api/portctl/socket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/evp.h>
#include <sys/random.h>
#include "admin_api/portctl/http.h"
#include "gateway/runtime/clock.h"

#define HEAD_MOST 8192u
#define GUID      "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define SECOND_NS INT64_C(1000000000)

enum opcode { CONTINUES, TEXT, BINARY, CLOSE = 8, PING, PONG };

struct socket {
    struct http_line *line;
    struct buf in; /* received and not yet taken */
    unsigned timeout_s;
};

static void put_base64(struct buf *out, const unsigned char *data, int len)
{
    unsigned char text[64];
    int n = EVP_EncodeBlock(text, data, len);

    buf_append(out, text, (size_t)n);
}

/* What the server makes of KEY. */
static void put_accept(struct buf *out, const struct buf *key)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    struct buf text = {0};

    buf_append(&text, key->data, key->len);
    buf_lit(&text, GUID);
    GW_ASSERT(EVP_Digest(text.data, text.len, hash, &len, EVP_sha1(), NULL) == 1);
    put_base64(out, hash, (int)len);
    buf_fini(&text);
}

/* --- opening ----------------------------------------------------------------------------------- */

/* More bytes. False: WHY. */
static bool fill(struct socket *s, int64_t until_ns, struct buf *why)
{
    char data[16384];
    size_t len = 0;

    if (!http_line_read(s->line, until_ns, data, sizeof data, &len, why)) {
        return false;
    }
    buf_append(&s->in, data, len);
    return true;
}

static void take(struct socket *s, size_t len)
{
    memmove(s->in.data, s->in.data + len, s->in.len - len);
    s->in.len -= len;
}

/* The head of the answer up to its empty line. */
static bool read_head(struct socket *s, struct buf *head, struct buf *why)
{
    int64_t until = clock_mono_ns() + s->timeout_s * SECOND_NS;
    const char *end;

    while ((end = s->in.len != 0 ? memmem(s->in.data, s->in.len, "\r\n\r\n", 4) : NULL) == NULL) {
        if (s->in.len > HEAD_MOST) {
            buf_lit(why, "its answer is no HTTP");
            return false;
        }
        if (!fill(s, until, why)) {
            return false;
        }
    }
    buf_append(head, s->in.data, (size_t)(end - s->in.data) + 4);
    take(s, head->len);
    return true;
}

static bool upgraded(const struct buf *head, const struct buf *key, struct buf *why)
{
    struct buf wanted = {0};
    struct buf value = {0};
    bool ok = head->len > 12 && memcmp(head->data, "HTTP/1.1 101", 12) == 0;

    put_accept(&wanted, key);
    if (!ok) {
        buf_printf(why, "it answered %.*s", (int)strcspn(head->data, "\r\n"), head->data);
    } else if (!http_field(head, "sec-websocket-accept", &value) || value.len != wanted.len ||
               memcmp(value.data, wanted.data, wanted.len) != 0) {
        buf_lit(why, "its answer is not that of a WebSocket");
        ok = false;
    }
    buf_fini(&wanted);
    buf_fini(&value);
    return ok;
}

static bool greet(struct socket *s, const char *host, const char *path, struct buf *why)
{
    unsigned char random[16];
    struct buf key = {0};
    struct buf text = {0};
    struct buf head = {0};
    bool ok;

    GW_ASSERT(getrandom(random, sizeof random, 0) == (ssize_t)sizeof random);
    put_base64(&key, random, sizeof random);
    (void)buf_cstr(&key);
    buf_printf(&text,
               "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n"
               "User-Agent: portctl/" GW_VERSION "\r\n\r\n",
               path, host, key.data);
    ok = http_line_write(s->line, text.data, text.len, why) && read_head(s, &head, why);
    if (ok) {
        (void)buf_cstr(&head);
        ok = upgraded(&head, &key, why);
    }
    buf_fini(&key);
    buf_fini(&text);
    buf_fini(&head);
    return ok;
}

struct socket *socket_open(const char *url, const char *ca, unsigned timeout_s, struct buf *why)
{
    static const char scheme[] = "wss://";
    struct socket *s;
    struct buf https = {0};
    struct buf host = {0};
    const char *path;

    if (strncmp(url, scheme, sizeof scheme - 1) != 0) {
        buf_printf(why,
                   "%s is not the address of a WebSocket; it looks like wss://localhost:8443/v2",
                   url);
        return NULL;
    }
    url += sizeof scheme - 1;
    path = url + strcspn(url, "/");
    buf_append(&host, url, (size_t)(path - url));
    buf_printf(&https, "https://%s/", buf_cstr(&host));
    s = gw_calloc(1, sizeof *s);
    s->timeout_s = timeout_s;
    s->line = http_line_open(buf_cstr(&https), ca, timeout_s, why);
    if (s->line == NULL || !greet(s, host.data, path[0] != '\0' ? path : "/", why)) {
        socket_close(&s);
    }
    buf_fini(&https);
    buf_fini(&host);
    return s;
}

/* --- frames ------------------------------------------------------------------------------------ */

/* One frame, masked as a client's are. */
static bool send_frame(struct socket *s, enum opcode op, const char *data, size_t len,
                       struct buf *why)
{
    unsigned char mask[4];
    struct buf out = {0};
    bool ok;

    GW_ASSERT(len <= UINT16_MAX);
    GW_ASSERT(getrandom(mask, sizeof mask, 0) == (ssize_t)sizeof mask);
    buf_putc(&out, (char)(0x80 | op));
    if (len < 126) {
        buf_putc(&out, (char)(0x80 | len));
    } else {
        buf_putc(&out, (char)(0x80 | 126));
        buf_putc(&out, (char)(len >> 8));
        buf_putc(&out, (char)(len & 0xff));
    }
    buf_append(&out, mask, sizeof mask);
    for (size_t i = 0; i < len; i++) {
        buf_putc(&out, (char)((unsigned char)data[i] ^ mask[i % 4]));
    }
    ok = http_line_write(s->line, out.data, out.len, why);
    buf_fini(&out);
    return ok;
}

void socket_close(struct socket **sp)
{
    struct socket *s = *sp;
    struct buf unused = {0};

    *sp = NULL;
    if (s->line != NULL) {
        (void)!send_frame(s, CLOSE, "\x03\xe8", 2, &unused);
        http_line_close(&s->line);
    }
    buf_fini(&unused);
    buf_fini(&s->in);
    free(s);
}

bool socket_send(struct socket *s, const char *text, size_t len, struct buf *why)
{
    return send_frame(s, TEXT, text, len, why);
}

struct frame {
    bool last;
    unsigned op;
    size_t head;
    size_t len;
};

/* The frame that IN begins with. False: not all of it is there; *BAD: it never will be. */
static bool read_frame(const struct buf *in, struct frame *f, bool *bad)
{
    const unsigned char *p = (const unsigned char *)in->data;

    *bad = false;
    if (in->len < 2) {
        return false;
    }
    *f = (struct frame){(p[0] & 0x80) != 0, p[0] & 0x0fu, 2, p[1] & 0x7fu};
    *bad = (p[0] & 0x70) != 0 || (p[1] & 0x80) != 0;
    if (f->len >= 126) {
        size_t more = f->len == 126 ? 2 : 8;

        if (in->len < 2 + more) {
            return false;
        }
        f->len = 0;
        for (size_t i = 0; i < more; i++) {
            f->len = f->len << 8 | p[2 + i];
        }
        f->head += more;
    }
    *bad = *bad || f->len > SOCKET_MESSAGE_MAX;
    return !*bad && in->len >= f->head + f->len;
}

/* Takes the frame F; true: OUT is a whole message. */
static bool take_frame(struct socket *s, const struct frame *f, struct buf *out, bool *over,
                       struct buf *why)
{
    const char *data = s->in.data + f->head;
    bool whole = false;

    if (f->op == CLOSE) {
        unsigned code =
            f->len >= 2 ? (unsigned)(unsigned char)data[0] << 8 | (unsigned char)data[1] : 1005;

        buf_printf(why, "the gateway closed the connection, code %u", code);
        *over = true;
    } else if (f->op == PING) {
        *over = f->len > 125 || !send_frame(s, PONG, data, f->len, why);
    } else if (f->op == TEXT || f->op == CONTINUES) {
        buf_append(out, data, f->len);
        whole = f->last;
        *over = out->len > SOCKET_MESSAGE_MAX;
    }
    take(s, f->head + f->len);
    return whole && !*over;
}

bool socket_next(struct socket *s, int64_t until_ns, struct buf *out, struct buf *why)
{
    bool over = false;

    buf_reset(out);
    while (!over) {
        struct frame f;
        bool bad;

        if (read_frame(&s->in, &f, &bad)) {
            if (take_frame(s, &f, out, &over, why)) {
                return true;
            }
        } else if (bad) {
            buf_lit(why, "it sent what is no frame of a WebSocket");
            return false;
        } else if (!fill(s, until_ns, why)) {
            return false;
        }
    }
    return false;
}
