/* gateway/base/decimal.h - decimal numbers as texts: compared digit by digit, however long. Pure.
 * Why: a value that others report is shown as it was sent, and compared with a limit without ever
 * passing through a double.
 * Owner: none. */
#ifndef GATEWAY_BASE_DECIMAL_H
#define GATEWAY_BASE_DECIMAL_H
#include <stdbool.h>
#include <stddef.h>

#define DECIMAL_DIGITS_MAX 30u /* before the point, and behind it */
#define DECIMAL_TEXT_SIZE  64u

/* "-12.50": optional minus, 1 to 30 digits, optionally a point and 1 to 30 digits. */
bool decimal_valid(const char *s, size_t len);
/* Of two valid ones: below 0, 0, above 0. "1.0" and "1" are the same, "-0" and "0" too. */
int decimal_compare(const char *a, const char *b);
#endif
