/* SPDX-License-Identifier: Apache-2.0 */
/* The list of orders: which, in parts, and from page to page. */
#include "engine/ledger/orders.h"
#include "engine/store/slot_places.h"
#include "tests/unit/supply_rig.h"

TestSuite(orders, .init = set_up, .fini = tear_down);

enum { MANY = 70 }; /* more than a chunk of slots */

static struct reservation_view seen;

static void order(const char *id, const char *location)
{
    struct order_line line = { .sku = text_of("tea"), .qty = 1, .location = text_of(location) };
    struct order asked = { .id = text_of(id),
                           .channel = text_of("web"),
                           .lines = &line,
                           .line_count = 1,
                           .confirm = true };
    cr_assert_eq(ledger_reserve(ctx, &asked, &granted), CODE_OK, "%s", ctx_failure(ctx)->message);
}

static void order_many(const char *kind, const char *location, unsigned count)
{
    char id[16];
    snprintf(id, sizeof id, "r-%s", kind);
    receive(id, location, count);
    for (unsigned i = 0; i < count; i++) {
        snprintf(id, sizeof id, "%s-%u", kind, i);
        order(id, location);
    }
}

/* How many the list has, of at most `limit`; each once. *last: the id of the last one. */
static unsigned list(struct order_filter filter, unsigned limit, char last[ID_MAX + 1])
{
    struct order_walk walk;
    uint64_t lsn;
    unsigned count = 0;
    cr_assert_eq(ledger_orders_begin(ctx, &filter, &walk, &lsn), CODE_OK, "%s",
                 ctx_failure(ctx)->message);
    cr_assert_eq(lsn, log_head(&rig.log));
    while (count < limit) {
        enum order_found found = ledger_orders_next(ctx, &filter, &walk, 0, &seen);
        if (found == ORDER_END)
            break;
        if (found == ORDER_NOT_YET)
            continue; /* no work was granted: it does one step at a time */
        memcpy(last, walk.id, walk.id_len);
        last[walk.id_len] = '\0';
        count++;
    }
    return count;
}

static unsigned all(struct order_filter filter)
{
    char last[ID_MAX + 1];
    return list(filter, UINT32_MAX, last);
}

Test(orders, a_place_has_its_own)
{
    order_many("a", "main", MANY);
    order_many("b", "store", 3);
    cr_assert_eq(all((struct order_filter){ .location = text_of("main") }), MANY);
    cr_assert_eq(all((struct order_filter){ .location = text_of("store") }), 3);
    cr_assert_eq(all((struct order_filter){ .channel = text_of("web") }), MANY + 3);
    cr_assert_eq(all((struct order_filter){ .channel = text_of("default") }), 0);
    cr_assert_eq(all((struct order_filter){ .state = text_of("held") }), 0);
    cr_assert_eq(seen.part_count, 1);
}

Test(orders, pages_follow_each_other)
{
    char last[ID_MAX + 1] = "";
    unsigned count = 0, pages = 0, more;
    order_many("a", "main", MANY);
    order_many("b", "store", 3);
    struct order_filter filter = { .location = text_of("main") };
    while ((more = list(filter, 9, last)) > 0) {
        count += more;
        pages++;
        filter.after = text_of(last);
    }
    cr_assert_eq(count, MANY);
    cr_assert_eq(pages, (MANY + 8) / 9);
}

/* While one of them is being changed, the list waits for it. */
Test(orders, a_busy_order_is_waited_for)
{
    struct order_filter filter = { .location = text_of("main") };
    struct id_table *ids = &rig.ledger->ids;
    struct order_walk walk;
    struct id_entry *entry;
    uint64_t lsn, word;
    order("o", "main");
    cr_assert_eq(id_table_find(ids, text_of("o"), id_hash(ids, text_of("o")), &entry, &word),
                 ENTRY_FOUND);
    cr_assert_eq(ledger_orders_begin(ctx, &filter, &walk, &lsn), CODE_OK);
    cr_assert_eq(ledger_orders_next(ctx, &filter, &walk, UINT64_MAX, &seen), ORDER_NOT_YET);
    entry_put(entry, word);
    cr_assert_eq(ledger_orders_next(ctx, &filter, &walk, UINT64_MAX, &seen), ORDER_FOUND);
    cr_assert_eq(ledger_orders_next(ctx, &filter, &walk, UINT64_MAX, &seen), ORDER_END);
    filter.after = text_of("o");
    cr_assert(entry_take(entry, &word));
    cr_assert_eq(ledger_orders_begin(ctx, &filter, &walk, &lsn), CODE_DEFERRED);
    entry_put(entry, word);
}

/* One that may have claimed its LSN, and is not shown yet. */
Test(orders, a_fresh_order_is_waited_for)
{
    struct order_filter filter = { .location = text_of("main") };
    struct id_table *ids = &rig.ledger->ids;
    struct order_walk walk;
    struct id_entry *entry;
    uint64_t lsn, word;
    struct text id = text_of("o");
    cr_assert_eq(id_table_add(ids, &ctx->cursor, id, id_hash(ids, id), &entry, &word),
                 ENTRY_ABSENT);
    slot_places_set(ids, entry, places_with(0, 0));
    cr_assert_eq(all(filter), 0); /* it has not claimed */
    word = state_word(ENTRY_RESERVATION, STATE_NONE, id.len);
    atomic_store(&entry->state, word | STATE_BUSY);
    cr_assert_eq(ledger_orders_begin(ctx, &filter, &walk, &lsn), CODE_OK);
    cr_assert_eq(ledger_orders_next(ctx, &filter, &walk, UINT64_MAX, &seen), ORDER_NOT_YET);
    entry_refuse(ids, &ctx->cursor, entry, state_word(ENTRY_REFUSED, STATE_NONE, id.len));
    cr_assert_eq(ledger_orders_next(ctx, &filter, &walk, UINT64_MAX, &seen), ORDER_END);
}

Test(orders, a_slot_that_is_used_again_names_its_own_places)
{
    order_many("a", "main", MANY);
    for (unsigned i = 0; i < MANY; i++) {
        char id[16];
        snprintf(id, sizeof id, "a-%u", i);
        cancel(id);
    }
    cr_assert_eq(all((struct order_filter){ .state = text_of("cancelled") }), MANY);
    order_many("b", "store", 3);
    cr_assert_eq(
        all((struct order_filter){ .location = text_of("main"), .state = text_of("confirmed") }),
        0);
    cr_assert_eq(all((struct order_filter){ .location = text_of("store") }), 3);
}

Test(orders, words_of_many_places)
{
    uint32_t few = places_with(places_with(0, 0), LOCATIONS_MAX - 1), many = few;
    cr_assert(places_may_have(few, 0));
    cr_assert(places_may_have(few, LOCATIONS_MAX - 1));
    for (int i = 1; i < LOCATIONS_MAX - 1; i++)
        cr_assert_not(places_may_have(few, (uint16_t)i), "%d", i);
    cr_assert_eq(places_with(few, 0), few);
    cr_assert_eq(places_with(few, LOCATIONS_MAX - 1), few);
    cr_assert_not(places_may_have(0, 0));
    for (uint16_t i = 100; i < 110; i++)
        many = places_with(many, i);
    for (uint16_t i = 100; i < 110; i++)
        cr_assert(places_may_have(many, i));
    cr_assert(places_may_have(many, 0));
}

Test(orders, bad_filters)
{
    struct order_walk walk;
    uint64_t lsn;
    struct order_filter filters[] = { { .state = text_of("open") },
                                      { .step = text_of("held") },
                                      { .after = text_of("ghost") },
                                      { .after = text_of("r1") } };
    for (unsigned i = 0; i < sizeof filters / sizeof filters[0]; i++)
        cr_assert_eq(ledger_orders_begin(ctx, &filters[i], &walk, &lsn), CODE_BAD_REQUEST);
}
