/* auth/people/password_worker.h - the one thread on which passwords are hashed.
 * Why: Argon2id takes 19 MiB and tens of milliseconds; on a loop it would stop everything, on many
 * threads it would be a way to stop the machine. So: one thread, a short queue, else `busy`.
 *
 *   loop: password_worker_take() -> place -> password_worker_verify() -> [queue] -> thread
 *                                                         callback <- uv_async <-+
 *
 * Owner: the loop it was created on; only the thread itself touches a job that is being worked on.
 * Invariant: who has a place is not refused any more, and gives it back exactly once: by its job's
 * callback, or by password_worker_give(). */
#ifndef AUTH_PEOPLE_PASSWORD_WORKER_H
#define AUTH_PEOPLE_PASSWORD_WORKER_H
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>
#include "gateway/base/err.h"

#define PASSWORD_PLACES 8u

struct password_worker;

/* GW_OK, or as password_verify() and password_hash() have it. HASH: of a hashing; else "". WEAK: the
 * password is right, but its hash should be made anew. */
struct password_result {
    enum gw_err err;
    const char *hash;
    bool weak;
};
typedef void password_result_fn(void *arg, const struct password_result *result);

/* Blocks for one hash, the one that unknown users are judged by. */
struct password_worker *password_worker_create(uv_loop_t *loop);
/* What waits is still done and answered. DONE when nothing is. */
void password_worker_close(struct password_worker *w, void (*done)(void *arg), void *arg);
void password_worker_destroy(struct password_worker **wp);

/* False: all places are taken. */
GW_MUSTCHECK
bool password_worker_take(struct password_worker *w);
void password_worker_give(struct password_worker *w);
/* Both use the place that was taken. PASSWORD is copied, and wiped afterwards. PHC NULL: there is no
 * such user; it takes as long, and says GW_ENOTFOUND. */
void password_worker_verify(struct password_worker *w, const char *phc, const char *password,
                            password_result_fn *cb, void *arg);
void password_worker_hash(struct password_worker *w, const char *password, password_result_fn *cb,
                          void *arg);
#endif
