/* load/tls_client.h - non-blocking TLS client connections over descriptors we own.
 * Why: the only place of wsflood that knows OpenSSL. Reads drain the library's own buffer, so that
 * a level-triggered poll never sleeps on bytes that TLS has already taken from the socket. Owner:
 * one thread.
 * Invariant: a conn never owns its descriptor; destroy the conn first, then close. */
#ifndef LOAD_TLS_CLIENT_H
#define LOAD_TLS_CLIENT_H
#include <stdbool.h>
#include <stddef.h>
#include "gateway/base/err.h"

struct tls_client;
struct tls_conn;

enum tls_io { TLS_DONE, TLS_WANT_READ, TLS_WANT_WRITE, TLS_CLOSED, TLS_FAILED };

struct tls_client_options {
    const char *ca_file;  /* NULL with insecure */
    bool insecure;        /* accept any certificate */
    bool release_buffers; /* 16 KiB less for an idle connection, an allocation more for each read */
};

/* NULL: could not be set up; ERROR (of ERROR_SIZE bytes) says why. */
struct tls_client *tls_client_create(const struct tls_client_options *o, char *error,
                                     size_t error_size);
void tls_client_destroy(struct tls_client **tp);

/* HOST (a name or an address) is what the certificate must be for. */
struct tls_conn *tls_conn_create(struct tls_client *t, int fd, const char *host);
void tls_conn_destroy(struct tls_conn **cp);
enum tls_io tls_handshake(struct tls_conn *c);
/* Reads until CAP is full or nothing is left in TLS and *GOT > 0. TLS_DONE: CAP may have been
 * reached, see tls_pending(). Other results may still come with *GOT > 0. */
enum tls_io tls_read(struct tls_conn *c, void *data, size_t cap, size_t *got);
/* Bytes wait inside TLS for which no poll event will come. */
bool tls_pending(const struct tls_conn *c);
/* Writes what fits; *SENT may be short of LEN with TLS_WANT_WRITE. */
enum tls_io tls_write(struct tls_conn *c, const void *data, size_t len, size_t *sent);
/* Sends close_notify if the socket takes it. */
void tls_shutdown(struct tls_conn *c);
/* "TLSv1.3 TLS_AES_256_GCM_SHA384" after the handshake. */
void tls_describe(const struct tls_conn *c, char *out, size_t size);
/* Text of the last TLS_FAILED of this thread. */
const char *tls_error(void);
#endif
