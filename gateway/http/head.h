/* gateway/http/head.h - strict second look at a raw HTTP/1.1 request head. Pure, fuzzed.
 * Why: libh2o 2.2.5 accepts two Content-Lengths, CL with TE, bare LF, folded lines, a missing Host:
 * the raw material of request smuggling. It also removes those headers before a handler sees them.
 * Source: RFC 9112 sections 2.2, 3, 5, 6.
 * Invariant: HEAD_OK means one and the same reading for every parser. */
#ifndef GATEWAY_HTTP_HEAD_H
#define GATEWAY_HTTP_HEAD_H
#include <stddef.h>

#define HEAD_MAX_BYTES  16384u
#define HEAD_MAX_FIELDS 64u

/*    verdict             status  text */
#define HEAD_VERDICTS(X)                                                                           \
    X(HEAD_OK, 200, "ok")                                                                          \
    X(HEAD_TOO_LONG, 431, "request head above 16 KiB or 64 fields")                                \
    X(HEAD_BARE_LF, 400, "line not ended by CR LF")                                                \
    X(HEAD_FOLDED, 400, "folded or empty header name")                                             \
    X(HEAD_BAD_FIELD, 400, "header name or value has a forbidden byte")                            \
    X(HEAD_BAD_LINE, 400, "request line is not METHOD target HTTP/1.x")                            \
    X(HEAD_VERSION, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here")                             \
    X(HEAD_HOST, 400, "exactly one Host header is needed")                                         \
    X(HEAD_LENGTH, 400, "Content-Length is repeated or not a number")                              \
    X(HEAD_TRANSFER_ENCODING, 411, "Transfer-Encoding is not accepted: send Content-Length")       \
    X(HEAD_INCOMPLETE, 400, "request head without an end")
#define HEAD_AS_ENUM(sym, status, text) sym,
enum head_verdict { HEAD_VERDICTS(HEAD_AS_ENUM) HEAD_VERDICT_COUNT };
struct head_row {
    unsigned status;
    const char *text;
};
extern const struct head_row head_rows[HEAD_VERDICT_COUNT];

/* Checks BYTES, which begin with a request head (a body may follow). */
enum head_verdict head_check(const char *bytes, size_t len);
#endif
