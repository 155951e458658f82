/* gateway/http/tls.h - the TLS context of an HTTPS listener: 1.2 and 1.3, AEAD only, HTTP/1.1 only.
 * Owner: the loop of the listener. */
#ifndef GATEWAY_HTTP_TLS_H
#define GATEWAY_HTTP_TLS_H
#include <openssl/ssl.h>

/* NULL, with the reason logged, when a file cannot be used. */
SSL_CTX *http_tls_create(const char *cert_file, const char *key_file);
void http_tls_destroy(SSL_CTX *ctx);
#endif
