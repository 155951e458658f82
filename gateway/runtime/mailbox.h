/* gateway/runtime/mailbox.h - bounded queue from any thread to one libuv loop.
 * Why: threads share no mutable state; they post fixed-size messages. A ring of cells with sequence
 * numbers (Dmitry Vyukov's bounded queue), no lock; one wake (uv_async_t) per batch, not per
 * message.
 * Owner: post and wake: any thread. Everything else: the loop it was opened on. Invariant: messages
 * of one producer arrive in order. Overflow rule: a message that does not fit is refused (post
 * returns false), counted, and `overrun` is raised for the consumer, who must treat what it keeps
 * from that producer as incomplete. */
#ifndef GATEWAY_RUNTIME_MAILBOX_H
#define GATEWAY_RUNTIME_MAILBOX_H
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "gateway/base/err.h"

/* What the fields mean is the contract of the two ends (gateway/publish/link.h). */
struct mail {
    uint32_t kind;
    uint32_t number;
    uint64_t key;
    void *ref;
    void *payload;
};

struct mailbox;

/* CAPACITY is rounded up to a power of two. No loop yet: messages wait. */
struct mailbox *mailbox_create(uint32_t capacity);
/* Attaches to LOOP, on its thread. ON_MAIL for each message, then ON_BATCH once (may be NULL). */
void mailbox_open(struct mailbox *m, uv_loop_t *loop, void (*on_mail)(void *arg, struct mail *mail),
                  void (*on_batch)(void *arg), void *arg);
/* Stops delivery, on the loop's thread; the loop must run once more before mailbox_destroy(). */
void mailbox_close(struct mailbox *m);
/* Takes the next message without a loop: for a consumer that is shutting down. */
bool mailbox_take(struct mailbox *m, struct mail *out);
void mailbox_destroy(struct mailbox **mp);

GW_MUSTCHECK
bool mailbox_post(struct mailbox *m, const struct mail *mail);
/* After the last post of a batch. */
void mailbox_wake(struct mailbox *m);

/* True once after messages were refused. Consumer only. */
bool mailbox_overrun(struct mailbox *m);
uint64_t mailbox_refused(const struct mailbox *m);
#endif
