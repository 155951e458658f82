#include "gateway/http/static.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <openssl/evp.h>
#include "gateway/runtime/json.h"

#define DIGEST_BYTES 32u

struct content {
    char *data; /* NULL: not there in this encoding */
    size_t len;
    char etag[24];
};
struct file {
    char name[STATIC_NAME_MAX + 1];
    const char *type;
    bool immutable;
    struct content as[STATIC_ENCODING_COUNT];
};
struct static_files {
    char build[65];
    struct file v[STATIC_FILES_MAX];
    size_t count;
    size_t bytes;
};

static const struct {
    const char *word;
    const char *suffix;
} encodings[STATIC_ENCODING_COUNT] = {
#define ENCODING_AS_ROW(sym, word, suffix) [sym] = {word, suffix},
    STATIC_ENCODINGS(ENCODING_AS_ROW)};

/* --- what a browser sends ------------------------------------------------------------------------
 */

/* The end of the list element at S: a comma or NUL. */
static const char *element_end(const char *s)
{
    return s + strcspn(s, ",");
}

static const char *skip_blank(const char *s)
{
    return s + strspn(s, " \t");
}

/* Is the parameter list [S, END) without `q=0`? */
static bool weighs(const char *s, const char *end)
{
    while (s < end && (s = memchr(s, ';', (size_t)(end - s))) != NULL) {
        s = skip_blank(s + 1);
        if (end - s >= 3 && (s[0] == 'q' || s[0] == 'Q') && s[1] == '=') {
            return strspn(s + 2, "0.") < strcspn(s + 2, ", \t;");
        }
    }
    return true;
}

enum static_encoding static_choose(const char *accept, unsigned have)
{
    unsigned allowed = 0;

    for (const char *s = accept; s != NULL && *s != '\0';) {
        const char *end = element_end(s);
        size_t len;

        s = skip_blank(s);
        len = strcspn(s, " \t;,");
        for (unsigned e = STATIC_GZIP; e < STATIC_ENCODING_COUNT; e++) {
            if (strlen(encodings[e].word) == len && strncasecmp(s, encodings[e].word, len) == 0 &&
                weighs(s, end)) {
                allowed |= 1u << e;
            }
        }
        s = *end == ',' ? end + 1 : end;
    }
    for (unsigned e = STATIC_ENCODING_COUNT - 1; e > STATIC_IDENTITY; e--) {
        if ((allowed & have & 1u << e) != 0) {
            return (enum static_encoding)e;
        }
    }
    return STATIC_IDENTITY;
}

bool static_etag_matches(const char *sent, const char *etag)
{
    size_t len = strlen(etag);

    for (const char *s = sent; s != NULL && *s != '\0';) {
        const char *end = element_end(s);

        s = skip_blank(s);
        if (*s == '*') {
            return true;
        }
        s += strncmp(s, "W/", 2) == 0 ? 2 : 0; /* compared weakly, RFC 9110 13.1.2 */
        if (strncmp(s, etag, len) == 0 && skip_blank(s + len) == end) {
            return true;
        }
        s = *end == ',' ? end + 1 : end;
    }
    return false;
}

/* --- loading -------------------------------------------------------------------------------------
 */

static const char *type_of(const char *name)
{
    static const struct {
        const char *end;
        const char *type;
    } types[] = {
        {".html", "text/html; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".json", "application/json"},
        {".txt", "text/plain; charset=utf-8"},
    };
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot != NULL && i < GW_LEN(types); i++) {
        if (strcmp(dot, types[i].end) == 0) {
            return types[i].type;
        }
    }
    return NULL;
}

/* One plain file name: the manifest cannot point out of its folder. */
static bool name_ok(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= STATIC_NAME_MAX && name[0] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

/* The whole of FOLDER/NAME+SUFFIX; NULL with WHY. */
static char *read_file(const char *folder, const char *name, const char *suffix, size_t *len,
                       struct buf *why)
{
    struct buf path = {0};
    char *data = NULL;
    FILE *f;

    buf_printf(&path, "%s/%s%s", folder, name, suffix);
    f = fopen(buf_cstr(&path), "rb");
    if (f == NULL) {
        buf_printf(why, "%s: %s", buf_cstr(&path), strerror(errno));
    } else {
        data = gw_malloc(STATIC_FILE_MAX + 1);
        *len = fread(data, 1, STATIC_FILE_MAX + 1, f);
        if (ferror(f) != 0 || *len > STATIC_FILE_MAX) {
            buf_printf(why, "%s: cannot be read, or above %u bytes", buf_cstr(&path),
                       STATIC_FILE_MAX);
            free(data);
            data = NULL;
        } else {
            data = gw_realloc(data, *len + 1);
        }
        fclose(f);
    }
    buf_fini(&path);
    return data;
}

/* Reads the file and compares it with the digest of V, the manifest's entry of one encoding. */
static bool load_content(struct static_files *s, const char *folder, struct file *f, unsigned e,
                         const json_t *v, struct buf *why)
{
    const char *wanted = json_string_value(v);
    struct content *c = &f->as[e];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    char hex[2 * DIGEST_BYTES + 1];

    if (wanted == NULL || strlen(wanted) != 2 * DIGEST_BYTES) {
        buf_printf(why, "manifest.json: %s: expected the SHA-256 of each encoding", f->name);
        return false;
    }
    c->data = read_file(folder, f->name, encodings[e].suffix, &c->len, why);
    if (c->data == NULL) {
        return false;
    }
    GW_ASSERT(EVP_Digest(c->data, c->len, digest, &size, EVP_sha256(), NULL) == 1);
    for (unsigned i = 0; i < DIGEST_BYTES; i++) {
        snprintf(hex + (size_t)2 * i, 3, "%02x", digest[i]);
    }
    if (strcmp(hex, wanted) != 0) {
        buf_printf(why, "%s%s is not what manifest.json says", f->name, encodings[e].suffix);
        return false;
    }
    snprintf(c->etag, sizeof c->etag, "\"%.16s\"", hex);
    s->bytes += c->len;
    if (s->bytes > STATIC_TOTAL_MAX) {
        buf_printf(why, "the files are larger than %u bytes together", STATIC_TOTAL_MAX);
        return false;
    }
    return true;
}

static bool load_file(struct static_files *s, const char *folder, const char *name,
                      const json_t *entry, struct buf *why)
{
    struct file *f = &s->v[s->count];
    const json_t *digests = json_object_get(entry, "sha256");

    if (s->count == STATIC_FILES_MAX || !name_ok(name) || type_of(name) == NULL) {
        buf_printf(why, "manifest.json: %.100s: unexpected name, or more than %u files", name,
                   STATIC_FILES_MAX);
        return false;
    }
    s->count++;
    snprintf(f->name, sizeof f->name, "%s", name);
    f->type = type_of(name);
    f->immutable = json_is_true(json_object_get(entry, "immutable"));
    if (!load_content(s, folder, f, STATIC_IDENTITY, json_object_get(digests, "identity"), why)) {
        return false;
    }
    for (unsigned e = STATIC_GZIP; e < STATIC_ENCODING_COUNT; e++) {
        const json_t *v = json_object_get(digests, encodings[e].word);

        if (v != NULL && !load_content(s, folder, f, e, v, why)) {
            return false;
        }
    }
    return true;
}

static bool load_manifest(struct static_files *s, const char *folder, struct buf *why)
{
    size_t len = 0;
    char *text = read_file(folder, "manifest.json", "", &len, why);
    json_t *root = text != NULL ? json_parse_strict(text, len, 4) : NULL;
    const char *build = json_string_value(json_object_get(root, "build"));
    json_t *files = json_object_get(root, "files");
    const char *name;
    json_t *entry;
    bool ok = build != NULL && strlen(build) < sizeof s->build && json_is_object(files);

    if (!ok && why->len == 0) {
        buf_printf(why, "%s/manifest.json: expected {\"build\":..,\"files\":{..}}", folder);
    }
    if (ok) {
        snprintf(s->build, sizeof s->build, "%s", build);
        json_object_foreach(files, name, entry)
        {
            ok = ok && load_file(s, folder, name, entry, why);
        }
    }
    json_decref(root);
    free(text);
    return ok;
}

struct static_files *static_load(const char *folder, struct buf *why)
{
    struct static_files *s = gw_calloc(1, sizeof *s);

    if (!load_manifest(s, folder, why)) {
        buf_lit(why, "; build it: npm ci --prefix web && node web/build.mjs");
        static_destroy(&s);
    }
    return s;
}

void static_destroy(struct static_files **sp)
{
    struct static_files *s = *sp;

    *sp = NULL;
    for (size_t i = 0; s != NULL && i < s->count; i++) {
        for (unsigned e = 0; e < STATIC_ENCODING_COUNT; e++) {
            free(s->v[i].as[e].data);
        }
    }
    free(s);
}

const char *static_build(const struct static_files *s)
{
    return s->build;
}

/* --- answers -------------------------------------------------------------------------------------
 */

bool static_reply(const struct static_files *s, struct http_req *req, const char *name)
{
    const struct file *f = NULL;
    const struct content *c;
    unsigned have = 0;
    enum static_encoding e;
    bool known;

    for (size_t i = 0; i < s->count && f == NULL; i++) {
        f = strcmp(s->v[i].name, name) == 0 ? &s->v[i] : NULL;
    }
    if (f == NULL) {
        return false;
    }
    for (unsigned i = 0; i < STATIC_ENCODING_COUNT; i++) {
        have |= f->as[i].data != NULL ? 1u << i : 0;
    }
    e = static_choose(http_header(req, "accept-encoding"), have);
    c = &f->as[e];
    known = static_etag_matches(http_header(req, "if-none-match"), c->etag);
    http_set_header(req, "etag", c->etag);
    http_set_header(req, "vary", "accept-encoding");
    http_set_header(req, "cache-control",
                    f->immutable ? "public, max-age=31536000, immutable" : "no-cache");
    if (e != STATIC_IDENTITY) {
        http_set_header(req, "content-encoding", encodings[e].word);
    }
    http_reply(req, known ? 304 : 200, f->type, c->data, c->len);
    return true;
}
