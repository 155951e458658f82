/* gateway/http/static.h - the built files of a web page, in memory, answered as a browser's cache
 * wants them.
 * Why: read once at start and compared with manifest.json (SHA-256); a request never touches the
 * disk, and a folder that is half copied is not served at all.
 * Owner: the loop of the listener; immutable once loaded.
 * Invariant: every file, in every encoding, is byte for byte what the manifest names. */
#ifndef GATEWAY_HTTP_STATIC_H
#define GATEWAY_HTTP_STATIC_H
#include "gateway/base/buf.h"
#include "gateway/http/server.h"

#define STATIC_FILES_MAX 64u
#define STATIC_FILE_MAX  (4u << 20)
#define STATIC_TOTAL_MAX (16u << 20)
#define STATIC_NAME_MAX  80u

struct static_files;

/* Reads FOLDER/manifest.json and all that it names. NULL: not usable, WHY says what is wrong and
 * what to do next. */
struct static_files *static_load(const char *folder, struct buf *why);
void static_destroy(struct static_files **sp);
/* The name of this build, borrowed. */
const char *static_build(const struct static_files *s);
/* Answers with file NAME: 200, or 304 when the client has it. False, and nothing answered, when
 * there is no such file. Hashed names may be kept for ever, others are asked for again. */
GW_MUSTCHECK
bool static_reply(const struct static_files *s, struct http_req *req, const char *name);

/* --- pure ------------------------------------------------------------------------------------ */
/*    encoding         word     suffix */
#define STATIC_ENCODINGS(X)                                                                        \
    X(STATIC_IDENTITY, "", "")                                                                     \
    X(STATIC_GZIP, "gzip", ".gz")                                                                  \
    X(STATIC_BR, "br", ".br")
#define STATIC_AS_ENUM(sym, word, suffix) sym,
enum static_encoding { STATIC_ENCODINGS(STATIC_AS_ENUM) STATIC_ENCODING_COUNT };

/* The best encoding of the bit set HAVE that Accept-Encoding (NULL: none sent) allows. */
enum static_encoding static_choose(const char *accept_encoding, unsigned have);
/* Does If-None-Match (NULL: none sent) name ETAG, quotes included, or anything (`*`)? */
bool static_etag_matches(const char *if_none_match, const char *etag);
#endif
