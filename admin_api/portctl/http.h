/* admin_api/portctl/http.h - one HTTPS request by libcurl.
 * Why: the only place that knows libcurl. What is signed is what is sent: HTTP/1.1, the target as
 * it was given, no redirects, no proxy; TLS 1.2 or later and always verified.
 * Owner: the caller; reply.head and reply.body are ended with buf_fini(). */
#ifndef ADMIN_API_PORTCTL_HTTP_H
#define ADMIN_API_PORTCTL_HTTP_H
#include "auth/text.h"
#include "gateway/base/buf.h"

#define HTTP_REPLY_MAX (16u << 20)
#define HTTP_WHY_MAX   256u
#define HTTP_LINES_MAX 32u
#define HTTP_HEAD_MAX  65536u

enum http_result {
    HTTP_ANSWERED,
    HTTP_NOT_SENT, /* no connection */
    HTTP_TLS,      /* no connection that can be trusted */
    HTTP_LOST,     /* it was sent, maybe; what became of it is not known */
};

struct http_call {
    const char *method;
    const char *url;                   /* whole */
    const char *lines[HTTP_LINES_MAX]; /* header fields, "Name: value"; up to a NULL */
    struct auth_text body;
    const char *ca; /* NULL: what the system trusts */
    unsigned timeout_s;
};

#define HTTP_COOKIE     "__Host-sid"
#define HTTP_COOKIE_MAX 64u

struct http_reply {
    char cookie[HTTP_COOKIE_MAX]; /* new value of HTTP_COOKIE; "": none was set, or to nothing */
    long status;
    int64_t date_s;        /* Date of the answer, -1: none */
    int64_t retry_after_s; /* 0: none, or a date */
    int64_t took_us;
    struct buf head; /* status line and fields as they came */
    struct buf body;
};

/* Once, before anything else; and at the end. */
bool http_setup(void);
void http_fini(void);
/* WHY has HTTP_WHY_MAX bytes. */
GW_MUSTCHECK
enum http_result http_send(const struct http_call *call, struct http_reply *reply, char *why);
/* A TLS connection on which the caller speaks for himself. URL as https://host:port/; NULL: WHY says. */
struct http_line;
struct http_line *http_line_open(const char *url, const char *ca, unsigned timeout_s,
                                 struct buf *why);
void http_line_close(struct http_line **lp);
/* All of it. False: WHY says. */
GW_MUSTCHECK
bool http_line_write(struct http_line *l, const char *data, size_t len, struct buf *why);
/* At least one byte, at most CAP, until UNTIL_NS (monotonic). False: WHY says. */
GW_MUSTCHECK
bool http_line_read(struct http_line *l, int64_t until_ns, char *data, size_t cap, size_t *len,
                    struct buf *why);
/* The value of the field NAME (in lower case) of HEAD, without blanks around it; false: it is not
 * there. */
GW_MUSTCHECK
bool http_field(const struct buf *head, const char *name, struct buf *value);
/* Host, and port if it is not 443, of an URL with nothing else in it; false: WHY says. */
GW_MUSTCHECK
bool http_authority(const char *url, struct buf *authority, struct buf *why);
#endif
