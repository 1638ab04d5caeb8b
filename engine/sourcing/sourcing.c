/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sourcing/sourcing.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "engine/ledger/ctx.h"

enum { NO_PLACE = UINT32_MAX };

/* The location's rank, for the channel's own pool and the shared one alike. */
static uint32_t place_of(const struct candidate *c)
{
    return c->rank % LOCATIONS_MAX;
}

static bool is_used(const struct order_plan *s, uint32_t place)
{
    return s->used[place / 64] >> place % 64 & 1;
}

static void set_used(struct order_plan *s, uint32_t place)
{
    assert(place < LOCATIONS_MAX);
    s->used[place / 64] |= UINT64_C(1) << place % 64;
}

/* ---- candidates, best first: a heap, so that a line pays for the draws that it needs ---- */

enum heap_by { BY_PLACE, BY_OWN_THEN_MOST, BY_MOST };

struct heap_order {
    enum heap_by by;
    const struct demand *demand; /* the order's */
};

static bool before(struct heap_order order, const struct candidate *a, const struct candidate *b)
{
    if (order.by != BY_PLACE) {
        if (order.by == BY_OWN_THEN_MOST && source_of(a) != source_of(b))
            return source_of(a) < source_of(b);
        if (a->available != b->available && (order.by == BY_MOST || !is_expected(a)))
            return a->available > b->available;
    }
    return comes_before(order.demand, a, b);
}

static void sift_down(struct candidate *heap, uint32_t count, uint32_t at, struct heap_order order)
{
    struct candidate moved = heap[at];
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && before(order, &heap[child + 1], &heap[child]))
            child++;
        if (!before(order, &heap[child], &moved))
            break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

static void make_heap(struct candidate *heap, uint32_t count, struct heap_order order)
{
    for (uint32_t i = count / 2; i-- > 0;)
        sift_down(heap, count, i, order);
}

/* Moves the best behind the others. */
static const struct candidate *pop(struct candidate *heap, uint32_t count, struct heap_order order)
{
    assert(count > 0);
    struct candidate best = heap[0];
    heap[0] = heap[count - 1];
    sift_down(heap, count - 1, 0, order);
    heap[count - 1] = best;
    return &heap[count - 1];
}

/* A candidate that has all that is wanted and, like the best, is the channel's own or shared; NULL:
 * none. Of what is expected, the earliest comes first. */
static const struct candidate *find_whole(const struct order_plan *s, const struct candidate *heap,
                                          uint32_t count, int64_t wanted)
{
    const struct candidate *best = NULL;
    bool any = heap[0].available >= wanted && !is_expected(&heap[0]);
    for (uint32_t i = 0; any && i < count; i++) {
        const struct candidate *c = &heap[i];
        if (c->available < wanted || source_of(c) != source_of(&heap[0]))
            continue;
        bool used = is_used(s, place_of(c)), best_used = best && is_used(s, place_of(best));
        if (!best || (used != best_used ? used : c->rank < best->rank))
            best = c;
    }
    return best;
}

static bool add_draw(struct order_plan *s, uint32_t line, const struct candidate *from, int64_t qty)
{
    if (s->draw_count == DRAWS_MAX)
        return false;
    s->draws[s->draw_count++] = (struct planned_draw){
        .pool = from->unit, .line = line, .qty = qty, .key = from->key, .eta_ms = from->eta_ms
    };
    return true;
}

/* One pool can fill most lines: those need no heap. */
static const struct candidate *first_of(const struct candidate *at, uint32_t count,
                                        struct heap_order order)
{
    const struct candidate *best = &at[0];
    assert(count > 0);
    for (uint32_t i = 1; i < count; i++)
        if (before(order, &at[i], best))
            best = &at[i];
    return best;
}

/* Draws `wanted` units of those candidates in that order. False if the order runs out of draws. */
static bool draw_in_order(struct order_plan *s, struct candidate *at, uint32_t count,
                          struct heap_order order, bool fewest, uint32_t line, int64_t wanted)
{
    const struct candidate *best = first_of(at, count, order);
    if (!fewest && best->available >= wanted)
        return add_draw(s, line, best, wanted);
    make_heap(at, count, order);
    for (uint32_t left = count; wanted > 0; left--) {
        assert(left > 0);
        const struct candidate *whole = fewest ? find_whole(s, at, left, wanted) : NULL;
        best = whole ? whole : pop(at, left, order);
        int64_t qty = best->available < wanted ? best->available : wanted;
        if (!add_draw(s, line, best, qty))
            return false;
        set_used(s, place_of(best));
        wanted -= qty;
        assert(wanted >= 0);
    }
    return true;
}

/* What may be sent: first what is on hand where it is collected, then what is elsewhere, and last
 * what is expected there. */
static unsigned group_of(const struct order_plan *s, const struct candidate *c)
{
    if (is_expected(c))
        return 2;
    return demand_sends(&s->demand, c->key) ? 1 : 0;
}

/* Moves those of the group to the front. Returns how many there are. */
static uint32_t gather_group(const struct order_plan *s, struct candidate *at, uint32_t count,
                             unsigned group, int64_t *available)
{
    uint32_t gathered = 0;
    *available = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (group_of(s, &at[i]) != group)
            continue;
        struct candidate c = at[i];
        at[i] = at[gathered];
        at[gathered++] = c;
        *available += c.available;
    }
    return gathered;
}

static bool draw_groups(struct order_plan *s, struct heap_order order, bool fewest, uint32_t line,
                        int64_t wanted)
{
    enum { GROUPS = 3 };
    struct candidate *at = s->found.at;
    uint32_t left = s->found.count;
    bool drawn = true;
    if (!s->demand.sent_to)
        return draw_in_order(s, at, left, order, fewest, line, wanted);
    for (unsigned group = 0; drawn && wanted > 0 && group < GROUPS; group++) {
        int64_t available;
        uint32_t count = gather_group(s, at, left, group, &available);
        int64_t qty = available < wanted ? available : wanted;
        if (count > 0)
            drawn = draw_in_order(s, at, count, order, fewest, line, qty);
        wanted -= qty;
        at += count;
        left -= count;
    }
    assert(!drawn || wanted == 0); /* all that is takeable is in a group */
    return drawn;
}

/* Draws by the channel's rule; or from the fullest pools, if that takes too many draws. */
static bool draw_line(struct order_plan *s, uint32_t line, int64_t wanted)
{
    uint32_t first = s->draw_count;
    bool fewest = s->channel->sourcing == SOURCE_FEWEST;
    bool by_most = fewest || s->channel->sourcing == SOURCE_BALANCE;
    struct heap_order order = { by_most ? BY_OWN_THEN_MOST : BY_PLACE, &s->demand };
    if (!draw_groups(s, order, fewest, line, wanted)) {
        s->draw_count = first;
        order.by = BY_MOST;
        if (!draw_groups(s, order, false, line, wanted))
            return false;
    }
    for (uint32_t i = first; s->repeated[line] && i < s->draw_count; i++)
        planned_add(&s->planned, s->draws[i].pool, s->draws[i].qty);
    return true;
}

static void find_candidates(struct ctx *ctx, struct order_plan *s, uint32_t line,
                            const struct location *bound)
{
    struct planned *planned = s->repeated[line] ? &s->planned : NULL;
    candidates_find(ctx, s->channel, &s->demand, s->items[line], bound, planned, &s->found);
}

/* ---- one parcel ---- */

/* Sums what the free lines want of each item, at the first line that has it. */
static void gather_wanted(struct order_plan *s)
{
    const struct order *order = s->order;
    memset(s->wanted, 0, order->line_count * sizeof s->wanted[0]);
    for (uint32_t i = 0; i < order->line_count; i++)
        if (!s->bound[i])
            s->wanted[s->first[i]] += order->lines[i].qty;
}

/* Counts the locations that can fill the item with what is on hand, and have as much of the
 * channel's own as any order would take first. */
static void count_places(const struct candidates *found, struct parcel *parcel, int64_t wanted)
{
    int64_t own = 0;
    for (uint32_t i = 0; i < found->count; i++)
        parcel->own[place_of(&found->at[i])] = parcel->all[place_of(&found->at[i])] = 0;
    for (uint32_t i = 0; i < found->count; i++) {
        const struct candidate *c = &found->at[i];
        if (is_expected(c))
            continue;
        parcel->all[place_of(c)] += c->available;
        if (!is_own(c))
            continue;
        parcel->own[place_of(c)] += c->available;
        own += c->available;
    }
    for (uint32_t i = 0; i < found->count; i++) {
        uint32_t place = place_of(&found->at[i]);
        bool fills =
            parcel->all[place] >= wanted && parcel->own[place] >= (own < wanted ? own : wanted);
        if (fills && parcel->filled[place] == parcel->items)
            parcel->filled[place]++;
    }
    parcel->items++;
}

/* What is on hand where it is collected is in no parcel. Returns how much that is. */
static int64_t leave_out_there(struct order_plan *s)
{
    struct candidates *found = &s->found;
    int64_t there;
    uint32_t count = gather_group(s, found->at, found->count, 0, &there);
    found->count -= count;
    memmove(found->at, found->at + count, found->count * sizeof found->at[0]);
    return there;
}

/* A location that can fill all free lines, preferably one that bound lines ship from; NO_PLACE if
 * none can. */
static uint32_t find_one_parcel(struct ctx *ctx, struct order_plan *s)
{
    struct parcel *parcel = &s->parcel;
    uint32_t places = ctx->catalogue->location_count, best = NO_PLACE;
    memset(parcel->filled, 0, places * sizeof parcel->filled[0]);
    parcel->items = 0;
    gather_wanted(s);
    for (uint32_t i = 0; i < s->order->line_count; i++) {
        int64_t wanted = s->wanted[i];
        if (wanted == 0)
            continue;
        find_candidates(ctx, s, i, NULL);
        if (s->found.takeable < wanted)
            return NO_PLACE;
        if (s->demand.sent_to)
            wanted -= leave_out_there(s);
        if (wanted > 0)
            count_places(&s->found, parcel, wanted);
    }
    for (uint32_t place = 0; place < places; place++) {
        if (parcel->filled[place] != parcel->items)
            continue;
        if (is_used(s, place))
            return place;
        if (best == NO_PLACE)
            best = place;
    }
    return best;
}

/* ---- the order ---- */

/* The line cannot be filled: notes whether that is certain or may be momentary. */
static void note_short(struct ctx *ctx, struct order_plan *s, uint32_t line)
{
    struct failure *failure = &ctx->failure;
    const struct candidates *found = &s->found;
    const struct order_line *of = &s->order->lines[line];
    s->undecided |= found->undecided;            /* @short-undecided */
    s->undecided |= candidates_momentary(found); /* @short-stable */
    s->undecided |= catalogue_now(ctx) != ctx->catalogue;
    assert(failure->short_count < LINES_MAX);
    s->short_lines[failure->short_count] = (uint16_t)line;
    failure->shorts[failure->short_count++] =
        (struct shortfall){ of->sku, of->qty, found->takeable };
}

/* Draws the line from one pool, if the rule's first pool has it all: most lines are that small.
 * False: plan the line in full. */
static bool draw_from_first(struct ctx *ctx, struct order_plan *s, uint32_t line, int64_t wanted)
{
    const struct channel *channel = s->channel;
    struct candidate first;
    if (s->repeated[line] || channel->sourcing == SOURCE_FEWEST || s->demand.sent_to)
        return false;
    return candidates_first(ctx, channel, &s->demand, s->items[line], wanted,
                            channel->sourcing == SOURCE_BALANCE, &first, &s->found.pools) &&
           add_draw(s, line, &first, wanted);
}

/* Plans the lines that are bound to a location, or those that are not. */
static enum code plan_lines(struct ctx *ctx, struct order_plan *s, bool bound)
{
    const struct order *order = s->order;
    bool small = !bound; /* so far; after the first line that is not, none is tried in vain */
    for (uint32_t i = 0; i < order->line_count; i++) {
        const struct order_line *line = &order->lines[i];
        if ((s->bound[i] != NULL) != bound)
            continue;
        small = small && draw_from_first(ctx, s, i, line->qty);
        if (small)
            continue;
        find_candidates(ctx, s, i, s->bound[i]);
        int64_t takes = line->qty;
        if (s->found.takeable < takes) {
            note_short(ctx, s, i);
            takes = s->partial ? s->found.takeable : 0;
        }
        if (takes > 0 && !draw_line(s, i, takes))
            return fail(ctx, CODE_LIMIT, "an order may draw from at most %d pools", DRAWS_MAX);
    }
    return CODE_OK;
}

/* Merges the draws of bound lines, which are planned first, and of free lines into the order of the
 * lines. */
static void order_draws(struct order_plan *s, uint32_t bound_count)
{
    uint32_t bound = 0, free = bound_count, count = s->draw_count;
    assert(bound_count <= count);
    if (bound_count == 0 || bound_count == count)
        return;
    for (uint32_t i = 0; i < count; i++) {
        bool takes_bound =
            bound < bound_count && (free == count || s->draws[bound].line < s->draws[free].line);
        s->merged[i] = s->draws[takes_bound ? bound++ : free++];
    }
    memcpy(s->draws, s->merged, count * sizeof s->draws[0]);
}

void sourcing_set_line(struct order_plan *s, uint32_t line, uint32_t item,
                       const struct location *bound)
{
    if (line == 0) {
        item_map_empty(&s->map);
        s->bound_lines = 0;
        s->repeats = false;
    }
    uint32_t first = *item_map_number(&s->map, item, line);
    assert(first <= line);
    s->items[line] = item;
    s->bound[line] = bound;
    s->bound_lines += bound != NULL;
    s->first[line] = (uint16_t)first;
    s->repeated[line] = first != line;
    if (first != line)
        s->repeated[first] = s->repeats = true;
}

static void begin_plan(struct order_plan *s, bool fewest)
{
    s->draw_count = 0;
    s->undecided = false;
    if (fewest) /* no other rule uses it */
        memset(s->used, 0, sizeof s->used);
    if (s->repeats)
        memset(&s->planned, 0, sizeof s->planned);
}

static enum code refuse_short(struct failure *failure)
{
    const struct shortfall *first = &failure->shorts[0];
    assert(failure->short_count > 0);
    assert(first->available < first->wanted);
    snprintf(failure->message, sizeof failure->message, "\"%.*s\": %lld wanted, %lld available%s",
             (int)first->sku.len, first->sku.at, (long long)first->wanted,
             (long long)first->available,
             failure->short_count > 1 ? ", and other lines fell short too" : "");
    return CODE_INSUFFICIENT_STOCK;
}

/* Bound lines have no choice, so they come first: otherwise a free line of the same item might take
 * what only they can use, and the order would be refused although there is enough for it. */
enum code sourcing_plan(struct ctx *ctx, struct order_plan *s)
{
    struct failure *failure = &ctx->failure;
    bool fewest = s->channel->sourcing == SOURCE_FEWEST;
    begin_plan(s, fewest);
    failure->short_count = 0;
    s->short_in_all = false;
    failure->state = NULL;
    enum code code = s->bound_lines > 0 ? plan_lines(ctx, s, true) : CODE_OK;
    uint32_t bound_count = s->draw_count;
    if (!code && fewest && s->order->line_count > s->bound_lines + 1) {
        uint32_t place = find_one_parcel(ctx, s);
        if (place != NO_PLACE) {
            memset(s->used, 0, sizeof s->used);
            set_used(s, place);
        }
    }
    if (!code)
        code = plan_lines(ctx, s, false);
    if (code)
        return code;
    order_draws(s, bound_count);
    s->one_pool = s->order->line_count == 1 && s->found.pools == 1;
    if (failure->short_count == 0)
        return CODE_OK;
    if (s->undecided) /* @partial-undecided */
        return CODE_DEFERRED;
    return s->partial && (s->draw_count > 0 || s->may_be_empty) ? CODE_OK : refuse_short(failure);
}
