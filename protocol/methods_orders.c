/* SPDX-License-Identifier: Apache-2.0 */
/* orders: [{location, channel, state, step, late, after, limit}]. */
#include <stddef.h>
#include <string.h>

#include "engine/ledger/orders.h"
#include "protocol/methods.h"
#include "protocol/order.h"
#include "protocol/pack.h"
#include "protocol/slicing.h"

enum {
    ORDERS_DEFAULT = 100,
    ORDERS_MAX = 1000,
    ORDERS_LINES = 4096, /* a page ends after that many, however few orders it has */
};

struct orders_given {
    struct order_filter filter;
    int64_t limit;
};

#define GIVEN(member) offsetof(struct orders_given, member)

static const struct option orders_options[] = {
    { .name = "location", .kind = OPTION_PLACE, .value = GIVEN(filter.location) },
    { .name = "channel", .kind = OPTION_CHANNEL, .value = GIVEN(filter.channel) },
    { .name = "state", .kind = OPTION_WORDS, .value = GIVEN(filter.state), .max = CODE_MAX },
    { .name = "step", .kind = OPTION_WORDS, .value = GIVEN(filter.step), .max = CODE_MAX },
    { .name = "late",
      .kind = OPTION_FLAG,
      .value = GIVEN(filter.late),
      .given = GIVEN(filter.has_late) },
    { .name = "after", .kind = OPTION_ID, .value = GIVEN(filter.after) },
    { .name = "limit", .kind = OPTION_NUMBER, .value = GIVEN(limit), .min = 1, .max = ORDERS_MAX },
};

static void add_order(struct slicing *s, const struct reservation_view *view)
{
    struct orders_page *page = &s->orders;
    struct text id = { page->walk.id, page->walk.id_len };
    pack_map(&s->rows, 2 + reservation_pairs(view));
    pack_key_text(&s->rows, "id", id);
    pack_key_uint(&s->rows, "lsn", view->lsn);
    pack_reservation(&s->rows, id, view);
    s->count++;
    page->lines += view->draw_count;
    page->changed_lsn = view->lsn > page->changed_lsn ? view->lsn : page->changed_lsn;
    page->last_len = id.len;
    memcpy(page->last, id.at, id.len);
}

static bool page_is_full(const struct slicing *s, const struct orders_given *given)
{
    return s->count >= given->limit || s->orders.lines > ORDERS_LINES;
}

/* Walks on until the page is full or the walk ends. CODE_DEFERRED: there is more to do. */
static enum code walk_orders(struct call *call, struct slicing *s, const struct orders_given *given)
{
    struct reservation_view view;
    while (!page_is_full(s, given)) {
        switch (
            ledger_orders_next(call->ctx, &given->filter, &s->orders.walk, call->work_end, &view)) {
        case ORDER_FOUND:
            if (call_sees_channel_named(call, view.channel))
                add_order(s, &view);
            break;
        case ORDER_END:
            return CODE_OK;
        case ORDER_NOT_YET:
            return CODE_DEFERRED;
        }
        if (!page_is_full(s, given) && !call_goes_on(call))
            return CODE_DEFERRED;
    }
    return CODE_OK;
}

/* Behind which order a list goes on tells that this one exists: so it must be the client's. */
static enum code judge_after(struct call *call, const struct order_filter *filter)
{
    struct reservation_view view;
    if (!text_given(filter->after) || scope_sees_channels(call->params.scope))
        return CODE_OK;
    enum code code = ledger_reservation(call->ctx, filter->after, &view);
    if (code == CODE_DEFERRED || (code == CODE_OK && call_sees_channel_named(call, view.channel)))
        return code;
    return ledger_orders_forgotten(call->ctx, filter);
}

enum code method_orders(struct call *call)
{
    struct orders_given given = { .limit = ORDERS_DEFAULT };
    struct order_walk walk;
    uint64_t lsn = 0;
    params_options(&call->params, orders_options, COUNT_OF(orders_options), &given);
    call->location = given.filter.location;
    call->channel = given.filter.channel;
    if (!params_good(&call->params))
        return call->refusal.code;
    bool begun = *call->slicing != NULL;
    enum code code = begun ? CODE_OK : ledger_orders_begin(call->ctx, &given.filter, &walk, &lsn);
    if (code == CODE_OK && !begun)
        code = judge_after(call, &given.filter);
    if (code != CODE_OK)
        return code;
    struct slicing *s = resume_or_begin(call, lsn);
    if (!s)
        return CODE_OVERLOADED;
    if (!begun)
        s->orders.walk = walk;
    code = walk_orders(call, s, &given);
    if (code != CODE_OK)
        return code;
    struct text last = { s->orders.last, s->orders.last_len };
    reply_page(call, "orders", s, s->orders.changed_lsn,
               page_is_full(s, &given) ? last : (struct text){ NULL, 0 });
    return end_slicing(call, CODE_OK);
}
