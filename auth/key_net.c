#include "auth/key_net.h"

#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>

/* A mapped IPv4 address is that address; a mapped network, when it is of nothing else. */
static void unmap(struct key_net *n)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (!n->v4 && n->bits >= 96 && memcmp(n->address, mapped, sizeof mapped) == 0) {
        n->v4 = true;
        n->bits = (uint8_t)(n->bits - 96);
        memmove(n->address, n->address + 12, 4);
        memset(n->address + 4, 0, 12);
    }
}

static bool read_address(const char *text, size_t len, struct key_net *out)
{
    char bare[INET6_ADDRSTRLEN];

    if (len == 0 || len >= sizeof bare) {
        return false;
    }
    memcpy(bare, text, len);
    bare[len] = '\0';
    *out = (struct key_net){.v4 = memchr(bare, ':', len) == NULL};
    out->bits = out->v4 ? 32 : 128;
    return strlen(bare) == len && inet_pton(out->v4 ? AF_INET : AF_INET6, bare, out->address) == 1;
}

static bool read_bits(const char *text, size_t len, unsigned most, uint8_t *out)
{
    unsigned n = 0;

    if (len == 0 || len > 3 || (len > 1 && text[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        n = n * 10 + (unsigned)(text[i] - '0');
    }
    *out = (uint8_t)n;
    return n <= most;
}

/* Do A and B have the same first BITS? */
static bool same(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8;
    unsigned rest = bits % 8;

    return memcmp(a, b, whole) == 0 &&
           (rest == 0 || ((a[whole] ^ b[whole]) & (0xff00u >> rest & 0xffu)) == 0);
}

bool key_net_parse(const char *text, size_t len, struct key_net *out)
{
    const char *slash = memchr(text, '/', len);
    size_t bare = slash != NULL ? (size_t)(slash - text) : len;
    unsigned most;

    if (!read_address(text, bare, out)) {
        return false;
    }
    most = out->bits;
    if (slash != NULL && !read_bits(slash + 1, len - bare - 1, most, &out->bits)) {
        return false;
    }
    for (unsigned bit = out->bits; bit < most; bit++) {
        if ((out->address[bit / 8] & 0x80u >> bit % 8) != 0) {
            return false;
        }
    }
    unmap(out);
    return true;
}

bool key_net_address(const char *ip, struct key_net *out)
{
    if (!read_address(ip, strcspn(ip, "%"), out)) {
        return false;
    }
    unmap(out);
    return true;
}

bool key_net_has(const struct key_net *net, const struct key_net *in)
{
    return net->v4 == in->v4 && same(net->address, in->address, net->bits);
}

bool key_net_among(const struct key_net *nets, size_t count, const struct key_net *in)
{
    for (size_t i = 0; i < count; i++) {
        if (key_net_has(&nets[i], in)) {
            return true;
        }
    }
    return false;
}

void key_net_text(const struct key_net *net, char out[KEY_NET_TEXT_SIZE])
{
    char bare[INET6_ADDRSTRLEN];

    (void)inet_ntop(net->v4 ? AF_INET : AF_INET6, net->address, bare, sizeof bare);
    (void)snprintf(out, KEY_NET_TEXT_SIZE, "%s/%u", bare, net->bits);
}

void key_net_around(const char *ip, struct key_net *out)
{
    if (!key_net_address(ip, out)) {
        *out = (struct key_net){.v4 = false};
    }
    out->bits = out->v4 ? 24 : 48;
    memset(out->address + out->bits / 8, 0, sizeof out->address - out->bits / 8);
}
