/* SPDX-License-Identifier: Apache-2.0 */
/* Which segments a compactor may take: what a journal's next segment must say of them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "persistence/format.h"
#include "persistence/sealed.h"
#include "tests/support/journal_rig.h"
#include "tests/support/scratch.h"

static struct scratch scratch;
static struct rig rig;
static char journal[PATH_MAX + 16];

static void set_up(void)
{
    scratch_make(&scratch);
    snprintf(journal, sizeof journal, "%s/journal", scratch.path);
    rig = (struct rig){ .directory = scratch.path,
                        .segment_bytes = RIG_SEGMENT_BYTES,
                        .seed = 1,
                        .wall_ms = 1700000000000,
                        .longest = 400 };
}

static void tear_down(void)
{
    scratch_remove(&scratch);
}

TestSuite(sealed, .init = set_up, .fini = tear_down);

/* Batches of one record each, after the empty one of the opening. */
static void live(int records)
{
    cr_assert_eq(rig_open(&rig), 0, "%s", rig.why.text);
    for (int i = 0; i < records; i++) {
        cr_assert_neq(rig_append(&rig), 0);
        rig_drive(&rig);
    }
    rig_abandon(&rig);
}

static struct sealed find_sealed(void)
{
    struct sealed sealed;
    int error = sealed_find(&sealed, &file_system, journal, &rig.why);
    cr_assert_eq(error, 0, "%s", rig.why.text);
    return sealed;
}

/* The first batch of the second segment, but it promises that. */
static void promise(uint64_t number)
{
    char path[PATH_MAX + 64];
    struct segment_header header;
    struct batch_header old;
    size_t length;
    snprintf(path, sizeof path, "%s/%s", journal, segment_name(2).text);
    unsigned char *bytes = read_file(path, &length);
    unsigned char *batch = bytes + BLOCK_BYTES;
    cr_assert_eq(segment_header_check(bytes, &header), SEGMENT_VALID);
    memcpy(&old, batch, sizeof old);
    struct batch_seal seal = { header.directory_id, old.first_lsn, old.flags, old.number, number,
                               old.previous,        old.time_ms };
    batch_make(batch, old.length, &seal);
    write_file(path, bytes, length);
    free(bytes);
}

Test(sealed, a_segment_that_is_written_to_is_not)
{
    live(6);
    cr_assert_eq(find_sealed().sequence, 0);
}

Test(sealed, a_segment_is_when_the_next_one_promises_its_end) /* S7 */
{
    live(9); /* eight batches are in the first segment */
    cr_assert_eq(find_sealed().sequence, 1);
    cr_assert_eq(find_sealed().number, 8);
    promise(7);
    cr_assert_eq(find_sealed().sequence, 0, "a batch in the next one is not enough");
    promise(8);
    cr_assert_eq(find_sealed().sequence, 1);
}
