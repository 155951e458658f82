/* load/standin_state.h - what the stand-in core knows: symbols, their groups and working orders, and
 * the control cells it was told.
 * Why: docs/CORE.md says how a core must read `control`; this is that rule, small.
 * Invariant: of each cell the one of the highest version is kept, in whatever order they come. */
#ifndef LOAD_STANDIN_STATE_H
#define LOAD_STANDIN_STATE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>
#include "gateway/base/buf.h"

#define STANDIN_SYMBOLS_MAX  64u
#define STANDIN_GROUPS_MAX   16u
#define STANDIN_CELLS_MAX    1024u
#define STANDIN_NAME_MAX     64u
#define STANDIN_CIRCUITS_MAX 16u

enum standin_mode { STANDIN_NORMAL, STANDIN_CANCEL_ONLY, STANDIN_SOFT_HALT, STANDIN_HARD_HALT };
extern const char *const standin_modes[4];

struct standin_symbol {
    char name[STANDIN_NAME_MAX];
    double orders; /* working; a made-up number that grows back while orders are taken */
    enum standin_mode mode;
    enum standin_mode told; /* what was last reported, valid when `reported` */
    bool reported;
};
struct standin_group {
    char name[STANDIN_NAME_MAX];   /* "group:majors" */
    bool has[STANDIN_SYMBOLS_MAX]; /* by symbol */
};
struct standin_cell {
    char kind[16];
    char target[STANDIN_NAME_MAX];
    uint64_t version;
    json_t *value;
};

struct standin_circuit {
    char name[STANDIN_NAME_MAX];
    bool open;
};

struct standin {
    struct standin_symbol symbols[STANDIN_SYMBOLS_MAX];
    uint32_t symbol_count;
    struct standin_group groups[STANDIN_GROUPS_MAX];
    uint32_t group_count;
    struct standin_circuit circuits[STANDIN_CIRCUITS_MAX];
    uint32_t circuit_count;
    struct standin_cell cells[STANDIN_CELLS_MAX];
    uint32_t cell_count;
    uint64_t version; /* the highest seen */
    uint32_t orders;  /* of a symbol at most */
};

void standin_fini(struct standin *s);
/* "BTC/USD,ETH/USD"; false when one is too long or there are too many. */
bool standin_add_symbols(struct standin *s, const char *list);
/* "majors=BTC/USD,ETH/USD" of known symbols. */
bool standin_add_group(struct standin *s, const char *text);
/* "risk,price-band": all open; false when one is too long or there are too many. */
bool standin_add_circuits(struct standin *s, const char *list);
/* -1: none of that name. */
int standin_find_circuit(const struct standin *s, const char *name);
/* Takes an entry of `control`. False, with the reason in *WHY, when it is not one. */
bool standin_apply(struct standin *s, const json_t *entry, const char **why);
/* By command: a cell that the next entry of `control` replaces. */
bool standin_set_mode(struct standin *s, const char *target, json_t *args, const char **why);
/* As CORE tells of it. */
void standin_print_circuit(const struct standin_circuit *c, const char *core, struct buf *out);
bool standin_mode_parse(const char *word, enum standin_mode *out);
/* -1: none of that name. */
int standin_find(const struct standin *s, const char *symbol);
/* Orders come back: SECONDS have passed. */
void standin_grow(struct standin *s, double seconds);
/* Removes the orders of TARGET (a symbol or `*`); how many. */
uint64_t standin_cancel(struct standin *s, const char *target);
#endif
