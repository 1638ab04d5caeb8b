/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/race_deal.h"

#include <string.h>

void deal_begin(struct deal *deal, enum shop_channel channel, char letter, uint64_t number)
{
    *deal = (struct deal){ .channel = channel };
    for (int i = 0; i < ITEMS; i++)
        deal->bound[i] = FREE;
    deal->order = (struct order){ .id = race_name(&deal->name, letter, number),
                                  .channel = text_of(shop_channel(channel)),
                                  .lines = deal->lines };
}

void deal_add(struct deal *deal, enum shop_item item, int64_t qty)
{
    struct order_line *line = &deal->lines[deal->order.line_count++];
    *line = (struct order_line){ .sku = text_of(shop_item(item)), .qty = qty };
    if (!text_given(deal->order.at) && deal->bound[item] != FREE)
        line->location = shop_name(deal->bound[item]);
    deal->wanted[item] += qty;
    deal->left[item] += qty;
}

/* ---- asking ---- */

static void check_draw(const struct deal *deal, const struct deal_draw *draw,
                       const struct shop_window *window)
{
    unsigned bound = deal->bound[draw->item];
    const char *channel = shop_channel(deal->channel), *item = shop_item(draw->item);
    RACE_MUST(draw->place < PLACES, "%s was drawn from nowhere", item);
    RACE_MUST(bound == FREE || bound == draw->place, "%s was drawn from where it is not bound to",
              item);
    RACE_MUST(shop_may_sell(window, draw->place, bound != FREE),
              "%s sold %s from \"%s\", which it did not sell from", channel, item,
              shop_name(draw->place).at);
}

static void keep_draws(struct deal *deal, const struct shop_window *window,
                       const struct reservation_view *view)
{
    int64_t drawn[ITEMS] = { 0 };
    RACE_MUST(view->draw_count <= DEAL_DRAWS, "%u draws", view->draw_count);
    deal->lsn = view->lsn;
    deal->draw_count = view->draw_count;
    for (uint32_t i = 0; i < view->draw_count; i++) {
        const struct draw_view *d = &view->draws[i];
        deal->draws[i] =
            (struct deal_draw){ shop_item_of(d->sku), shop_place_of(d->location), d->qty };
        check_draw(deal, &deal->draws[i], window);
        drawn[deal->draws[i].item] += d->qty;
    }
    for (int i = 0; i < ITEMS; i++)
        RACE_MUST(drawn[i] == deal->wanted[i], "%lld of %s were wanted, %lld drawn",
                  (long long)deal->wanted[i], shop_item((enum shop_item)i), (long long)drawn[i]);
}

enum code deal_ask(struct racer *racer, struct deal *deal)
{
    struct reservation_view view;
    struct shop_window window = shop_window_open(deal->channel);
    enum code code = racer_reserve(racer, &deal->order, &view);
    RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "reserve: %s",
              ctx_failure(racer->ctx)->message);
    deal->live = code == CODE_OK;
    deal->confirmed = deal->order.confirm;
    if (deal->live)
        keep_draws(deal, &window, &view);
    return code;
}

void deal_ask_again(struct racer *racer, const struct deal *deal)
{
    struct reservation_view view;
    RACE_MUST(racer_reserve(racer, &deal->order, &view) == CODE_OK, "reserve, again: %s",
              ctx_failure(racer->ctx)->message);
    bool same = view.lsn == deal->lsn && view.draw_count == deal->draw_count;
    for (uint32_t i = 0; same && i < view.draw_count; i++)
        same = shop_item_of(view.draws[i].sku) == deal->draws[i].item &&
               shop_place_of(view.draws[i].location) == deal->draws[i].place &&
               view.draws[i].qty == deal->draws[i].qty;
    RACE_MUST(same, "\"%s\" was answered in another way when it was sent again", deal->name.at);
}

/* ---- what becomes of it ---- */

/* The state, and what is left. */
static void check_view(struct deal *deal, const struct reservation_view *view)
{
    int64_t left[ITEMS] = { 0 };
    for (uint32_t i = 0; i < view->draw_count; i++) {
        const struct draw_view *d = &view->draws[i];
        left[shop_item_of(d->sku)] += d->qty - d->fulfilled - d->cancelled;
    }
    deal->live = false;
    for (int i = 0; i < ITEMS; i++) {
        RACE_MUST(left[i] == deal->left[i], "\"%s\" has %lld of %s left, not %lld", deal->name.at,
                  (long long)left[i], shop_item((enum shop_item)i), (long long)deal->left[i]);
        deal->live |= left[i] > 0;
    }
    const char *state = deal->shipped ? "fulfilled" : "cancelled";
    if (deal->live)
        state = deal->confirmed ? "confirmed" : "held";
    RACE_MUST(strcmp(view->state, state) == 0, "\"%s\" is %s, not %s", deal->name.at, view->state,
              state);
}

void deal_confirm(struct racer *racer, struct deal *deal)
{
    struct reservation_view view;
    RACE_MUST(racer_confirm(racer, deal->order.id, &view) == CODE_OK,
              "what was granted cannot be confirmed: %s", ctx_failure(racer->ctx)->message);
    deal->confirmed = true;
    check_view(deal, &view);
}

static void do_step(struct racer *racer, struct deal *deal, bool ship, const struct step *step,
                    const int64_t gone[ITEMS])
{
    struct reservation_view view;
    enum code code = ship ? racer_fulfil(racer, step, &view) : racer_cancel(racer, step, &view);
    RACE_MUST(code == CODE_OK, "what was granted cannot be %s: %s",
              ship ? "fulfilled" : "cancelled", ctx_failure(racer->ctx)->message);
    for (int i = 0; i < ITEMS; i++)
        deal->left[i] -= gone[i];
    deal->shipped |= ship;
    check_view(deal, &view);
}

void deal_end(struct racer *racer, struct deal *deal, bool ship, int64_t gone[ITEMS])
{
    struct step step = { .id = deal->order.id };
    memcpy(gone, deal->left, sizeof deal->left);
    do_step(racer, deal, ship, &step, gone);
}

void deal_step(struct racer *racer, struct deal *deal, bool ship, struct text op,
               enum shop_item item, int64_t qty)
{
    struct order_line line = { .sku = text_of(shop_item(item)), .qty = qty };
    struct step step = { .id = deal->order.id, .op = op, .lines = &line, .line_count = 1 };
    int64_t gone[ITEMS] = { 0 };
    gone[item] = qty;
    do_step(racer, deal, ship, &step, gone);
}
