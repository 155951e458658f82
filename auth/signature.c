/* The profile: which signatures are let through, and by which keys. */
#include "auth/signature_priv.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include "auth/digest.h"

static const struct algorithm {
    const char *name;
    size_t value_len;
} algorithms[SIGNATURE_ALG_COUNT] = {
    [SIGNATURE_ED25519] = {"ed25519", SIGNATURE_ED_BYTES},
    [SIGNATURE_HMAC_SHA256] = {"hmac-sha256", SIGNATURE_HMAC_BYTES},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The only member of header NAME. */
static enum auth_fault read_header(const struct signature_message *m, struct auth_text name,
                                   const char *title, struct sfv_dict *d, char *why)
{
    struct auth_text value = {0};
    unsigned count = signature_field(m, name, &value);

    if (count != 1) {
        return signature_refuse(
            why, count == 0 ? AUTH_NO_SIGNATURE : AUTH_REPEATED_HEADER,
            count == 0 ? "the header %s is missing" : "the header %s came more than once", title);
    }
    switch (sfv_parse(value, d)) {
    case SFV_OK:
        break;
    case SFV_SYNTAX:
        return signature_refuse(why, AUTH_SYNTAX, "%s is malformed at byte %zu (RFC 9651)", title,
                                d->error_at);
    case SFV_DUPLICATE:
        return signature_refuse(why, AUTH_DUPLICATE, "%s has a label or parameter twice", title);
    case SFV_TOO_LONG:
        return signature_refuse(why, AUTH_TOO_LONG, "%s is longer than %u bytes or %u components",
                                title, SFV_MAX_BYTES, SFV_MAX_ITEMS);
    }
    if (d->member_count != 1) {
        return signature_refuse(why, AUTH_LABEL, "%s must hold exactly one signature, not %u",
                                title, d->member_count);
    }
    return AUTH_OK;
}

/* 4.2: bytes under the label of Signature-Input; their number tells the algorithm. */
static enum auth_fault read_value(const struct signature_message *m, const struct sfv_dict *input,
                                  struct signature *sig)
{
    struct sfv_dict d;
    size_t len = 0;
    enum auth_fault fault = read_header(m, AUTH_TEXT("signature"), "Signature", &d, sig->why);

    if (fault != AUTH_OK) {
        return fault;
    }
    if (!auth_text_equal(d.members[0].key, input->members[0].key)) {
        return signature_refuse(sig->why, AUTH_LABEL,
                                "Signature and Signature-Input have different labels");
    }
    if (!d.members[0].is_list && d.members[0].params.count == 0 &&
        sfv_bytes(&d.members[0].value, sig->value, sizeof sig->value, &len)) {
        for (unsigned i = 0; i < SIGNATURE_ALG_COUNT; i++) {
            if (len == algorithms[i].value_len) {
                sig->alg = (enum signature_alg)i;
                return AUTH_OK;
            }
        }
    }
    return signature_refuse(sig->why, AUTH_SIGNATURE_FORM,
                            "Signature must be 64 (ed25519) or 32 (hmac-sha256) bytes in base64");
}

static bool covers(const struct sfv_dict *input, const char *name)
{
    const struct sfv_member *list = &input->members[0];

    for (unsigned i = 0; i < list->items.count; i++) {
        const struct sfv_value *v = &input->items[list->items.first + i].value;

        if (v->type == SFV_STRING && auth_text_is(v->text, name)) {
            return true;
        }
    }
    return false;
}

static enum auth_fault check_cover(const struct signature_message *m, const struct sfv_dict *input,
                                   char *why)
{
    static const char *const always[] = {"@method", "@authority", "@path", "@query"};
    static const char *const with_body[] = {"content-type", "content-digest"};
    static const char *const if_there[] = {"if-match", "idempotency-key"};
    const char *missing = NULL;

    if (!input->members[0].is_list) {
        return signature_refuse(why, AUTH_SYNTAX, "Signature-Input is not a list of components");
    }
    for (size_t i = 0; i < GW_LEN(always) && missing == NULL; i++) {
        missing = covers(input, always[i]) ? NULL : always[i];
    }
    for (size_t i = 0; i < GW_LEN(with_body) && missing == NULL && m->body.len != 0; i++) {
        missing = covers(input, with_body[i]) ? NULL : with_body[i];
    }
    for (size_t i = 0; i < GW_LEN(if_there) && missing == NULL; i++) {
        struct auth_text value;
        const struct auth_text name = {if_there[i], strlen(if_there[i])};

        missing = signature_field(m, name, &value) == 0 || covers(input, if_there[i]) ? NULL
                                                                                      : if_there[i];
    }
    if (missing != NULL) {
        return signature_refuse(why, AUTH_COMPONENT_MISSING,
                                "the signature must cover \"%s\", which it does not", missing);
    }
    return AUTH_OK;
}

enum param { P_CREATED, P_EXPIRES, P_NONCE, P_KEYID, P_TAG, P_ALG, P_COUNT };
static const struct param_row {
    const char *name;
    enum sfv_type type;
} param_rows[P_COUNT] = {
    [P_CREATED] = {"created", SFV_INTEGER}, [P_EXPIRES] = {"expires", SFV_INTEGER},
    [P_NONCE] = {"nonce", SFV_STRING},      [P_KEYID] = {"keyid", SFV_STRING},
    [P_TAG] = {"tag", SFV_STRING},          [P_ALG] = {"alg", SFV_STRING},
};

/* 2.3: those of the profile, each of its type, and no other. */
static enum auth_fault find_params(const struct sfv_dict *input,
                                   const struct sfv_value *found[P_COUNT], char *why)
{
    struct sfv_range range = input->members[0].params;
    unsigned known = 0;

    for (unsigned i = 0; i < P_COUNT; i++) {
        found[i] = sfv_param(input, range, param_rows[i].name);
        known += found[i] != NULL;
        if (found[i] == NULL && i != P_ALG) {
            return signature_refuse(why, AUTH_PARAM_MISSING, "the parameter %s is missing",
                                    param_rows[i].name);
        }
        if (found[i] != NULL && found[i]->type != param_rows[i].type) {
            return signature_refuse(why, AUTH_PARAM_BAD, "the parameter %s must be %s",
                                    param_rows[i].name,
                                    param_rows[i].type == SFV_STRING ? "a string" : "an integer");
        }
    }
    if (known != range.count) {
        return signature_refuse(why, AUTH_PARAM_UNKNOWN,
                                "only these parameters are accepted: "
                                "created expires nonce keyid tag alg");
    }
    return AUTH_OK;
}

static bool is_keyid(struct auth_text t)
{
    for (size_t i = 0; i < t.len; i++) {
        if (!is_alnum(t.s[i]) && (t.s[i] == '\0' || strchr("._:@/+=-", t.s[i]) == NULL)) {
            return false;
        }
    }
    return t.len != 0 && t.len <= SIGNATURE_KEYID_MAX;
}

/* What T has room for: we cannot know how random it is. 0: not a nonce. */
static size_t nonce_bits(struct auth_text t)
{
    bool lower_hex = true;
    bool upper_hex = true;

    if (t.len > SIGNATURE_NONCE_MAX) {
        return 0;
    }
    for (unsigned i = 0; i < 2 && t.len != 0 && t.s[t.len - 1] == '='; i++) {
        t.len--;
    }
    for (size_t i = 0; i < t.len; i++) {
        char c = t.s[i];

        if (!is_alnum(c) && (c == '\0' || strchr("+/_-", c) == NULL)) {
            return 0;
        }
        lower_hex = lower_hex && (is_digit(c) || (c >= 'a' && c <= 'f'));
        upper_hex = upper_hex && (is_digit(c) || (c >= 'A' && c <= 'F'));
    }
    return t.len * (lower_hex || upper_hex ? 4 : 6);
}

static enum auth_fault check_alg(const struct sfv_value *alg, const struct signature *sig,
                                 char *why)
{
    const struct algorithm *a = &algorithms[sig->alg];

    if (alg == NULL || auth_text_is(alg->text, a->name)) {
        return AUTH_OK;
    }
    for (size_t i = 0; i < SIGNATURE_ALG_COUNT; i++) {
        if (auth_text_is(alg->text, algorithms[i].name)) {
            return signature_refuse(why, AUTH_SIGNATURE_FORM,
                                    "a signature by alg=\"%s\" has %zu bytes, not %zu",
                                    algorithms[i].name, algorithms[i].value_len, a->value_len);
        }
    }
    return signature_refuse(why, AUTH_ALG_UNSUPPORTED, "alg must be ed25519 or hmac-sha256");
}

static enum auth_fault read_params(const struct sfv_dict *input, struct signature *sig)
{
    const struct sfv_value *p[P_COUNT];
    enum auth_fault fault = find_params(input, p, sig->why);

    if (fault != AUTH_OK) {
        return fault;
    }
    if (!is_keyid(p[P_KEYID]->text)) {
        return signature_refuse(sig->why, AUTH_PARAM_BAD,
                                "keyid must be 1 to %u of A-Z a-z 0-9 . _ : @ / + = -",
                                SIGNATURE_KEYID_MAX);
    }
    memcpy(sig->keyid, p[P_KEYID]->text.s, p[P_KEYID]->text.len);
    if (!auth_text_is(p[P_TAG]->text, SIGNATURE_TAG)) {
        return signature_refuse(sig->why, AUTH_TAG, "tag must be \"" SIGNATURE_TAG "\"");
    }
    if (nonce_bits(p[P_NONCE]->text) < SIGNATURE_NONCE_MIN) {
        return signature_refuse(sig->why, AUTH_NONCE,
                                "nonce must be base64, base64url or hex text of at least %u bits "
                                "and at most %u characters",
                                SIGNATURE_NONCE_MIN, SIGNATURE_NONCE_MAX);
    }
    memcpy(sig->nonce, p[P_NONCE]->text.s, p[P_NONCE]->text.len);
    sig->created_s = p[P_CREATED]->integer;
    sig->expires_s = p[P_EXPIRES]->integer;
    return check_alg(p[P_ALG], sig, sig->why);
}

/* Integers of at most 15 digits: no difference of theirs overflows. */
static enum auth_fault check_times(struct signature *sig, const struct signature_clock *clock)
{
    int64_t span = sig->expires_s - sig->created_s;
    int64_t age = clock->now_s - sig->created_s;

    if (span < 1 || span > SIGNATURE_SPAN_MAX_S) {
        return signature_refuse(sig->why, AUTH_LIFETIME,
                                "expires must be 1 to %d s later than created, not %" PRId64,
                                SIGNATURE_SPAN_MAX_S, span);
    }
    if (age > clock->back_s || -age > clock->ahead_s) {
        return signature_refuse(sig->why, AUTH_CLOCK_SKEW,
                                "created is %" PRId64 " s %s server time %" PRId64
                                "; at most %" PRId64 " s are allowed",
                                age > 0 ? age : -age, age > 0 ? "before" : "after", clock->now_s,
                                age > 0 ? clock->back_s : clock->ahead_s);
    }
    if (clock->now_s > sig->expires_s) {
        return signature_refuse(sig->why, AUTH_EXPIRED,
                                "expired %" PRId64 " s ago; server time is %" PRId64,
                                clock->now_s - sig->expires_s, clock->now_s);
    }
    return AUTH_OK;
}

enum auth_fault signature_parse(const struct signature_message *m,
                                const struct signature_clock *clock, struct signature *sig)
{
    struct auth_out base = {.s = sig->base, .cap = sizeof sig->base};
    struct sfv_dict input;
    enum auth_fault fault;

    memset(sig, 0, offsetof(struct signature, base));
    fault = read_header(m, AUTH_TEXT("signature-input"), "Signature-Input", &input, sig->why);
    if (fault == AUTH_OK) {
        fault = read_value(m, &input, sig);
    }
    if (fault == AUTH_OK) {
        fault = check_cover(m, &input, sig->why);
    }
    if (fault == AUTH_OK) {
        fault = read_params(&input, sig);
    }
    if (fault == AUTH_OK) {
        fault = check_times(sig, clock);
    }
    if (fault == AUTH_OK) {
        fault = signature_base(m, &input, &input.members[0], &base, sig->why);
    }
    sig->base_len = fault == AUTH_OK ? base.len : 0;
    return fault;
}

static bool check_hmac(const struct signature_key *key, struct auth_text base, const uint8_t *value)
{
    uint8_t mac[SIGNATURE_HMAC_BYTES];
    bool same;

    if (key->len > SIGNATURE_SECRET_MAX ||
        HMAC(EVP_sha256(), key->bytes, (int)key->len, (const uint8_t *)base.s, base.len, mac,
             NULL) == NULL) {
        return false;
    }
    same = CRYPTO_memcmp(mac, value, sizeof mac) == 0;
    OPENSSL_cleanse(mac, sizeof mac);
    return same;
}

static bool check_ed25519(const struct signature_key *key, struct auth_text base,
                          const uint8_t *value)
{
    EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->bytes, key->len);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok =
        pkey != NULL && ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
        EVP_DigestVerify(ctx, value, SIGNATURE_ED_BYTES, (const uint8_t *)base.s, base.len) == 1;

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    /* what is left in the queue would be taken for an error of this thread's next TLS read */
    ERR_clear_error();
    return ok;
}

bool signature_check(const struct signature_key *key, struct auth_text base, const uint8_t *value,
                     size_t value_len)
{
    if (value_len != algorithms[key->alg].value_len) {
        return false;
    }
    return key->alg == SIGNATURE_HMAC_SHA256 ? check_hmac(key, base, value)
                                             : check_ed25519(key, base, value);
}

/* y coordinates of the eight points of small order, as RFC 8032 5.1.2 writes them; the sign bit is
 * not compared. The last two are spellings of the first two that a decoder reduces. */
static bool is_small_order(const uint8_t key[SIGNATURE_ED_KEY_SIZE])
{
    static const uint8_t y[][SIGNATURE_ED_KEY_SIZE] = {
        {0},
        {1},
        {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
         0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
         0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
        {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
         0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
         0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
        {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
        {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
        {0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    };

    for (size_t i = 0; i < GW_LEN(y); i++) {
        if (memcmp(key, y[i], SIGNATURE_ED_KEY_SIZE - 1) == 0 &&
            (key[SIGNATURE_ED_KEY_SIZE - 1] & 0x7f) == y[i][SIGNATURE_ED_KEY_SIZE - 1]) {
            return true;
        }
    }
    return false;
}

bool signature_key_usable(const struct signature_key *key)
{
    if (key->alg == SIGNATURE_HMAC_SHA256) {
        return key->len >= SIGNATURE_SECRET_MIN && key->len <= SIGNATURE_SECRET_MAX;
    }
    return key->len == SIGNATURE_ED_KEY_SIZE && !is_small_order(key->bytes);
}

static enum auth_fault judge(const struct signature *sig, const struct signature_key *key)
{
    /* An all-zero secret, and the public key of RFC 8032 7.1 test 1. They cost what real keys cost;
     * what they say is not used. */
    static const uint8_t no_secret[SIGNATURE_SECRET_MIN] = {0};
    static const uint8_t no_public[SIGNATURE_ED_KEY_SIZE] = {
        0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe,
        0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6,
        0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a};
    static const struct signature_key stand_in[SIGNATURE_ALG_COUNT] = {
        [SIGNATURE_ED25519] = {SIGNATURE_ED25519, no_public, sizeof no_public},
        [SIGNATURE_HMAC_SHA256] = {SIGNATURE_HMAC_SHA256, no_secret, sizeof no_secret},
    };
    bool usable = key != NULL && signature_key_usable(key);
    bool fits = usable && key->alg == sig->alg;
    bool genuine = signature_check(fits ? key : &stand_in[sig->alg],
                                   (struct auth_text){sig->base, sig->base_len}, sig->value,
                                   algorithms[sig->alg].value_len);

    if (key == NULL) {
        return AUTH_UNKNOWN_KEY;
    }
    if (!usable) {
        return AUTH_KEY_UNUSABLE;
    }
    if (!fits) {
        return AUTH_ALG_MISMATCH;
    }
    return genuine ? AUTH_OK : AUTH_BAD_SIGNATURE;
}

enum auth_fault signature_verify(struct signature *sig, const struct signature_message *m,
                                 const struct signature_key *key)
{
    struct auth_text field = {0};
    enum auth_fault fault;

    GW_ASSERT(sig->base_len != 0);
    sig->why[0] = '\0';
    fault = judge(sig, key);
    /* also for a body that was cut down to nothing */
    if (fault == AUTH_OK && signature_field(m, AUTH_TEXT("content-digest"), &field) != 0) {
        fault = digest_verify(field, m->body);
    }
    if (fault != AUTH_OK) {
        (void)signature_refuse(sig->why, fault, "%s",
                               auth_fault_row(auth_fault_shown(fault))->text);
    }
    return fault;
}
