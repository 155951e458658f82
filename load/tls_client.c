#include "load/tls_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

struct tls_client {
    SSL_CTX *ctx;
    bool insecure;
};

struct tls_conn {
    SSL *ssl;
};

static _Thread_local char last_error[256];

static void note_error(const char *what)
{
    unsigned long code = ERR_get_error();

    if (code != 0) {
        char text[160];

        ERR_error_string_n(code, text, sizeof text);
        (void)snprintf(last_error, sizeof last_error, "%s: %s", what, text);
    } else {
        (void)snprintf(last_error, sizeof last_error, "%s: %s", what, strerror(errno));
    }
}

struct tls_client *tls_client_create(const struct tls_client_options *o, char *error,
                                     size_t error_size)
{
    struct tls_client *t = gw_calloc(1, sizeof *t);

    t->insecure = o->insecure;
    t->ctx = SSL_CTX_new(TLS_client_method());
    GW_ASSERT(t->ctx != NULL);
    SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION);
    /* A lost close_notify is no attack here: the WebSocket close frame is what counts. */
    SSL_CTX_set_options(t->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                    SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(t->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* One read() a record instead of two (header, body). */
    SSL_CTX_set_read_ahead(t->ctx, 1);
    if (o->release_buffers) {
        SSL_CTX_set_mode(t->ctx, SSL_MODE_RELEASE_BUFFERS);
    }
    if (!o->insecure) {
        SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, NULL);
        if (SSL_CTX_load_verify_locations(t->ctx, o->ca_file, NULL) != 1) {
            note_error(o->ca_file);
            (void)snprintf(error, error_size, "%s", last_error);
            tls_client_destroy(&t);
        }
    }
    return t;
}

void tls_client_destroy(struct tls_client **tp)
{
    SSL_CTX_free((*tp)->ctx);
    free(*tp);
    *tp = NULL;
}

static bool is_address(const char *host)
{
    unsigned char raw[16];

    return inet_pton(AF_INET, host, raw) == 1 || inet_pton(AF_INET6, host, raw) == 1;
}

struct tls_conn *tls_conn_create(struct tls_client *t, int fd, const char *host)
{
    struct tls_conn *c = gw_malloc(sizeof *c);
    SSL *ssl = SSL_new(t->ctx);
    bool address = is_address(host);

    GW_ASSERT(ssl != NULL);
    c->ssl = ssl;
    GW_ASSERT(SSL_set_fd(ssl, fd) == 1);
    SSL_set_connect_state(ssl);
    if (!address) {
        SSL_set_tlsext_host_name(ssl, host);
    }
    if (!t->insecure) {
        X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

        GW_ASSERT(address ? X509_VERIFY_PARAM_set1_ip_asc(param, host)
                          : X509_VERIFY_PARAM_set1_host(param, host, 0));
    }
    return c;
}

void tls_conn_destroy(struct tls_conn **cp)
{
    if (*cp != NULL) {
        SSL_free((*cp)->ssl);
        free(*cp);
        *cp = NULL;
    }
}

static enum tls_io classify(SSL *ssl, int result, const char *what)
{
    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return TLS_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_CLOSED;
    default:
        note_error(what);
        ERR_clear_error();
        return TLS_FAILED;
    }
}

enum tls_io tls_handshake(struct tls_conn *c)
{
    SSL *ssl = c->ssl;
    int result;
    long verify;

    ERR_clear_error();
    errno = 0;
    result = SSL_do_handshake(ssl);
    if (result == 1) {
        return TLS_DONE;
    }
    verify = SSL_get_verify_result(ssl);
    if (verify != X509_V_OK && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE) {
        ERR_clear_error();
        (void)snprintf(last_error, sizeof last_error,
                       "the server's certificate is not trusted: %s (pass its CA with --ca)",
                       X509_verify_cert_error_string(verify));
        return TLS_FAILED;
    }
    return classify(ssl, result, "TLS handshake");
}

bool tls_pending(const struct tls_conn *c)
{
    return SSL_has_pending(c->ssl) == 1;
}

enum tls_io tls_read(struct tls_conn *c, void *data, size_t cap, size_t *got)
{
    SSL *ssl = c->ssl;

    *got = 0;
    ERR_clear_error();
    errno = 0;
    while (*got < cap) {
        size_t n = 0;

        if (SSL_read_ex(ssl, (char *)data + *got, cap - *got, &n) != 1) {
            return classify(ssl, 0, "TLS read");
        }
        *got += n;
        if (SSL_has_pending(ssl) != 1) {
            break;
        }
    }
    return TLS_DONE;
}

enum tls_io tls_write(struct tls_conn *c, const void *data, size_t len, size_t *sent)
{
    SSL *ssl = c->ssl;

    *sent = 0;
    ERR_clear_error();
    errno = 0;
    while (*sent < len) {
        size_t n = 0;

        if (SSL_write_ex(ssl, (const char *)data + *sent, len - *sent, &n) != 1) {
            return classify(ssl, 0, "TLS write");
        }
        *sent += n;
    }
    return TLS_DONE;
}

void tls_shutdown(struct tls_conn *c)
{
    ERR_clear_error();
    (void)SSL_shutdown(c->ssl);
    ERR_clear_error();
}

void tls_describe(const struct tls_conn *c, char *out, size_t size)
{
    (void)snprintf(out, size, "%s %s", SSL_get_version(c->ssl), SSL_get_cipher_name(c->ssl));
}

const char *tls_error(void)
{
    return last_error;
}
