/* gateway/publish/query_priv.h - the halves of query_answer(): Kraken's shapes and our own. */
#ifndef GATEWAY_PUBLISH_QUERY_PRIV_H
#define GATEWAY_PUBLISH_QUERY_PRIV_H
#include "gateway/publish/query.h"

void query_kraken(struct query *q, const struct market_view *m);
void query_md(struct query *q, const struct market_view *m);

/* "65432.10" in quotes. */
void query_put_px(struct buf *out, const struct symbol *sym, struct px px);
void query_put_qty(struct buf *out, const struct symbol *sym, struct qty qty);
#endif
