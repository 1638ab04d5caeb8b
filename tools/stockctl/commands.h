/* SPDX-License-Identifier: Apache-2.0 */
/* commands.h - all commands of stockctl: the command line and the shell find and run them here. */
#ifndef STOCKCTL_COMMANDS_H
#define STOCKCTL_COMMANDS_H

#include "tools/stockctl/ctl.h"

struct command_group {
    const char *title;
    const struct command *commands;
};

extern const struct command_group command_groups[];
extern const size_t command_group_count;

/* The command that the first words name, and how many of them do: "item set" goes before "item".
 * NULL: none. */
const struct command *command_find(size_t count, char *const *words, size_t *named);

/* Takes the options before the command; *used: how many words they are. False: there is nothing
 * left to do, and *code is the exit code. */
bool command_options(struct ctl *ctl, size_t count, char *const *words, size_t *used, int *code);

/* Runs what the words say: a command, or help. Returns an exit code; leaves the connection open. */
int command_run(struct ctl *ctl, size_t count, char *const *words);

void command_help(FILE *out); /* the commands, and the options that all of them have */
void command_version(void);

#endif
