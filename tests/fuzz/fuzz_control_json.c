/* links: gw_control */
#include <stdlib.h>
#include "gateway/control/control_json.h"
#include "gateway/control/merge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define NOW 1795391507000000000LL

/* What was read and is printed reads again, and is then printed the same. */
static void check_state(const struct control *c)
{
    const struct control *again;
    const struct control *merged = control_tightest(c, c);
    struct control_error e;
    struct buf once = {0};
    struct buf twice = {0};

    GW_ASSERT(control_equal(c, merged));
    control_print(&once, c);
    GW_ASSERT(control_parse(once.data, once.len, &again, &e) == CONTROL_FINE);
    GW_ASSERT(control_equal(c, again));
    control_print(&twice, again);
    GW_ASSERT(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
    control_unref(&again);
    control_unref(&merged);
    buf_fini(&once);
    buf_fini(&twice);
}

/* A change that is accepted makes a state that can be stored; one that is not says why. */
static void check_change(const struct control_change *change)
{
    const struct control_stamp stamp = {.by = "user:ana", .now_ns = NOW};
    const struct control *empty = control_create();
    const struct control *next;
    struct control_error e = {0};
    enum control_direction direction = control_change_direction(empty, change);

    if (control_apply(empty, change, &stamp, NULL, &next, &e) == CONTROL_FINE) {
        struct control_diff d;

        control_diff_init(&d, empty, next);
        GW_ASSERT(d.direction == direction && d.count >= 1);
        control_diff_fini(&d);
        check_state(next);
        control_unref(&next);
    } else {
        GW_ASSERT(e.fault != CONTROL_FINE && e.text[0] != '\0');
    }
    control_unref(&empty);
}

/* The first byte chooses: a stored state, or one of the bodies of requests. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char *const targets[CONTROL_BODY_COUNT] = {
        [CONTROL_BODY_MODE] = "BTC/USD",
        [CONTROL_BODY_THROTTLE] = "BTC/USD",
        [CONTROL_BODY_ACCOUNT] = "desk",
    };
    const char *text = (const char *)data + 1;
    struct control_error e = {0};
    unsigned which;

    if (len == 0) {
        return 0;
    }
    which = data[0] == '{' ? CONTROL_BODY_COUNT : (data[0] - (unsigned)'0') % CONTROL_BODY_COUNT;
    if (which == CONTROL_BODY_COUNT) {
        const struct control *c;

        if (control_parse((const char *)data, len, &c, &e) == CONTROL_FINE) {
            check_state(c);
            control_unref(&c);
        } else {
            GW_ASSERT(e.fault != CONTROL_FINE && e.text[0] != '\0');
        }
    } else {
        struct control_change change;

        if (control_body_parse((enum control_body)which, targets[which], text, len - 1, NULL,
                               &change, &e) == CONTROL_FINE) {
            check_change(&change);
        } else {
            GW_ASSERT(e.fault != CONTROL_FINE && e.text[0] != '\0');
        }
        control_change_fini(&change);
    }
    return 0;
}
