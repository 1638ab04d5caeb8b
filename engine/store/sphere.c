/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/sphere.h"

static const double earth_radius_km = 6371.0088; /* the mean one, of the IUGG */

struct unit_vector unit_vector_of(double lat, double lon)
{
    if (isnan(lat) || isnan(lon)) /* as of most places, and of a new one */
        return (struct unit_vector){ NAN, NAN, NAN };
    double phi = lat * M_PI / 180, lambda = lon * M_PI / 180;
    return (struct unit_vector){ cos(phi) * cos(lambda), cos(phi) * sin(lambda), sin(phi) };
}

double chord_km(double chord)
{
    if (isinf(chord))
        return NAN;
    double half = sqrt(chord) / 2;
    return 2 * earth_radius_km * asin(half < 1 ? half : 1);
}

double chord_of_km(double km)
{
    double half_angle = km / earth_radius_km / 2;
    double half = sin(half_angle);
    return half_angle < M_PI / 2 ? 4 * half * half : 5;
}
