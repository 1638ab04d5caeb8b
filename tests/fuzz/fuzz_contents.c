/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contents of a snapshot, on any bytes: what the snapshot's checksums have let through
 * may still be wrong, or have been made to harm. Each run is loaded from memory of just its size.
 *
 *   I1  Nothing is read or written where it should not be.
 *   I2  What is refused says why.
 *   I3  What is accepted can be worked with.
 *
 * The input: nine little-endian 16-bit totals, then runs: u8 kind, u16 length, bytes.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/history/history.h"
#include "engine/ledger/ledger.h"
#include "engine/ledger/supply.h"
#include "engine/replay/contents.h"
#include "tests/support/ledger_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ledger_config tables = {
    .items = 64, .pools = 64, .reservations = 128, .contexts = 1, .figures = 4 << 20, .hash_seed = 1
};

static uint16_t number_at(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

/* Whatever the supplies are: some go on, others are refused. */
static void bring(struct ctx *ctx)
{
    static const char *const ids[] = { "held", "part", "way", "some", "never", "lost", "moved" };
    struct supply_view view;
    for (unsigned i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        struct supply_step all = { .id = text_of(ids[i]), .all = true };
        struct supply_step later = {
            .id = text_of(ids[i]), .all = true, .has_eta = true, .eta_ms = 2000000
        };
        ledger_supply(ctx, text_of(ids[i]), &view);
        ledger_reschedule(ctx, &later, &view);
        ledger_ship(ctx, &all, &view);
        ledger_arrive(ctx, &all, &view);
        ledger_withdraw(ctx, &all, &view);
    }
}

static void work(struct ledger_rig *rig)
{
    static const char *const ids[] = { "r0", "r1", "m0", "s0", "o-some", "o-over", "o-moved" };
    struct ctx *ctx = ledger_ctx(rig->ledger, 0);
    struct reservation_view view;
    struct stock_look look;
    const struct pool_view *pools;
    struct text sku;
    uint32_t cursor = 0;
    ledger_recovered(rig->ledger, 1000000);
    ledger_begin(ctx, 1000000, 1000000);
    ledger_expire(ctx, 1000);
    bring(ctx);
    for (unsigned i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        struct step all = { .id = text_of(ids[i]) };
        ledger_reservation(ctx, all.id, &view);
        ledger_fulfil(ctx, &all, &view);
    }
    while (ledger_next_item(ctx, &cursor, &sku, &look))
        assert(!text_given(sku) || ledger_stock_next(ctx, &look, &pools) > 0 || look.backlog > 0);
    ledger_end(ctx);
}

/* A history begins with contents that no ledger has loaded: of an old snapshot. */
static void begin_histories(enum contents_kind kind, const unsigned char *run, size_t length)
{
    const struct history_filter filters[] = {
        { .subject = HISTORY_ALL },
        { .subject = HISTORY_ITEM },
        { .subject = HISTORY_ID, .id_len = 2, .id = "r0" },
    };
    for (unsigned i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        struct history history;
        history_open(&history, &filters[i]);
        int error = history_load(&history, kind, run, length);
        assert(error == 0 || error == -EILSEQ || error == -ENOMEM);
        history_close(&history);
    }
}

/* The whole input, run by run; 0 if all of it was accepted. */
static int load(struct contents_load *load, const uint8_t *data, size_t size,
                struct contents_complaint *complaint)
{
    int error = 0;
    while (!error && size >= 3) {
        size_t length = number_at(data + 1);
        if (length > size - 3)
            length = size - 3;
        unsigned char *run = malloc(length + 1); /* of its size: reading on is seen */
        assert(run);
        memcpy(run, data + 3, length);
        begin_histories((enum contents_kind)data[0], run, length);
        error = ledger_contents_load(load, (enum contents_kind)data[0], run, length, complaint);
        free(run);
        data += 3 + length;
        size -= 3 + length;
    }
    return error ? error : ledger_contents_end(load, complaint);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct contents_totals totals;
    struct contents_load loading;
    struct contents_complaint complaint = { "" };
    struct ledger_rig rig;
    if (size < 18)
        return 0;
    totals = (struct contents_totals){ .items = number_at(data),
                                       .pools = number_at(data + 2),
                                       .slots = number_at(data + 4),
                                       .finished_slots = number_at(data + 6),
                                       .recents = number_at(data + 8),
                                       .forgotten_ms = number_at(data + 10),
                                       .items_max = number_at(data + 12),
                                       .pools_max = number_at(data + 14),
                                       .reservations_max = number_at(data + 16) };
    ledger_rig_open(&rig, &tables);
    int error = ledger_contents_begin(&loading, rig.ledger, &totals, &complaint);
    if (!error)
        error = load(&loading, data + 18, size - 18, &complaint);
    assert(error == 0 || complaint.text[0] != '\0');
    if (!error)
        work(&rig);
    ledger_rig_close(&rig);
    return 0;
}
