/* load/feed_symbols.h - the symbol table the gateway reads, written from what the tape holds. */
#ifndef LOAD_FEED_SYMBOLS_H
#define LOAD_FEED_SYMBOLS_H
#include "load/feed_tape.h"

/* Adds the symbols of a Binance exchangeInfo file that T does not have yet. */
bool symbols_read_exchange_info(struct tape *t, const char *path);
/* Writes the YAML table; false with the reason on standard error. */
bool symbols_write(const struct tape *t, const char *path);
#endif
