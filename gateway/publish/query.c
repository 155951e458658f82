#include "gateway/publish/query.h"

#include <stdlib.h>
#include "gateway/publish/encode.h"
#include "gateway/publish/query_priv.h"

void query_put_px(struct buf *out, const struct symbol *sym, struct px px)
{
    buf_putc(out, '"');
    encode_px(out, sym, px);
    buf_putc(out, '"');
}

void query_put_qty(struct buf *out, const struct symbol *sym, struct qty qty)
{
    buf_putc(out, '"');
    encode_qty(out, sym, qty);
    buf_putc(out, '"');
}

void query_answer(struct query *q, const struct market_view *m)
{
    q->err = GW_OK;
    buf_reset(&q->body);
    if (q->kind <= QUERY_KRAKEN_TRADES) {
        query_kraken(q, m);
    } else {
        query_md(q, m);
    }
}

void query_destroy(struct query **qp)
{
    struct query *q = *qp;

    *qp = NULL;
    if (q != NULL) {
        buf_fini(&q->body);
        free(q);
    }
}

struct shown_book query_shown(const struct market_view *m, uint32_t number)
{
    struct instrument *in = &m->instruments[number];
    const struct held *h = m->held != NULL ? m->held[number] : NULL;
    struct shown_book b = {.ts_ns = in->book_ts_ns, .seq = in->seq.last};

    if (h != NULL) {
        b = (struct shown_book){
            .show = m->gate->symbols[number].show, .crc = h->crc, .ts_ns = h->ts_ns, .seq = h->seq};
        for (int side = 0; side < 2; side++) {
            b.v[side] = h->view.v[side];
            b.count[side] = h->view.count[side];
        }
    } else if (in->has_book) {
        b.crc = instrument_checksum(in);
        for (int side = 0; side < 2; side++) {
            b.v[side] = in->book.side[side].v;
            b.count[side] = in->book.side[side].count;
        }
    }
    return b;
}
