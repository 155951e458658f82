#include "gateway/runtime/metrics.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>
#include "gateway/runtime/log.h"

/* 1, 2.5, 5 per decade from 10 us to 10 s. */
static const int64_t bounds_ns[] = {
    10000,     25000,      50000,      100000,     250000,      500000,    1000000,
    2500000,   5000000,    10000000,   25000000,   50000000,    100000000, 250000000,
    500000000, 1000000000, 2500000000, 5000000000, 10000000000,
};
#define BOUNDS GW_LEN(bounds_ns)
#define MINUTE 60000000000
/* 30 s, 1, 2, 5, 10, 15, 30 minutes, 1, 2, 4, 8, 24 hours. */
static const int64_t long_bounds_ns[] = {
    MINUTE / 2,  MINUTE,      2 * MINUTE,   5 * MINUTE,   10 * MINUTE,  15 * MINUTE,
    30 * MINUTE, 60 * MINUTE, 120 * MINUTE, 240 * MINUTE, 480 * MINUTE, 1440 * MINUTE,
};
#define LONG_BOUNDS GW_LEN(long_bounds_ns)
_Static_assert(LONG_BOUNDS <= BOUNDS, "both kinds have the same slots");
/* Slots of a histogram: one per bound, +Inf, sum in ns. */
#define HISTOGRAM_SLOTS (BOUNDS + 2)

struct metric_set {
    const struct metric_table *table;
    struct metric_set *next;
    uint32_t *first; /* slot of each row */
    _Atomic uint64_t *slots;
};

static uv_once_t once = UV_ONCE_INIT;
static uv_mutex_t lock;
static struct metric_set *sets; /* newest first */
static int64_t start_time_s;
static void (*source)(void *arg, struct buf *out);
static void *source_arg;

static void set_up(void)
{
    GW_ASSERT(uv_mutex_init(&lock) == 0);
    start_time_s = (int64_t)time(NULL);
}

static bool is_histogram(const struct metric_row *row)
{
    return row->type == METRIC_HISTOGRAM || row->type == METRIC_HISTOGRAM_LONG;
}

static const int64_t *bounds_of(const struct metric_row *row, unsigned *count)
{
    bool is_long = row->type == METRIC_HISTOGRAM_LONG;

    *count = is_long ? LONG_BOUNDS : BOUNDS;
    return is_long ? long_bounds_ns : bounds_ns;
}

static size_t values_of(const struct metric_row *row)
{
    return row->label != NULL ? row->label->count : 1;
}

static size_t slots_of(const struct metric_row *row)
{
    return values_of(row) * (is_histogram(row) ? HISTOGRAM_SLOTS : 1);
}

struct metric_set *metrics_create(const struct metric_table *table)
{
    struct metric_set *s = gw_calloc(1, sizeof *s);
    size_t slots = 0;

    uv_once(&once, set_up);
    s->table = table;
    s->first = gw_calloc(table->count, sizeof *s->first);
    for (size_t i = 0; i < table->count; i++) {
        s->first[i] = (uint32_t)slots;
        slots += slots_of(&table->rows[i]);
    }
    s->slots = gw_calloc(slots, sizeof *s->slots);
    uv_mutex_lock(&lock);
    s->next = sets;
    sets = s;
    uv_mutex_unlock(&lock);
    return s;
}

void metrics_fini(void)
{
    while (sets != NULL) {
        struct metric_set *s = sets;

        sets = s->next;
        free(s->first);
        free((void *)s->slots);
        free(s);
    }
}

static _Atomic uint64_t *slot(const struct metric_set *s, unsigned id, unsigned label_index)
{
    const struct metric_row *row = &s->table->rows[id];

    GW_ASSERT(id < s->table->count && label_index < values_of(row));
    return &s->slots[s->first[id] + label_index * (is_histogram(row) ? HISTOGRAM_SLOTS : 1)];
}

/* One writer: a load and a store are enough, and cheaper than a locked add. */
static void bump(_Atomic uint64_t *p, uint64_t delta)
{
    atomic_store_explicit(p, atomic_load_explicit(p, memory_order_relaxed) + delta,
                          memory_order_relaxed);
}

void metrics_add(struct metric_set *s, unsigned id, unsigned label_index, uint64_t delta)
{
    bump(slot(s, id, label_index), delta);
}

void metrics_set(struct metric_set *s, unsigned id, unsigned label_index, int64_t value)
{
    atomic_store_explicit(slot(s, id, label_index), (uint64_t)value, memory_order_relaxed);
}

void metrics_observe_ns(struct metric_set *s, unsigned id, unsigned label_index, int64_t ns)
{
    _Atomic uint64_t *p = slot(s, id, label_index);
    unsigned count;
    const int64_t *bounds = bounds_of(&s->table->rows[id], &count);
    unsigned i = 0;

    while (i < count && ns > bounds[i]) {
        i++;
    }
    bump(&p[i], 1);
    bump(&p[BOUNDS + 1], ns > 0 ? (uint64_t)ns : 0);
}

uint64_t metrics_get(const struct metric_set *s, unsigned id, unsigned label_index)
{
    return atomic_load_explicit(slot(s, id, label_index), memory_order_relaxed);
}

/* Sum of one slot over all sets of TABLE. */
static uint64_t total(const struct metric_table *table, unsigned id, unsigned label_index,
                      unsigned offset)
{
    uint64_t sum = 0;

    for (const struct metric_set *s = sets; s != NULL; s = s->next) {
        if (s->table == table) {
            sum += atomic_load_explicit(slot(s, id, label_index) + offset, memory_order_relaxed);
        }
    }
    return sum;
}

/* The place of LABEL among the values of ROW; false: it is none of them. */
static bool find_label(const struct metric_row *row, const char *label, unsigned *out)
{
    if (row->label == NULL) {
        *out = 0;
        return label[0] == '\0';
    }
    for (unsigned v = 0; v < row->label->count; v++) {
        if (strcmp(row->label->values[v], label) == 0) {
            *out = v;
            return true;
        }
    }
    return false;
}

bool metrics_sum(const char *name, const char *label, uint64_t *out)
{
    bool found = false;

    uv_once(&once, set_up);
    uv_mutex_lock(&lock);
    for (const struct metric_set *s = sets; s != NULL && !found; s = s->next) {
        for (unsigned id = 0; id < s->table->count && !found; id++) {
            unsigned v = 0;

            if (strcmp(s->table->rows[id].name, name) != 0 ||
                s->table->rows[id].type == METRIC_HISTOGRAM) {
                continue;
            }
            found = label == NULL || find_label(&s->table->rows[id], label, &v);
            *out = found ? total(s->table, id, v, 0) : *out;
            while (label == NULL && ++v < values_of(&s->table->rows[id])) {
                *out += total(s->table, id, v, 0);
            }
        }
    }
    uv_mutex_unlock(&lock);
    return found;
}

static void put_name(struct buf *out, const struct metric_row *row, unsigned v, const char *suffix,
                     const char *le)
{
    const char *separator = "{";

    buf_printf(out, "%s%s", row->name, suffix);
    if (row->label != NULL) {
        buf_printf(out, "{%s=\"%s\"", row->label->name, row->label->values[v]);
        separator = ",";
    }
    if (le != NULL) {
        buf_printf(out, "%sle=\"%s\"", separator, le);
        separator = ",";
    }
    buf_puts(out, separator[0] == ',' ? "} " : " ");
}

static void put_seconds(struct buf *out, uint64_t ns)
{
    buf_fixed(out, (int64_t)ns, 9);
}

static void render_histogram(struct buf *out, const struct metric_table *table, unsigned id,
                             unsigned v)
{
    const struct metric_row *row = &table->rows[id];
    unsigned count;
    const int64_t *bounds = bounds_of(row, &count);
    uint64_t sum = 0;

    for (unsigned i = 0; i <= count; i++) {
        struct buf le = {0};

        if (i < count) {
            buf_printf(&le, "%g", (double)bounds[i] / 1e9);
        } else {
            buf_lit(&le, "+Inf");
        }
        sum += total(table, id, v, i);
        put_name(out, row, v, "_bucket", buf_cstr(&le));
        buf_printf(out, "%llu\n", (unsigned long long)sum);
        buf_fini(&le);
    }
    put_name(out, row, v, "_sum", NULL);
    put_seconds(out, total(table, id, v, BOUNDS + 1));
    buf_putc(out, '\n');
    put_name(out, row, v, "_count", NULL);
    buf_printf(out, "%llu\n", (unsigned long long)sum);
}

static const char *type_name(enum metric_type type)
{
    static const char *const names[] = {"counter", "gauge", "histogram", "histogram"};

    return names[type];
}

static void render_table(struct buf *out, const struct metric_table *table)
{
    for (unsigned id = 0; id < table->count; id++) {
        const struct metric_row *row = &table->rows[id];

        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
                   type_name(row->type));
        for (unsigned v = 0; v < values_of(row); v++) {
            if (is_histogram(row)) {
                render_histogram(out, table, id, v);
            } else {
                put_name(out, row, v, "", NULL);
                buf_printf(out, "%lld\n", (long long)total(table, id, v, 0));
            }
        }
    }
}

static uint64_t resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (f != NULL) {
        if (fscanf(f, "%*u %llu", &pages) != 1) {
            pages = 0;
        }
        (void)fclose(f);
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static unsigned open_fds(void)
{
    unsigned n = 0;
    DIR *dir = opendir("/proc/self/fd");

    if (dir != NULL) {
        while (readdir(dir) != NULL) {
            n++;
        }
        (void)closedir(dir);
    }
    return n > 3 ? n - 3 : 0; /* without ".", ".." and the directory itself */
}

static void render_process(struct buf *out)
{
    struct rusage use;

    getrusage(RUSAGE_SELF, &use);
    buf_lit(out, "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total ");
    buf_fixed(out,
              (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 + use.ru_utime.tv_usec +
                  use.ru_stime.tv_usec,
              6);
    buf_printf(out,
               "\n# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %llu\n"
               "# TYPE process_open_fds gauge\nprocess_open_fds %u\n"
               "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds %lld\n"
               "# TYPE log_dropped_total counter\nlog_dropped_total %llu\n"
               "# TYPE portcullis_build_info gauge\nportcullis_build_info{version=\"%s\"} 1\n",
               (unsigned long long)resident_bytes(), open_fds(), (long long)start_time_s,
               (unsigned long long)log_dropped(), GW_VERSION);
}

void metrics_render(struct buf *out)
{
    uv_once(&once, set_up);
    uv_mutex_lock(&lock);
    for (const struct metric_set *s = sets; s != NULL; s = s->next) {
        bool first = true;

        for (const struct metric_set *t = sets; t != s; t = t->next) {
            first = first && t->table != s->table;
        }
        if (first) {
            render_table(out, s->table);
        }
    }
    uv_mutex_unlock(&lock);
    render_process(out);
    if (source != NULL) {
        source(source_arg, out);
    }
}

void metrics_set_source(void (*fn)(void *arg, struct buf *out), void *arg)
{
    source = fn;
    source_arg = arg;
}

void metrics_describe(const struct metric_table *const *tables, size_t count, struct buf *out)
{
    for (size_t t = 0; t < count; t++) {
        buf_printf(out, "\n## %s\n\n| metric | type | label | what |\n|---|---|---|---|\n",
                   tables[t]->module);
        for (size_t r = 0; r < tables[t]->count; r++) {
            const struct metric_row *row = &tables[t]->rows[r];

            buf_printf(out, "| `%s` | %s | %s | %s |\n", row->name, type_name(row->type),
                       row->label != NULL ? row->label->name : "", row->help);
        }
    }
}
