#include "gateway/runtime/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>
#include "gateway/runtime/clock.h"

#define LOG_RING_BYTES (1u << 20)
#define LOG_LINE_MAX   4096u
#define LOG_TEXT_MAX   200u

static const char *const level_names[LOG_LEVEL_COUNT] = {"debug", "info", "warn", "error"};

static struct {
    uv_mutex_t lock;
    uv_cond_t news;
    uv_thread_t writer;
    struct buf pending; /* lines not yet taken by the writer */
    bool running;
    bool stopping;
    uint64_t dropped_unsaid;
    _Atomic uint64_t dropped;
    enum log_level least;
} logger = {.least = LOG_INFO};

static void write_all(const char *data, size_t len)
{
    while (len != 0) {
        ssize_t n = write(STDERR_FILENO, data, len);

        if (n < 0 && errno != EINTR) {
            return; /* nowhere left to say it */
        }
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
}

static void writer_main(void *arg)
{
    struct buf batch = {0};

    (void)arg;
    uv_mutex_lock(&logger.lock);
    while (!logger.stopping || logger.pending.len != 0) {
        struct buf swap = batch;

        if (logger.pending.len == 0) {
            uv_cond_wait(&logger.news, &logger.lock);
            continue;
        }
        batch = logger.pending;
        logger.pending = swap;
        buf_reset(&logger.pending);
        uv_mutex_unlock(&logger.lock);
        write_all(batch.data, batch.len);
        uv_mutex_lock(&logger.lock);
    }
    uv_mutex_unlock(&logger.lock);
    buf_fini(&batch);
}

void log_start(enum log_level least)
{
    GW_ASSERT(!logger.running);
    logger.least = least;
    logger.stopping = false;
    GW_ASSERT(uv_mutex_init(&logger.lock) == 0);
    GW_ASSERT(uv_cond_init(&logger.news) == 0);
    GW_ASSERT(uv_thread_create(&logger.writer, writer_main, NULL) == 0);
    logger.running = true;
}

void log_stop(void)
{
    if (!logger.running) {
        return;
    }
    uv_mutex_lock(&logger.lock);
    logger.stopping = true;
    uv_cond_signal(&logger.news);
    uv_mutex_unlock(&logger.lock);
    uv_thread_join(&logger.writer);
    logger.running = false;
    uv_cond_destroy(&logger.news);
    uv_mutex_destroy(&logger.lock);
    buf_fini(&logger.pending);
}

uint64_t log_dropped(void)
{
    return atomic_load_explicit(&logger.dropped, memory_order_relaxed);
}

bool log_level_parse(const char *text, enum log_level *out)
{
    for (unsigned i = 0; i < LOG_LEVEL_COUNT; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static void offer(const char *line, size_t len)
{
    if (!logger.running) {
        write_all(line, len);
        return;
    }
    uv_mutex_lock(&logger.lock);
    if (logger.pending.len + len + 64 > LOG_RING_BYTES) {
        logger.dropped_unsaid++;
        atomic_fetch_add_explicit(&logger.dropped, 1, memory_order_relaxed);
    } else {
        if (logger.dropped_unsaid != 0) {
            buf_printf(
                &logger.pending,
                "{\"level\":\"warn\",\"mod\":\"log\",\"event\":\"dropped\",\"lines\":%llu}\n",
                (unsigned long long)logger.dropped_unsaid);
            logger.dropped_unsaid = 0;
        }
        buf_append(&logger.pending, line, len);
        uv_cond_signal(&logger.news);
    }
    uv_mutex_unlock(&logger.lock);
}

void log_write(enum log_level level, const char *mod, const char *event, const char *fields, ...)
{
    struct buf line = {0};
    size_t head;
    va_list ap;
    int len;

    if (level < logger.least) {
        return;
    }
    buf_lit(&line, "{\"ts\":\"");
    buf_rfc3339(&line, clock_real_ns(), 6);
    buf_printf(&line, "\",\"level\":\"%s\",\"mod\":\"%s\",\"event\":\"%s\"", level_names[level],
               mod, event);
    head = line.len;
    buf_putc(&line, ',');
    va_start(ap, fields);
    len = vsnprintf(buf_room(&line, LOG_LINE_MAX), LOG_LINE_MAX, fields, ap);
    va_end(ap);
    if (len <= 0) {
        line.len = head;
    } else if ((unsigned)len < LOG_LINE_MAX) {
        line.len += (size_t)len;
    } else { /* whole or not at all: a cut line would not be JSON */
        line.len = head;
        buf_lit(&line, ",\"cut\":true");
    }
    buf_lit(&line, "}\n");
    offer(line.data, line.len);
    buf_fini(&line);
}

const char *log_json(const char *s)
{
    static _Thread_local struct {
        char text[LOG_TEXT_MAX * 6 + 3];
    } ring[8];
    static _Thread_local unsigned turn;
    char *out = ring[turn++ % GW_LEN(ring)].text;
    struct buf b = {0};
    size_t len = strnlen(s, LOG_TEXT_MAX);

    buf_json_str(&b, s, len);
    memcpy(out, b.data, b.len);
    out[b.len] = '\0';
    buf_fini(&b);
    return out;
}
