/* SPDX-License-Identifier: Apache-2.0 */
/*
 * With several addresses a connection that is lost, or whose node is not the primary, moves to
 * another one. The generator has one thread, so it never sleeps for one of its connections: this
 * says when each tries next.
 */
#ifndef TOOLS_STOCKBENCH_MOVING_H
#define TOOLS_STOCKBENCH_MOVING_H

#include <stdbool.h>
#include <stdint.h>

#include <stockd/client.h>

struct moving {
    bool lost;
    unsigned tries; /* since a node last served it */
    uint64_t since; /* when the first of them began; ns */
    uint64_t due;   /* when the next one does; ns */
};

enum moved { MOVED_NOT_YET, MOVED, MOVED_NOWHERE };

/* "A,B": there is somewhere to go. */
bool moving_possible(const char *addresses);

/* The connection is lost, or its node has said that it is not the primary. */
void moving_lost(struct moving *moving, uint64_t now);

/* The node has done what was asked of it. */
static inline void moving_served(struct moving *moving)
{
    moving->tries = 0;
}

/* Tries if it is time to: after MOVED the connection is a new one. MOVED_NOWHERE: it has tried for
 * long enough, and says on standard error what each node answered. */
enum moved moving_try(struct moving *moving, stockd_client *client, uint64_t now);

#endif
