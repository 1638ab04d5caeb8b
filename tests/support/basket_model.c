/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/basket_model.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const model_rules[CHANNELS] = { "priority", "nearest", "fewest", "balance" };

int64_t model_lead_time(const struct shop *m, int item, int place)
{
    int64_t own = m->stock[item][place].lead_time_s;
    return own >= 0 ? own : m->places[place].lead_time_s;
}

static bool sells(const struct shop *m, int channel, int item, int place)
{
    return m->places[place].active && m->channels[channel].sells[place] &&
           !m->stock[item][place].refused;
}

/* Of the shared units, what the channel may have. */
static int64_t shared_of(const struct shop *m, int channel, int item, int place)
{
    const struct stocked *s = &m->stock[item][place];
    int64_t safety = m->places[place].safety;
    if (m->item_safety[item] >= 0)
        safety = m->item_safety[item];
    if (s->safety >= 0)
        safety = s->safety;
    if (m->channels[channel].ignores)
        safety = 0;
    return sells(m, channel, item, place) && s->shared > safety ? s->shared - safety : 0;
}

static int64_t own_of(const struct shop *m, int channel, int item, int place)
{
    return sells(m, channel, item, place) ? m->stock[item][place].own[channel] : 0;
}

static bool serves(const struct shop *m, const struct wish *w, int item, int place, int bound)
{
    if (w->excluded[place] || (bound != NO_PLACE && bound != place))
        return false;
    if (w->has_by && NOW + (uint64_t)model_lead_time(m, item, place) * 1000 > w->by_ms)
        return false;
    if (w->mode)
        return strcmp(w->mode, "ship") == 0 ? m->places[place].ships : m->places[place].pickup;
    return bound != NO_PLACE || m->places[place].ships;
}

/* Haversines: another formula than the engine's. */
double model_km(const struct shop *m, double lat, double lon, int place)
{
    if (!m->places[place].located)
        return INFINITY;
    double to_rad = acos(-1) / 180, a = lat * to_rad, b = m->places[place].lat * to_rad;
    double h = pow(sin((b - a) / 2), 2) +
               cos(a) * cos(b) * pow(sin((m->places[place].lon - lon) * to_rad / 2), 2);
    return 2 * 6371.0088 * asin(sqrt(h < 1 ? h : 1));
}

/* Is place a before place b? By priority, unless the channel and the order go by distance. */
static bool is_before(const struct shop *m, const struct wish *w, int a, int b)
{
    if (w->has_place && strcmp(model_rules[w->channel], "nearest") == 0) {
        double from_a = model_km(m, w->lat, w->lon, a), from_b = model_km(m, w->lat, w->lon, b);
        if (from_a != from_b)
            return from_a < from_b;
    }
    return m->places[a].priority < m->places[b].priority;
}

/* What is left while an order is planned: allotted, then shared. */
struct left {
    int64_t at[2][PLACES];
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* How much the line gets. */
static int64_t line_takes(const struct shop *m, const struct wish *w, const struct left *left,
                          int line)
{
    int item = w->lines[line].item;
    int bound = w->lines[line].place != NO_PLACE ? w->lines[line].place : w->at;
    int64_t all = 0, mine = 0;
    for (int kind = 0; kind < 2; kind++)
        for (int p = 0; p < PLACES; p++) {
            all += left->at[kind][p];
            mine += serves(m, w, item, p, bound) ? left->at[kind][p] : 0;
        }
    int64_t above = all - m->channels[w->channel].buffer;
    return least(least(w->lines[line].qty, mine), above > 0 ? above : 0);
}

/* Takes it from the places in their order. */
static void take(const struct shop *m, const struct wish *w, struct left *left, int line,
                 int64_t qty, struct outcome *draws)
{
    int item = w->lines[line].item;
    int bound = w->lines[line].place != NO_PLACE ? w->lines[line].place : w->at;
    for (int kind = 0; kind < 2; kind++)
        while (qty > 0) {
            int best = NO_PLACE;
            for (int p = 0; p < PLACES; p++)
                if (left->at[kind][p] > 0 && serves(m, w, item, p, bound) &&
                    (best == NO_PLACE || is_before(m, w, p, best)))
                    best = p;
            if (best == NO_PLACE)
                break;
            int64_t units = least(qty, left->at[kind][best]);
            left->at[kind][best] -= units;
            qty -= units;
            draws->draws[draws->draw_count++] = (struct model_draw){ item, best, units };
        }
    assert(qty == 0);
}

/* Plans bound lines first, and lists the draws in the order of the lines. */
void model_order(const struct shop *m, const struct wish *w, struct outcome *o)
{
    static struct outcome of_line[LINES];
    struct left left[ITEMS];
    for (int i = 0; i < ITEMS; i++)
        for (int p = 0; p < PLACES; p++) {
            left[i].at[0][p] = own_of(m, w->channel, i, p);
            left[i].at[1][p] = shared_of(m, w->channel, i, p);
        }
    memset(o, 0, sizeof *o);
    for (int free = 0; free < 2; free++)
        for (int line = 0; line < w->line_count; line++) {
            bool is_free = w->lines[line].place == NO_PLACE && w->at == NO_PLACE;
            if (is_free != free)
                continue;
            int item = w->lines[line].item;
            int64_t takes = line_takes(m, w, &left[item], line);
            of_line[line].draw_count = 0;
            take(m, w, &left[item], line, takes, &of_line[line]);
            o->missing[item] += w->lines[line].qty - takes;
        }
    for (int line = 0; line < w->line_count; line++)
        for (int i = 0; i < of_line[line].draw_count; i++)
            o->draws[o->draw_count++] = of_line[line].draws[i];
}

/* What the place has, as the model sees it; false: nothing. */
static bool look_at(const struct shop *m, const struct wish *w, int p, struct spot *spot)
{
    bool pickup = w->mode && strcmp(w->mode, "pickup") == 0, any = false;
    *spot = (struct spot){ .place = p,
                           .complete = true,
                           .km = w->has_place ? model_km(m, w->lat, w->lon, p) : INFINITY };
    for (int i = 0; i < ITEMS; i++) {
        int64_t wanted = 0, all = 0;
        for (int line = 0; line < w->line_count; line++)
            wanted += w->lines[line].item == i ? w->lines[line].qty : 0;
        for (int other = 0; other < PLACES; other++)
            all += own_of(m, w->channel, i, other) + shared_of(m, w->channel, i, other);
        int64_t above = all - m->channels[w->channel].buffer;
        int64_t here = own_of(m, w->channel, i, p) + shared_of(m, w->channel, i, p);
        bool late = w->has_by && NOW + (uint64_t)model_lead_time(m, i, p) * 1000 > w->by_ms;
        if (wanted == 0 || late || !(pickup ? m->places[p].pickup : m->places[p].ships))
            here = 0;
        spot->units[i] = least(here, above > 0 ? above : 0);
        spot->complete &= spot->units[i] >= wanted;
        if (spot->units[i] > 0 && model_lead_time(m, i, p) > spot->lead_time_s)
            spot->lead_time_s = model_lead_time(m, i, p);
        any |= spot->units[i] > 0;
    }
    return any;
}

static const struct shop *sorted_in;
static const struct wish *sorted_for;

static int by_merit(const void *left, const void *right)
{
    const struct spot *a = left, *b = right;
    if (a->complete != b->complete)
        return a->complete ? -1 : 1;
    if (a->lead_time_s != b->lead_time_s)
        return a->lead_time_s < b->lead_time_s ? -1 : 1;
    if (sorted_for->has_place && a->km != b->km)
        return a->km < b->km ? -1 : 1;
    return sorted_in->places[a->place].priority < sorted_in->places[b->place].priority ? -1 : 1;
}

uint32_t model_locate(const struct shop *m, const struct wish *w, double within_km,
                      struct spot spots[PLACES])
{
    uint32_t count = 0;
    for (int p = 0; p < PLACES; p++)
        if (look_at(m, w, p, &spots[count]) && (isinf(within_km) || spots[count].km <= within_km))
            count++;
    sorted_for = w;
    sorted_in = m;
    qsort(spots, count, sizeof spots[0], by_merit);
    return count;
}
