#include "auth/bootstrap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include "auth/key_store_priv.h"
#include "auth/master_key.h"
#include "gateway/audit/entry.h"
#include "gateway/audit/ulid.h"
#include "gateway/runtime/clock.h"
#include "gateway/store/pg_once.h"

struct run {
    const struct bootstrap_options *opt;
    FILE *out;
    const char *path;
    int fd;
    char actor[PG_ONCE_ACTOR_SIZE];
    uint8_t public_key[KEY_PUBLIC_BYTES];
    const struct master_keys *masters; /* NULL: none is needed */
    struct key_store *store;
    bool done;
    bool keep_file;
    struct pg_once once;
};

/* One line, then what to do. */
static void failed(const struct run *r, const char *what, const char *next)
{
    (void)fprintf(r->out, "bootstrap: %s\n  next: %s\n", what, next);
}

/* --- the file ---------------------------------------------------------------------------------- */

static bool open_file(struct run *r)
{
    r->fd = open(r->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (r->fd < 0 || fchmod(r->fd, 0600) != 0) {
        (void)fprintf(r->out, "bootstrap: %s: %s\n  next: %s\n", r->path, strerror(errno),
                      errno == EEXIST ? "name a file that does not exist: a key is not overwritten"
                                      : "name a file in a folder you may write to");
        return false;
    }
    return true;
}

static bool write_file(const struct run *r, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(r->fd, text, len);

        if (n < 0 && errno != EINTR) {
            failed(r, strerror(errno), "make room on the disk, then run this again");
            return false;
        }
        if (n > 0) {
            text += n;
            len -= (size_t)n;
        }
    }
    return fsync(r->fd) == 0;
}

/* A new pair: its private half in the file, its public half in R. */
static bool make_pair(struct run *r)
{
    EVP_PKEY *pair = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    BIO *pem = BIO_new(BIO_s_secmem()); /* wiped when it is freed */
    size_t len = sizeof r->public_key;
    char *text = NULL;
    bool fine = pair != NULL && pem != NULL &&
                EVP_PKEY_get_raw_public_key(pair, r->public_key, &len) == 1 &&
                PEM_write_bio_PrivateKey(pem, pair, NULL, NULL, 0, NULL, NULL) == 1;

    if (!fine) {
        failed(r, "OpenSSL made no key pair", "look after the OpenSSL library");
    } else {
        long n = BIO_get_mem_data(pem, &text);

        fine = write_file(r, text, (size_t)n);
    }
    BIO_free(pem);
    EVP_PKEY_free(pair);
    return fine;
}

/* --- the database ------------------------------------------------------------------------------ */

/* What to do about ROW. */
static const char *advice(const struct run *r, enum key_store_err err)
{
    return r->keep_file ? "list the keys; the private key is kept in the file"
           : err == KEY_STORE_NOT_FIRST
               ? "sign with one of them: portctl key new; only if all of them are lost: "
                 "--keys-lost, "
                 "which the audit log says, and then revoke them"
               : "correct it (is the schema there? run the migrations), then run this again";
}

static void on_stored(void *arg, const struct key_answer *answer)
{
    struct run *r = arg;
    const struct key_store_err_row *row = key_store_err_row(answer->err);

    pg_once_end(&r->once);
    if (answer->err == KEY_STORE_UNKNOWN) {
        r->keep_file = true; /* the key may be there */
    }
    if (answer->err != KEY_STORE_OK || answer->count != 1) {
        (void)fprintf(r->out, "bootstrap: %s%s%s\n  next: %s\n", row->text,
                      answer->field != NULL && answer->field[0] != '\0' ? ": " : "",
                      answer->field != NULL ? answer->field : "", advice(r, answer->err));
        return;
    }
    r->keep_file = true;
    if (answer->secret != NULL &&
        (!write_file(r, answer->secret_base64, strlen(answer->secret_base64)) ||
         !write_file(r, "\n", 1))) {
        (void)fprintf(r->out, "bootstrap: the secret of %s is lost\n  next: revoke that key\n",
                      answer->rows[0].id);
        r->keep_file = false;
        return;
    }
    r->done = true;
    (void)fprintf(r->out,
                  "bootstrap: key %s of account %s, %s\n  %s: %s\n  to be used from: %s; another "
                  "key for other places: portctl key new --ip\n",
                  answer->rows[0].id, answer->rows[0].account, key_alg_word(answer->rows[0].alg),
                  answer->secret != NULL ? "secret in base64" : "private key", r->path,
                  answer->rows[0].ip_allow);
}

static void ask(void *arg, struct pg *pg)
{
    struct run *r = arg;
    const char *reason = r->opt->keys_lost
                             ? "another first key, from the command line: the others are said lost"
                             : "first key, from the command line";
    char entry_id[ULID_SIZE];
    const struct audit_entry entry = {.id = entry_id,
                                      .time_ns = clock_real_ns(),
                                      .mono_ns = clock_mono_ns(),
                                      .actor = r->actor,
                                      .action = "key.bootstrap",
                                      .outcome = "done",
                                      .reason = reason};
    const struct key_change change = {.actor = r->actor, .reason = reason, .entry = &entry};
    const struct key_spec spec = {
        .account = r->opt->account,
        .create_account = true,
        .label = r->opt->label,
        .alg = r->opt->algorithm,
        .public_key = r->opt->algorithm == KEY_ED25519 ? r->public_key : NULL,
        .scopes = r->opt->scopes,
        .ip_allow = r->opt->ip_allow,
        .ip_allow_count = r->opt->ip_allow_count,
    };
    struct key_answer refused = {0};
    size_t count = 0;
    const struct envelope_master *keys =
        r->masters != NULL ? master_keys_all(r->masters, &count) : NULL;

    r->store = key_store_create(pg, NULL, keys, count);
    ulid_make(entry_id, entry.time_ns);
    refused.err = key_store_issue_as(r->store, "bootstrap", !r->opt->keys_lost, &change, &spec,
                                     &refused.field, on_stored, r);
    if (refused.err != KEY_STORE_OK) {
        on_stored(r, &refused);
    }
}

static void on_late(void *arg)
{
    failed(arg, "PostgreSQL does not answer", "check the DSN, and that PostgreSQL runs there");
}

static void store_key(struct run *r, const char *dsn)
{
    pg_once_run(&r->once, dsn, "bootstrap");
    if (r->store != NULL) {
        key_store_destroy(&r->store);
    }
}

/* --- all of it --------------------------------------------------------------------------------- */

static bool check(const struct run *r, const char *dsn, const struct master_keys *masters)
{
    if (!pg_dsn_valid(dsn)) {
        failed(r, "the DSN cannot be read", "write it like postgresql:///portcullis?host=/path");
        return false;
    }
    if (key_alg_secret_bytes(r->opt->algorithm) > 0 && masters == NULL) {
        failed(r, "no master key to seal the secret with", "name the file of master keys");
        return false;
    }
    return true;
}

int bootstrap_key(const char *dsn, const struct master_keys *masters,
                  const struct bootstrap_options *opt, FILE *out, const char *key_file_path)
{
    struct run r = {.opt = opt,
                    .out = out,
                    .path = key_file_path,
                    .fd = -1,
                    .masters = masters,
                    .once = {.ask = ask, .late = on_late}};

    r.once.arg = &r;
    pg_once_actor(opt->actor, r.actor);
    if (!check(&r, dsn, masters) || !open_file(&r)) {
        return 1;
    }
    if (key_alg_secret_bytes(opt->algorithm) > 0 || make_pair(&r)) {
        store_key(&r, dsn);
    }
    (void)close(r.fd);
    if (!r.keep_file) {
        (void)unlink(key_file_path);
    }
    return r.done ? 0 : 1;
}
