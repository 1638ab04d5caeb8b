/* SPDX-License-Identifier: Apache-2.0 */
/* What is set up before a race, watched during it, and summed up after it. */
#include "engine/ledger/ctx.h"
#include "tests/support/race_rig.h"

/* Seat 0, used by this thread while no other works. */
static struct ctx *sit_down(struct race *race)
{
    struct ctx *ctx = ledger_ctx(race->ledger, 0);
    uint64_t now = race_ms(race);
    ledger_begin(ctx, now, now);
    return ctx;
}

void race_stock(struct race *race, struct text sku, struct text location, int64_t qty)
{
    static uint64_t next;
    struct race_name id;
    struct movement_result result;
    struct ctx *ctx = sit_down(race);
    struct movement m = {
        .id = race_name(&id, '!', ++next), .sku = sku, .location = location, .qty = qty
    };
    if (ledger_receive(ctx, &m, &result) != CODE_OK)
        race_fail("receive: %s", ctx_failure(ctx)->message);
    ledger_end(ctx);
}

void race_add_location(struct race *race, const char *code)
{
    uint64_t lsn;
    struct ctx *ctx = sit_down(race);
    struct location_setting s = { .code = text_of(code) };
    if (ledger_set_location(ctx, &s, &lsn) != CODE_OK)
        race_fail("location_set: %s", ctx_failure(ctx)->message);
    ledger_end(ctx);
}

void race_set_channel(struct race *race, const struct channel_setting *s)
{
    uint64_t lsn;
    struct ctx *ctx = sit_down(race);
    if (ledger_set_channel(ctx, s, &lsn) != CODE_OK)
        race_fail("channel_set: %s", ctx_failure(ctx)->message);
    ledger_end(ctx);
}

void race_set_item(struct race *race, const struct item_setting *s)
{
    uint64_t lsn;
    struct ctx *ctx = sit_down(race);
    if (ledger_set_item(ctx, s, &lsn) != CODE_OK)
        race_fail("item_set: %s", ctx_failure(ctx)->message);
    ledger_end(ctx);
}

void race_sum(struct race *race, struct text sku, int64_t *on_hand, int64_t *reserved)
{
    struct stock_view view;
    struct ctx *ctx = sit_down(race);
    if (ledger_stock(ctx, sku, &view) != CODE_OK)
        race_fail("stock: %s", ctx_failure(ctx)->message);
    *on_hand = view.on_hand;
    *reserved = view.reserved;
    ledger_end(ctx);
}

/* The theorem, at this prefix: nothing is promised that is not there, unless it is to be. */
static void check_pool(const struct race *race, const struct pool_key *key, uint64_t lsn)
{
    const struct pool *pool =
        pool_find(&race->follower->items, key->item, key->location, key->owner);
    RACE_MUST(pool &&
                  (owner_kind(key->owner) == POOL_BACKLOG || word_available(pool_read(pool)) >= 0),
              "recovered up to LSN %llu, a unit is promised twice", (unsigned long long)lsn);
}

static void check_reserve(const struct race *race, const struct record_head *head, uint64_t lsn)
{
    struct reserve_fields f;
    RACE_MUST(reserve_decode(head, &f), "a reserve that cannot be read");
    for (unsigned i = 0; i < f.fixed.draw_count; i++)
        check_pool(race, &f.draws[i].pool, lsn);
    if (race->followed_reserve)
        race->followed_reserve(race, &f, lsn);
}

static void check_redraw(const struct race *race, const struct record_head *head, uint64_t lsn)
{
    struct redraw_fields f;
    RACE_MUST(redraw_decode(head, &f), "new draws that cannot be read");
    for (unsigned i = 0; i < f.fixed.draw_count; i++)
        check_pool(race, &f.drawn[i].pool, lsn);
}

/* Of what was sent, where it was and where it goes. */
static void check_sent(const struct race *race, const struct record_head *head, uint64_t lsn)
{
    struct sent_fields f;
    RACE_MUST(sent_decode(head, &f), "a reserve that cannot be read");
    for (unsigned i = 0; i < f.fixed.draw_count; i++)
        check_pool(race, &f.draws[i].pool, lsn);
    for (unsigned i = 0; i < f.fixed.sent_count; i++) {
        const struct draw_record *draw = &f.draws[f.sent[i].draw];
        struct pool_key from = { draw->pool.item, f.sends[f.sent[i].send].from, f.sent[i].owner };
        check_pool(race, &from, lsn);
    }
}

void race_check_promises(const struct race *race, const struct record_head *head, uint64_t lsn)
{
    if (head->type == RECORD_RESERVE)
        check_reserve(race, head, lsn);
    else if (head->type == RECORD_AMEND || head->type == RECORD_MOVE ||
             head->type == RECORD_SOURCED)
        check_redraw(race, head, lsn);
    else if (head->type == RECORD_SENT)
        check_sent(race, head, lsn);
}
