/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/race_shop.h"

enum { SETTINGS_MOST = 1 << 16, PRIORITY_MOST = 50 };

static const char *const names[NAMES] = { "main",  "north",  "south", "bare",
                                          "annex", "cellar", "hub",   "far" };
static const char *const channel_names[CHANNELS] = { "web", "shop", "steady", "careful", "hop" };
static const char *const items[ITEMS] = { "red", "blue", "own", "shuttle", "kept", "hopper" };
const char shop_closed[] = "closed";
static const char *const rules[] = { "priority", "fewest", "nearest", "balance" };

/* Of one object. Values are written before they begin, and never again. */
struct history {
    _Atomic unsigned begun, done; /* the last setting that began, and that was done; the owner */
    unsigned value[SETTINGS_MOST];
};

static struct history states[PLACES], sets[CHANNELS];
static int64_t buffers[CHANNELS]; /* plain: the owner */

struct text shop_name(unsigned place_or_group)
{
    return text_of(names[place_or_group]);
}

const char *shop_channel(enum shop_channel channel)
{
    return channel_names[channel];
}

enum shop_place shop_place_of(struct text code)
{
    unsigned place = 0;
    while (place < PLACES && !text_equal(code, shop_name(place)))
        place++;
    return (enum shop_place)place;
}

const char *shop_item(enum shop_item item)
{
    return items[item];
}

enum shop_item shop_item_of(struct text sku)
{
    unsigned item = 0;
    while (item < ITEMS && !text_equal(sku, text_of(items[item])))
        item++;
    RACE_MUST(item < ITEMS, "\"%.*s\" is no item", (int)sku.len, sku.at);
    return (enum shop_item)item;
}

/* ---- histories ---- */

static unsigned last(const struct history *h)
{
    return h->value[atomic_load(&h->done)];
}

static void begin_value(struct history *h, unsigned value)
{
    unsigned at = atomic_load(&h->begun) + 1;
    RACE_MUST(at < SETTINGS_MOST, "more settings than the test remembers");
    h->value[at] = value;
    atomic_store(&h->begun, at);
}

static void end_value(struct history *h)
{
    atomic_store(&h->done, atomic_load(&h->begun));
}

/* All bits that any value has had since. */
static unsigned since(const struct history *h, unsigned from)
{
    unsigned bits = 0, to = atomic_load(&h->begun);
    for (unsigned i = from; i <= to; i++)
        bits |= h->value[i];
    return bits;
}

unsigned shop_state(enum shop_place place)
{
    return last(&states[place]);
}

unsigned shop_set(enum shop_channel channel)
{
    return last(&sets[channel]);
}

int64_t shop_buffer(enum shop_channel channel)
{
    return buffers[channel];
}

struct shop_window shop_window_open(enum shop_channel channel)
{
    struct shop_window w = { .channel = channel, .set_from = atomic_load(&sets[channel].done) };
    for (unsigned i = 0; i < PLACES; i++)
        w.from[i] = atomic_load(&states[i].done);
    return w;
}

bool shop_may_sell(const struct shop_window *window, enum shop_place place, bool bound)
{
    unsigned set = since(&sets[window->channel], window->set_from);
    unsigned state = since(&states[place], window->from[place]);
    bool named = set & ANYWHERE || set & 1U << place || set & state & GROUPS;
    return named && state & ACTIVE && (bound || state & SHIPS);
}

/* ---- does what was set stand? ---- */

static unsigned bit_of(const struct code_text *code)
{
    for (unsigned i = 0; i < NAMES; i++)
        if (text_equal(code_text(code), shop_name(i)))
            return 1U << i;
    race_fail("\"%.*s\" was never named", (int)code->len, code->at);
}

static void check_place(struct racer *racer, enum shop_place place)
{
    const struct location *l = catalogue_location(ledger_catalogue(racer->ctx), shop_name(place));
    RACE_MUST(l, "location \"%s\" is gone", names[place]);
    unsigned state = (l->active ? ACTIVE : 0) | (l->ships ? SHIPS : 0);
    for (unsigned i = 0; i < l->group_count; i++)
        state |= bit_of(&l->groups[i]);
    RACE_MUST(state == shop_state(place), "location \"%s\" was set to %x, and is %x", names[place],
              shop_state(place), state);
}

static void check_channel(struct racer *racer, enum shop_channel channel)
{
    const struct channel *c =
        catalogue_channel(ledger_catalogue(racer->ctx), text_of(channel_names[channel]));
    RACE_MUST(c, "channel \"%s\" is gone", channel_names[channel]);
    unsigned set = c->place_count == 0 ? ANYWHERE : 0;
    for (unsigned i = 0; i < c->place_count; i++)
        set |= bit_of(&c->places[i]);
    RACE_MUST(set == shop_set(channel) && c->buffer == buffers[channel],
              "channel \"%s\" was set to %x less %lld, and is %x less %u", channel_names[channel],
              shop_set(channel), (long long)buffers[channel], set, c->buffer);
}

/* ---- setting ---- */

/* Names of the bits from `first` on; how many. */
static uint32_t name_bits(unsigned bits, unsigned first, struct text to[NAMES])
{
    uint32_t count = 0;
    for (unsigned i = first; i < NAMES; i++)
        if (bits & 1U << i)
            to[count++] = shop_name(i);
    return count;
}

void shop_set_place(struct racer *racer, enum shop_place place, unsigned state)
{
    struct text groups[NAMES];
    struct location_setting s = { .code = shop_name(place),
                                  .has_priority = true,
                                  .priority = random_below(&racer->random, PRIORITY_MOST),
                                  .has_ships = true,
                                  .ships = state & SHIPS,
                                  .has_active = true,
                                  .active = state & ACTIVE,
                                  .has_groups = true,
                                  .groups = groups,
                                  .group_count = name_bits(state, HUB, groups) };
    check_place(racer, place);
    begin_value(&states[place], state);
    RACE_MUST(racer_set_location(racer, &s) == CODE_OK, "location_set: %s",
              ctx_failure(racer->ctx)->message);
    end_value(&states[place]);
}

void shop_set_channel(struct racer *racer, enum shop_channel channel, unsigned set, int64_t buffer)
{
    struct text places[NAMES];
    struct channel_setting s = { .code = text_of(channel_names[channel]),
                                 .has_places = true,
                                 .places = places,
                                 .place_count = set & ANYWHERE ? 0 : name_bits(set, 0, places),
                                 .has_buffer = true,
                                 .buffer = buffer,
                                 .has_sourcing = true,
                                 .sourcing = text_of(rules[random_below(&racer->random, 4)]) };
    check_channel(racer, channel);
    begin_value(&sets[channel], set);
    RACE_MUST(racer_set_channel(racer, &s) == CODE_OK, "channel_set: %s",
              ctx_failure(racer->ctx)->message);
    buffers[channel] = buffer;
    end_value(&sets[channel]);
}

static void open_place(struct racer *racer, enum shop_place place, unsigned state)
{
    struct text group = shop_name(HUB);
    struct location_setting s = {
        .code = shop_name(place), .has_groups = true, .groups = &group, .group_count = 1
    };
    states[place].value[0] = OPEN | 1 << HUB;
    RACE_MUST(racer_set_location(racer, &s) == CODE_OK, "location_set");
    shop_set_place(racer, place, state);
}

static void open_all(struct racer *racer)
{
    for (unsigned i = 0; i < PLACES; i++)
        open_place(racer, (enum shop_place)i, i == CELLAR ? GROUPS : OPEN | 1 << HUB);
    for (unsigned i = 0; i < CHANNELS; i++) {
        struct channel_setting s = { .code = text_of(channel_names[i]) };
        sets[i].value[0] = ANYWHERE;
        RACE_MUST(racer_set_channel(racer, &s) == CODE_OK, "channel_set");
    }
    struct channel_setting closed = { .code = text_of(shop_closed) };
    RACE_MUST(racer_set_channel(racer, &closed) == CODE_OK, "channel_set");
}

void shop_open(struct race *race)
{
    struct racer racers[RACERS_MAX];
    race_run(race, 1, open_all, racers);
}

/* ---- units ---- */

bool shop_allot(struct racer *racer, struct text id, enum shop_item item, enum shop_place place,
                const char *channel, int64_t qty)
{
    struct allot_result result;
    struct allotment a = { .id = id,
                           .sku = text_of(items[item]),
                           .location = shop_name(place),
                           .channel = text_of(channel),
                           .qty = qty };
    enum code code = racer_allot(racer, &a, &result);
    RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "allot: %s",
              ctx_failure(racer->ctx)->message);
    return code == CODE_OK;
}

void shop_receive(struct racer *racer, struct text id, enum shop_item item, enum shop_place place,
                  int64_t qty)
{
    struct movement_result result;
    struct movement m = {
        .id = id, .sku = text_of(items[item]), .location = shop_name(place), .qty = qty
    };
    RACE_MUST(racer_receive(racer, &m, &result) == CODE_OK, "receive: %s",
              ctx_failure(racer->ctx)->message);
}

void shop_adjust(struct racer *racer, struct text id, enum shop_item item, enum shop_place place,
                 int64_t delta)
{
    struct movement_result result;
    struct movement m = {
        .id = id, .sku = text_of(items[item]), .location = shop_name(place), .qty = delta
    };
    RACE_MUST(racer_adjust(racer, &m, &result) == CODE_OK, "adjust: %s",
              ctx_failure(racer->ctx)->message);
    RACE_MUST(result.delta == delta, "%lld were moved, not %lld", (long long)result.delta,
              (long long)delta);
}

/* ---- looking ---- */

static void see(struct racer *racer, enum shop_item item, struct stock_view *view)
{
    RACE_MUST(ledger_stock(racer->ctx, text_of(items[item]), view) == CODE_OK, "stock: %s",
              ctx_failure(racer->ctx)->message);
}

void shop_look(struct racer *racer, enum shop_item item)
{
    struct stock_view view;
    see(racer, item, &view);
    for (uint32_t i = 0; i < view.pool_count; i++) {
        const struct pool_view *p = &view.pools[i];
        bool closed = text_equal(p->channel, text_of(shop_closed));
        RACE_MUST(p->reserved <= p->on_hand && (!closed || p->reserved == 0),
                  "%s at \"%.*s\" (%s \"%.*s\"): %lld on hand, %lld reserved", items[item],
                  (int)p->location.len, p->location.at, p->kind, (int)p->channel.len, p->channel.at,
                  (long long)p->on_hand, (long long)p->reserved);
    }
}

int64_t shop_available(struct racer *racer, enum shop_channel channel, enum shop_item item)
{
    uint64_t lsn;
    int64_t available;
    struct text sku = text_of(items[item]), code = text_of(channel_names[channel]);
    RACE_MUST(ledger_availability(racer->ctx, code, &sku, 1, &available, &lsn) == CODE_OK,
              "availability: %s", ctx_failure(racer->ctx)->message);
    return available;
}

int64_t shop_reach(struct racer *racer, enum shop_channel channel, enum shop_item item)
{
    int64_t sum = 0;
    struct stock_view view;
    struct shop_window now = shop_window_open(channel);
    see(racer, item, &view);
    for (uint32_t i = 0; i < view.pool_count; i++) {
        const struct pool_view *p = &view.pools[i];
        bool own = text_equal(p->channel, text_of(channel_names[channel]));
        if ((own || !text_given(p->channel)) &&
            shop_may_sell(&now, shop_place_of(p->location), false))
            sum += p->on_hand - p->reserved;
    }
    return sum;
}
