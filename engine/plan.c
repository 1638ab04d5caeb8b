/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Planning: which pools each line of an order is to draw from, by what the pools said a moment ago.
 *
 * The channel's own allotments come first, wherever they are. Within them, and within what is
 * shared, the sourcing rule decides:
 *
 *   priority  in the channel's order of locations; nearest, too, for an order says not where to
 *   balance   where there is most
 *   fewest    from a place that can fill the rest of the line alone, if there is one: rather one
 *             that the order is sent from anyway; else where there is most. Before that, if one
 *             place can fill all free lines, they all come from there: one parcel.
 */
#include <stdio.h>
#include <string.h>

#include "engine/seat.h"

enum { NO_PLACE = UINT32_MAX };

static bool is_own(const struct candidate *c)
{
    return c->rank < LOCATIONS_MAX;
}

/* The location's rank, for the channel's own pool and the shared one alike. */
static uint32_t place_of(const struct candidate *c)
{
    return c->rank % LOCATIONS_MAX;
}

static bool is_used(const struct plan *plan, uint32_t place)
{
    return plan->used[place / 64] >> place % 64 & 1;
}

static void set_used(struct plan *plan, uint32_t place)
{
    plan->used[place / 64] |= UINT64_C(1) << place % 64;
}

/* ---- candidates, best first: a heap, so that a line pays for the draws that it needs ---- */

enum heap_order { BY_RANK, BY_OWN_THEN_MOST, BY_MOST };

static bool before(enum heap_order order, const struct candidate *a, const struct candidate *b)
{
    if (order != BY_RANK) {
        if (order == BY_OWN_THEN_MOST && is_own(a) != is_own(b))
            return is_own(a);
        if (a->available != b->available)
            return a->available > b->available;
    }
    return a->rank < b->rank; /* what is the channel's own has the lower ranks */
}

static void sift_down(struct candidate *heap, uint32_t count, uint32_t at, enum heap_order order)
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

static void make_heap(struct candidate *heap, uint32_t count, enum heap_order order)
{
    for (uint32_t i = count / 2; i-- > 0;)
        sift_down(heap, count, i, order);
}

/* Moves the best behind the others. */
static const struct candidate *pop(struct candidate *heap, uint32_t count, enum heap_order order)
{
    struct candidate best = heap[0];
    heap[0] = heap[count - 1];
    sift_down(heap, count - 1, 0, order);
    heap[count - 1] = best;
    return &heap[count - 1];
}

/* Of those as good as the best as to whose they are, one that has it all; NULL: none. */
static const struct candidate *find_whole(const struct plan *plan, const struct candidate *heap,
                                          uint32_t count, int64_t wanted)
{
    const struct candidate *best = NULL;
    for (uint32_t i = 0; heap[0].available >= wanted && i < count; i++) {
        const struct candidate *c = &heap[i];
        if (c->available < wanted || is_own(c) != is_own(&heap[0]))
            continue;
        bool used = is_used(plan, place_of(c)), best_used = best && is_used(plan, place_of(best));
        if (!best || (used != best_used ? used : c->rank < best->rank))
            best = c;
    }
    return best;
}

static bool add_draw(struct plan *plan, uint32_t line, const struct candidate *from, int64_t qty)
{
    if (plan->draw_count == DRAWS_MAX)
        return false;
    plan->draws[plan->draw_count++] =
        (struct plan_draw){ .pool = from->unit, .line = line, .qty = qty };
    return true;
}

/* A line that one pool can fill is most of them: it needs no heap. */
static const struct candidate *first_of(const struct survey *s, enum heap_order order)
{
    const struct candidate *best = &s->candidates[0];
    for (uint32_t i = 1; i < s->count; i++)
        if (before(order, &s->candidates[i], best))
            best = &s->candidates[i];
    return best;
}

/* Draws `wanted` units in that order. False if there are not so many draws left. */
static bool draw_in_order(struct seat *seat, enum heap_order order, bool fewest, uint32_t line,
                          int64_t wanted)
{
    struct plan *plan = &seat->plan;
    struct survey *s = &seat->survey;
    const struct candidate *best = first_of(s, order);
    if (!fewest && best->available >= wanted)
        return add_draw(plan, line, best, wanted);
    make_heap(s->candidates, s->count, order);
    for (uint32_t left = s->count; wanted > 0; left--) {
        assert(left > 0);
        const struct candidate *whole =
            fewest ? find_whole(plan, s->candidates, left, wanted) : NULL;
        best = whole ? whole : pop(s->candidates, left, order);
        int64_t qty = best->available < wanted ? best->available : wanted;
        if (!add_draw(plan, line, best, qty))
            return false;
        set_used(plan, place_of(best));
        wanted -= qty;
    }
    return true;
}

/* Draws by the channel's rule; or from where there is most, if that takes too many draws. */
static bool draw_line(struct seat *seat, const struct channel *channel, uint32_t line,
                      int64_t wanted)
{
    struct plan *plan = &seat->plan;
    uint32_t first = plan->draw_count;
    bool fewest = channel->sourcing == SOURCE_FEWEST;
    bool by_most = fewest || channel->sourcing == SOURCE_BALANCE;
    enum heap_order order = by_most ? BY_OWN_THEN_MOST : BY_RANK;
    if (!draw_in_order(seat, order, fewest, line, wanted)) {
        plan->draw_count = first;
        if (!draw_in_order(seat, BY_MOST, false, line, wanted))
            return false;
    }
    for (uint32_t i = first; plan->repeated[line] && i < plan->draw_count; i++)
        plan_note(plan, plan->draws[i].pool, plan->draws[i].qty);
    return true;
}

/* ---- one parcel ---- */

/* What the free lines want of each item, noted at the first line that has it. */
static void gather_wanted(struct plan *plan, const struct order *order)
{
    memset(plan->wanted, 0, order->line_count * sizeof plan->wanted[0]);
    for (uint32_t i = 0; i < order->line_count; i++)
        if (!plan->bound[i])
            plan->wanted[plan->first[i]] += order->lines[i].qty;
}

/* Counts the places that can fill it, and have as much of the channel's own as any order would take
 * first. */
static void count_places(const struct survey *s, struct parcel *parcel, int64_t wanted)
{
    int64_t own = 0;
    for (uint32_t i = 0; i < s->count; i++)
        parcel->own[place_of(&s->candidates[i])] = parcel->all[place_of(&s->candidates[i])] = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        const struct candidate *c = &s->candidates[i];
        parcel->all[place_of(c)] += c->available;
        if (!is_own(c))
            continue;
        parcel->own[place_of(c)] += c->available;
        own += c->available;
    }
    for (uint32_t i = 0; i < s->count; i++) {
        uint32_t place = place_of(&s->candidates[i]);
        bool fills =
            parcel->all[place] >= wanted && parcel->own[place] >= (own < wanted ? own : wanted);
        if (fills && parcel->filled[place] == parcel->items)
            parcel->filled[place]++;
    }
    parcel->items++;
}

/* The place that can fill all free lines, best of one that bound lines are sent from; NO_PLACE if
 * there is none. */
static uint32_t find_one_parcel(struct seat *seat, const struct order *order,
                                const struct channel *channel)
{
    struct plan *plan = &seat->plan;
    struct parcel *parcel = &seat->parcel;
    uint32_t places = seat->catalogue->location_count, best = NO_PLACE;
    memset(parcel->filled, 0, places * sizeof parcel->filled[0]);
    parcel->items = 0;
    gather_wanted(plan, order);
    for (uint32_t i = 0; i < order->line_count; i++) {
        int64_t wanted = plan->wanted[i];
        if (wanted == 0)
            continue;
        const struct survey *s =
            survey_item(seat, channel, plan->items[i], NULL, plan->repeated[i]);
        if (s->takeable < wanted)
            return NO_PLACE;
        count_places(s, parcel, wanted);
    }
    for (uint32_t place = 0; place < places; place++) {
        if (parcel->filled[place] != parcel->items)
            continue;
        if (is_used(plan, place))
            return place;
        if (best == NO_PLACE)
            best = place;
    }
    return best;
}

/* ---- the order ---- */

/* The line cannot be filled: is that the truth, or may it be the moment? */
static void note_short(struct seat *seat, const struct order_line *line)
{
    struct plan *plan = &seat->plan;
    struct failure *failure = &seat->failure;
    const struct survey *survey = &seat->survey;
    plan->undecided |= survey->pending || (survey->pools > 1 && !survey->quiet) ||
                       catalogue_now(seat) != seat->catalogue;
    failure->shorts[failure->short_count++] =
        (struct shortfall){ line->sku, line->qty, survey->takeable };
}

/* Draws the line from one pool, if the first that the rule names has it all: most lines are that
 * small. False: it is to be looked at as a whole. */
static bool draw_from_first(struct seat *seat, const struct channel *channel, uint32_t line,
                            int64_t wanted)
{
    struct plan *plan = &seat->plan;
    if (plan->repeated[line] || channel->sourcing == SOURCE_FEWEST)
        return false;
    const struct candidate *first =
        survey_first(seat, channel, plan->items[line], wanted, channel->sourcing == SOURCE_BALANCE);
    return first && add_draw(plan, line, first, wanted);
}

/* Plans the lines that are bound to a place, or those that are not. */
static enum code plan_lines(struct seat *seat, const struct order *order,
                            const struct channel *channel, bool bound)
{
    struct plan *plan = &seat->plan;
    bool small = !bound; /* as far as is known; after one that was not, none is tried in vain */
    for (uint32_t i = 0; i < order->line_count; i++) {
        const struct order_line *line = &order->lines[i];
        if ((plan->bound[i] != NULL) != bound)
            continue;
        small = small && draw_from_first(seat, channel, i, line->qty);
        if (small)
            continue;
        const struct survey *survey =
            survey_item(seat, channel, plan->items[i], plan->bound[i], plan->repeated[i]);
        if (survey->takeable < line->qty)
            note_short(seat, line);
        else if (!draw_line(seat, channel, i, line->qty))
            return fail(seat, CODE_LIMIT, "an order may draw from at most %d pools", DRAWS_MAX);
    }
    return CODE_OK;
}

/* Merges the draws of bound lines, which were planned first, and those of free ones into the order
 * of the lines. */
static void order_draws(struct plan *plan, uint32_t bound_count)
{
    uint32_t bound = 0, free = bound_count, count = plan->draw_count;
    if (bound_count == 0 || bound_count == count)
        return;
    for (uint32_t i = 0; i < count; i++) {
        bool takes_bound = bound < bound_count &&
                           (free == count || plan->draws[bound].line < plan->draws[free].line);
        plan->merged[i] = plan->draws[takes_bound ? bound++ : free++];
    }
    memcpy(plan->draws, plan->merged, count * sizeof plan->draws[0]);
}

static void begin_plan(struct plan *plan, const struct order *order, bool fewest)
{
    plan->draw_count = plan->take_count = 0;
    plan->undecided = false;
    if (fewest) /* nobody else looks at it */
        memset(plan->used, 0, sizeof plan->used);
    bool repeats = false;
    for (uint32_t i = 0; i < order->line_count; i++)
        repeats |= plan->repeated[i];
    if (repeats)
        memset(plan->planned, 0, sizeof plan->planned);
}

static uint32_t free_lines(const struct plan *plan, const struct order *order)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < order->line_count; i++)
        count += plan->bound[i] == NULL;
    return count;
}

static enum code refuse_short(struct failure *failure)
{
    const struct shortfall *first = &failure->shorts[0];
    snprintf(failure->message, sizeof failure->message, "\"%.*s\": %lld wanted, %lld available%s",
             (int)first->sku.len, first->sku.at, (long long)first->wanted,
             (long long)first->available,
             failure->short_count > 1 ? ", and other lines fell short too" : "");
    return CODE_INSUFFICIENT_STOCK;
}

/* Bound lines have no choice, so they choose first: else a free line of the same item might take
 * what only they can use, and the order be refused although there is enough for it. */
enum code plan_order(struct seat *seat, const struct order *order, const struct channel *channel)
{
    struct plan *plan = &seat->plan;
    struct failure *failure = &seat->failure;
    bool fewest = channel->sourcing == SOURCE_FEWEST;
    begin_plan(plan, order, fewest);
    failure->short_count = 0;
    failure->state = NULL;
    enum code code = plan_lines(seat, order, channel, true);
    uint32_t bound_count = plan->draw_count;
    if (!code && fewest && free_lines(plan, order) > 1) {
        uint32_t place = find_one_parcel(seat, order, channel);
        if (place != NO_PLACE) {
            memset(plan->used, 0, sizeof plan->used);
            set_used(plan, place);
        }
    }
    if (!code)
        code = plan_lines(seat, order, channel, false);
    if (code)
        return code;
    order_draws(plan, bound_count);
    if (failure->short_count == 0)
        return CODE_OK;
    return plan->undecided ? CODE_DEFERRED : refuse_short(failure);
}
