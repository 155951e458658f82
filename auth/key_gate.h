/* auth/key_gate.h - which keys are good right now, for loops that do not keep keys themselves.
 * Why: a token may have been given before its key was revoked; whoever opens a session with it asks
 * here, and from where the key may be used. The control loop, which keeps the keys, says what has changed.
 * Owner: process-wide, behind a mutex: taken once per session and once per change of a key.
 * Invariant: a key that key_gate_close() has named is not open until key_gate_open() names it. */
#ifndef AUTH_KEY_GATE_H
#define AUTH_KEY_GATE_H
#include <stdbool.h>
#include <stddef.h>
#include "auth/key_net.h"

struct key_gate;

struct key_gate *key_gate_create(void);
void key_gate_destroy(struct key_gate **gp);
/* From ANY address, or those of NETS (copied). Again: from these. */
void key_gate_open(struct key_gate *g, const char *keyid, bool any, const struct key_net *nets,
                   size_t count);
void key_gate_close(struct key_gate *g, const char *keyid);
enum key_gate_verdict { KEY_GATE_OPEN, KEY_GATE_CLOSED, KEY_GATE_NETWORK };
/* IP as text. KEY_GATE_NETWORK: the key is good, but not from there. */
enum key_gate_verdict key_gate_ask(struct key_gate *g, const char *keyid, const char *ip);
#endif
