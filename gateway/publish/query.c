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
