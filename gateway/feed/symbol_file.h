/* gateway/feed/symbol_file.h - the symbol table and the groups of symbols as a YAML file
 * (docs/CONTROL.md).
 * Owner: the main thread, before others start.
 * Invariant: on GW_OK the table has at least one symbol; on error every error has its line. */
#ifndef GATEWAY_FEED_SYMBOL_FILE_H
#define GATEWAY_FEED_SYMBOL_FILE_H
#include "gateway/base/buf.h"
#include "gateway/market/symbols.h"

GW_MUSTCHECK
enum gw_err symbol_file_load(const char *path, struct symbols *out, struct buf *errors);
#endif
