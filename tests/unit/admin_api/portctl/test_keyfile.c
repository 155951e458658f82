/* Key files: what is read, what is refused and with which advice, what is never overwritten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/stat.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include "admin_api/portctl/keyfile.h"

static char folder[] = "/tmp/portctl-keys-XXXXXX";
static char path[64];
static struct sign_key key;

static int enter(void **state)
{
    (void)state;
    (void)snprintf(path, sizeof path, "%s/key", mkdtemp(folder));
    return 0;
}

static int leave(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static void put(const char *text, mode_t mode)
{
    int fd;

    (void)unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static void refused(const char *words)
{
    struct buf why = {0};

    assert_false(keyfile_load(path, &key, &why));
    if (strstr(buf_cstr(&why), words) == NULL || strstr(why.data, "\n  next: ") == NULL) {
        fail_msg("\"%s\" without \"%s\" or advice", why.data, words);
    }
    for (size_t i = 0; i < sizeof key.bytes; i++) {
        assert_int_equal(key.bytes[i], 0);
    }
    buf_fini(&why);
}

static void loaded(void)
{
    struct buf why = {0};

    if (!keyfile_load(path, &key, &why)) {
        fail_msg("%s", buf_cstr(&why));
    }
    buf_fini(&why);
}

static void ed25519(void **state)
{
    struct sign_key made;
    uint8_t pub[SIGNATURE_ED_KEY_SIZE];
    struct buf why = {0};
    struct stat st;
    int fd;

    (void)state;
    (void)unlink(path);
    assert_true(sign_generate(&made, pub));
    fd = keyfile_create(path, &why);
    assert_true(fd >= 0);
    assert_true(keyfile_write(fd, &made));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    loaded();
    assert_int_equal(key.alg, SIGNATURE_ED25519);
    assert_int_equal(key.len, 32);
    assert_memory_equal(key.bytes, made.bytes, 32);
    assert_int_equal(keyfile_create(path, &why), -1);
    assert_non_null(strstr(buf_cstr(&why), "not overwritten"));
    buf_reset(&why);
    (void)unlink(path);
    assert_int_equal(symlink("/tmp/portctl-nowhere", path), 0);
    assert_int_equal(keyfile_create(path, &why), -1);
    buf_fini(&why);
}

static void hmac(void **state)
{
    static const char line[] = "hmac-sha256:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n";
    struct buf why = {0};
    int fd;

    (void)state;
    put(line, 0400);
    loaded();
    assert_int_equal(key.alg, SIGNATURE_HMAC_SHA256);
    assert_int_equal(key.len, 32);
    assert_memory_equal(key.bytes, "0123456789abcdef0123456789abcdef", 32);
    (void)unlink(path);
    fd = keyfile_create(path, &why);
    assert_true(fd >= 0);
    assert_true(
        keyfile_write_secret(fd, "hmac-sha256", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="));
    loaded();
    assert_int_equal(key.len, 32);
    put("hmac-sha256:AAAA\n", 0600);
    refused("base64 of 32 to 128");
    put("hmac-sha256:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\n", 0600);
    refused("base64");
    put("hmac-sha256:\n", 0600);
    refused("base64");
    put("hmac-sha512-kraken:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n", 0600);
    refused("Kraken");
    buf_fini(&why);
}

static void modes(void **state)
{
    static const mode_t wide[] = {0640, 0604, 0620, 0602, 0644, 0666, 0660, 0610, 0601};

    (void)state;
    for (size_t i = 0; i < GW_LEN(wide); i++) {
        put("hmac-sha256:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n", wide[i]);
        refused("chmod 600");
    }
}

static void strangers(void **state)
{
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    FILE *out;

    (void)state;
    (void)unlink(path);
    refused("cannot read");
    put("", 0600);
    refused("empty");
    put("hello\n", 0600);
    refused("not a key file");
    put("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0600);
    refused("no private key");
    put("", 0600);
    out = fopen(path, "we");
    assert_int_equal(PEM_write_PKCS8PrivateKey(out, pkey, NULL, NULL, 0, NULL, NULL), 1);
    (void)fclose(out);
    refused("not Ed25519");
    out = fopen(path, "we");
    assert_int_equal(PEM_write_PKCS8PrivateKey(out, pkey, EVP_aes_128_cbc(), "pass", 4, NULL, NULL),
                     1);
    (void)fclose(out);
    refused("encrypted");
    EVP_PKEY_free(pkey);
    (void)unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    refused("not a file");
    assert_int_equal(rmdir(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ed25519),
        cmocka_unit_test(hmac),
        cmocka_unit_test(modes),
        cmocka_unit_test(strangers),
    };

    return cmocka_run_group_tests(tests, enter, leave);
}
