/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that can fail and lose power, between the program and the real files.
 *
 * It keeps for every write, creation, renaming and removal how to undo it, until that is synced.
 * So it can cut the power in-process: each 512-byte sector that was not synced survives or not, by
 * chance; of the names that were not synced only the first few do.
 *
 * A sync that fails does what Linux does: the program still reads what it wrote, the next sync
 * succeeds, and the bytes are on no disk. They are gone when the cache is dropped.
 *
 * Only this file decides what is durable: the real files are never synced. One thread at a time.
 */
#ifndef STOCKD_TESTS_SUPPORT_FAULT_FILE_H
#define STOCKD_TESTS_SUPPORT_FAULT_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "persistence/file.h"

enum fault_kind {
    FAULT_ERROR,     /* the call fails; nothing was done */
    FAULT_SHORT,     /* a write does its first half and says so; any other call fails */
    FAULT_POWER_CUT, /* the call takes effect, perhaps in part; it and all later ones fail */
};

struct fault_plan {
    uint64_t at; /* the call that it concerns, counted from now, from 1; 0: none */
    enum fault_kind kind;
    int error;  /* -errno of FAULT_ERROR */
    bool stays; /* all later calls that change anything fail too */
};

struct fault_disk;

/* attic: an existing directory outside the one under test, on the same file system. */
struct fault_disk *fault_disk_make(const char *attic, uint64_t seed);
void fault_disk_free(struct fault_disk *disk);
const struct file_ops *fault_disk_ops(struct fault_disk *disk);

/* Starts to count calls (all but closing) from here. */
void fault_disk_plan(struct fault_disk *disk, struct fault_plan plan);
uint64_t fault_disk_calls(const struct fault_disk *disk); /* since the plan */
bool fault_disk_struck(const struct fault_disk *disk);    /* the plan came true */

/* After a sync with something to do has failed: what was only in the cache is gone. */
bool fault_disk_lost(const struct fault_disk *disk);

/* Turns the power off and on: what was not synced is undone, by chance. No file may be in use. */
void fault_disk_power_cut(struct fault_disk *disk);

#endif
