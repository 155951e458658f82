#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "auth/digest.h"

#define ITEM     "{\"hello\": \"world\"}\n"
#define ITEM_256 "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
#define ITEM_512                                                                                   \
    "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44"  \
    "T3qg==:"

static void digests(void **state)
{
    /* the first bytes as erratum 8890 corrects them */
    static const char brotli[] = "\x0b\x09\x80{\"hello\": \"world\"}\n\x03";
    static const struct {
        struct auth_text field;
        struct auth_text body;
        enum auth_fault want;
    } cases[] = {
        /* RFC 9530 section 2 and appendix B: full, empty, compressed and partial content */
        {AUTH_TEXT(ITEM_256), AUTH_TEXT(ITEM), AUTH_OK},
        {AUTH_TEXT(ITEM_512), AUTH_TEXT(ITEM), AUTH_OK},
        {AUTH_TEXT(ITEM_256 ", " ITEM_512), AUTH_TEXT(ITEM), AUTH_OK},
        {AUTH_TEXT("sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"), AUTH_TEXT(""),
         AUTH_OK},
        {AUTH_TEXT("sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"), {NULL, 0}, AUTH_OK},
        {AUTH_TEXT("sha-256=:d435Qo+nKZ+gLcUHn7GQtQ72hiBVAgqoLsZnZPiTGPk=:"),
         {brotli, sizeof brotli - 1},
         AUTH_OK},
        {AUTH_TEXT("sha-256=:jjcgBDWNAtbYUXI37CVG3gRuGOAjaaDRGpIUFsdyepQ=:"),
         AUTH_TEXT("\"world\"}\n"), AUTH_OK},
        /* RFC 9421 appendix B.2 */
        {AUTH_TEXT("sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyeal"
                   "dVLvRwEmTHWXvJwew==:"),
         AUTH_TEXT("{\"hello\": \"world\"}"), AUTH_OK},
        /* unknown ones are ignored, whatever they hold; no known one is not enough */
        {AUTH_TEXT("md5=:AAAA:, " ITEM_256 ", crc32c=(1 2)"), AUTH_TEXT(ITEM), AUTH_OK},
        {AUTH_TEXT("md5=:AAAA:"), AUTH_TEXT(ITEM), AUTH_DIGEST_UNKNOWN},
        {AUTH_TEXT(""), AUTH_TEXT(ITEM), AUTH_DIGEST_UNKNOWN},
        /* every known one counts; first the pair of section 2, of two different bodies */
        {AUTH_TEXT("sha-256=:d435Qo+nKZ+gLcUHn7GQtQ72hiBVAgqoLsZnZPiTGPk=:," ITEM_512),
         AUTH_TEXT(ITEM), AUTH_DIGEST_MISMATCH},
        {AUTH_TEXT(ITEM_256), AUTH_TEXT("{\"hello\": \"woXYZ\"}\n"), AUTH_DIGEST_MISMATCH},
        {AUTH_TEXT(ITEM_256), AUTH_TEXT(""), AUTH_DIGEST_MISMATCH},
        {AUTH_TEXT("sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:, " ITEM_512),
         AUTH_TEXT(ITEM), AUTH_DIGEST_MISMATCH},
        {AUTH_TEXT(ITEM_512 ", sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"),
         AUTH_TEXT(ITEM), AUTH_DIGEST_MISMATCH},
        {AUTH_TEXT(ITEM_256 ", " ITEM_256), AUTH_TEXT(ITEM), AUTH_DIGEST_SYNTAX},
        {AUTH_TEXT("sha-256"), AUTH_TEXT(ITEM), AUTH_DIGEST_SYNTAX},
        {AUTH_TEXT("sha-256=::"), AUTH_TEXT(ITEM), AUTH_DIGEST_SYNTAX},
        {AUTH_TEXT("sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg:"), AUTH_TEXT(ITEM),
         AUTH_DIGEST_SYNTAX},
        {AUTH_TEXT("sha-256=RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg="), AUTH_TEXT(ITEM),
         AUTH_DIGEST_SYNTAX},
        {AUTH_TEXT(ITEM_256 ";q"), AUTH_TEXT(ITEM), AUTH_DIGEST_SYNTAX},
        {AUTH_TEXT("sha-256=(:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:)"), AUTH_TEXT(ITEM),
         AUTH_DIGEST_SYNTAX},
        {AUTH_TEXT("SHA-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"), AUTH_TEXT(ITEM),
         AUTH_DIGEST_SYNTAX},
    };

    (void)state;
    for (size_t i = 0; i < GW_LEN(cases); i++) {
        enum auth_fault got = digest_verify(cases[i].field, cases[i].body);

        if (got != cases[i].want) {
            fail_msg("case %zu: %s", i, auth_fault_row(got)->word);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(digests)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
