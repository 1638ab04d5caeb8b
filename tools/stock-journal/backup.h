/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STOCKD_TOOLS_STOCK_JOURNAL_BACKUP_H
#define STOCKD_TOOLS_STOCK_JOURNAL_BACKUP_H

/* `stock-journal backup ...` and `stock-journal restore ...`: the arguments after that word. An
 * exit code. */
int backup_command(int count, char **arguments);
int restore_command(int count, char **arguments);

#endif
