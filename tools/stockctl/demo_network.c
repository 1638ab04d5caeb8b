/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demo_network.c - where the trial shop is: its warehouses and stores, and what lies in those that
 * the orders of the demo do not touch.
 */
#include "tools/stockctl/demo.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define HOUR 3600
#define DAY (24 * HOUR)

static const struct demo_place main_places[DEMO_MAIN_PLACES + 1] = {
    { DEMO_WAREHOUSE, "Central warehouse, Kassel", DEMO_DE, true, true, false, 1, 4 * HOUR, 0,
      51.3127, 9.4797 },
    { "berlin", "Berlin, Kastanienallee", DEMO_DE, false, true, true, 20, 2 * HOUR,
      DEMO_STORE_SAFETY, 52.5386, 13.4103 },
    { "hamburg", "Hamburg, Große Bleichen", DEMO_DE, false, true, true, 20, 2 * HOUR,
      DEMO_STORE_SAFETY, 53.5530, 9.9889 },
    { "koeln", "Köln, Ehrenstraße", DEMO_DE, false, true, true, 20, 2 * HOUR, DEMO_STORE_SAFETY,
      50.9387, 6.9405 },
    { "london", "London, Marylebone High Street", DEMO_GB, false, true, true, 20, 2 * HOUR,
      DEMO_STORE_SAFETY, 51.5205, -0.1518 },
    { "lyon", "Lyon, Rue de la République", DEMO_FR, false, true, true, 20, 2 * HOUR,
      DEMO_STORE_SAFETY, 45.7640, 4.8357 },
    { "manchester", "Manchester, King Street", DEMO_GB, false, true, true, 20, 2 * HOUR,
      DEMO_STORE_SAFETY, 53.4815, -2.2452 },
    { "muenchen", "München, Sendlinger Straße", DEMO_DE, false, true, true, 20, 2 * HOUR,
      DEMO_STORE_SAFETY, 48.1352, 11.5694 },
    { "paris", "Paris, Rue des Francs-Bourgeois", DEMO_FR, false, true, true, 20, 2 * HOUR,
      DEMO_STORE_SAFETY, 48.8573, 2.3588 },
    { "warehouse-fr", "Warehouse, Orléans", DEMO_FR, true, true, false, 2, 4 * HOUR, 0, 47.9507,
      1.8786 },
};

struct city {
    enum demo_country country;
    const char *code;
    const char *name;
    double lat;
    double lon;
    unsigned branches;
};

static const struct city cities[] = {
    { DEMO_DE, "berlin", "Berlin", 52.5200, 13.4050, 14 },
    { DEMO_DE, "hamburg", "Hamburg", 53.5511, 9.9937, 10 },
    { DEMO_DE, "muenchen", "München", 48.1374, 11.5755, 9 },
    { DEMO_DE, "koeln", "Köln", 50.9375, 6.9603, 7 },
    { DEMO_DE, "frankfurt", "Frankfurt", 50.1109, 8.6821, 7 },
    { DEMO_DE, "stuttgart", "Stuttgart", 48.7758, 9.1829, 6 },
    { DEMO_DE, "duesseldorf", "Düsseldorf", 51.2277, 6.7735, 6 },
    { DEMO_DE, "leipzig", "Leipzig", 51.3397, 12.3731, 5 },
    { DEMO_DE, "dortmund", "Dortmund", 51.5136, 7.4653, 5 },
    { DEMO_DE, "essen", "Essen", 51.4556, 7.0116, 5 },
    { DEMO_DE, "bremen", "Bremen", 53.0793, 8.8017, 4 },
    { DEMO_DE, "dresden", "Dresden", 51.0504, 13.7373, 4 },
    { DEMO_DE, "hannover", "Hannover", 52.3759, 9.7320, 4 },
    { DEMO_DE, "nuernberg", "Nürnberg", 49.4521, 11.0767, 4 },
    { DEMO_DE, "duisburg", "Duisburg", 51.4344, 6.7623, 3 },
    { DEMO_DE, "bochum", "Bochum", 51.4818, 7.2162, 3 },
    { DEMO_DE, "wuppertal", "Wuppertal", 51.2562, 7.1508, 3 },
    { DEMO_DE, "bielefeld", "Bielefeld", 52.0302, 8.5325, 3 },
    { DEMO_DE, "bonn", "Bonn", 50.7374, 7.0982, 3 },
    { DEMO_DE, "muenster", "Münster", 51.9607, 7.6261, 3 },
    { DEMO_DE, "karlsruhe", "Karlsruhe", 49.0069, 8.4037, 3 },
    { DEMO_DE, "mannheim", "Mannheim", 49.4875, 8.4660, 3 },
    { DEMO_DE, "augsburg", "Augsburg", 48.3705, 10.8978, 3 },
    { DEMO_DE, "wiesbaden", "Wiesbaden", 50.0782, 8.2398, 2 },
    { DEMO_DE, "freiburg", "Freiburg", 47.9990, 7.8421, 2 },
    { DEMO_DE, "kiel", "Kiel", 54.3233, 10.1228, 2 },
    { DEMO_DE, "rostock", "Rostock", 54.0924, 12.0991, 2 },
    { DEMO_DE, "erfurt", "Erfurt", 50.9848, 11.0299, 2 },
    { DEMO_DE, "mainz", "Mainz", 49.9929, 8.2473, 2 },
    { DEMO_DE, "kassel", "Kassel", 51.3127, 9.4797, 2 },
    { DEMO_DE, "regensburg", "Regensburg", 49.0134, 12.1016, 2 },
    { DEMO_DE, "saarbruecken", "Saarbrücken", 49.2402, 6.9969, 1 },
    { DEMO_DE, "ulm", "Ulm", 48.4011, 9.9876, 1 },
    { DEMO_DE, "goettingen", "Göttingen", 51.5413, 9.9158, 1 },
    { DEMO_FR, "paris", "Paris", 48.8566, 2.3522, 22 },
    { DEMO_FR, "marseille", "Marseille", 43.2965, 5.3698, 8 },
    { DEMO_FR, "lyon", "Lyon", 45.7640, 4.8357, 7 },
    { DEMO_FR, "toulouse", "Toulouse", 43.6047, 1.4442, 6 },
    { DEMO_FR, "nice", "Nice", 43.7102, 7.2620, 5 },
    { DEMO_FR, "nantes", "Nantes", 47.2184, -1.5536, 5 },
    { DEMO_FR, "bordeaux", "Bordeaux", 44.8378, -0.5792, 5 },
    { DEMO_FR, "lille", "Lille", 50.6292, 3.0573, 5 },
    { DEMO_FR, "montpellier", "Montpellier", 43.6108, 3.8767, 4 },
    { DEMO_FR, "strasbourg", "Strasbourg", 48.5734, 7.7521, 4 },
    { DEMO_FR, "rennes", "Rennes", 48.1173, -1.6778, 4 },
    { DEMO_FR, "grenoble", "Grenoble", 45.1885, 5.7245, 3 },
    { DEMO_FR, "rouen", "Rouen", 49.4432, 1.0999, 2 },
    { DEMO_FR, "reims", "Reims", 49.2583, 4.0317, 2 },
    { DEMO_FR, "dijon", "Dijon", 47.3220, 5.0415, 2 },
    { DEMO_FR, "tours", "Tours", 47.3941, 0.6848, 2 },
    { DEMO_FR, "clermont", "Clermont-Ferrand", 45.7772, 3.0870, 1 },
    { DEMO_FR, "metz", "Metz", 49.1193, 6.1757, 1 },
    { DEMO_GB, "london", "London", 51.5074, -0.1278, 20 },
    { DEMO_GB, "manchester", "Manchester", 53.4808, -2.2426, 6 },
    { DEMO_GB, "birmingham", "Birmingham", 52.4862, -1.8904, 6 },
    { DEMO_GB, "leeds", "Leeds", 53.8008, -1.5491, 5 },
    { DEMO_GB, "liverpool", "Liverpool", 53.4084, -2.9916, 4 },
    { DEMO_GB, "sheffield", "Sheffield", 53.3811, -1.4701, 4 },
    { DEMO_GB, "bristol", "Bristol", 51.4545, -2.5879, 4 },
    { DEMO_GB, "newcastle", "Newcastle", 54.9783, -1.6178, 4 },
    { DEMO_GB, "nottingham", "Nottingham", 52.9548, -1.1581, 3 },
    { DEMO_GB, "leicester", "Leicester", 52.6369, -1.1398, 3 },
    { DEMO_GB, "cardiff", "Cardiff", 51.4816, -3.1791, 3 },
    { DEMO_GB, "southampton", "Southampton", 50.9097, -1.4044, 2 },
    { DEMO_GB, "brighton", "Brighton", 50.8225, -0.1372, 2 },
    { DEMO_GB, "york", "York", 53.9600, -1.0873, 1 },
    { DEMO_GB, "oxford", "Oxford", 51.7520, -1.2577, 1 },
};

/* Up to some kilometres to each side. */
static double near(double degrees, int ten_thousandths, uint64_t *random)
{
    int away = (int)demo_below(random, 2 * (unsigned)ten_thousandths + 1) - ten_thousandths;
    return degrees + away / 10000.0;
}

/* Most stores have a counter for orders to be collected; fewer have someone who packs parcels. */
static void make_branch(struct demo_place *place, const struct city *city, unsigned number,
                        uint64_t *random)
{
    *place = (struct demo_place){
        .country = city->country,
        .ships = demo_below(random, 10) < 4,
        .pickup = demo_below(random, 10) < 9,
        .priority = 30,
        .lead_time_s = (int)(1 + demo_below(random, 4)) * HOUR,
        .safety = 1,
        .lat = near(city->lat, 400, random),
        .lon = near(city->lon, 600, random),
    };
    snprintf(place->code, sizeof(place->code), "%s-%u", city->code, number);
    snprintf(place->name, sizeof(place->name), "%s, branch %u", city->name, number);
}

void demo_make_places(struct demo *demo)
{
    uint64_t random = 20261129;
    size_t count = DEMO_MAIN_PLACES + 1;

    memcpy(demo->place, main_places, sizeof(main_places));
    for (size_t i = 0; i < sizeof(cities) / sizeof(cities[0]); i++) {
        for (unsigned number = 1; number <= cities[i].branches; number++) {
            assert(count < DEMO_PLACES);
            make_branch(&demo->place[count++], &cities[i], number, &random);
        }
    }
    assert(count == DEMO_PLACES);
}

/* Each branch has most of the best sellers, and some of the others. */
static void stock_branch(struct demo *demo, size_t place, uint64_t *random)
{
    for (size_t item = 0; item < DEMO_ITEMS; item++) {
        unsigned rank = (unsigned)demo_rank(item);
        unsigned odds = rank < 100 ? 700 : rank < 600 ? 80 : 10; /* of a thousand */

        if (demo_below(random, 1000) < odds)
            demo->stock[item][place] = (int)(2 + 100 / (rank + 25) + demo_below(random, 4));
    }
}

static void set_stocking(struct demo *demo, struct demo_stocking stocking)
{
    assert(demo->stockings < DEMO_STOCKINGS_MAX);
    demo->stocking[demo->stockings++] = stocking;
}

static void make_stockings(struct demo *demo)
{
    for (size_t item = 0; item < DEMO_ITEMS; item++) {
        if (demo_is_made_to_order(item))
            set_stocking(demo, (struct demo_stocking){ item, 0, true, 2 * DAY });
        for (size_t place = DEMO_MAIN_PLACES + 1; place < DEMO_PLACES; place++)
            if (demo_is_display(item) && demo->stock[item][place] > 0)
                set_stocking(demo, (struct demo_stocking){ item, place, false, -1 });
    }
}

void demo_make_network(struct demo *demo)
{
    uint64_t random = 20261130;

    for (size_t item = 0; item < DEMO_ITEMS; item++)
        if (demo_below(&random, 2) == 0)
            demo->stock[item][DEMO_MAIN_PLACES] = demo->stock[item][0] / 2;
    for (size_t place = DEMO_MAIN_PLACES + 1; place < DEMO_PLACES; place++)
        stock_branch(demo, place, &random);
    make_stockings(demo);
}
