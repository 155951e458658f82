#include "gateway/http/tls.h"

#include <openssl/err.h>
#include "gateway/runtime/log.h"

/* Offers http/1.1 and nothing else; a client that wants only h2 gets the alert of RFC 7301 3.2. */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_len, ours, sizeof ours - 1, in,
                              in_len) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    return SSL_TLSEXT_ERR_OK;
}

SSL_CTX *http_tls_create(const char *cert_file, const char *key_file)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    char why[160];

    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"portcullis-http", 15);
    SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
    if (SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL") == 1 &&
        SSL_CTX_use_certificate_chain_file(ctx, cert_file) == 1 &&
        SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) == 1 &&
        SSL_CTX_check_private_key(ctx) == 1) {
        return ctx;
    }
    ERR_error_string_n(ERR_get_error(), why, sizeof why);
    log_error("http", "tls_files",
              "\"cert\":%s,\"key\":%s,\"error\":%s,"
              "\"next\":\"tls.cert_file and tls.key_file must be a PEM chain and its key\"",
              log_json(cert_file), log_json(key_file), log_json(why));
    SSL_CTX_free(ctx);
    return NULL;
}

void http_tls_destroy(SSL_CTX *ctx)
{
    SSL_CTX_free(ctx);
}
