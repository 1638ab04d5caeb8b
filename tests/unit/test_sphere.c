/* SPDX-License-Identifier: Apache-2.0 */
/* Distances on the globe, against some that are known. */
#include <criterion/criterion.h>

#include "engine/store/sphere.h"

struct point {
    double lat, lon;
};

static double chord(struct point a, struct point b)
{
    return chord_between(unit_vector_of(a.lat, a.lon), unit_vector_of(b.lat, b.lon));
}

static void expect_km(struct point a, struct point b, double km, double within)
{
    double got = chord_km(chord(a, b));
    cr_expect(fabs(got - km) <= within, "%g %g to %g %g: %.9g km, not %.9g", a.lat, a.lon, b.lat,
              b.lon, got, km);
}

static const struct point paris = { 48.8566, 2.3522 }, rome = { 41.9028, 12.4964 };

Test(sphere, known_distances)
{
    static const double half = 20015.1147; /* of the circumference */
    expect_km(paris, rome, 1105.28, 0.01);
    expect_km(paris, (struct point){ 40.7128, -74.0060 }, 5837.25, 0.01); /* New York */
    expect_km((struct point){ 0, 179.5 }, (struct point){ 0, -179.5 }, half / 180, 0.001);
    expect_km((struct point){ 90, 0 }, (struct point){ -90, 77 }, half, 0.001);
    expect_km((struct point){ 90, 0 }, (struct point){ 90, 123 }, 0, 1e-9);
    expect_km((struct point){ 0, 0 }, (struct point){ 0, 180 }, half, 0.001);
    expect_km(paris, paris, 0, 0);
}

/* A step of a thousandth of a degree is 111 metres; of less than some metres, none. */
Test(sphere, small_distances_count)
{
    struct point step = { paris.lat + 1e-3, paris.lon };
    struct point further = { paris.lat + 1.05e-3, paris.lon };
    struct point here = { paris.lat + 1e-6, paris.lon };
    expect_km(paris, step, 0.111195, 1e-3);
    cr_expect_lt(chord(paris, step), chord(paris, further));
    expect_km(paris, here, 0, 1e-2);
}

/* What the last bits of a sine make of equal distances is not told. */
Test(sphere, equal_distances_are_equal)
{
    struct point pole = { 90, 0 }, from = { 10, 50 };
    for (int lon = -180; lon <= 180; lon++)
        cr_expect_eq(chord(from, pole), chord(from, (struct point){ 90, lon }), "at %d", lon);
    for (int lat = -89; lat < 90; lat++)
        cr_expect_eq(chord((struct point){ lat, 20 }, (struct point){ 0, 0 }),
                     chord((struct point){ lat, -20 }, (struct point){ 0, 0 }), "at %d", lat);
}

Test(sphere, a_place_without_coordinates_is_farthest)
{
    struct point nowhere[3] = { { NAN, NAN }, { 48, NAN }, { NAN, 2 } };
    struct point antipode = { -paris.lat, paris.lon - 180 };
    for (int i = 0; i < 3; i++) {
        cr_expect(isinf(chord(paris, nowhere[i])));
        cr_expect(isinf(chord(nowhere[i], nowhere[0])));
        cr_expect_gt(chord(paris, nowhere[i]), chord(paris, antipode));
        cr_expect(isnan(chord_km(chord(paris, nowhere[i]))));
    }
}
