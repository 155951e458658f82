/* auth/words.h - texts from outside: are they texts at all, and of a fitting length? Pure.
 * Owner: none. */
#ifndef AUTH_WORDS_H
#define AUTH_WORDS_H
#include <stdbool.h>
#include <stddef.h>

/* Characters of S, which is UTF-8 (RFC 3629) without control characters; -1 when it is not. */
long words_length(const char *s);
/* S is such a text of MIN to MAX characters; NULL is none. */
bool words_fit(const char *s, size_t min, size_t max);
/* First a small letter or digit, then also MORE; at most MAX in all; NULL is none. */
bool words_name(const char *s, const char *more, size_t max);
#endif
