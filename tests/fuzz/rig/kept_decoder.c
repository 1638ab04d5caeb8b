/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zstd's decoders for fuzz targets, in place of the library's: they are kept for the next input,
 * for to make one and its window takes longer than to read a segment.
 */
#include <stddef.h>

#define ZSTD_STATIC_LINKING_ONLY /* the function that makes one under another name */
#include <zstd.h>

enum { KEPT_MAX = 4 };

static ZSTD_DCtx *kept[KEPT_MAX];
static size_t count;

ZSTD_DCtx *ZSTD_createDCtx(void)
{
    return count > 0 ? kept[--count] : ZSTD_createDCtx_advanced(ZSTD_defaultCMem);
}

/* The most that are in use at once are kept. */
size_t ZSTD_freeDCtx(ZSTD_DCtx *decoder)
{
    if (!decoder || count == KEPT_MAX)
        return 0;
    kept[count++] = decoder;
    return ZSTD_DCtx_reset(decoder, ZSTD_reset_session_and_parameters);
}

ZSTD_DStream *ZSTD_createDStream(void)
{
    return ZSTD_createDCtx();
}

size_t ZSTD_freeDStream(ZSTD_DStream *decoder)
{
    return ZSTD_freeDCtx(decoder);
}
