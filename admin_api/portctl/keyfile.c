#include "admin_api/portctl/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include "auth/base64.h"

#define FILE_MAX    16384u
#define HMAC_WORD   "hmac-sha256:"
#define KRAKEN_WORD "hmac-sha512-kraken:"
#define PEM_BEGIN   "-----BEGIN "
#define NEXT        "\n  next: "
#define TWO_FORMS   "give a PEM private key (Ed25519) or a line hmac-sha256:BASE64"

/* Is the file one that only its owner reads? Pipes are let through: <(command) of a shell. */
static bool private_enough(int fd, const char *path, struct buf *why)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode))) {
        buf_printf(why, "%s is not a file" NEXT TWO_FORMS, path);
        return false;
    }
    if ((st.st_mode & 077) != 0) {
        buf_printf(why,
                   "others may read the key file %s (mode %04o), so it is not used" NEXT
                   "chmod 600 %s; if others could reach it, rotate the key",
                   path, (unsigned)st.st_mode & 07777u, path);
        return false;
    }
    return true;
}

/* Length of what was read into TEXT, 0 for none. */
static size_t read_all(const char *path, char text[FILE_MAX], struct buf *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t n = 1;

    if (fd < 0) {
        buf_printf(why, "cannot read the key file %s: %s" NEXT "check --key-file", path,
                   strerror(errno));
        return 0;
    }
    if (private_enough(fd, path, why)) {
        while (len < FILE_MAX && (n = read(fd, text + len, FILE_MAX - len)) > 0) {
            len += (size_t)n;
        }
        if (n != 0 || len == 0) {
            buf_printf(why, "%s is empty, unreadable or too long for a key" NEXT TWO_FORMS, path);
            len = 0;
        }
    }
    (void)close(fd);
    return len;
}

/* Asking for a passphrase is not for a program that runs unattended. */
static int no_passphrase(char *text, int size, int rw, void *u)
{
    (void)text;
    (void)size;
    (void)rw;
    *(bool *)u = true;
    return -1;
}

static bool read_pem(const char *path, const char *text, size_t len, struct sign_key *key,
                     struct buf *why)
{
    BIO *bio = BIO_new_mem_buf(text, (int)len);
    bool encrypted = false;
    EVP_PKEY *pkey =
        bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &encrypted);
    bool ok = false;

    key->alg = SIGNATURE_ED25519;
    key->len = sizeof key->bytes;
    if (encrypted) {
        buf_printf(why,
                   "the key in %s is encrypted" NEXT "decrypt it into a file of mode 0600: "
                   "openssl pkey -in %s -out NEW",
                   path, path);
    } else if (pkey == NULL) {
        buf_printf(why, "%s holds no private key" NEXT TWO_FORMS, path);
    } else if (EVP_PKEY_get_id(pkey) != EVP_PKEY_ED25519) {
        buf_printf(why,
                   "the key in %s is not Ed25519" NEXT "make one: portctl key new --out FILE ...",
                   path);
    } else {
        ok = EVP_PKEY_get_raw_private_key(pkey, key->bytes, &key->len) == 1;
    }
    EVP_PKEY_free(pkey);
    BIO_free(bio);
    ERR_clear_error();
    return ok;
}

static bool read_hmac(const char *path, const char *text, size_t len, struct sign_key *key,
                      struct buf *why)
{
    size_t skip = strlen(HMAC_WORD);

    while (len > skip && (text[len - 1] == '\n' || text[len - 1] == '\r')) {
        len--;
    }
    key->alg = SIGNATURE_HMAC_SHA256;
    if (base64_decode(text + skip, len - skip, key->bytes, sizeof key->bytes, &key->len) &&
        key->len >= SIGNATURE_SECRET_MIN) {
        return true;
    }
    buf_printf(why, "the secret in %s is not base64 of %u to %u bytes" NEXT TWO_FORMS, path,
               SIGNATURE_SECRET_MIN, SIGNATURE_SECRET_MAX);
    return false;
}

static bool starts(const char *text, size_t len, const char *with)
{
    return len >= strlen(with) && memcmp(text, with, strlen(with)) == 0;
}

bool keyfile_load(const char *path, struct sign_key *key, struct buf *why)
{
    char text[FILE_MAX];
    size_t len = read_all(path, text, why);
    bool ok = false;

    if (len != 0 && starts(text, len, HMAC_WORD)) {
        ok = read_hmac(path, text, len, key, why);
    } else if (len != 0 && starts(text, len, KRAKEN_WORD)) {
        buf_printf(why, "%s is a key of the Kraken scheme, which cannot administer" NEXT TWO_FORMS,
                   path);
    } else if (len != 0 && memmem(text, len, PEM_BEGIN, strlen(PEM_BEGIN)) != NULL) {
        ok = read_pem(path, text, len, key, why);
    } else if (len != 0) {
        buf_printf(why, "%s is not a key file" NEXT TWO_FORMS, path);
    }
    OPENSSL_cleanse(text, sizeof text);
    if (!ok) {
        keyfile_wipe(key);
    }
    return ok;
}

void keyfile_wipe(struct sign_key *key)
{
    OPENSSL_cleanse(key, sizeof *key);
}

int keyfile_create(const char *path, struct buf *why)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd >= 0) {
        return fd;
    }
    if (errno == EEXIST) {
        buf_printf(why, "%s is there already and is not overwritten" NEXT "give another --out",
                   path);
    } else {
        buf_printf(why, "cannot make %s: %s" NEXT "give another --out", path, strerror(errno));
    }
    return -1;
}

static bool write_all(int fd, const char *text, size_t len)
{
    bool ok = true;

    while (ok && len != 0) {
        ssize_t n = write(fd, text, len);

        if (n > 0) {
            text += n;
            len -= (size_t)n;
        }
        ok = n > 0 || (n < 0 && errno == EINTR);
    }
    ok = ok && fsync(fd) == 0;
    return close(fd) == 0 && ok;
}

bool keyfile_write(int fd, const struct sign_key *key)
{
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key->bytes, key->len);
    BIO *bio = BIO_new(BIO_s_secmem());
    char *text = NULL;
    long len;
    bool ok = false;

    if (pkey != NULL && bio != NULL &&
        PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) == 1 &&
        (len = BIO_get_mem_data(bio, &text)) > 0) {
        ok = write_all(fd, text, (size_t)len);
    } else {
        (void)close(fd);
    }
    BIO_free(bio);
    EVP_PKEY_free(pkey);
    return ok;
}

bool keyfile_write_secret(int fd, const char *algorithm, const char *base64)
{
    struct buf line = {0};
    bool ok;

    if (strcmp(algorithm, "bearer") == 0) { /* as programs that send it want their file */
        buf_printf(&line, "%s\n", base64);
    } else {
        buf_printf(&line, "%s:%s\n", algorithm, base64);
    }
    ok = write_all(fd, line.data, line.len);
    OPENSSL_cleanse(line.data, line.cap);
    buf_fini(&line);
    return ok;
}
