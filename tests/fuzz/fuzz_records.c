/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records on their way from a journal into a ledger, of any bytes: what a batch's checksums let
 * through may still be wrong, or have been made to harm. Each record is in memory of just its size.
 *
 *   C1  Nothing is read or written where it should not be, by the hint that fetches ahead neither.
 *   C2  What is refused says why.
 *   C3  What was taken leaves a ledger that is sound, and can be worked with.
 *
 * The input: records; of each a u8, its length in words of 8 bytes after the first, then what is
 * behind the length in its head. A length of 0 is a batch's time: u16, added to the last.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ledger/ledger.h"
#include "engine/ledger/shortages.h"
#include "tests/support/ledger_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BEGINNING_MS = 1000000 };

static const struct ledger_config tables = {
    .items = 64, .pools = 64, .reservations = 256, .contexts = 1, .figures = 4 << 20, .hash_seed = 1
};

static int apply(struct ledger_rig *rig, const uint8_t *bytes, size_t size, uint32_t length,
                 uint64_t *lsn)
{
    struct record_head *record = calloc(1, length); /* of its size: reading on is seen */
    assert(record);
    size_t there = length - sizeof record->length;
    memcpy((unsigned char *)record + sizeof record->length, bytes, there < size ? there : size);
    record->length = length;
    *lsn += length;
    ledger_apply_prefetch(rig->ledger, record, 0);
    ledger_apply_prefetch(rig->ledger, record, 1);
    int error = ledger_apply(rig->ledger, record, *lsn);
    assert(error == 0 || ctx_failure(ledger_ctx(rig->ledger, 0))->message[0] != '\0');
    free(record);
    return error;
}

static void check(struct ledger_rig *rig)
{
    char message[256];
    int unsound = ledger_check(rig->ledger, message, sizeof message);
    if (unsound)
        fprintf(stderr, "%s\n", message);
    assert(!unsound);
}

/* Whatever was told to be short. */
static void look_for_short(struct ledger_rig *rig, struct ctx *ctx, uint64_t now_ms)
{
    for (int i = 1; i <= 40; i++) {
        ledger_begin(ctx, now_ms + 50 * (uint64_t)i, now_ms + 50 * (uint64_t)i);
        ledger_tell_shortages(ctx);
        ledger_end(ctx);
        ledger_rig_drain(rig);
    }
}

/* As after a start. */
static void work(struct ledger_rig *rig, uint64_t lsn, uint64_t now_ms)
{
    struct ctx *ctx = ledger_ctx(rig->ledger, 0);
    struct stock_look look;
    const struct pool_view *pools;
    struct text sku;
    uint32_t cursor = 0;
    log_start_at(&rig->log, lsn);
    ledger_recovered(rig->ledger, now_ms);
    check(rig);
    ledger_begin(ctx, now_ms, now_ms);
    ledger_expire(ctx, 1000);
    while (ledger_next_item(ctx, &cursor, &sku, &look))
        if (text_given(sku) && ledger_stock_next(ctx, &look, &pools) == 0 && look.backlog == 0)
            assert(look.on_hand == 0 && look.reserved == 0); /* of a supply that has come, say */
    ledger_end(ctx);
    look_for_short(rig, ctx, now_ms);
    check(rig);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ledger_rig rig;
    uint64_t lsn = 0, time_ms = BEGINNING_MS;
    int error = 0;
    ledger_rig_open(&rig, &tables);
    ledger_apply_time(rig.ledger, time_ms);
    while (size > 0 && !error) {
        uint32_t length = 8 + 8 * (uint32_t)data[0];
        size_t taken = data[0] ? length - 3 : 3;
        if (data[0] == 0 && size > 2) {
            time_ms += data[1] | (unsigned)data[2] << 8;
            ledger_apply_time(rig.ledger, time_ms);
        } else {
            error = apply(&rig, data + 1, size - 1, length, &lsn);
        }
        taken = taken < size ? taken : size;
        data += taken;
        size -= taken;
    }
    if (!error)
        work(&rig, lsn, time_ms);
    ledger_rig_close(&rig);
    return 0;
}
