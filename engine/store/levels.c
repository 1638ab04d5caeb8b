/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/levels.h"

#include <errno.h>

#include "engine/base/memory.h"

int levels_init(struct levels *levels, uint32_t max_items)
{
    levels->plane = ((size_t)max_items / LEVELS_PER_BYTE + 8) & ~(size_t)7;
    levels->bytes = memory_reserve(levels->plane * CHANNELS_MAX);
    return levels->bytes ? 0 : -ENOMEM;
}

void levels_destroy(struct levels *levels)
{
    memory_release(levels->bytes, levels->plane * CHANNELS_MAX);
    levels->bytes = NULL;
}
