/* SPDX-License-Identifier: Apache-2.0 */
/* The journal as the server's storage: neither knows the other. */
#ifndef STOCKD_TOOLS_STOCKD_STORAGE_H
#define STOCKD_TOOLS_STOCKD_STORAGE_H

#include "persistence/journal.h"
#include "protocol/storage_port.h"

/* The journal outlives the port. */
struct storage_port storage_of_journal(struct journal *journal);

#endif
