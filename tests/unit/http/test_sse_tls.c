/* Streamed answers over TLS, which libh2o writes in another way; resets, on which libuv refuses the
 * closing bytes. */
/* links: gw_http */
#include "sse_fixture.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

static char cert_path[] = "/tmp/sse-cert-XXXXXX";
static char key_path[] = "/tmp/sse-key-XXXXXX";
static SSL_CTX *context;

static int make_certificate(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    FILE *out;

    (void)state;
    assert_non_null(key);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)"a", -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    out = fdopen(mkstemp(cert_path), "w");
    assert_true(PEM_write_X509(out, cert) == 1 && fclose(out) == 0);
    out = fdopen(mkstemp(key_path), "w");
    assert_true(PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1 && fclose(out) == 0);
    X509_free(cert);
    EVP_PKEY_free(key);
    context = SSL_CTX_new(TLS_client_method());
    return 0;
}

static int remove_certificate(void **state)
{
    (void)state;
    unlink(cert_path);
    unlink(key_path);
    SSL_CTX_free(context);
    return 0;
}

struct secure {
    struct client c; /* its `in` is what was decrypted */
    SSL *ssl;
};

static bool would_wait(const SSL *ssl, int rc)
{
    int error = SSL_get_error(ssl, rc);

    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

static void secure_connect(struct secure *s, uint16_t port)
{
    int rc;

    client_connect(&s->c, port, 0);
    s->ssl = SSL_new(context);
    SSL_set_fd(s->ssl, s->c.fd);
    while ((rc = SSL_connect(s->ssl)) != 1) {
        assert_true(would_wait(s->ssl, rc));
        turn(NULL, 0);
    }
}

static void secure_send(struct secure *s, const char *text)
{
    assert_int_equal(SSL_write(s->ssl, text, (int)strlen(text)), (int)strlen(text));
}

static void secure_read(struct secure *s)
{
    while (!s->c.over && s->c.reading) {
        int n = SSL_read(s->ssl, buf_room(&s->c.in, 16384), 16384);

        if (n > 0) {
            s->c.in.len += (size_t)n;
        } else {
            s->c.over = !would_wait(s->ssl, n);
            return;
        }
    }
}

static void secure_close(struct secure *s, bool reset)
{
    struct linger hard = {1, 0};

    if (reset) {
        setsockopt(s->c.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }
    client_close(&s->c);
    SSL_free(s->ssl);
    ERR_clear_error();
}

#define UNTIL_SECURE(s, condition) UNTIL(NULL, 0, (secure_read(s), (condition)))

static void open_site(struct site *site, uint32_t io_timeout_ms)
{
    struct site_options o = usual;

    o.cert_file = cert_path;
    o.key_file = key_path;
    o.io_timeout_ms = io_timeout_ms;
    site_open(site, &o);
}

static void publish(struct site *site, unsigned from, unsigned n, size_t len)
{
    static char data[SSE_DATA_MAX];

    memset(data, 'd', len);
    for (unsigned i = from; i < from + n; i++) {
        char id[16];

        snprintf(id, sizeof id, "%u", i);
        assert_int_equal(sse_publish(site->hub, id, "audit", data, len), GW_OK);
    }
}

static void events_and_drain(void **state)
{
    struct secure s;
    struct site site;
    size_t len;
    bool whole;
    char *body;

    (void)state;
    open_site(&site, 5000);
    secure_connect(&s, http_server_port(site.server));
    secure_send(&s, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
    UNTIL_SECURE(&s, client_has(&s.c, "retry"));
    publish(&site, 1, 30, 30000); /* the ring holds them, the buffers do not */
    UNTIL_SECURE(&s, client_has(&s.c, "id: 30\n"));
    http_server_drain(site.server, 3000, site_done, &(bool){false});
    UNTIL_SECURE(&s, s.c.over);
    body = client_body(&s.c, &len, &whole);
    assert_true(whole);
    assert_in_range(len, 30 * 30000, 30 * 30000 + 3000);
    free(body);
    assert_int_equal(sse_streams(site.hub), 0);
    secure_close(&s, false);
    UNTIL(NULL, 0, scraped("http_connections ") == 0);
}

static void left_and_reset(void **state)
{
    struct site site;

    (void)state;
    open_site(&site, 5000);
    for (int round = 0; round < 6; round++) {
        struct secure s;

        secure_connect(&s, http_server_port(site.server));
        secure_send(&s, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
        UNTIL_SECURE(&s, client_has(&s.c, "retry"));
        if (round >= 4) { /* while something is under way */
            s.c.reading = false;
            publish(&site, (unsigned)round * 100 + 1, 30, 30000);
            run_for(NULL, 0, 20 * MS);
        }
        secure_close(&s, round % 2 == 1);
        UNTIL(NULL, 0, sse_streams(site.hub) == 0);
    }
    UNTIL(NULL, 0, scraped("http_streams ") == 0 && scraped("http_connections ") == 0);
    (void)site_close(&site, NULL, 0);
}

/* Connections that are reset while nothing is asked must not stay either. */
static void idle_ones_reset(void **state)
{
    struct site site;

    (void)state;
    open_site(&site, 5000);
    for (int round = 0; round < 20; round++) {
        struct secure s;

        secure_connect(&s, http_server_port(site.server));
        if (round % 2 == 0) {
            secure_send(&s, "GET /plain HTTP/1.1\r\nHost: a\r\n\r\n");
            UNTIL_SECURE(&s, s.c.in.len != 0);
        }
        run_for(NULL, 0, 5 * MS);
        secure_close(&s, true);
    }
    UNTIL(NULL, 0, scraped("http_connections ") == 0);
    (void)site_close(&site, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_and_drain),
        cmocka_unit_test(left_and_reset),
        cmocka_unit_test(idle_ones_reset),
    };
    int failed;

    (void)signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&loop);
    failed = cmocka_run_group_tests(tests, make_certificate, remove_certificate);
    metrics_fini();
    return failed;
}
