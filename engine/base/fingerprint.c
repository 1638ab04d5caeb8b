/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/base/fingerprint.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t mix_number(uint64_t so_far, uint64_t number)
{
    uint64_t mixed = (so_far ^ number) * UINT64_C(0x9e3779b97f4a7c15);
    return mixed ^ mixed >> 29;
}

uint64_t mix_text(uint64_t so_far, struct text t)
{
    if (!text_given(t))
        return mix_number(so_far, 1);
    return XXH3_64bits_withSeed(t.at, t.len, so_far);
}
