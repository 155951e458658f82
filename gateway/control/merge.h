/* gateway/control/merge.h - the tightest of two snapshots.
 * Why: at boot the database, the journal and a replica may know different things; until that is
 * settled, whatever any of them holds back stays held back.
 * Owner: none; pure.
 * Invariant: no cell of the result is looser than the same cell of A or of B; commutative and
 * idempotent in every byte. Associative in every value, and in every byte except who is named for
 * release stages of which neither holds the other. */
#ifndef GATEWAY_CONTROL_MERGE_H
#define GATEWAY_CONTROL_MERGE_H
#include "gateway/control/state.h"

/* A new reference to the snapshot that holds, key by key, the tighter cell as it stands there; of
 * equal values and of neutral kinds the newer cell (control_cell_order()). An absent cell counts as
 * the default. Of two release stages of which neither holds the other: what both release, with the
 * newer one's names and times. Its version is the greater one: when the result differs from that
 * snapshot, it has to be given a version of its own before anybody else sees it. */
const struct control *control_tightest(const struct control *a, const struct control *b);
/* A new reference to C under VERSION, which is not below that of C. */
const struct control *control_renumber(const struct control *c, uint64_t version);
#endif
