/* gateway/core/core_priv.h - what the files of the link share. */
#ifndef GATEWAY_CORE_CORE_PRIV_H
#define GATEWAY_CORE_CORE_PRIV_H
#include <uthash.h>
#include "gateway/core/core.h"
#include "gateway/core/outbox.h"
#include "gateway/core/repeat.h"

#define STREAM_ID_MAX 44 /* "18446744073709551615-18446744073709551615", NUL */

struct watch {
    char id[CORE_ID_SIZE];
    core_changed_fn *changed;
    void *arg;
    UT_hash_handle hh;
};

/* A stream that is read, and how far. */
struct core_stream {
    const char *key;
    char last_id[STREAM_ID_MAX];
    bool read_back; /* its newest entries were read once */
    void (*take)(struct core *c, const char *id, const char *json, size_t len);
};
enum core_stream_index { CORE_STREAM_COMMANDS, CORE_STREAM_ACKS, CORE_STREAM_COUNT };

/* What the reading connection does. */
enum reading { READING_NOTHING, READING_BACK, READING_ON };

struct core {
    struct core_options opt;
    uv_loop_t *loop;
    uv_timer_t timer;
    struct redis *sender;
    struct redis *reader;
    bool closing;
    uint32_t to_close;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
    int64_t start_mono_ns;

    struct core_commands *commands;
    struct observed *observed;
    struct watch *watches;
    struct repeats *repeats;

    struct outbox outbox;
    struct buf text;
    int64_t retry_mono_ns; /* after an error reply of Redis */
    bool send_error_logged;
    uint32_t since_snapshot; /* changes announced */
    int64_t snapshot_mono_ns;

    struct core_stream streams[CORE_STREAM_COUNT];
    enum reading reading;
    unsigned back_step;   /* which stream is read back */
    int64_t read_mono_ns; /* when to read again after an error */
    bool read_error_logged;
    uint32_t malformed_logged; /* a bit for each verdict */
};

/* R was asked under a key, and left its command as it is now. */
void core_note_once(struct core *c, const struct core_once *once, const char *id,
                    const char *answer);
/* Sends what waits, in order. */
void core_pump(struct core *c);
void core_queue_snapshot(struct core *c);
/* The reading connection came up. */
void core_read_start(struct core *c);
/* Reads on after an error. */
void core_read_again(struct core *c);
#endif
