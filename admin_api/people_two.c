/* admin_api/people_two.c - grants of roles that take two persons: what the first has asked for.
 * Why: the second says the same by herself, word by word, and so knows what she grants.
 * Owner: the control loop.
 * Invariant: a request is used once, within GRANT_WAIT_S, by another person than who made it. It
 * lives in this gateway's memory: after a restart, or at another gateway, it is asked for anew. */
#include <stdlib.h>
#include <string.h>
#include "admin_api/api_priv.h"

#define WAITING_MAX 64u

struct waiting {
    char name[PEOPLE_NAME_MAX + 1];
    enum role role;
    bool eligible;
    int64_t grant_until_ns;
    int64_t ends_ns; /* monotonic; 0: free */
    struct grant_waiting who;
};

struct grants {
    struct waiting v[WAITING_MAX];
};

struct grants *grants_create(void)
{
    return gw_calloc(1, sizeof(struct grants));
}

void grants_destroy(struct grants **gp)
{
    free(*gp);
    *gp = NULL;
}

static bool is_same(const struct waiting *w, const struct grant_ask *ask)
{
    return strcmp(w->name, ask->name) == 0 && w->role == ask->role &&
           w->eligible == ask->eligible && w->grant_until_ns == ask->until_ns;
}

static void put(struct waiting *w, const struct grant_ask *ask, int64_t mono_ns)
{
    *w = (struct waiting){
        .role = ask->role,
        .eligible = ask->eligible,
        .grant_until_ns = ask->until_ns,
        .ends_ns = mono_ns + (int64_t)GRANT_WAIT_S * 1000000000,
    };
    (void)snprintf(w->name, sizeof w->name, "%s", ask->name);
    (void)snprintf(w->who.person, sizeof w->who.person, "%s", ask->person);
    (void)snprintf(w->who.actor, sizeof w->who.actor, "%s", ask->actor);
    (void)snprintf(w->who.reason, sizeof w->who.reason, "%s", ask->reason);
    (void)snprintf(w->who.ticket, sizeof w->who.ticket, "%s",
                   ask->ticket != NULL ? ask->ticket : "");
}

bool grants_second(struct grants *g, const struct grant_ask *ask, int64_t mono_ns,
                   struct grant_waiting *out)
{
    struct waiting *mine = NULL; /* of the same person, else free, else the oldest */

    for (unsigned i = 0; i < WAITING_MAX; i++) {
        struct waiting *w = &g->v[i];

        if (w->ends_ns <= mono_ns) {
            w->ends_ns = 0;
        } else if (is_same(w, ask) && strcmp(w->who.person, ask->person) != 0) {
            *out = w->who;
            w->ends_ns = 0;
            return true;
        } else if (is_same(w, ask)) {
            mine = w;
            break;
        }
        if (mine == NULL || w->ends_ns < mine->ends_ns) {
            mine = w;
        }
    }
    put(mine, ask, mono_ns);
    return false;
}
