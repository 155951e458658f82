/* ratelimit/script.h - gcra.lua as the build embedded it (embed.cmake).
 * Owner: none, immutable. */
#ifndef RATELIMIT_SCRIPT_H
#define RATELIMIT_SCRIPT_H
#include <stddef.h>

extern const char limits_script[]; /* ends with NUL */
extern const size_t limits_script_len;
extern const char limits_script_sha1[]; /* hexadecimal, as EVALSHA wants it */
#endif
