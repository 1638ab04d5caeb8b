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

/* A step of a millionth of a degree is 11 centimetres. */
Test(sphere, small_distances_count)
{
    struct point step = { paris.lat + 1e-6, paris.lon };
    struct point two = { paris.lat + 2e-6, paris.lon };
    expect_km(paris, step, 0.000111195, 1e-8);
    cr_expect_lt(chord(paris, step), chord(paris, two));
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
