/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether this server takes changes (docs/CLUSTER.md). One that runs alone is always the primary.
 *
 *   ROLE_STANDBY ──promoted──▶ ROLE_PRIMARY ──refused, or handed over──▶ ROLE_REPLACED
 *
 * A replaced one does not come back: it answers until its end, and starts again.
 *
 * Any thread sets it; a worker looks at the start of each iteration, and is of one role throughout
 * that. Release and acquire: a worker that finds itself primary finds the ledger promoted.
 */
#ifndef STOCKD_PROTOCOL_ROLE_H
#define STOCKD_PROTOCOL_ROLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum server_role {
    ROLE_PRIMARY, /* takes changes, and does what comes up by itself */
    ROLE_STANDBY, /* its ledger follows: it only answers, with what it has */
    ROLE_REPLACED /* another node is the primary: it only answers */
};

enum { ROLE_ADDRESS_MAX = 256 };

/* Who takes changes instead. */
struct primary {
    char address[ROLE_ADDRESS_MAX]; /* as clients write it; empty: nobody is known to */
    uint64_t term;
};

struct role {
    _Atomic int current;  /* enum server_role */
    pthread_mutex_t lock; /* of what follows; held for some instructions */
    struct primary primary;
};

void role_init(struct role *role, enum server_role begin);
void role_destroy(struct role *role);

/* Asserts that the diagram allows it; the same role again tells of another primary. */
void role_set(struct role *role, enum server_role to, const struct primary *primary);

static inline enum server_role role_now(const struct role *role)
{
    return (enum server_role)atomic_load_explicit(&role->current, memory_order_acquire);
}

struct primary role_primary(struct role *role);

/* "primary", "standby", "replaced"; static. */
const char *role_name(enum server_role role);

#endif
