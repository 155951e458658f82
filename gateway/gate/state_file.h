/* gateway/gate/state_file.h - the last state the chain was seen to hold, on this machine's disk.
 * Why: a gateway that starts while PostgreSQL is away must not open what was closed.
 * Owner: read at start, blocking; written on libuv's thread pool, the newest wins.
 * Invariant: the file is whole or not there. */
#ifndef GATEWAY_GATE_STATE_FILE_H
#define GATEWAY_GATE_STATE_FILE_H
#include <uv.h>
#include "gateway/base/buf.h"
#include "gateway/control/state.h"

struct state_file;

/* OUT: a reference, or NULL when there is no file yet (or FOLDER is ""). False: WHY. */
GW_MUSTCHECK
bool state_file_read(const char *folder, const struct control **out, struct buf *why);
/* NULL when FOLDER is "". */
struct state_file *state_file_create(uv_loop_t *loop, const char *folder);
/* Writes C when the disk is free. F may be NULL. */
void state_file_keep(struct state_file *f, const struct control *c);
/* After the loop has run out of work. */
void state_file_destroy(struct state_file **fp);
#endif
