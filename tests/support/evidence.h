/* SPDX-License-Identifier: Apache-2.0 */
/* Evidence for returns, gathered from records in memory as stockd gathers it from the journal. */
#ifndef STOCKD_TESTS_SUPPORT_EVIDENCE_H
#define STOCKD_TESTS_SUPPORT_EVIDENCE_H

#include <stddef.h>

#include "engine/base/text.h"
#include "engine/store/returns.h"

/* What the first `length` bytes of records, from LSN 0, say about that reservation and item. Ends
 * the program if they cannot be read. */
struct return_evidence evidence_gather(const unsigned char *records, size_t length,
                                       struct text reservation, uint32_t item);

#endif
