/* ws/socket_info.h - what the kernel knows of a TCP connection.
 * Why: <linux/tcp.h> has the fields and cannot be included beside <netinet/tcp.h>.
 * Owner: any thread. */
#ifndef WS_SOCKET_INFO_H
#define WS_SOCKET_INFO_H
#include <stdint.h>

/* Bytes received from the peer so far (tcp(7), TCP_INFO); 0 when the kernel does not tell. */
uint64_t socket_bytes_received(int fd);
#endif
