/* gateway/audit/reader.h - an export, in pieces of any size, into the verifier.
 * Why: exports are larger than memory; portctl, the tests and the measurement read them alike.
 * Owner: the caller; pure. */
#ifndef GATEWAY_AUDIT_READER_H
#define GATEWAY_AUDIT_READER_H
#include "gateway/audit/chain.h"

struct audit_reader {
    struct audit_chain *chain; /* borrowed */
    struct buf partial;        /* a line whose end has not come yet */
    struct buf arena;
    const char *bad_field; /* of a record that could not be read */
};

void audit_reader_init(struct audit_reader *r, struct audit_chain *chain);
void audit_reader_fini(struct audit_reader *r);
/* False at the first fault: chain->result has it. */
bool audit_reader_feed(struct audit_reader *r, const char *data, size_t len);
/* The end of the input, which must be the end of a line. COMPLETE as for audit_chain_end(). */
void audit_reader_end(struct audit_reader *r, bool complete);
#endif
