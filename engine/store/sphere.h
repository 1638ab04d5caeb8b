/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Great-circle distances on a spherical Earth.
 *
 * A place is a unit vector. Of two such vectors the squared length of the chord between them grows
 * with the great-circle distance, and costs a few multiplications: who only compares distances
 * needs no more. (The vectors' dot product would lose what is nearer than some hundred metres.)
 */
#ifndef STOCKD_ENGINE_STORE_SPHERE_H
#define STOCKD_ENGINE_STORE_SPHERE_H

#include <math.h>

struct unit_vector {
    double x, y, z; /* NaN: a place without coordinates */
};

/* In degrees; NaN: not known. */
struct unit_vector unit_vector_of(double lat, double lon);

/* Adding it rounds what is from 0 to 4 to a multiple of 2^-40. */
#define CHORD_GRAIN 0x1.8p12

/* The squared chord, 0 to 4; INFINITY if one of them has no coordinates: farther than any other.
 * Rounded to some metres, so that the priority decides between places that are equally far, not the
 * last bits of a sine. */
static inline double chord_between(struct unit_vector a, struct unit_vector b)
{
    double x = a.x - b.x, y = a.y - b.y, z = a.z - b.z;
    double chord = x * x + y * y + z * z + CHORD_GRAIN - CHORD_GRAIN;
    return chord >= 0 ? chord : INFINITY; /* not >= 0: NaN */
}

/* The great-circle distance in kilometres; NaN for INFINITY. */
double chord_km(double chord);
/* The squared chord that is that long. More than half the circumference: longer than any. */
double chord_of_km(double km);

#endif
