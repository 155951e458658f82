/* The profile: what passes, and every way in which a request does not. */
#include "tests/unit/auth/signer.h"

#include <stdlib.h>
#include <openssl/err.h>

static struct signature sig;
static struct request req;

static void expect_why(enum auth_fault got, enum auth_fault want, const char *words)
{
    if (got != want || strstr(sig.why, words) == NULL) {
        fail_msg("got %s: \"%s\", not %s: %s", auth_fault_row(got)->word, sig.why,
                 auth_fault_row(want)->word, words);
    }
    assert_int_equal(want == AUTH_OK, sig.why[0] == '\0');
    assert_int_equal(ERR_peek_error(), 0);
}

/* A signed request whose Signature-Input says LIST. */
static void expect_list(const char *list, bool body, enum auth_fault want, const char *words)
{
    (body ? make_post : make_get)(&req, SIGNATURE_HMAC_SHA256);
    sign_list(&req, SIGNATURE_HMAC_SHA256, list);
    expect_why(judge(&req, &keys[SIGNATURE_HMAC_SHA256], &sig), want, words);
}

static void genuine(void **state)
{
    (void)state;
    for (unsigned alg = 0; alg < SIGNATURE_ALG_COUNT; alg++) {
        make_get(&req, (enum signature_alg)alg);
        expect_why(judge(&req, &keys[alg], &sig), AUTH_OK, "");
        assert_string_equal(sig.keyid, "ops-1");
        assert_string_equal(sig.nonce, "AAECAwQFBgcICQoLDA0ODw==");
        assert_int_equal(sig.created_s, NOW);
        assert_int_equal(sig.expires_s, NOW + 60);
        assert_int_equal(sig.alg, alg);
        make_post(&req, (enum signature_alg)alg);
        expect_why(judge(&req, &keys[alg], &sig), AUTH_OK, "");
        part_set(&req, AUTHORITY, "GW.Example:443"); /* the same host */
        expect_why(judge(&req, &keys[alg], &sig), AUTH_OK, "");
        part_set(&req, TYPE, " \tapplication/json "); /* white space around a value */
        expect_why(judge(&req, &keys[alg], &sig), AUTH_OK, "");
        expect_why(signature_verify(&sig, message(&req), &keys[alg]), AUTH_OK, "");
    }
    make_get(&req, SIGNATURE_HMAC_SHA256);
    part_set(&req, TARGET, "/v1/markets");
    part_set(&req, AUTHORITY, "[::1]:8443");
    sign_list(&req, SIGNATURE_HMAC_SHA256, COVER PARAMS ";alg=\"hmac-sha256\"");
    expect_why(judge(&req, &keys[SIGNATURE_HMAC_SHA256], &sig), AUTH_OK, "");
    assert_non_null(memmem(sig.base, sig.base_len, "\"@query\": ?\n", 12));
    assert_non_null(memmem(sig.base, sig.base_len, ": [::1]:8443\n", 13));
}

/* Another header may be covered; then it must be there once. */
static void more_cover(void **state)
{
    (void)state;
    make_get(&req, SIGNATURE_HMAC_SHA256);
    part_set(&req, TYPE, "text/x");
    part_set(&req, INPUT,
             "sig1=(\"content-type\" \"@query\" \"@path\" \"@authority\" \"@method\")" PARAMS);
    set_value(&req, SIGNATURE_HMAC_SHA256,
              "\"content-type\": text/x\n\"@query\": ?limit=10&after=7\n\"@path\": "
              "/v1/markets/BTC%2FUSD\n\"@authority\": gw.example\n\"@method\": GET\n"
              "\"@signature-params\": (\"content-type\" \"@query\" \"@path\" \"@authority\" "
              "\"@method\")" PARAMS);
    expect_why(judge(&req, &keys[SIGNATURE_HMAC_SHA256], &sig), AUTH_OK, "");
    part_set(&req, TYPE, "");
    expect_why(judge(&req, &keys[SIGNATURE_HMAC_SHA256], &sig), AUTH_COMPONENT_ABSENT,
               "\"content-type\"");
}

static void altered_requests(void **state)
{
    static const struct {
        enum part_id part;
        const char *text;
        enum auth_fault want;
    } cases[] = {
        {METHOD, "PUT", AUTH_BAD_SIGNATURE},
        {METHOD, "post", AUTH_BAD_SIGNATURE},
        {METHOD, "POST\n", AUTH_REQUEST},
        {METHOD, "", AUTH_REQUEST},
        {AUTHORITY, "gw2.example", AUTH_BAD_SIGNATURE},
        {AUTHORITY, "gw.example:8443", AUTH_BAD_SIGNATURE},
        {AUTHORITY, "gw.example:80", AUTH_BAD_SIGNATURE},
        {AUTHORITY, "gw.example:443:443", AUTH_REQUEST},
        {AUTHORITY, "gw.example:", AUTH_REQUEST},
        {AUTHORITY, "gw.example:abc", AUTH_REQUEST},
        {AUTHORITY, "gw.example:123456", AUTH_REQUEST},
        {AUTHORITY, "me@gw.example", AUTH_REQUEST},
        {AUTHORITY, "gw.example\n", AUTH_REQUEST},
        {AUTHORITY, "::1", AUTH_REQUEST},
        {AUTHORITY, "[::1", AUTH_REQUEST},
        {AUTHORITY, "[::443]", AUTH_BAD_SIGNATURE},
        {AUTHORITY, "", AUTH_REQUEST},
        {TARGET, "/v1/markets/BTC%2FUSD/resume", AUTH_BAD_SIGNATURE},
        {TARGET, "/v1/markets/BTC%2fUSD/halt", AUTH_BAD_SIGNATURE},
        {TARGET, "/v1/markets/BTC/USD/halt", AUTH_BAD_SIGNATURE},
        {TARGET, "/v1/./markets/BTC%2FUSD/halt", AUTH_BAD_SIGNATURE},
        {TARGET, "/v1/markets/BTC%2FUSD/halt/", AUTH_BAD_SIGNATURE},
        {TARGET, "/v1/markets/BTC%2FUSD/halt?a=1", AUTH_BAD_SIGNATURE},
        {TARGET, "/v1/markets/BTC%2FUSD/halt??", AUTH_BAD_SIGNATURE},
        {TARGET, "/v1/markets/BTC%2FUSD/halt#x", AUTH_REQUEST},
        {TARGET, "/v1/markets/BTC%2FUSD/ha lt", AUTH_REQUEST},
        {TARGET, "https://gw.example/v1/markets/BTC%2FUSD/halt", AUTH_REQUEST},
        {TARGET, "*", AUTH_REQUEST},
        {TARGET, "", AUTH_REQUEST},
        {TYPE, "text/plain", AUTH_BAD_SIGNATURE},
        {TYPE, "application/json\n\"x\": y", AUTH_REQUEST},
        {TYPE, "application/j\xc3\xa4son", AUTH_REQUEST},
        {TYPE, "", AUTH_COMPONENT_ABSENT},
        {DIGEST, "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:", AUTH_BAD_SIGNATURE},
        {DIGEST, "", AUTH_COMPONENT_ABSENT},
        {BODY, "{\"reason\":\"feed gap\",\"scope\":[\"withdraw\"]}", AUTH_DIGEST_MISMATCH},
        {BODY, "", AUTH_DIGEST_MISMATCH}, /* cut down to nothing */
    };

    (void)state;
    for (size_t i = 0; i < GW_LEN(cases); i++) {
        make_post(&req, SIGNATURE_ED25519);
        part_set(&req, cases[i].part, cases[i].text);
        expect_why(judge(&req, &keys[SIGNATURE_ED25519], &sig), cases[i].want,
                   cases[i].want == AUTH_BAD_SIGNATURE ? "does not verify" : "");
    }
    make_get(&req, SIGNATURE_ED25519); /* a body that nobody signed */
    part_set(&req, BODY, "{}");
    expect_why(judge(&req, &keys[SIGNATURE_ED25519], &sig), AUTH_COMPONENT_MISSING,
               "\"content-type\"");
    make_get(&req, SIGNATURE_ED25519); /* two parameters of the query change places */
    part_set(&req, TARGET, "/v1/markets/BTC%2FUSD?after=7&limit=10");
    expect_why(judge(&req, &keys[SIGNATURE_ED25519], &sig), AUTH_BAD_SIGNATURE, "");
}

/* A signed digest that is not that of the body, and digests that are none. */
static void signed_digests(void **state)
{
    static const struct {
        const char *digest;
        enum auth_fault want;
    } cases[] = {
        {"sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:", AUTH_DIGEST_MISMATCH},
        {"md5=:AAAA:", AUTH_DIGEST_UNKNOWN},
        {"sha-256=47DEQpj8HBSa", AUTH_DIGEST_SYNTAX},
    };

    (void)state;
    for (size_t i = 0; i < GW_LEN(cases); i++) {
        make_post(&req, SIGNATURE_HMAC_SHA256);
        part_set(&req, DIGEST, cases[i].digest);
        sign_list(&req, SIGNATURE_HMAC_SHA256, COVER_BODY PARAMS);
        expect_why(judge(&req, &keys[SIGNATURE_HMAC_SHA256], &sig), cases[i].want,
                   "Content-Digest");
    }
}

#define Q(name) "\"" name "\""

static void cover(void **state)
{
    static const char *const names[] = {"@method", "@authority",   "@path",
                                        "@query",  "content-type", "content-digest"};

    (void)state;
    for (size_t missing = 0; missing < GW_LEN(names); missing++) {
        char list[512] = "(";

        for (size_t i = 0; i < GW_LEN(names); i++) {
            if (i != missing) {
                (void)sprintf(list + strlen(list), "%s\"%s\"", list[1] != '\0' ? " " : "",
                              names[i]);
            }
        }
        (void)strcat(list, ")" PARAMS);
        expect_list(list, true, AUTH_COMPONENT_MISSING, names[missing]);
    }
    expect_list("()" PARAMS, false, AUTH_COMPONENT_MISSING, "@method");
    expect_list(Q("@method") PARAMS, false, AUTH_SYNTAX, "list");
    expect_list("(" Q("@method") " " COVER "x)" PARAMS, false, AUTH_SYNTAX, "byte 16");
    expect_list("(@method)" PARAMS, false, AUTH_SYNTAX, "byte 6");
    expect_list(
        "(method " Q("@method") " " Q("@authority") " " Q("@path") " " Q("@query") ")" PARAMS,
        false, AUTH_SYNTAX, "component 1 is not a string");
#define FOUR Q("@method") " " Q("@authority") " " Q("@path") " " Q("@query")
    expect_list("(" FOUR " " Q("@path") ")" PARAMS, false, AUTH_COMPONENT_REPEATED, "@path");
    expect_list("(" FOUR " " Q("date") " " Q("date") ")" PARAMS, false, AUTH_COMPONENT_ABSENT,
                "date");
    expect_list("(" FOUR ";req)" PARAMS, false, AUTH_COMPONENT_FLAG, "@query");
    expect_list("(" FOUR " " Q("date") ";bs)" PARAMS, false, AUTH_COMPONENT_FLAG, "date");
    expect_list("(" FOUR " " Q("date") ";sf)" PARAMS, false, AUTH_COMPONENT_FLAG, "date");
    expect_list("(" FOUR " " Q("x") ";key=" Q("a") ")" PARAMS, false, AUTH_COMPONENT_FLAG, "x");
    expect_list("(" Q("@method") ";tr " Q("@authority") " " Q("@path") " " Q("@query") ")" PARAMS,
                false, AUTH_COMPONENT_FLAG, "@method");
    expect_list("(" FOUR " " Q("@target-uri") ")" PARAMS, false, AUTH_COMPONENT_UNKNOWN,
                "@target-uri");
    expect_list("(" FOUR " " Q("@signature-params") ")" PARAMS, false, AUTH_COMPONENT_UNKNOWN, "");
    expect_list("(" FOUR " " Q("Date") ")" PARAMS, false, AUTH_COMPONENT_UNKNOWN, "Date");
    expect_list("(" FOUR " " Q("") ")" PARAMS, false, AUTH_COMPONENT_UNKNOWN, "");
    expect_list("(" FOUR " " Q("a\\\"b") ")" PARAMS, false, AUTH_COMPONENT_UNKNOWN, "");
}

#define C  ";created=1790000000"
#define E  ";expires=1790000060"
#define N  ";nonce=\"AAECAwQFBgcICQoLDA0ODw==\""
#define K  ";keyid=\"ops-1\""
#define T  ";tag=\"gw-admin-v1\""
#define X8 "xxxxxxxx"

static const struct {
    const char *params;
    enum auth_fault want;
    const char *words;
} param_cases[] = {
    {T K N E C, AUTH_OK, ""},
    {E N K T, AUTH_PARAM_MISSING, "created"},
    {C N K T, AUTH_PARAM_MISSING, "expires"},
    {C E K T, AUTH_PARAM_MISSING, "nonce"},
    {C E N T, AUTH_PARAM_MISSING, "keyid"},
    {C E N K, AUTH_PARAM_MISSING, "tag"},
    {"", AUTH_PARAM_MISSING, "created"},
    {C E N K T ";x", AUTH_PARAM_UNKNOWN, "only"},
    {C E N K T K, AUTH_DUPLICATE, "twice"},
    {";created=\"1790000000\"" E N K T, AUTH_PARAM_BAD, "created must be an integer"},
    {";created" E N K T, AUTH_PARAM_BAD, "created"},
    {";created=1790000000.0" E N K T, AUTH_SYNTAX, "malformed"},
    {C E N ";keyid=ops-1" T, AUTH_PARAM_BAD, "keyid must be a string"},
    {C E N ";keyid=\"\"" T, AUTH_PARAM_BAD, "keyid"},
    {C E N ";keyid=\"a b\"" T, AUTH_PARAM_BAD, "keyid"},
    {C E N ";keyid=\"a\\\\b\"" T, AUTH_PARAM_BAD, "keyid"},
    {C E N ";keyid=\"" X8 X8 X8 X8 X8 X8 X8 X8 "\"" T, AUTH_OK, ""},
    {C E N ";keyid=\"" X8 X8 X8 X8 X8 X8 X8 X8 "y\"" T, AUTH_PARAM_BAD, "64"},
    {C E N K ";tag=\"gw-admin-v2\"", AUTH_TAG, "gw-admin-v1"},
    {C E N K ";tag=\"\"", AUTH_TAG, "gw-admin-v1"},
    {C E K T ";nonce=\"AAECAwQFBgcICQoL\"", AUTH_OK, ""},           /* 16 x 6 bits */
    {C E K T ";nonce=\"AAECAwQFBgcICQo=\"", AUTH_NONCE, "96 bits"}, /* 15 x 6 */
    {C E K T ";nonce=\"AAECAwQFBgcICQ==\"", AUTH_NONCE, "96"},
    {C E K T ";nonce=\"00112233445566778899aabb\"", AUTH_OK, ""}, /* 24 x 4 */
    {C E K T ";nonce=\"00112233445566778899AABB\"", AUTH_OK, ""},
    {C E K T ";nonce=\"00112233445566778899aab\"", AUTH_NONCE, "96"},
    {C E K T ";nonce=\"1790000000123456\"", AUTH_NONCE, "96"}, /* a counter */
    {C E K T ";nonce=\"f81d4fae-7dec-11d0-a765-00a0c91e6bf6\"", AUTH_OK, ""},
    {C E K T ";nonce=\"\"", AUTH_NONCE, "96"},
    {C E K T ";nonce=\"AAEC.wQFBgcICQoLDA0ODw\"", AUTH_NONCE, ""},
    {C E K T ";nonce=\"AAEC=wQFBgcICQoLDA0ODw\"", AUTH_NONCE, ""},
    {C E K T ";nonce=\"AAECAwQFBgcICQoLDA0ODw===\"", AUTH_NONCE, ""},
    {C E K T ";nonce=:AAECAwQFBgcICQoLDA0ODw==:", AUTH_PARAM_BAD, "nonce"},
    {C E N K T ";alg=\"hmac-sha256\"", AUTH_OK, ""},
    {C E N K T ";alg=\"ed25519\"", AUTH_SIGNATURE_FORM, "64"},
    {C E N K T ";alg=\"rsa-v1_5-sha256\"", AUTH_ALG_UNSUPPORTED, "ed25519 or hmac-sha256"},
    {C E N K T ";alg=\"HMAC-SHA256\"", AUTH_ALG_UNSUPPORTED, "ed25519 or hmac-sha256"},
    {C E N K T ";alg=none", AUTH_PARAM_BAD, "alg"},
    /* times */
    {C ";expires=1790000061" N K T, AUTH_LIFETIME, "1 to 60 s"},
    {C ";expires=1790000000" N K T, AUTH_LIFETIME, "not 0"},
    {C ";expires=1789999999" N K T, AUTH_LIFETIME, "not -1"},
    {C ";expires=1790000001" N K T, AUTH_OK, ""},
    {";created=1789999970;expires=1790000030" N K T, AUTH_OK, ""},
    {";created=1789999969;expires=1790000029" N K T, AUTH_CLOCK_SKEW,
     "31 s before server time 179"},
    {";created=1790000030;expires=1790000090" N K T, AUTH_OK, ""},
    {";created=1790000031;expires=1790000091" N K T, AUTH_CLOCK_SKEW, "31 s after server time 179"},
    {";created=1789999980;expires=1790000000" N K T, AUTH_OK, ""},
    {";created=1789999980;expires=1789999999" N K T, AUTH_EXPIRED, "expired 1 s ago"},
    {";created=-999999999999999;expires=-999999999999998" N K T, AUTH_CLOCK_SKEW, "before"},
    {";created=-999999999999999;expires=999999999999999" N K T, AUTH_LIFETIME, ""},
    {";created=999999999999998;expires=999999999999999" N K T, AUTH_CLOCK_SKEW, "after"},
    {";created=1790000000000;expires=1790000060000" N K T, AUTH_LIFETIME, "60000"},
};

static void parameters(void **state)
{
    static const struct signature_clock strict = {NOW, 5, 1};

    (void)state;
    for (size_t i = 0; i < GW_LEN(param_cases); i++) {
        char list[512];

        (void)snprintf(list, sizeof list, COVER "%s", param_cases[i].params);
        expect_list(list, false, param_cases[i].want, param_cases[i].words);
    }
    make_get(&req, SIGNATURE_HMAC_SHA256);
    sign_list(&req, SIGNATURE_HMAC_SHA256, COVER ";created=1789999994;expires=1790000010" N K T);
    expect_why(signature_parse(message(&req), &strict, &sig), AUTH_CLOCK_SKEW, "at most 5 s");
    sign_list(&req, SIGNATURE_HMAC_SHA256, COVER ";created=1790000002;expires=1790000010" N K T);
    expect_why(signature_parse(message(&req), &strict, &sig), AUTH_CLOCK_SKEW, "at most 1 s");
}

#define SIG32 "=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"

static void headers(void **state)
{
    static const struct {
        enum part_id part;
        const char *text;
        enum auth_fault want;
        const char *words;
    } cases[] = {
        {INPUT, "", AUTH_NO_SIGNATURE, "Signature-Input is missing"},
        {VALUE, "", AUTH_NO_SIGNATURE, "Signature is missing"},
        {INPUT, " ", AUTH_LABEL, "not 0"},
        {INPUT, "sig1=" COVER PARAMS ", sig1=" COVER PARAMS, AUTH_DUPLICATE, "Signature-Input"},
        {INPUT, "sig1=" COVER PARAMS ", sig2=" COVER PARAMS, AUTH_LABEL, "not 2"},
        {INPUT, "sig2=" COVER PARAMS, AUTH_LABEL, "different labels"},
        {INPUT, "sig1=" COVER PARAMS ",", AUTH_SYNTAX, "Signature-Input"},
        {VALUE, "sig1" SIG32, AUTH_BAD_SIGNATURE, "does not verify"},
        {VALUE, "sig1" SIG32 ", sig1" SIG32, AUTH_DUPLICATE, "Signature"},
        {VALUE, "sig1" SIG32 ", sig2" SIG32, AUTH_LABEL, "not 2"},
        {VALUE, "sig2" SIG32, AUTH_LABEL, "different labels"},
        {VALUE, "sig1" SIG32 ";x", AUTH_SIGNATURE_FORM, "64"},
        {VALUE, "sig1", AUTH_SIGNATURE_FORM, "64"},
        {VALUE, "sig1=::", AUTH_SIGNATURE_FORM, "64"},
        {VALUE, "sig1=:AAAA:", AUTH_SIGNATURE_FORM, "64"},
        {VALUE, "sig1=(:AAAA:)", AUTH_SIGNATURE_FORM, "64"},
        {VALUE, "sig1=\"AAAA\"", AUTH_SIGNATURE_FORM, "64"},
        {VALUE, "sig1=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA:", AUTH_SYNTAX, "byte 5"},
        {VALUE, "sig1=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=:", AUTH_SYNTAX, "byte 5"},
        {VALUE, "sig1=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-A=:", AUTH_SYNTAX, "byte 5"},
    };

    (void)state;
    for (size_t i = 0; i < GW_LEN(cases); i++) {
        make_get(&req, SIGNATURE_HMAC_SHA256);
        part_set(&req, cases[i].part, cases[i].text);
        expect_why(judge(&req, &keys[SIGNATURE_HMAC_SHA256], &sig), cases[i].want, cases[i].words);
    }
    for (unsigned i = TYPE; i <= VALUE; i++) { /* each header again, in another case */
        struct signature_message *m;

        make_post(&req, SIGNATURE_HMAC_SHA256);
        m = &req.m;
        (void)message(&req);
        req.fields[m->field_count] = req.fields[i - TYPE];
        req.fields[m->field_count].name = i == INPUT   ? AUTH_TEXT("SIGNATURE-INPUT")
                                          : i == VALUE ? AUTH_TEXT("signature")
                                          : i == TYPE  ? AUTH_TEXT("content-TYPE")
                                                       : AUTH_TEXT("content-digest");
        m->field_count++;
        expect_why(signature_parse(m, &clock_now, &sig), AUTH_REPEATED_HEADER, "");
    }
}

/* Spaces where RFC 9651 allows them are not part of what is signed. */
static void canonical_form(void **state)
{
    (void)state;
    make_get(&req, SIGNATURE_ED25519);
    part_set(&req, INPUT,
             " sig1=(  \"@method\"   \"@authority\" \"@path\" \"@query\" ); created=01790000000;  "
             "expires=1790000060; nonce=\"AAECAwQFBgcICQoLDA0ODw==\"" K T " ");
    expect_why(judge(&req, &keys[SIGNATURE_ED25519], &sig), AUTH_OK, "");
    make_get(&req, SIGNATURE_ED25519); /* order is */
    part_set(&req, INPUT, "sig1=(\"@authority\" \"@method\" \"@path\" \"@query\")" PARAMS);
    expect_why(judge(&req, &keys[SIGNATURE_ED25519], &sig), AUTH_BAD_SIGNATURE, "");
}

static void size_is_bounded(void **state)
{
    static char big[1 << 20];
    static const enum part_id parts[] = {INPUT, VALUE};

    (void)state;
    for (size_t i = 0; i < GW_LEN(parts); i++) {
        make_get(&req, SIGNATURE_HMAC_SHA256);
        memset(big, 'a', sizeof big);
        (void)message(&req);
        req.fields[i].value = (struct auth_text){big, sizeof big};
        expect_why(signature_parse(&req.m, &clock_now, &sig), AUTH_TOO_LONG, "2048");
        memset(big, ' ', sizeof big);
        expect_why(signature_parse(&req.m, &clock_now, &sig), AUTH_LABEL, "not 0");
    }
    make_get(&req, SIGNATURE_HMAC_SHA256);
    memset(big, 'a', sizeof big);
    big[0] = '/';
    (void)message(&req);
    req.m.target = (struct auth_text){big, sizeof big};
    expect_why(signature_parse(&req.m, &clock_now, &sig), AUTH_TOO_LONG, "17408");
    assert_int_equal(sig.base_len, 0);
}

static void keys_that_do_not_fit(void **state)
{
    static const uint8_t torsion[32] = {1};
    const struct signature_key small = {SIGNATURE_ED25519, torsion, sizeof torsion};
    const struct signature_key cut = {SIGNATURE_ED25519, ed_public, 31};
    const struct signature_key weak = {SIGNATURE_HMAC_SHA256, hmac_secret, 31};
    const struct signature_key other = {SIGNATURE_HMAC_SHA256, ed_public, sizeof ed_public};

    (void)state;
    for (unsigned alg = 0; alg < SIGNATURE_ALG_COUNT; alg++) {
        const struct signature_key *wrong = &keys[(alg + 1) % SIGNATURE_ALG_COUNT];

        make_get(&req, (enum signature_alg)alg);
        expect_why(judge(&req, wrong, &sig), AUTH_ALG_MISMATCH, "does not verify");
        expect_why(judge(&req, NULL, &sig), AUTH_UNKNOWN_KEY, "does not verify");
        expect_why(judge(&req, &small, &sig), AUTH_KEY_UNUSABLE, "does not verify");
        expect_why(judge(&req, &cut, &sig), AUTH_KEY_UNUSABLE, "does not verify");
        expect_why(judge(&req, &weak, &sig), AUTH_KEY_UNUSABLE, "does not verify");
        expect_why(judge(&req, &other, &sig),
                   alg == SIGNATURE_ED25519 ? AUTH_ALG_MISMATCH : AUTH_BAD_SIGNATURE,
                   "does not verify");
        expect_why(judge(&req, &keys[alg], &sig), AUTH_OK, "");
    }
    assert_true(signature_key_usable(&keys[SIGNATURE_ED25519]));
    assert_true(signature_key_usable(&keys[SIGNATURE_HMAC_SHA256]));
}

/* The keys that stand in for unknown ones are known to everybody; they open nothing. */
static void stand_ins_open_nothing(void **state)
{
    static const uint8_t zero[32];
    static const struct signature_key zero_key = {SIGNATURE_HMAC_SHA256, zero, sizeof zero};
    const struct signature_message *m;

    (void)state;
    make_get(&req, SIGNATURE_HMAC_SHA256);
    m = message(&req);
    assert_int_equal(signature_parse(m, &clock_now, &sig), AUTH_OK);
    assert_non_null(HMAC(EVP_sha256(), zero, sizeof zero, (const uint8_t *)sig.base, sig.base_len,
                         sig.value, NULL));
    expect_why(signature_verify(&sig, m, &zero_key), AUTH_OK, "");
    expect_why(signature_verify(&sig, m, NULL), AUTH_UNKNOWN_KEY, "");
    expect_why(signature_verify(&sig, m, &keys[SIGNATURE_ED25519]), AUTH_ALG_MISMATCH, "");
    expect_why(signature_verify(&sig, m, &keys[SIGNATURE_HMAC_SHA256]), AUTH_BAD_SIGNATURE, "");
}

static void fault_table(void **state)
{
    (void)state;
    for (unsigned i = 0; i < AUTH_FAULT_COUNT; i++) {
        const struct auth_fault_row *row = auth_fault_row((enum auth_fault)i);

        assert_true(row->text[0] != '\0' && row->word[0] != '\0');
        assert_int_equal(auth_fault_shown((enum auth_fault)i), row->shown ? i : AUTH_BAD_SIGNATURE);
        for (unsigned k = 0; k < i; k++) {
            assert_string_not_equal(row->word, auth_fault_row((enum auth_fault)k)->word);
        }
    }
    assert_false(auth_fault_row(AUTH_UNKNOWN_KEY)->shown);
    assert_false(auth_fault_row(AUTH_KEY_UNUSABLE)->shown);
    assert_false(auth_fault_row(AUTH_KEY_INACTIVE)->shown);
    assert_false(auth_fault_row(AUTH_ALG_MISMATCH)->shown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(genuine),
        cmocka_unit_test(more_cover),
        cmocka_unit_test(altered_requests),
        cmocka_unit_test(signed_digests),
        cmocka_unit_test(cover),
        cmocka_unit_test(parameters),
        cmocka_unit_test(headers),
        cmocka_unit_test(canonical_form),
        cmocka_unit_test(size_is_bounded),
        cmocka_unit_test(keys_that_do_not_fit),
        cmocka_unit_test(stand_ins_open_nothing),
        cmocka_unit_test(fault_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
