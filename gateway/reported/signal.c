#include "gateway/reported/signal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define S_NS         ((int64_t)1000000000)
#define MAKE_ROOM_NS (3600 * S_NS) /* stale for so long, one makes room for a new one */

struct signals {
    struct signal **v; /* by name, then key */
    uint32_t count;
    uint32_t max;
};

struct signals *signals_create(uint32_t max)
{
    struct signals *all = gw_calloc(1, sizeof *all);

    all->max = max;
    return all;
}

static void drop(struct signals *all, uint32_t at)
{
    free(all->v[at]->key);
    free(all->v[at]);
    all->count--;
    memmove(&all->v[at], &all->v[at + 1], (all->count - at) * sizeof *all->v);
}

void signals_destroy(struct signals **sp)
{
    struct signals *all = *sp;

    *sp = NULL;
    while (all->count > 0) {
        drop(all, all->count - 1);
    }
    free(all->v);
    free(all);
}

/* name{a="b",c="d"} */
static void put_key(struct buf *out, const struct signal_sample *s)
{
    buf_puts(out, s->name);
    for (uint32_t i = 0; i < s->label_count; i++) {
        buf_printf(out, "%s%s=\"", i == 0 ? "{" : ",", s->labels[i].name);
        for (const char *p = s->labels[i].value; *p != '\0'; p++) {
            if (*p == '\\' || *p == '"') {
                buf_putc(out, '\\');
            }
            buf_putc(out, *p);
        }
        buf_putc(out, '"');
    }
    if (s->label_count != 0) {
        buf_putc(out, '}');
    }
}

static int order(const struct signal *a, const char *name, const char *key)
{
    int by_name = strcmp(a->last.name, name);

    return by_name != 0 ? by_name : strcmp(a->key, key);
}

/* The first that is not before NAME and KEY. */
static uint32_t place_of(const struct signals *all, const char *name, const char *key)
{
    uint32_t low = 0;
    uint32_t high = all->count;

    while (low < high) {
        uint32_t mid = (low + high) / 2;

        if (order(all->v[mid], name, key) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

int64_t signal_age_ns(const struct signal *s, const struct reported_now *now)
{
    return now->mono_ns - s->at_mono_ns;
}

bool signal_stale(const struct signal *s, const struct reported_now *now)
{
    return signal_age_ns(s, now) > (int64_t)s->last.ttl_s * S_NS;
}

static bool make_room(struct signals *all, const struct reported_now *now)
{
    uint32_t oldest = UINT32_MAX;

    if (all->count < all->max) {
        return true;
    }
    for (uint32_t i = 0; i < all->count; i++) {
        if (signal_age_ns(all->v[i], now) > (int64_t)all->v[i]->last.ttl_s * S_NS + MAKE_ROOM_NS &&
            (oldest == UINT32_MAX || all->v[i]->at_mono_ns < all->v[oldest]->at_mono_ns)) {
            oldest = i;
        }
    }
    if (oldest == UINT32_MAX) {
        return false;
    }
    drop(all, oldest);
    return true;
}

static struct signal *insert(struct signals *all, const struct signal_sample *s, const char *key)
{
    uint32_t at = place_of(all, s->name, key);
    struct signal *one = gw_calloc(1, sizeof *one);

    all->v = gw_realloc(all->v, (all->count + 1u) * sizeof *all->v);
    memmove(&all->v[at + 1], &all->v[at], (all->count - at) * sizeof *all->v);
    all->v[at] = one;
    all->count++;
    one->key = gw_strdup(key);
    one->last.at_ns = INT64_MIN;
    return one;
}

bool signals_put(struct signals *all, const struct signal_sample *s, bool heard,
                 const struct reported_now *now)
{
    struct buf key = {0};
    struct signal *one = NULL;
    uint32_t at;

    put_key(&key, s);
    at = place_of(all, s->name, buf_cstr(&key));
    if (at < all->count && order(all->v[at], s->name, buf_cstr(&key)) == 0) {
        one = all->v[at];
    } else if (make_room(all, now)) {
        one = insert(all, s, buf_cstr(&key));
    }
    buf_fini(&key);
    if (one == NULL) {
        return false;
    }
    /* the same time again is a repetition, and may correct the value */
    if (s->at_ns > one->last.at_ns || (heard && s->at_ns == one->last.at_ns)) {
        int64_t age = now->real_ns - s->at_ns;

        one->last = *s;
        one->at_mono_ns = now->mono_ns - (age > 0 ? age : 0);
        one->dirty = heard;
    }
    return true;
}

void signals_forget(struct signals *all, int64_t silent_ns, const struct reported_now *now)
{
    for (uint32_t i = all->count; i-- > 0;) {
        if (signal_age_ns(all->v[i], now) > silent_ns) {
            drop(all, i);
        }
    }
}

uint32_t signals_count(const struct signals *all)
{
    return all->count;
}

struct signal *signals_at(const struct signals *all, uint32_t i)
{
    return all->v[i];
}

uint32_t signals_first(const struct signals *all, const char *name)
{
    uint32_t at = place_of(all, name, "");

    return at < all->count && strcmp(all->v[at]->last.name, name) == 0 ? at : all->count;
}

/* --- texts -------------------------------------------------------------------------------------
 */

void signal_labels_print(struct buf *out, const struct signal_sample *s)
{
    buf_putc(out, '{');
    for (uint32_t i = 0; i < s->label_count; i++) {
        buf_printf(out, "%s\"%s\":", i != 0 ? "," : "", s->labels[i].name);
        buf_json_str(out, s->labels[i].value, strlen(s->labels[i].value));
    }
    buf_putc(out, '}');
}

static void print_one(struct buf *out, const struct signal *s, const struct reported_now *now)
{
    int64_t age = signal_age_ns(s, now);

    buf_printf(out, "{\"name\":\"%s\",\"labels\":", s->last.name);
    signal_labels_print(out, &s->last);
    buf_printf(out, ",\"value\":\"%s\",\"unit\":", s->last.value);
    if (s->last.unit[0] != '\0') {
        buf_json_str(out, s->last.unit, strlen(s->last.unit));
    } else {
        buf_lit(out, "null");
    }
    buf_lit(out, ",\"ts\":\"");
    buf_rfc3339(out, s->last.at_ns, 6);
    buf_printf(out, "\",\"age_s\":%" PRId64 ",\"ttl_s\":%" PRIu32 ",\"stale\":%s,\"source\":",
               age / S_NS, s->last.ttl_s, signal_stale(s, now) ? "true" : "false");
    buf_json_str(out, s->last.source, strlen(s->last.source));
    buf_putc(out, '}');
}

void signals_print(struct buf *out, const struct signals *all, const struct reported_now *now)
{
    buf_lit(out, "\"signals\":[");
    for (uint32_t i = 0; i < all->count; i++) {
        buf_puts(out, i != 0 ? "," : "");
        print_one(out, all->v[i], now);
    }
    buf_putc(out, ']');
}

void signals_expose(struct buf *out, const struct signals *all, const struct reported_now *now)
{
    const char *before = "";

    for (uint32_t i = 0; i < all->count; i++) {
        const struct signal *s = all->v[i];

        if (signal_stale(s, now)) {
            continue;
        }
        if (strcmp(before, s->last.name) != 0) {
            buf_printf(out, "# HELP reported_%s as others report it\n# TYPE reported_%s gauge\n",
                       s->last.name, s->last.name);
            before = s->last.name;
        }
        buf_printf(out, "reported_%s %s\n", s->key, s->last.value);
    }
}
