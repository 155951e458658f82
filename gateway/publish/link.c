#include "gateway/publish/link.h"

#include <stdlib.h>
#include "gateway/publish/query.h"
#include "gateway/publish/roster.h"
#include "gateway/runtime/mailbox.h"

#define LINK_SYSTEM_AS_TEXT(sym, text) text,
const char *const link_system_names[SYSTEM_COUNT] = {LINK_SYSTEMS(LINK_SYSTEM_AS_TEXT)};

#define LINK_RESUME_AS_TEXT(sym, text) text,
const char *const resume_result_names[RESUME_RESULTS] = {LINK_RESUMES(LINK_RESUME_AS_TEXT)};

void link_resume_destroy(struct link_resume **rp)
{
    struct link_resume *r = *rp;

    *rp = NULL;
    if (r->frame != NULL) {
        frame_unref(&r->frame);
    }
    free(r);
}

void link_drain(struct mailbox *m)
{
    struct mail mail;

    while (mailbox_take(m, &mail)) {
        struct frame *f = mail.payload;
        struct link_resume *r = mail.payload;
        struct query *q = mail.payload;
        struct gate_view *gate = mail.payload;
        struct roster *roster = mail.payload;

        switch ((enum link_kind)mail.kind) {
        case LINK_FRAME:
        case LINK_SNAPSHOT_FRAME:
        case LINK_NOTICE:
            frame_unref(&f);
            break;
        case LINK_RESUME:
        case LINK_RESUMED:
            link_resume_destroy(&r);
            break;
        case LINK_QUERY:
        case LINK_ANSWER:
            query_destroy(&q);
            break;
        case LINK_GATE:
            gate_view_destroy(&gate);
            break;
        case LINK_ROSTER:
            roster_destroy(&roster);
            break;
        case LINK_SYMBOL:
        case LINK_SYSTEM:
        case LINK_CONFIG:
        case LINK_REVOKE:
            free(mail.payload);
            break;
        default:
            break;
        }
    }
}

const char *const channel_names[CHANNEL_STREAMS] = {"book", "trade", "ohlc", "ticker",
                                                    "instrument"};

const uint32_t interval_class_ms[INTERVAL_CLASSES] = {0, 20, 50, 100, 250, 1000};

int interval_class(uint64_t interval_ms)
{
    for (int i = 0; i < INTERVAL_CLASSES; i++) {
        if (interval_class_ms[i] == interval_ms) {
            return i;
        }
    }
    return -1;
}

uint64_t stream_key_pack(const struct stream_key *k)
{
    GW_ASSERT(k->param < 1u << 20 && k->class < INTERVAL_CLASSES);
    return (uint64_t)k->symbol << 32 | (uint64_t)k->param << 12 | (uint64_t)k->channel << 4 |
           (uint64_t)k->class;
}

struct stream_key stream_key_unpack(uint64_t packed)
{
    return (struct stream_key){
        .symbol = (uint32_t)(packed >> 32),
        .param = (uint32_t)(packed >> 12 & 0xfffff),
        .channel = (enum channel)(packed >> 4 & 0xff),
        .class = (unsigned)(packed & 0xf),
    };
}
