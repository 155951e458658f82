#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "gateway/runtime/mailbox.h"

enum { PRODUCERS = 3, EACH = 100000 };

struct stage {
    struct mailbox *box;
    uv_loop_t loop;
    uint64_t next[PRODUCERS];
    uint64_t total;
};

struct producer {
    struct stage *stage;
    uint32_t number;
};

static void produce(void *arg)
{
    struct producer *p = arg;

    for (uint64_t i = 0; i < EACH; i++) {
        struct mail mail = {.kind = 1, .number = p->number, .key = i};

        while (!mailbox_post(p->stage->box, &mail)) {
            mailbox_wake(p->stage->box);
        }
        if (i % 100 == 0) {
            mailbox_wake(p->stage->box);
        }
    }
    mailbox_wake(p->stage->box);
}

static void on_mail(void *arg, struct mail *mail)
{
    struct stage *s = arg;

    assert_int_equal(mail->key, s->next[mail->number]++);
    if (++s->total == PRODUCERS * EACH) {
        mailbox_close(s->box);
    }
}

/* Nothing lost, each producer's messages in order, across threads. */
static void threads_post_in_order(void **state)
{
    static struct stage s;
    struct producer producers[PRODUCERS];
    uv_thread_t threads[PRODUCERS];

    (void)state;
    s = (struct stage){.box = mailbox_create(1024)};
    assert_int_equal(uv_loop_init(&s.loop), 0);
    mailbox_open(s.box, &s.loop, on_mail, NULL, &s);
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){&s, i};
        assert_int_equal(uv_thread_create(&threads[i], produce, &producers[i]), 0);
    }
    (void)uv_run(&s.loop, UV_RUN_DEFAULT);
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        uv_thread_join(&threads[i]);
    }
    assert_int_equal(s.total, PRODUCERS * EACH);
    mailbox_destroy(&s.box);
    assert_int_equal(uv_loop_close(&s.loop), 0);
}

static void a_full_box_refuses_and_says_so(void **state)
{
    struct mailbox *box = mailbox_create(64);
    struct mail mail = {.kind = 1};

    (void)state;
    for (int i = 0; i < 64; i++) {
        assert_true(mailbox_post(box, &mail));
    }
    assert_false(mailbox_overrun(box));
    assert_false(mailbox_post(box, &mail));
    assert_int_equal(mailbox_refused(box), 1);
    assert_true(mailbox_overrun(box));
    assert_false(mailbox_overrun(box));
    assert_true(mailbox_take(box, &mail));
    assert_true(mailbox_post(box, &mail));
    mailbox_destroy(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_post_in_order),
        cmocka_unit_test(a_full_box_refuses_and_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
