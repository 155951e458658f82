#include "gateway/audit/chain.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AS_WORD(sym, word, text) word,
#define AS_TEXT(sym, word, text) text,
static const char *const fault_words[] = {AUDIT_FAULTS(AS_WORD)};
static const char *const fault_texts[] = {AUDIT_FAULTS(AS_TEXT)};

const char *audit_fault_word(enum audit_fault fault)
{
    GW_ASSERT((unsigned)fault < AUDIT_FAULT_COUNT);
    return fault_words[fault];
}

const char *audit_fault_text(enum audit_fault fault)
{
    GW_ASSERT((unsigned)fault < AUDIT_FAULT_COUNT);
    return fault_texts[fault];
}

/* --- marks ------------------------------------------------------------------------------------ */

static int by_seq(const void *a, const void *b)
{
    const struct audit_mark *x = a;
    const struct audit_mark *y = b;

    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

enum audit_fault audit_marks_sort(struct audit_mark *marks, size_t *count, uint64_t *bad_seq)
{
    size_t kept = 0;

    if (*count > 1) {
        qsort(marks, *count, sizeof *marks, by_seq);
    }
    for (size_t i = 0; i < *count; i++) {
        if (kept > 0 && marks[kept - 1].seq == marks[i].seq) {
            if (memcmp(marks[kept - 1].hash, marks[i].hash, AUDIT_HASH_BYTES) != 0) {
                *bad_seq = marks[i].seq;
                return AUDIT_ANCHORS_FORK;
            }
        } else {
            marks[kept++] = marks[i];
        }
    }
    *count = kept;
    return AUDIT_WHOLE;
}

/* --- the chain -------------------------------------------------------------------------------- */

void audit_chain_init(struct audit_chain *c, uint64_t first_seq, const uint8_t *before,
                      const struct audit_mark *marks, size_t mark_count)
{
    *c = (struct audit_chain){.next_seq = first_seq, .marks = marks, .mark_count = mark_count};
    GW_ASSERT(first_seq > 0);
    if (before != NULL) {
        memcpy(c->prev_hash, before, AUDIT_HASH_BYTES);
    }
    c->prev_known = before != NULL || first_seq == 1;
    while (c->mark_at < mark_count && marks[c->mark_at].seq + 1 < first_seq) {
        c->mark_at++;
    }
    if (c->mark_at < mark_count && marks[c->mark_at].seq + 1 == first_seq) {
        const struct audit_mark *m = &marks[c->mark_at++];

        /* the signed one is the better witness */
        memcpy(c->prev_hash, m->hash, AUDIT_HASH_BYTES);
        c->prev_known = true;
        c->result.anchors = 1;
        c->result.anchored_to = m->seq;
    }
}

void audit_chain_fini(struct audit_chain *c)
{
    buf_fini(&c->scratch);
}

static void fault(struct audit_chain *c, enum audit_fault what, const struct audit_entry *e)
{
    struct audit_result *r = &c->result;

    r->fault = what;
    r->expected_seq = c->next_seq;
    r->bad_seq = e != NULL ? e->seq : c->next_seq;
    r->bad_place = c->fed;
    if (e != NULL) {
        (void)snprintf(r->bad_id, sizeof r->bad_id, "%s", e->id != NULL ? e->id : "");
    }
}

static enum audit_fault judge(struct audit_chain *c, const struct audit_entry *e)
{
    uint8_t hash[AUDIT_HASH_BYTES];

    /* contents first: if they are not what was hashed, its seq and link mean nothing */
    audit_entry_hash(e, &c->scratch, hash);
    if (memcmp(hash, e->hash, sizeof hash) != 0) {
        return AUDIT_EDITED;
    }
    if (e->seq != c->next_seq) {
        return e->seq > c->next_seq ? AUDIT_MISSING : AUDIT_OUT_OF_ORDER;
    }
    if (c->prev_known && memcmp(e->prev_hash, c->prev_hash, AUDIT_HASH_BYTES) != 0) {
        return AUDIT_UNLINKED;
    }
    if (c->mark_at < c->mark_count && c->marks[c->mark_at].seq == e->seq) {
        if (memcmp(c->marks[c->mark_at].hash, hash, sizeof hash) != 0) {
            return AUDIT_REWRITTEN;
        }
        c->result.anchors++;
        c->result.anchored_to = e->seq;
        c->mark_at++;
    }
    return AUDIT_WHOLE;
}

bool audit_chain_feed(struct audit_chain *c, const struct audit_entry *e)
{
    struct audit_result *r = &c->result;
    enum audit_fault what;

    if (r->fault != AUDIT_WHOLE) {
        return false;
    }
    c->fed++;
    what = judge(c, e);
    if (what != AUDIT_WHOLE) {
        fault(c, what, e);
        return false;
    }
    r->from_seq = r->count == 0 ? e->seq : r->from_seq;
    r->to_seq = e->seq;
    r->count++;
    memcpy(r->hash, e->hash, AUDIT_HASH_BYTES);
    memcpy(c->prev_hash, e->hash, AUDIT_HASH_BYTES);
    c->prev_known = true;
    c->next_seq++;
    return true;
}

void audit_chain_unreadable(struct audit_chain *c)
{
    if (c->result.fault == AUDIT_WHOLE) {
        c->fed++;
        fault(c, AUDIT_UNREADABLE, NULL);
    }
}

void audit_chain_end(struct audit_chain *c, bool complete)
{
    if (c->result.fault == AUDIT_WHOLE && complete && c->mark_at < c->mark_count) {
        fault(c, AUDIT_TRUNCATED, NULL);
        c->result.bad_place = 0;
    }
}

/* --- what it says ----------------------------------------------------------------------------- */

void audit_result_json(const struct audit_result *r, struct buf *out)
{
    bool ok = r->fault == AUDIT_WHOLE;

    buf_printf(out,
               "{\"ok\":%s,\"records\":%" PRIu64 ",\"from_seq\":%" PRIu64 ",\"to_seq\":%" PRIu64
               ",\"head\":\"",
               ok ? "true" : "false", r->count, r->from_seq, r->to_seq);
    audit_hex(r->hash, r->count != 0 ? AUDIT_HASH_BYTES : 0, out);
    buf_printf(out, "\",\"anchors\":%" PRIu64 ",\"anchored_to\":%" PRIu64, r->anchors,
               r->anchored_to);
    if (ok) {
        buf_lit(out, ",\"fault\":null}");
        return;
    }
    buf_printf(out, ",\"fault\":{\"code\":\"%s\",\"detail\":\"%s\",\"seq\":%" PRIu64 ",\"id\":",
               audit_fault_word(r->fault), audit_fault_text(r->fault), r->bad_seq);
    buf_json_str(out, r->bad_id, strlen(r->bad_id));
    buf_printf(out, ",\"expected_seq\":%" PRIu64 ",\"place\":%" PRIu64 "}}", r->expected_seq,
               r->bad_place);
}

void audit_result_text(const struct audit_result *r, struct buf *out)
{
    if (r->fault == AUDIT_WHOLE) {
        buf_printf(out, "%" PRIu64 " records whole and in order", r->count);
        if (r->count > 0) {
            buf_printf(out, ", seq %" PRIu64 " to %" PRIu64, r->from_seq, r->to_seq);
        }
        if (r->anchors == 0) {
            buf_lit(out, "; compared with no anchor: a rewritten end would not be found");
        } else {
            buf_printf(out, "; %" PRIu64 " anchors match, the last at seq %" PRIu64, r->anchors,
                       r->anchored_to);
            if (r->to_seq > r->anchored_to) {
                buf_printf(out, " (the %" PRIu64 " records behind it are not anchored)",
                           r->to_seq - r->anchored_to);
            }
        }
        return;
    }
    buf_printf(out, "%s: %s; seq %" PRIu64, audit_fault_word(r->fault), audit_fault_text(r->fault),
               r->bad_seq);
    if (r->bad_id[0] != '\0') {
        buf_printf(out, ", id %s", r->bad_id);
    }
    if (r->bad_place != 0) {
        buf_printf(out, ", record %" PRIu64 " of what was read", r->bad_place);
    }
    if (r->bad_seq != r->expected_seq) {
        buf_printf(out, ", where seq %" PRIu64 " belongs", r->expected_seq);
    }
    buf_printf(out, "; the %" PRIu64 " records before it are whole", r->count);
}
