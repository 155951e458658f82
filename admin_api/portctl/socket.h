/* admin_api/portctl/socket.h - a WebSocket as a client: text messages over TLS, one at a time.
 * Why: the smoke test has to see what a market-data client sees. Only what that needs: no extensions,
 * no subprotocols, messages of at most SOCKET_MESSAGE_MAX.
 * Owner: the command. Blocks, with a deadline for each call. */
#ifndef ADMIN_API_PORTCTL_SOCKET_H
#define ADMIN_API_PORTCTL_SOCKET_H
#include "gateway/base/buf.h"

#define SOCKET_MESSAGE_MAX (1u << 20)

struct socket;

/* URL: wss://host:port/path. CA NULL: what the system trusts. NULL: WHY says. */
struct socket *socket_open(const char *url, const char *ca, unsigned timeout_s, struct buf *why);
void socket_close(struct socket **sp);
GW_MUSTCHECK
bool socket_send(struct socket *s, const char *text, size_t len, struct buf *why);
/* The next text message into OUT; pings are answered. False: WHY says; until UNTIL_NS (monotonic). */
GW_MUSTCHECK
bool socket_next(struct socket *s, int64_t until_ns, struct buf *out, struct buf *why);
#endif
