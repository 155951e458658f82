/* auth/key_net.h - networks a key may be used from. Pure.
 * Why: an IPv4 client of an IPv6 socket comes as ::ffff:192.0.2.1; both spellings are one address
 * here, in lists and in requests.
 * Owner: none.
 * Invariant: the bits behind the prefix are zero. */
#ifndef AUTH_KEY_NET_H
#define AUTH_KEY_NET_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_NETS_MAX 64u /* of one key */

struct key_net {
    uint8_t bits; /* of the prefix: 0..32 or 0..128 */
    bool v4;
    uint8_t address[16]; /* IPv4: the first four */
};

/* "10.0.0.0/8", "2001:db8::/32", or an address alone. False when TEXT (LEN bytes) is neither, or has
 * bits behind its prefix. */
bool key_net_parse(const char *text, size_t len, struct key_net *out);
/* Is the address IN (of full length) within NET? A network of IPv6 holds no IPv4 address. */
bool key_net_has(const struct key_net *net, const struct key_net *in);
/* Is IN within one of COUNT networks? */
bool key_net_among(const struct key_net *nets, size_t count, const struct key_net *in);
/* "10.0.0.0/24" */
#define KEY_NET_TEXT_SIZE 50u
void key_net_text(const struct key_net *net, char out[KEY_NET_TEXT_SIZE]);
/* The network that stands for the address IP where uses are counted: /24, or /48 of IPv6; "::/48" for
 * what is no address. */
void key_net_around(const char *ip, struct key_net *out);
/* Reads one address; a zone ("%eth0") is ignored. */
bool key_net_address(const char *ip, struct key_net *out);
#endif
