/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/slicing.h"

#include <stdlib.h>

struct slicing *slicing_begin(struct chunk_pool *pool, uint64_t lsn)
{
    struct slicing *slicing = calloc(1, sizeof *slicing);
    if (!slicing)
        return NULL;
    slicing->lsn = lsn;
    out_init(&slicing->rows, pool);
    return slicing;
}

void slicing_end(struct slicing *slicing)
{
    if (!slicing)
        return;
    out_destroy(&slicing->rows);
    free(slicing);
}
