/* SPDX-License-Identifier: Apache-2.0 */
/* Locations, channels, and which sells from where in which order. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/store/catalogue.h"

static struct catalogue *now;
static enum code code;
static char message[256];
static uint16_t at;

static void set_up(void)
{
    now = catalogue_create();
    cr_assert_not_null(now);
}

static void tear_down(void)
{
    catalogue_destroy(now);
}

TestSuite(catalogue, .init = set_up, .fini = tear_down);

/* True if that made a new version, which is the one from here on. */
static bool set_location(struct location_setting s)
{
    struct catalogue *next = catalogue_with_location(now, &s, &at, &code, message, sizeof message);
    if (!next)
        return false;
    catalogue_destroy(now);
    now = next;
    return true;
}

static bool set_channel(struct channel_setting s)
{
    struct catalogue *next = catalogue_with_channel(now, &s, &at, &code, message, sizeof message);
    if (!next)
        return false;
    catalogue_destroy(now);
    now = next;
    return true;
}

static const struct location *location(const char *name)
{
    return catalogue_location(now, text_of(name));
}

static const struct channel *channel(const char *name)
{
    return catalogue_channel(now, text_of(name));
}

static void add_location(const char *name, int64_t priority, const char *group)
{
    struct text groups = text_of(group);
    cr_assert(set_location((struct location_setting){ .code = text_of(name),
                                                      .has_priority = true,
                                                      .priority = priority,
                                                      .has_groups = group != NULL,
                                                      .groups = &groups,
                                                      .group_count = 1 }));
}

/* The codes of the locations that the channel asks, in order. */
static const char *asks(const char *name)
{
    static char list[256];
    const struct channel *c = channel(name);
    size_t n = 0;
    list[0] = 0;
    for (unsigned rank = 0; rank < now->location_count; rank++)
        for (uint16_t i = 0; i < now->location_count; i++)
            if (c->rank[i] == rank)
                n += (size_t)snprintf(list + n, sizeof list - n, "%s%.*s", n ? " " : "",
                                      now->locations[i].code.len, now->locations[i].code.at);
    return list;
}

static void expect_refused(const char *what, enum code wanted)
{
    cr_assert_eq(code, wanted, "%s: %s, %s", what, code_name(code), message);
    cr_assert_not_null(strstr(message, what), "\"%s\" does not name %s", message, what);
}

/* ---- what there is ---- */

Test(catalogue, a_fresh_one_has_a_location_and_a_channel)
{
    cr_assert_eq(now->location_count, 1);
    cr_assert_eq(now->channel_count, 1);
    cr_assert_not_null(location("main"));
    cr_assert_not_null(channel("default"));
    cr_assert_null(location("default"));
    cr_assert_null(channel("main"));
    cr_assert_str_eq(asks("default"), "main");
    cr_assert(location("main")->ships && location("main")->pickup && location("main")->active);
    cr_assert(isnan(location("main")->lat));
}

Test(catalogue, finds_all_of_many)
{
    char name[16];
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "L%d", i);
        cr_assert(set_location((struct location_setting){ .code = text_of(name) }));
        cr_assert(set_channel((struct channel_setting){ .code = text_of(name) }));
        cr_assert_eq(at, i + 1, "an index is for life");
    }
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "L%d", i);
        cr_assert_eq(location_index(now, location(name)), i + 1);
        cr_assert_eq(channel_index(now, channel(name)), i + 1);
    }
    cr_assert_null(location("L200"));
    cr_assert_null(catalogue_location(now, text_of("")));
}

/* ---- setting ---- */

Test(catalogue, what_is_not_given_stays)
{
    add_location("store", 5, "south");
    cr_assert(set_location((struct location_setting){ .code = text_of("store"),
                                                      .has_kind = true,
                                                      .kind = text_of("warehouse"),
                                                      .has_lead_time = true,
                                                      .lead_time_s = 90,
                                                      .has_lat = true,
                                                      .lat = -90,
                                                      .has_pickup = true,
                                                      .pickup = false }));
    const struct location *l = location("store");
    cr_assert(text_equal(code_text(&l->kind), text_of("warehouse")));
    cr_assert_eq(l->priority, 5);
    cr_assert_eq(l->lead_time_s, 90);
    cr_assert_eq(l->lat, -90);
    cr_assert(isnan(l->lon));
    cr_assert(l->ships && !l->pickup && l->active);
    cr_assert_eq(l->group_count, 1);

    struct text place = text_of("store");
    cr_assert(set_channel((struct channel_setting){ .code = text_of("web"),
                                                    .has_places = true,
                                                    .places = &place,
                                                    .place_count = 1,
                                                    .has_hold_ttl = true,
                                                    .hold_ttl_ms = 1000 }));
    cr_assert(set_channel((struct channel_setting){ .code = text_of("web"),
                                                    .has_buffer = true,
                                                    .buffer = 2,
                                                    .has_sourcing = true,
                                                    .sourcing = text_of("balance") }));
    const struct channel *c = channel("web");
    cr_assert(!c->incoming && c->horizon_s == -1);
    cr_assert(set_channel((struct channel_setting){
        .code = text_of("web"), .has_incoming = true, .incoming = true }));
    cr_assert(set_channel(
        (struct channel_setting){ .code = text_of("web"), .has_horizon = true, .horizon_s = 0 }));
    c = channel("web");
    cr_assert(c->incoming && c->horizon_s == 0);
    cr_assert_eq(c->place_count, 1);
    cr_assert_eq(c->hold_ttl_ms, 1000);
    cr_assert_eq(c->buffer, 2);
    cr_assert_eq(c->sourcing, SOURCE_BALANCE);
}

Test(catalogue, setting_what_is_so_makes_no_new_version)
{
    struct text groups[2] = { text_of("a"), text_of("b") };
    struct location_setting s = { .code = text_of("store"),
                                  .has_kind = true,
                                  .kind = text_of("store"),
                                  .has_name = true,
                                  .name = text_of("A name"),
                                  .has_priority = true,
                                  .priority = 1,
                                  .has_lat = true,
                                  .lat = 50.5,
                                  .has_groups = true,
                                  .groups = groups,
                                  .group_count = 2 };
    cr_assert(set_location(s));
    cr_assert_not(set_location(s));
    cr_assert_eq(code, CODE_OK);
    cr_assert_eq(at, 1);
    cr_assert_not(set_location((struct location_setting){ .code = text_of("store") }));
    cr_assert_eq(code, CODE_OK);
    s.name = text_of("A nam");
    cr_assert(set_location(s));
    s.group_count = 1;
    cr_assert(set_location(s));
    s.lat = 50.25;
    cr_assert(set_location(s));

    struct channel_setting c = { .code = text_of("web"),
                                 .has_places = true,
                                 .places = groups,
                                 .place_count = 1,
                                 .has_buffer = true,
                                 .buffer = 1 };
    cr_assert(set_channel(c));
    cr_assert_not(set_channel(c));
    cr_assert_eq(code, CODE_OK);
    c.place_count = 0;
    cr_assert(set_channel(c));
    cr_assert_not(set_channel(c));
}

Test(catalogue, an_old_version_stays_as_it_was)
{
    struct location_setting s = { .code = text_of("main"), .has_priority = true, .priority = 1 };
    struct catalogue *next = catalogue_with_location(now, &s, &at, &code, message, sizeof message);
    cr_assert_not_null(next);
    cr_assert_eq(location("main")->priority, 100);
    cr_assert_eq(catalogue_location(next, text_of("main"))->priority, 1);
    catalogue_destroy(next);
}

/* ---- who sells from where ---- */

Test(catalogue, a_channel_asks_by_priority_then_its_own_list_then_age)
{
    add_location("late", 9, NULL);
    add_location("first", 1, NULL);
    add_location("also-first", 1, NULL);
    cr_assert_str_eq(asks("default"), "first also-first late main");
    struct text places[] = { text_of("main"), text_of("also-first"), text_of("first") };
    cr_assert(set_channel((struct channel_setting){
        .code = text_of("web"), .has_places = true, .places = places, .place_count = 3 }));
    cr_assert_str_eq(asks("web"), "also-first first main");
    cr_assert_eq(channel("web")->rank[location_index(now, location("late"))], RANK_NEVER);
    cr_assert_str_eq(asks("default"), "first also-first late main", "others sell as before");
}

Test(catalogue, a_place_may_be_a_group_and_groups_change)
{
    struct text place = text_of("north");
    add_location("n1", 1, "north");
    add_location("s1", 1, "south");
    cr_assert(set_channel((struct channel_setting){
        .code = text_of("web"), .has_places = true, .places = &place, .place_count = 1 }));
    cr_assert_str_eq(asks("web"), "n1");
    add_location("n2", 0, "north");
    cr_assert_str_eq(asks("web"), "n2 n1");
    add_location("n1", 1, "south");
    cr_assert_str_eq(asks("web"), "n2");
    add_location("n2", 0, "south");
    cr_assert_str_eq(asks("web"), "", "nobody is in the group now");
    cr_assert_str_eq(asks("default"), "n2 n1 s1 main");
}

Test(catalogue, nobody_asks_what_is_not_active)
{
    add_location("store", 1, NULL);
    cr_assert(set_location((struct location_setting){
        .code = text_of("store"), .has_active = true, .active = false }));
    cr_assert_str_eq(asks("default"), "main");
    cr_assert(set_channel((struct channel_setting){ .code = text_of("younger") }));
    cr_assert_str_eq(asks("younger"), "main");
    cr_assert(set_location(
        (struct location_setting){ .code = text_of("store"), .has_active = true, .active = true }));
    cr_assert_str_eq(asks("default"), "store main");
    cr_assert_str_eq(asks("younger"), "store main");
}

/* ---- what is refused ---- */

Test(catalogue, a_location_names_what_is_wrong)
{
    char long_text[NAME_MAX_BYTES + 2];
    memset(long_text, 'x', sizeof long_text);
    struct text too_long = { long_text, NAME_MAX_BYTES + 1 }, bad = text_of("no spaces please");
    struct text many[GROUPS_MAX + 1];
    for (int i = 0; i <= GROUPS_MAX; i++)
        many[i] = text_of("g");
    const struct {
        struct location_setting s;
        const char *names;
        enum code code;
    } wrong[] = {
        { { .code = text_of("") }, "code", CODE_BAD_REQUEST },
        { { .code = bad }, "code", CODE_BAD_REQUEST },
        { { .code = { long_text, CODE_MAX + 1 } }, "code", CODE_BAD_REQUEST },
        { { .has_kind = true, .kind = { long_text, CODE_MAX + 1 } }, "kind", CODE_BAD_REQUEST },
        { { .has_name = true, .name = too_long }, "name", CODE_BAD_REQUEST },
        { { .has_name = true, .name = text_of("\xff") }, "name", CODE_BAD_REQUEST },
        { { .has_priority = true, .priority = INT64_C(1) << 31 }, "priority", CODE_BAD_REQUEST },
        { { .has_lead_time = true, .lead_time_s = -1 }, "lead_time_s", CODE_BAD_REQUEST },
        { { .has_lat = true, .lat = 90.1 }, "lat", CODE_BAD_REQUEST },
        { { .has_lat = true, .lat = (double)NAN }, "lat", CODE_BAD_REQUEST },
        { { .has_lon = true, .lon = -180.1 }, "lon", CODE_BAD_REQUEST },
        { { .has_groups = true, .groups = &bad, .group_count = 1 }, "groups", CODE_BAD_REQUEST },
        { { .has_groups = true, .groups = many, .group_count = GROUPS_MAX + 1 },
          "groups",
          CODE_TOO_LARGE },
    };
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct location_setting s = wrong[i].s;
        if (!s.code.at)
            s.code = text_of("store");
        cr_assert_not(set_location(s), "%u", i);
        expect_refused(wrong[i].names, wrong[i].code);
    }
    cr_assert_null(location("store"));
}

Test(catalogue, a_channel_names_what_is_wrong)
{
    struct text nowhere = text_of("nowhere"), bad = text_of("?");
    static struct text many[CHANNEL_LOCATIONS_MAX + 1];
    for (int i = 0; i <= CHANNEL_LOCATIONS_MAX; i++)
        many[i] = text_of("main");
    const struct {
        struct channel_setting s;
        const char *names;
        enum code code;
    } wrong[] = {
        { { .code = bad }, "code", CODE_BAD_REQUEST },
        { { .has_name = true, .name = text_of("\xff") }, "name", CODE_BAD_REQUEST },
        { { .has_buffer = true, .buffer = -1 }, "buffer", CODE_BAD_REQUEST },
        { { .has_buffer = true, .buffer = QUANTITY_MAX + 1 }, "buffer", CODE_BAD_REQUEST },
        { { .has_hold_ttl = true, .hold_ttl_ms = 0 }, "hold_ttl_ms", CODE_BAD_REQUEST },
        { { .has_hold_ttl = true, .hold_ttl_ms = INT64_C(1) << 32 },
          "hold_ttl_ms",
          CODE_BAD_REQUEST },
        { { .has_horizon = true, .horizon_s = -1 }, "horizon_s", CODE_BAD_REQUEST },
        { { .has_horizon = true, .horizon_s = HORIZON_MAX_S + 1 }, "horizon_s", CODE_BAD_REQUEST },
        { { .has_sourcing = true, .sourcing = bad }, "sourcing", CODE_BAD_REQUEST },
        { { .has_places = true, .places = &bad, .place_count = 1 }, "locations", CODE_BAD_REQUEST },
        { { .has_places = true, .places = &nowhere, .place_count = 1 },
          "nowhere",
          CODE_UNKNOWN_LOCATION },
        { { .has_places = true, .places = many, .place_count = CHANNEL_LOCATIONS_MAX + 1 },
          "locations",
          CODE_TOO_LARGE },
    };
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct channel_setting s = wrong[i].s;
        if (!s.code.at)
            s.code = text_of("web");
        cr_assert_not(set_channel(s), "%u", i);
        expect_refused(wrong[i].names, wrong[i].code);
    }
    cr_assert_null(channel("web"));
}

Test(catalogue, a_recorded_channel_may_name_a_group_that_is_gone)
{
    struct text gone = text_of("gone");
    cr_assert(set_channel((struct channel_setting){ .code = text_of("web"),
                                                    .has_places = true,
                                                    .places = &gone,
                                                    .place_count = 1,
                                                    .recorded = true }));
    cr_assert_str_eq(asks("web"), "");
}

Test(catalogue, sourcing_rules_have_names)
{
    enum sourcing sourcing;
    for (unsigned i = 0; i < SOURCING_COUNT; i++) {
        cr_assert(sourcing_named(text_of(sourcing_name((enum sourcing)i)), &sourcing));
        cr_assert_eq(sourcing, (enum sourcing)i);
    }
    cr_assert_not(sourcing_named(text_of("cheapest"), &sourcing));
    cr_assert_not(sourcing_named(text_of(""), &sourcing));
}

/* ---- ranks that are kept are those that would be found anew ---- */

enum { RANKED_LOCATIONS = 12, RANKED_CHANNELS = 5 };

static const char *const ranked_channels[RANKED_CHANNELS] = { "all", "one", "two", "few", "none" };

static struct text ranked_places[RANKED_CHANNELS][3];
static const uint32_t ranked_counts[RANKED_CHANNELS] = { 0, 1, 2, 3, 1 };

static void set_ranked_channels(void)
{
    static const char *const names[RANKED_CHANNELS][3] = {
        { "" }, { "g0" }, { "g1", "L0" }, { "L1", "g0", "g2" }, { "main" }
    };
    for (int c = 0; c < RANKED_CHANNELS; c++) {
        for (uint32_t i = 0; i < ranked_counts[c]; i++)
            ranked_places[c][i] = text_of(names[c][i]);
        set_channel((struct channel_setting){ .code = text_of(ranked_channels[c]),
                                              .has_places = true,
                                              .places = ranked_places[c],
                                              .place_count = ranked_counts[c],
                                              .recorded = true });
    }
}

static void set_as(const char *name, const struct location *as)
{
    struct text group = as->group_count ? code_text(&as->groups[0]) : text_of("");
    set_location((struct location_setting){ .code = text_of(name),
                                            .has_priority = true,
                                            .priority = as->priority,
                                            .has_active = true,
                                            .active = as->active,
                                            .has_groups = true,
                                            .groups = &group,
                                            .group_count = as->group_count });
}

Test(catalogue, ranks_are_the_same_whatever_was_set_in_between)
{
    static const char *const names[RANKED_LOCATIONS] = { "L0", "L1", "L2", "L3", "L4",  "L5",
                                                         "L6", "L7", "L8", "L9", "L10", "L11" };
    static const char *const groups[] = { "g0", "g1", "g2", "g3" };
    uint32_t random = 12345;
    set_ranked_channels();
    for (int step = 0; step < 400; step++) {
        random = random * 1664525 + 1013904223;
        uint32_t r = random >> 8;
        struct text group = text_of(groups[r / 16 % 4]);
        set_location((struct location_setting){ .code = text_of(names[r % RANKED_LOCATIONS]),
                                                .has_priority = r / 64 % 2 == 0,
                                                .priority = r / 128 % 4,
                                                .has_active = r / 512 % 4 == 0,
                                                .active = r / 2048 % 2,
                                                .has_groups = r / 4096 % 2 == 0,
                                                .groups = &group,
                                                .group_count = r / 8192 % 2,
                                                .has_lead_time = true,
                                                .lead_time_s = step });
    }
    struct catalogue *kept = now;
    now = catalogue_create();
    for (uint16_t i = 1; i < kept->location_count; i++) {
        const struct location *l = &kept->locations[i];
        char name[CODE_MAX + 1];
        snprintf(name, sizeof name, "%.*s", l->code.len, l->code.at);
        set_as(name, l);
    }
    set_ranked_channels();
    cr_assert_eq(now->location_count, RANKED_LOCATIONS + 1);
    for (int c = 0; c < RANKED_CHANNELS; c++) {
        const struct channel *anew = channel(ranked_channels[c]);
        const struct channel *old = catalogue_channel(kept, text_of(ranked_channels[c]));
        for (uint16_t i = 0; i < now->location_count; i++)
            cr_assert_eq(anew->rank[i], old->rank[i], "%s at %d", ranked_channels[c], i);
    }
    catalogue_destroy(kept);
}
