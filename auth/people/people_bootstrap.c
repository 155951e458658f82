#include "auth/people/people_bootstrap.h"

#include <string.h>
#include <openssl/crypto.h>
#include "auth/key_make.h"
#include "auth/master_key.h"
#include "auth/people/people_priv.h"
#include "auth/people/people_sql.h"
#include "auth/secret_mem.h"
#include "auth/words.h"
#include "gateway/runtime/clock.h"
#include "gateway/store/pg_once.h"

struct run {
    const struct people_bootstrap_options *opt;
    FILE *out;
    char actor[PG_ONCE_ACTOR_SIZE];
    char phc[PASSWORD_HASH_SIZE];
    struct people_secrets *secrets;
    struct buf hashes; /* of the recovery codes */
    struct buf roles;
    int64_t now_ns;
    bool done;
    struct pg_once once;
};

/* One line, then what to do. */
static void failed(const struct run *r, const char *what, const char *next)
{
    (void)fprintf(r->out, "bootstrap: %s\n  next: %s\n", what, next);
}

/* --- what the user gets ------------------------------------------------------------------------ */

static bool make_codes(struct run *r)
{
    for (unsigned i = 0; i < RECOVERY_CODES; i++) {
        uint8_t hash[RECOVERY_HASH_SIZE];
        char hex[2 * RECOVERY_HASH_SIZE + 1];

        if (recovery_make(r->secrets->codes[i]) != GW_OK ||
            !recovery_hash(r->opt->name, r->secrets->codes[i], hash)) {
            return false;
        }
        for (unsigned n = 0; n < sizeof hash; n++) {
            (void)snprintf(hex + 2 * n, 3, "%02x", hash[n]);
        }
        pg_array_put(&r->hashes, hex);
    }
    pg_array_end(&r->hashes);
    return true;
}

static bool make_all(struct run *r, const struct master_keys *masters)
{
    struct people_secrets *s = r->secrets;
    size_t count = 0;
    const struct envelope_master *keys = master_keys_all(masters, &count);

    for (unsigned i = 0; i < ROLE_COUNT; i++) {
        if ((r->opt->roles >> i & 1) != 0) {
            pg_array_put(&r->roles, role_rows[i].word);
        }
    }
    pg_array_end(&r->roles);
    if (password_make(s->password) != GW_OK ||
        password_hash(s->password, strlen(s->password), r->phc) != GW_OK ||
        totp_make(r->opt->name, key_newest_master(keys, count), &s->totp) != GW_OK ||
        !make_codes(r)) {
        failed(r, "no randomness or no memory for a password", "look after the system");
        return false;
    }
    return true;
}

static void tell(const struct run *r)
{
    const struct people_secrets *s = r->secrets;
    struct buf uri = {0};

    totp_uri(&uri, r->opt->issuer != NULL ? r->opt->issuer : "Portcullis", r->opt->name,
             s->totp.text);
    (void)fprintf(r->out,
                  "bootstrap: user %s\n  password: %s%s\n  second factor: %s\n  as URI: %s\n"
                  "  recovery codes, each once:\n",
                  r->opt->name, s->password,
                  r->opt->lasting ? "" : "   (to be changed at the first log-in, within 3 days)",
                  s->totp.text, buf_cstr(&uri));
    for (unsigned i = 0; i < RECOVERY_CODES; i++) {
        (void)fprintf(r->out, "    %s\n", s->codes[i]);
    }
    (void)fputs("  next: keep these, they are not shown again\n", r->out);
    OPENSSL_cleanse(uri.data, uri.len);
    buf_fini(&uri);
}

/* --- the database ------------------------------------------------------------------------------ */

static void on_stored(void *arg, const struct pg_reply *reply)
{
    struct run *r = arg;

    pg_once_end(&r->once);
    if (pg_outcome(reply) == PG_OK) {
        r->done = true;
        tell(r);
    } else if (pg_outcome(reply) == PG_UNKNOWN) {
        failed(r, "PostgreSQL did not answer",
               "look whether the user is there; if so, reset the password, else run this again");
    } else if (strcmp(pg_sqlstate(reply), "23505") == 0) {
        failed(r, "there is such a user already", "choose another name, or reset the password");
    } else {
        (void)fprintf(r->out,
                      "bootstrap: %s\n  next: correct it (is the schema there? run the "
                      "migrations), then run this again\n",
                      pg_message(reply));
    }
}

/* clang-format off */
static const char user_sql[] =
    "INSERT INTO users (name, created_at, label, created_by, password_hash, password_at,"
    " password_until, totp_sealed, totp_at) VALUES ($1, " AT("$2") ", $3, $4, $5, " AT("$2") ", "
    AT("$6") ", $7, " AT("$2") ")";
static const char codes_sql[] =
    "INSERT INTO user_recovery_codes (user_name, code_hash, created_at)"
    " SELECT $1, decode(h, 'hex'), " AT("$2") " FROM unnest($3::text[]) h";
static const char roles_sql[] =
    "INSERT INTO user_roles (user_name, granted_at, role, kind, granted_by, reason)"
    " SELECT $1, " AT("$2") ", w, CASE WHEN w = 'break_glass' THEN 'eligible' ELSE 'standing' END,"
    " $4, 'from the command line' FROM unnest($3::text[]) w";
/* clang-format on */

static void store(void *arg, struct pg *pg)
{
    struct run *r = arg;
    const struct people_bootstrap_options *o = r->opt;
    const struct pg_param name = pg_text(o->name);
    const struct pg_param now = pg_int8(r->now_ns / 1000);
    const struct pg_param user[] = {
        name,
        now,
        pg_text(o->label != NULL ? o->label : o->name),
        pg_text(r->actor),
        pg_text(r->phc),
        o->lasting ? pg_null() : pg_int8(r->now_ns / 1000 + (int64_t)PEOPLE_TEMPORARY_S * 1000000),
        pg_bytea(r->secrets->totp.sealed, r->secrets->totp.sealed_len)};
    const struct pg_param codes[] = {name, now, pg_text(buf_cstr(&r->hashes))};
    const struct pg_param roles[] = {name, now, pg_text(buf_cstr(&r->roles)), pg_text(r->actor)};
    const struct pg_statement statements[] = {
        {.sql = user_sql, .params = user, .param_count = GW_LEN(user)},
        {.sql = codes_sql, .params = codes, .param_count = GW_LEN(codes)},
        {.sql = roles_sql, .params = roles, .param_count = GW_LEN(roles)},
    };

    if (!pg_transaction(pg, statements, GW_LEN(statements), 0, on_stored, r)) {
        failed(r, "PostgreSQL went away", "run this again");
        pg_once_end(&r->once);
    }
}

static void on_late(void *arg)
{
    failed(arg, "PostgreSQL does not answer", "check the DSN, and that PostgreSQL runs there");
}

/* --- all of it --------------------------------------------------------------------------------- */

static bool check(const struct run *r, const char *dsn, const struct master_keys *masters)
{
    const struct people_bootstrap_options *o = r->opt;

    if (!pg_dsn_valid(dsn)) {
        failed(r, "the DSN cannot be read", "write it like postgresql:///portcullis?host=/path");
    } else if (!people_is_name(o->name)) {
        failed(r, "not a user's name",
               "2 to 32 of a-z 0-9 _ . -, first a letter, for example ana or ana.lopez");
    } else if (o->label != NULL && !words_fit(o->label, 1, PEOPLE_LABEL_MAX)) {
        failed(r, "not a label", "1 to 100 characters");
    } else if (o->roles == 0 || o->roles >> ROLE_COUNT != 0) {
        failed(r, "no role", "name at least one, for example security,operator");
    } else if (masters == NULL) {
        failed(r, "no master key to seal the second factor with",
               "make one with --make-master-key FILE, and name it in auth.master_key_file");
    } else {
        return true;
    }
    return false;
}

int people_bootstrap(const char *dsn, const struct master_keys *masters,
                     const struct people_bootstrap_options *opt, FILE *out)
{
    struct run r = {
        .opt = opt, .out = out, .now_ns = clock_real_ns(), .once = {.ask = store, .late = on_late}};
    void *secrets;

    r.once.arg = &r;
    pg_once_actor(opt->actor, r.actor);
    if (!check(&r, dsn, masters)) {
        return 1;
    }
    secrets = secret_mem_get(sizeof *r.secrets);
    r.secrets = secrets;
    if (make_all(&r, masters)) {
        pg_once_run(&r.once, dsn, "bootstrap");
    }
    secret_mem_put(&secrets, sizeof *r.secrets);
    buf_fini(&r.hashes);
    buf_fini(&r.roles);
    return r.done ? 0 : 1;
}
