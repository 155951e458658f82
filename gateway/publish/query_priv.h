/* gateway/publish/query_priv.h - the halves of query_answer(): Kraken's shapes and our own. */
#ifndef GATEWAY_PUBLISH_QUERY_PRIV_H
#define GATEWAY_PUBLISH_QUERY_PRIV_H
#include "gateway/publish/query.h"

void query_kraken(struct query *q, const struct market_view *m);
void query_md(struct query *q, const struct market_view *m);

/* The book as clients see it: of now, or as it was when it was frozen; none while it is withdrawn. */
struct shown_book {
    enum book_show show;
    const struct level *v[2]; /* per side, worst ... best */
    uint32_t count[2];
    uint32_t crc;
    int64_t ts_ns;
    uint64_t seq;
};
struct shown_book query_shown(const struct market_view *m, uint32_t number);

/* "65432.10" in quotes. */
void query_put_px(struct buf *out, const struct symbol *sym, struct px px);
void query_put_qty(struct buf *out, const struct symbol *sym, struct qty qty);
#endif
