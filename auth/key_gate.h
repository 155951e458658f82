/* auth/key_gate.h - which keys are good right now, for loops that do not keep keys themselves.
 * Why: a token may have been given before its key was revoked; whoever opens a session with it asks
 * here. The control loop, which keeps the keys, says what has changed.
 * Owner: process-wide, behind a mutex: taken once per session and once per change of a key.
 * Invariant: a key that key_gate_close() has named is not open until key_gate_open() names it. */
#ifndef AUTH_KEY_GATE_H
#define AUTH_KEY_GATE_H
#include <stdbool.h>

struct key_gate;

struct key_gate *key_gate_create(void);
void key_gate_destroy(struct key_gate **gp);
void key_gate_open(struct key_gate *g, const char *keyid);
void key_gate_close(struct key_gate *g, const char *keyid);
bool key_gate_is_open(struct key_gate *g, const char *keyid);
#endif
