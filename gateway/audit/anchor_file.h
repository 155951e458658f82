/* gateway/audit/anchor_file.h - signed heads in a file: notes, an empty line behind each.
 * Why: the file is appended to and never changed; it can be copied, printed or mirrored as it is.
 * Owner: the caller; reading is pure, appending blocks (thread pool).
 * Invariant: a note that was cut off at the end (power loss) is told, not taken; anything else that
 * is not a good note of the key refuses the file. */
#ifndef GATEWAY_AUDIT_ANCHOR_FILE_H
#define GATEWAY_AUDIT_ANCHOR_FILE_H
#include "gateway/audit/note.h"

struct anchors {
    struct audit_mark *marks; /* as they stand in the file */
    size_t count;
    size_t cap;
    int64_t last_time_ns;
    size_t good_bytes; /* up to the end of the last whole note */
    bool torn;         /* there was more behind it */
};
void anchors_fini(struct anchors *a);
/* Reads notes of KEY; the signatures of all (NEWEST 0) or of the NEWEST ones are verified, and only
 * those are in OUT. False: BAD_LINE (from 1) and WHY say where and what. */
GW_MUSTCHECK
bool anchors_read(const char *text, size_t len, const struct note_key *key, size_t newest,
                  struct anchors *out, size_t *bad_line, const char **why);
/* The file at PATH; one that is not there is empty. WHY says what to do next. */
GW_MUSTCHECK
bool anchors_load(const char *path, const struct note_key *key, size_t newest, struct anchors *out,
                  struct buf *why);
/* Appends one note, synced; SIZE is the length of the good part and grows. What failed is cut off
 * again. Blocks. */
GW_MUSTCHECK
enum gw_err anchors_append(const char *path, const char *note, size_t len, size_t *size);
#endif
