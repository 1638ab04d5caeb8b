/* SPDX-License-Identifier: Apache-2.0 */
/* stock-journal compact: see persistence/compact.h. */
#ifndef STOCKD_TOOLS_STOCK_JOURNAL_COMPACT_H
#define STOCKD_TOOLS_STOCK_JOURNAL_COMPACT_H

/* The arguments after "compact". Exit status: 0 done, or nothing to do; 1 the journal is damaged; 2
 * usage, another compaction is at work, or it could not be read or written. */
int compact_command(int count, char **arguments);

#endif
