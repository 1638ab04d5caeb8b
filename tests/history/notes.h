/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notes: what one client writes down of its calls, one line of JSON for each:
 *
 *     [client, asked_ns, answered_ns, method, params, error, result]
 *
 * Times are of CLOCK_MONOTONIC, which all processes of a machine share. asked_ns is taken before
 * the first byte is sent, answered_ns after the last one came: the call lies between the two. A
 * call whose answer never came has null for answered_ns, error and result.
 */
#ifndef STOCKD_TESTS_HISTORY_NOTES_H
#define STOCKD_TESTS_HISTORY_NOTES_H

#include <stdint.h>
#include <stdio.h>

#include "stockd/client.h"

uint64_t notes_now(void);

/* Any MessagePack value as JSON. Texts must be ASCII. */
void notes_value(FILE *to, stockd_value value);

struct call_times {
    uint64_t asked_ns, answered_ns;
};

/* reply: NULL if it was lost. */
void notes_call(FILE *to, unsigned client, struct call_times times, const char *method,
                stockd_value params, const stockd_reply *reply);

#endif
