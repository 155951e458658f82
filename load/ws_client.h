/* load/ws_client.h - the WebSocket protocol for load programs: upgrade, frame headers, frame
 * parser.
 * Why: the client shares the machine with the server it measures, so a message may cost no
 * allocation and no copy: an unfragmented message is handed out where SSL_read put it.
 * Source: RFC 6455.
 * Owner: pure; a parser belongs to one connection.
 * Invariant: the parser accepts nothing that section 5 forbids (reserved bits, unknown opcodes,
 * long forms of short lengths, masks on the wrong side, broken fragment order, long or fragmented
 * control frames). It does not check UTF-8: nobody here reads the text as text. */
#ifndef LOAD_WS_CLIENT_H
#define LOAD_WS_CLIENT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "gateway/base/buf.h"

#define WS_HEAD_MAX       14u /* bytes of the longest frame header */
#define WS_UPGRADE_MAX    8192u
#define WS_KEY_CHARS      24u
#define WS_ACCEPT_CHARS   28u
#define WS_CLOSE_ABSENT   1005u /* a close frame without a code */
#define WS_CLOSE_ABNORMAL 1006u /* no close frame at all */

enum ws_op {
    WS_OP_CONT = 0,
    WS_OP_TEXT = 1,
    WS_OP_BINARY = 2,
    WS_OP_CLOSE = 8,
    WS_OP_PING = 9,
    WS_OP_PONG = 10,
};

/* A whole message (fragments joined) or one control frame. DATA is valid until the next call on the
 * parser or change of the input. */
struct ws_event {
    enum ws_op op;
    const char *data;
    size_t len;
};

struct ws_parser {
    bool masked; /* we are the server: frames must be masked; their payload stays masked */
    bool in_message;
    enum ws_op message_op;
    size_t max_message;
    struct buf joined; /* fragments so far */
    const char *error; /* after WS_PARSE_ERROR: what was wrong */
};

enum ws_parse { WS_PARSE_EVENT, WS_PARSE_MORE, WS_PARSE_ERROR };

void ws_parser_init(struct ws_parser *p, size_t max_message, bool masked);
void ws_parser_fini(struct ws_parser *p);
/* Takes frames from DATA, adds to *USED what it consumed. WS_PARSE_MORE: keep the rest and come
 * back with more behind it. */
GW_MUSTCHECK
enum ws_parse ws_parser_next(struct ws_parser *p, const char *data, size_t len, size_t *used,
                             struct ws_event *out);
/* The code of a close frame, WS_CLOSE_ABSENT without one, 0 when it is not a legal code. */
uint16_t ws_close_code(const struct ws_event *close);

/* Header of an unfragmented frame; MASK NULL: unmasked (server). Returns its length. */
size_t ws_frame_head(unsigned char head[WS_HEAD_MAX], enum ws_op op, uint64_t len,
                     const unsigned char *mask);
/* Appends a whole frame, masked when MASK is given. */
void ws_frame_put(struct buf *out, enum ws_op op, const void *data, size_t len,
                  const unsigned char *mask);

/* Base64 of 16 random bytes, with NUL. */
void ws_upgrade_key(const unsigned char random[16], char key[WS_KEY_CHARS + 1]);
/* Sec-WebSocket-Accept for KEY, with NUL. */
void ws_upgrade_accept(const char *key, char accept[WS_ACCEPT_CHARS + 1]);
void ws_upgrade_request(struct buf *out, const char *host, const char *path, const char *key);
/* Reads the server's answer. WS_PARSE_EVENT: upgraded, *USED bytes belong to the answer.
 * On WS_PARSE_ERROR *ERROR says why and *STATUS is the HTTP status, 0 when there was none. */
GW_MUSTCHECK
enum ws_parse ws_upgrade_response(const char *data, size_t len, const char *key, size_t *used,
                                  unsigned *status, const char **error);
/* Borrows the value of header NAME in a head (first line included), without blanks around; false
 * when absent. */
bool ws_header(const char *head, size_t len, const char *name, const char **value,
               size_t *value_len);
#endif
