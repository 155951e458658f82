/* admin_api/playbooks.h - what playbooks may ask of this API.
 * Why: a playbook that names a route nobody serves is found out when it is needed most; so every
 * action is held against the tables of routes, permissions and bodies when it is read.
 * Owner: none. */
#ifndef ADMIN_API_PLAYBOOKS_H
#define ADMIN_API_PLAYBOOKS_H
#include "gateway/playbook/playbook.h"

/* TEXT with `{symbol}` and `{+15m}` (also h) replaced; SYMBOL as it stands there, NOW_NS wall. False:
 * something else stands in braces that is no JSON. */
GW_MUSTCHECK
bool api_action_fill(struct buf *out, const char *text, const char *symbol, int64_t now_ns);
extern const struct playbook_rules api_playbook_rules;
#endif
