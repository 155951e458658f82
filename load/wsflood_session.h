/* load/wsflood_session.h - the sessions of wsflood: connect, TLS, upgrade, subscribe, read, close,
 * and with --resume or --churn all of it again.
 * Owner: the one loop of wsflood.
 * Invariant: a state changes only along wf_next[] (wsflood_session.c); an open session is watched
 * for input level-triggered, a stalled one only for the peer's end. All sessions read into one
 * buffer: what one holds itself is the beginning of an unfinished frame. */
#ifndef LOAD_WSFLOOD_SESSION_H
#define LOAD_WSFLOOD_SESSION_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include "gateway/base/buf.h"
#include "load/tls_client.h"
#include "load/wsflood_due.h"
#include "load/wsflood_stats.h"

#define WF_STATES(X)                                                                               \
    X(IDLE) X(CONNECTING) X(HANDSHAKE) X(UPGRADE) X(OPEN) X(STALLED) X(LEAVING) X(WAITING) X(CLOSED)
#define WF_STATE_AS_ENUM(s) WF_##s,
enum wf_state { WF_STATES(WF_STATE_AS_ENUM) WF_STATE_COUNT };

struct wf_session;

/* What all sessions share. */
struct wf_flood {
    const struct wf_options *options;
    struct wf_stats *stats;
    struct tls_client *tls;
    int epoll;
    struct sockaddr_storage address;
    socklen_t address_size;
    struct wf_session *sessions; /* options->sessions of them */
    uint32_t in_state[WF_STATE_COUNT];
    uint32_t settled; /* sessions whose first connect has ended, either way */
    uint32_t churn_next;
    bool ending;          /* nobody comes back any more */
    struct wf_due due;    /* WAITING sessions */
    struct buf read;      /* of whichever session is being read */
    struct buf scratch;   /* text of a resume request */
    struct buf *requests; /* fresh ones, one per spec */
    uint64_t random;
    char host_header[300];
    char tls_name[96]; /* version and cipher of the first session */
};

void wf_flood_init(struct wf_flood *f, const struct wf_options *o, struct wf_stats *stats);
void wf_flood_fini(struct wf_flood *f);
/* Begins to connect session INDEX. */
void wf_session_start(struct wf_flood *f, uint32_t index, int64_t now_ns);
void wf_session_on_event(struct wf_flood *f, const struct epoll_event *event);
/* Gives up sessions whose connect began before DEADLINE_NS. */
void wf_session_expire(struct wf_flood *f, int64_t deadline_ns);
/* Stops reading in the first COUNT open sessions. */
void wf_session_stall(struct wf_flood *f, uint32_t count);
/* Stalled sessions read again. */
void wf_session_wake(struct wf_flood *f);
/* The next session that reads leaves politely and comes back as a new one; false: there is none. */
bool wf_session_churn(struct wf_flood *f, int64_t now_ns);
/* Connects waiting sessions that are due, while fewer than MAX are on their way. */
void wf_flood_start_due(struct wf_flood *f, int64_t now_ns, uint32_t max);
/* Reads what stalled sessions still have, for the server's close code, and leaves politely. */
void wf_session_finish(struct wf_flood *f);
/* Sessions on their way from start to open. */
uint32_t wf_flood_connecting(const struct wf_flood *f);
#endif
