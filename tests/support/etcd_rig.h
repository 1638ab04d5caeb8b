/* SPDX-License-Identifier: Apache-2.0 */
/* An etcd of one member for a C test, on free ports, with a client that waits. Any failure ends the
 * program. */
#ifndef STOCKD_TESTS_SUPPORT_ETCD_RIG_H
#define STOCKD_TESTS_SUPPORT_ETCD_RIG_H

#include "cluster/transactions.h"

/* Starts it in a directory of its own. It ends with the program, or with etcd_rig_end. Without an
 * etcd the program ends as skipped. */
void etcd_rig_start(void);
void etcd_rig_end(void);

/* "etcd://HOST:PORT" */
const char *etcd_rig_address(void);

/* A client of it. */
struct etcd *etcd_rig_client(void);

/* A call with a tag of its own, and time enough. */
struct cluster_call etcd_rig_call(void);

/* Waits for the reply to the call that was submitted; submitted: what that returned. The reply
 * lives until the next one is taken. */
const struct etcd_reply *etcd_rig_reply(struct etcd *etcd, int submitted);

#endif
