/* load/wsflood_session.h - the sessions of wsflood: connect, TLS, upgrade, subscribe, read, close.
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
#include "load/wsflood_stats.h"

#define WF_STATES(X)        X(IDLE) X(CONNECTING) X(HANDSHAKE) X(UPGRADE) X(OPEN) X(STALLED) X(CLOSED)
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
    struct buf read;      /* of whichever session is being read */
    struct buf scratch;   /* request text */
    struct buf *requests; /* one per spec */
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
/* Reads what stalled sessions still have, for the server's close code, and leaves politely. */
void wf_session_finish(struct wf_flood *f);
/* Sessions on their way from start to open. */
uint32_t wf_flood_connecting(const struct wf_flood *f);
#endif
