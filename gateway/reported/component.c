#include "gateway/reported/component.h"
#include "gateway/base/json_put.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define S_NS         ((int64_t)1000000000)
#define MAKE_ROOM_NS (24 * 3600 * S_NS) /* silent for so long, one makes room for a new one */
#define AHEAD_NS     (60 * S_NS)        /* so far ahead, another gateway's clock is wrong */
#define EXPECT_S     60u                /* one that is to be there may take so long to speak */
#define NUMBER_EXACT (UINT64_C(1) << 53)

#define COMPONENT_STATE_AS_WORD(sym, word) word,
const char *const component_state_words[COMPONENT_STATE_COUNT] = {
    COMPONENT_STATES(COMPONENT_STATE_AS_WORD)};

struct components {
    struct component **v; /* by id */
    uint32_t count;
    uint32_t max;
    component_change_fn *on_change;
    void *arg;
};

bool component_id_valid(const char *id)
{
    static const char more[] = ":_.@-";
    size_t len = strlen(id);

    for (size_t i = 0; i < len; i++) {
        bool word = (id[i] >= 'a' && id[i] <= 'z') || (id[i] >= 'A' && id[i] <= 'Z') ||
                    (id[i] >= '0' && id[i] <= '9');

        if (!word && (i == 0 || strchr(more, id[i]) == NULL)) {
            return false;
        }
    }
    return len > 0 && len <= COMPONENT_ID_MAX;
}

struct components *components_create(uint32_t max, component_change_fn *on_change, void *arg)
{
    struct components *cs = gw_calloc(1, sizeof *cs);

    *cs = (struct components){.max = max, .on_change = on_change, .arg = arg};
    return cs;
}

void components_destroy(struct components **cp)
{
    struct components *cs = *cp;

    *cp = NULL;
    for (uint32_t i = 0; i < cs->count; i++) {
        free(cs->v[i]);
    }
    free(cs->v);
    free(cs);
}

/* Where ID is, or would be. */
static uint32_t place_of(const struct components *cs, const char *id)
{
    uint32_t low = 0;
    uint32_t high = cs->count;

    while (low < high) {
        uint32_t mid = (low + high) / 2;

        if (strcmp(cs->v[mid]->said.id, id) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static struct component *find(const struct components *cs, const char *id)
{
    uint32_t at = place_of(cs, id);

    return at < cs->count && strcmp(cs->v[at]->said.id, id) == 0 ? cs->v[at] : NULL;
}

static struct component *insert(struct components *cs, const char *id)
{
    uint32_t at = place_of(cs, id);
    struct component *c = gw_calloc(1, sizeof *c);

    cs->v = gw_realloc(cs->v, (cs->count + 1u) * sizeof *cs->v);
    memmove(&cs->v[at + 1], &cs->v[at], (cs->count - at) * sizeof *cs->v);
    cs->v[at] = c;
    cs->count++;
    (void)snprintf(c->said.id, sizeof c->said.id, "%s", id);
    return c;
}

static void drop(struct components *cs, uint32_t at)
{
    free(cs->v[at]);
    cs->count--;
    memmove(&cs->v[at], &cs->v[at + 1], (cs->count - at) * sizeof *cs->v);
}

int64_t component_age_ns(const struct component *c, const struct reported_now *now)
{
    return now->mono_ns - c->heard_mono_ns;
}

/* The one place that decides what C is now. */
static enum component_state judge(const struct component *c, const struct reported_now *now)
{
    int64_t age = component_age_ns(c, now);

    if (age < -AHEAD_NS) {
        return COMPONENT_UNKNOWN; /* heard in the future: nobody can say how old it is */
    }
    return age > (int64_t)c->said.ttl_s * S_NS ? COMPONENT_DISCONNECTED : c->said.state;
}

static void set_state(struct components *cs, struct component *c, bool fresh,
                      const struct reported_now *now)
{
    enum component_state next = judge(c, now);
    int64_t from_ns = c->heard_ns != 0 ? c->heard_ns : c->said_since_ns;

    if (next == c->state && !fresh) {
        return;
    }
    c->state = next;
    c->since_ns = next == COMPONENT_DISCONNECTED ? from_ns + (int64_t)c->said.ttl_s * S_NS
                  : next == COMPONENT_UNKNOWN    ? now->real_ns
                                                 : c->said_since_ns;
    cs->on_change(cs->arg, c);
}

/* R replaces what C said. */
static void take(struct component *c, const struct component_report *r, int64_t heard_ns,
                 int64_t said_since_ns, const struct reported_now *now)
{
    c->said = *r;
    c->heard_ns = heard_ns;
    c->said_since_ns = said_since_ns;
    c->heard_mono_ns = now->mono_ns - (now->real_ns - heard_ns);
}

static bool stays(const struct component *c)
{
    return c->own || c->expected;
}

static bool make_room(struct components *cs, const struct reported_now *now)
{
    uint32_t oldest = UINT32_MAX;

    if (cs->count < cs->max) {
        return true;
    }
    for (uint32_t i = 0; i < cs->count; i++) {
        if (!stays(cs->v[i]) && component_age_ns(cs->v[i], now) > MAKE_ROOM_NS &&
            (oldest == UINT32_MAX || cs->v[i]->heard_mono_ns < cs->v[oldest]->heard_mono_ns)) {
            oldest = i;
        }
    }
    if (oldest == UINT32_MAX) {
        return false;
    }
    drop(cs, oldest);
    return true;
}

/* "account:desk key:pk_..": up to the space. */
static bool same_account(const char *a, const char *b)
{
    size_t n = strcspn(a, " ");

    return n == strcspn(b, " ") && memcmp(a, b, n) == 0;
}

static bool alive(const struct component *c)
{
    return c->state != COMPONENT_DISCONNECTED && c->state != COMPONENT_UNKNOWN;
}

enum component_verdict components_hear(struct components *cs, const struct component_report *r,
                                       const struct reported_now *now)
{
    struct component *c = find(cs, r->id);
    bool fresh = c == NULL;
    int64_t since = now->real_ns;

    if (c != NULL && c->own) {
        return COMPONENT_OWN;
    }
    if (c != NULL && alive(c) && !same_account(c->said.source, r->source)) {
        return COMPONENT_ANOTHER;
    }
    if (c == NULL) {
        if (!make_room(cs, now)) {
            return COMPONENT_FULL;
        }
        c = insert(cs, r->id);
    }
    /* it has said the same all along, unless it was silent between */
    if (!fresh && alive(c) && c->said.state == r->state) {
        since = c->said_since_ns;
    }
    take(c, r, now->real_ns, since, now);
    c->heard_mono_ns = now->mono_ns;
    c->dirty = true;
    set_state(cs, c, fresh, now);
    return COMPONENT_TAKEN;
}

void components_own(struct components *cs, const struct component_report *r,
                    const struct reported_now *now)
{
    struct component *c = find(cs, r->id);
    bool fresh = c == NULL;
    int64_t since = now->real_ns;

    if (c == NULL) {
        c = insert(cs, r->id); /* beyond the limit: they are few */
    }
    c->own = true;
    if (!fresh && alive(c) && c->said.state == r->state) {
        since = c->said_since_ns;
    }
    take(c, r, now->real_ns, since, now);
    c->heard_mono_ns = now->mono_ns;
    set_state(cs, c, fresh, now);
}

void components_expect(struct components *cs, const char *id, const struct reported_now *now)
{
    struct component *c = find(cs, id);

    if (c == NULL) {
        c = insert(cs, id);
        c->said.ttl_s = EXPECT_S;
        c->said_since_ns = now->real_ns;
        c->heard_mono_ns = now->mono_ns;
        set_state(cs, c, true, now);
    }
    c->expected = true;
}

void components_load(struct components *cs, const struct component_report *r, int64_t heard_ns,
                     int64_t said_since_ns, const struct reported_now *now)
{
    struct component *c = find(cs, r->id);
    bool fresh = c == NULL;

    if (c != NULL && (c->own || heard_ns <= c->heard_ns)) {
        return;
    }
    if (c == NULL) {
        if (!make_room(cs, now)) {
            return;
        }
        c = insert(cs, r->id);
    }
    take(c, r, heard_ns, said_since_ns, now);
    c->dirty = false;
    set_state(cs, c, fresh, now);
}

void components_tick(struct components *cs, const struct reported_now *now)
{
    for (uint32_t i = 0; i < cs->count; i++) {
        set_state(cs, cs->v[i], false, now);
    }
}

void components_forget(struct components *cs, int64_t silent_ns, const struct reported_now *now)
{
    for (uint32_t i = cs->count; i-- > 0;) {
        if (!stays(cs->v[i]) && component_age_ns(cs->v[i], now) > silent_ns) {
            drop(cs, i);
        }
    }
}

uint32_t components_count(const struct components *cs)
{
    return cs->count;
}

struct component *components_at(const struct components *cs, uint32_t i)
{
    return cs->v[i];
}

const struct component *components_find(const struct components *cs, const char *id)
{
    return find(cs, id);
}

/* --- groups ------------------------------------------------------------------------------------
 */

static bool gone(enum component_state s)
{
    return s != COMPONENT_OK && s != COMPONENT_DEGRADED && s != COMPONENT_PAUSED;
}

struct tally {
    uint32_t members, well, paused, gone, holders;
};

static struct tally count(const struct components *cs, const char *group)
{
    struct tally t = {0};

    for (uint32_t i = 0; i < cs->count; i++) {
        const struct component *c = cs->v[i];

        if (strcmp(c->said.group, group) == 0) {
            t.members++;
            t.well += c->state == COMPONENT_OK;
            t.paused += c->state == COMPONENT_PAUSED;
            t.gone += gone(c->state);
            t.holders += alive(c) && c->said.lease_holder.given && c->said.lease_holder.v == 1;
        }
    }
    return t;
}

static void name_holders(const struct components *cs, const char *group, struct buf *why)
{
    const char *comma = "";

    buf_lit(why, "more than one live lease holder: ");
    for (uint32_t i = 0; i < cs->count; i++) {
        const struct component *c = cs->v[i];

        if (strcmp(c->said.group, group) == 0 && alive(c) && c->said.lease_holder.given &&
            c->said.lease_holder.v == 1) {
            buf_printf(why, "%s%s", comma, c->said.id);
            if (c->said.fencing_token.given) {
                buf_printf(why, " (fencing token %" PRIu64 ")", c->said.fencing_token.v);
            }
            comma = ", ";
        }
    }
}

enum component_state components_group(const struct components *cs, const char *group,
                                      struct buf *why)
{
    struct tally t = count(cs, group);
    enum component_state state = t.members == 0          ? COMPONENT_UNKNOWN
                                 : t.holders > 1         ? COMPONENT_DOWN
                                 : t.well == t.members   ? COMPONENT_OK
                                 : t.gone == t.members   ? COMPONENT_DOWN
                                 : t.paused == t.members ? COMPONENT_PAUSED
                                                         : COMPONENT_DEGRADED;

    if (why != NULL && t.holders > 1) {
        name_holders(cs, group, why);
    } else if (why != NULL && state != COMPONENT_OK && t.members != 0) {
        buf_printf(why, "%" PRIu32 " of %" PRIu32 " well", t.well, t.members);
        if (t.gone != 0) {
            buf_printf(why, ", %" PRIu32 " gone", t.gone);
        }
    }
    return state;
}

/* --- JSON --------------------------------------------------------------------------------------
 */

static void put_number(struct buf *out, const char *name, const struct component_number *n)
{
    buf_printf(out, ",\"%s\":", name);
    if (!n->given) {
        buf_lit(out, "null");
    } else if (n->v <= NUMBER_EXACT) {
        buf_u64(out, n->v);
    } else {
        buf_printf(out, "\"%" PRIu64 "\"", n->v);
    }
}

static void put_bool(struct buf *out, const char *name, const struct component_number *n)
{
    buf_printf(out, ",\"%s\":%s", name, !n->given ? "null" : n->v != 0 ? "true" : "false");
}

static void put_time(struct buf *out, const char *name, int64_t ns)
{
    buf_printf(out, ",\"%s\":\"", name);
    buf_rfc3339(out, ns, 6);
    buf_putc(out, '"');
}

void component_print(struct buf *out, const struct component *c, const struct reported_now *now)
{
    const struct component_report *r = &c->said;
    int64_t age = component_age_ns(c, now);

    buf_printf(out, "{\"id\":\"%s\"", r->id);
    json_put_given(out, "group", r->group);
    json_put_given(out, "role", r->role);
    buf_printf(out, ",\"state\":\"%s\",\"reported_state\":\"%s\"", component_state_words[c->state],
               component_state_words[r->state]);
    put_time(out, "since", c->since_ns);
    if (c->heard_ns != 0) {
        put_time(out, "last_heard_at", c->heard_ns);
        buf_printf(out, ",\"age_s\":%" PRId64, age > 0 ? age / S_NS : 0);
    } else {
        buf_lit(out, ",\"last_heard_at\":null,\"age_s\":null");
    }
    buf_printf(out, ",\"ttl_s\":%" PRIu32, r->ttl_s);
    put_number(out, "seq_in", &r->seq_in);
    put_number(out, "seq_out", &r->seq_out);
    put_number(out, "gap_from", &r->gap_from);
    put_number(out, "gap_to", &r->gap_to);
    json_put_given(out, "resend_state", r->resend_state);
    put_bool(out, "lease_holder", &r->lease_holder);
    put_number(out, "fencing_token", &r->fencing_token);
    json_put_given(out, "session", r->session);
    json_put_given(out, "version", r->version);
    json_put_given(out, "detail", r->detail);
    json_put_given(out, "source", r->source);
    buf_printf(out, ",\"own\":%s,\"expected\":%s}", c->own ? "true" : "false",
               c->expected ? "true" : "false");
}

static void put_group(struct buf *out, const struct components *cs, const char *group)
{
    struct buf why = {0};
    enum component_state state = components_group(cs, group, &why);

    buf_printf(out, "{\"group\":\"%s\",\"state\":\"%s\"", group, component_state_words[state]);
    json_put_given(out, "reason", buf_cstr(&why));
    buf_putc(out, '}');
    buf_fini(&why);
}

/* Was the group of component I told of before it? */
static bool group_told(const struct components *cs, uint32_t at)
{
    for (uint32_t i = 0; i < at; i++) {
        if (strcmp(cs->v[i]->said.group, cs->v[at]->said.group) == 0) {
            return true;
        }
    }
    return false;
}

void components_print(struct buf *out, const struct components *cs, const struct reported_now *now)
{
    const char *comma = "";

    buf_lit(out, "\"components\":[");
    for (uint32_t i = 0; i < cs->count; i++) {
        buf_puts(out, i != 0 ? "," : "");
        component_print(out, cs->v[i], now);
    }
    buf_lit(out, "],\"groups\":[");
    for (uint32_t i = 0; i < cs->count; i++) {
        if (cs->v[i]->said.group[0] != '\0' && !group_told(cs, i)) {
            buf_puts(out, comma);
            put_group(out, cs, cs->v[i]->said.group);
            comma = ",";
        }
    }
    buf_putc(out, ']');
}
