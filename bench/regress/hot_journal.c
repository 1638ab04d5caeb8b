/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "bench/regress/count.h"
#include "tests/support/journal_rig.h"
#include "tests/support/scratch.h"

enum { BATCHES = 32 };

static void drive(struct rig *rig)
{
    struct file_request request;

    begin();
    bool more = journal_next(rig->journal, false, &request);
    end();
    while (more) {
        int result = file_perform(&file_system, &request);

        begin();
        more = journal_done(rig->journal, &request, result, &request);
        end();
    }
}

/* Records of 48 bytes on average. The writes themselves are the kernel's and not counted. */
void walk_journal(unsigned records)
{
    struct scratch scratch;
    struct rig rig = { .directory = scratch.path,
                       .durability = DURABILITY_NONE,
                       .seed = 5,
                       .longest = 88,
                       .segment_bytes = 1 << 20 };

    scratch_make(&scratch);
    if (rig_open(&rig) != 0) {
        fprintf(stderr, "hot_paths: no journal\n");
        exit(1);
    }
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        for (unsigned i = 0; i < records; i++)
            rig_append(&rig);
        drive(&rig);
    }
    report("journal-record", BATCHES * records);
    rig_abandon(&rig);
    scratch_remove(&scratch);
}
