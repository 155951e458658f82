/* links: gw_auth */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include "auth/envelope.h"
#include "auth/kraken_sign.h"
#include "auth/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define FIELDS 5

/* The next line of REST, without its end. */
static struct auth_text take_line(struct auth_text *rest)
{
    const char *lf = rest->len != 0 ? memchr(rest->s, '\n', rest->len) : NULL;
    struct auth_text line = {rest->s, lf != NULL ? (size_t)(lf - rest->s) : rest->len};
    size_t used = line.len + (lf != NULL);

    rest->s += used;
    rest->len -= used;
    return line;
}

static void parse_others(struct auth_text all)
{
    static const struct envelope_master master = {.version = 1, .key = "k"};
    static uint8_t secret[ENVELOPE_SECRET_MAX];
    struct kraken_nonce nonce;
    size_t n;

    if (kraken_nonce(all, &nonce) == AUTH_OK) {
        GW_ASSERT(nonce.text.len != 0 && nonce.text.s >= all.s &&
                  nonce.text.s + nonce.text.len <= all.s + all.len);
    }
    GW_ASSERT(envelope_open(&master, AUTH_TEXT("id"), (const uint8_t *)all.s, all.len, secret,
                            &n) != GW_OK);
}

/* A stranger's request, line by line: refused with a reason, or it holds all that the caller needs.
 * No signature of a stranger verifies; what we sign ourselves does, unless the digest is wrong. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char *const names[FIELDS] = {"signature-input", "signature", "content-type",
                                              "content-digest", "X-Other"};
    static const uint8_t secret[32] = "nobody knows this secret of ours";
    static const struct signature_key key = {SIGNATURE_HMAC_SHA256, secret, sizeof secret};
    static const struct signature_clock clock = {1790000000, 30, 30};
    static struct signature sig;
    struct auth_text rest = {(const char *)data, len};
    struct auth_field fields[FIELDS];
    struct signature_message m = {.fields = fields};
    enum auth_fault fault;

    parse_others(rest);
    m.method = take_line(&rest);
    m.authority = take_line(&rest);
    m.target = take_line(&rest);
    for (unsigned i = 0; i < FIELDS; i++) {
        struct auth_text value = take_line(&rest);

        if (value.len != 0) {
            fields[m.field_count++] = (struct auth_field){{names[i], strlen(names[i])}, value};
        }
    }
    m.body = rest;
    fault = signature_parse(&m, &clock, &sig);
    GW_ASSERT((fault == AUTH_OK) == (sig.why[0] == '\0'));
    if (fault != AUTH_OK) {
        return 0;
    }
    GW_ASSERT(sig.base_len != 0 && sig.keyid[0] != '\0' && strlen(sig.nonce) >= 16);
    fault = signature_verify(&sig, &m, &key);
    GW_ASSERT(fault == AUTH_BAD_SIGNATURE || fault == AUTH_ALG_MISMATCH);
    sig.alg = SIGNATURE_HMAC_SHA256;
    HMAC(EVP_sha256(), secret, sizeof secret, (const uint8_t *)sig.base, sig.base_len, sig.value,
         NULL);
    fault = signature_verify(&sig, &m, &key);
    GW_ASSERT(fault == AUTH_OK || fault == AUTH_DIGEST_SYNTAX || fault == AUTH_DIGEST_UNKNOWN ||
              fault == AUTH_DIGEST_MISMATCH);
    return 0;
}
