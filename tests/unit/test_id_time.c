/* SPDX-License-Identifier: Apache-2.0 */
/* Ids that carry their own time. */
#include <criterion/criterion.h>

#include "engine/store/id_time.h"

static bool time_of(const char *id, uint64_t *ms)
{
    return id_time_ms(text_of(id), ms);
}

/* The examples of RFC 9562, appendix A.6, and of the ULID specification. */
Test(id_time, reads_the_examples_of_the_specifications)
{
    uint64_t ms;
    cr_assert(time_of("017F22E2-79B0-7CC3-98C4-DC0C0C07398F", &ms));
    cr_assert_eq(ms, 1645557742000);
    cr_assert(time_of("017f22e2-79b0-7cc3-98c4-dc0c0c07398f", &ms));
    cr_assert_eq(ms, 1645557742000);
    cr_assert(time_of("01ARZ3NDEKTSV4RRFFQ69G5FAV", &ms));
    cr_assert_eq(ms, 1469922850259);
    cr_assert(time_of("01arz3ndektsv4rrffq69g5fav", &ms));
    cr_assert_eq(ms, 1469922850259);
}

Test(id_time, others_have_none)
{
    static const char *const others[] = {
        "",
        "o-1",
        "017F22E2-79B0-4CC3-98C4-DC0C0C07398F",  /* version 4 */
        "017F22E2-79B0-7CC3-D8C4-DC0C0C07398F",  /* another variant */
        "017F22E2-79B0-7CC3-98C4-DC0C0C07398G",  /* no digit */
        "017F22E2979B0-7CC3-98C4-DC0C0C07398F",  /* no dash */
        "017F22E2-79B0-7CC3-98C4-DC0C0C07398",   /* too short */
        "017F22E2-79B0-7CC3-98C4-DC0C0C07398F0", /* too long */
        "017F22E279B07CC398C4DC0C0C07398F",      /* without dashes */
        "01ARZ3NDEKTSV4RRFFQ69G5FAU",            /* U is no digit */
        "01ARZ3NDEKTSV4RRFFQ69G5Fav",            /* of both cases */
        "81ARZ3NDEKTSV4RRFFQ69G5FAV",            /* over 128 bits */
        "00000000000000000000000001",            /* a number of 26 digits, from 1970 */
    };
    for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++) {
        uint64_t ms;
        cr_assert_not(time_of(others[i], &ms), "%s", others[i]);
    }
}
