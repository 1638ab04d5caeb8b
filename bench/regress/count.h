/* SPDX-License-Identifier: Apache-2.0 */
/* Counting, shared by all paths. run.sh starts callgrind without collecting. */
#ifndef BENCH_REGRESS_COUNT_H
#define BENCH_REGRESS_COUNT_H

#include <stdio.h>
#include <valgrind/callgrind.h>

static inline void begin(void)
{
    CALLGRIND_TOGGLE_COLLECT;
}

static inline void end(void)
{
    CALLGRIND_TOGGLE_COLLECT;
}

/* The count since the last report is for so many operations of that path. */
static inline void report(const char *path, unsigned operations)
{
    char text[64];

    snprintf(text, sizeof text, "%s/%u", path, operations);
    CALLGRIND_DUMP_STATS_AT(text);
    printf("%s\n", text);
}

/* The journal: from the log to a batch with its checksum, and the end of its write. */
void walk_journal(unsigned records_in_a_batch);

#endif
