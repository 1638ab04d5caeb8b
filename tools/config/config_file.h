/* SPDX-License-Identifier: Apache-2.0 */
/* A config file: lines of name = value, sections and comments. */
#ifndef STOCKD_TOOLS_CONFIG_CONFIG_FILE_H
#define STOCKD_TOOLS_CONFIG_CONFIG_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* Takes one value. False, and a line in why (size bytes): it is wrong. */
typedef bool config_take(void *context, const char *section, const char *name, const char *value,
                         char *why, size_t size);

/* Gives `take` each value, up to the first that is wrong. False, and one line in why, which names
 * the file and the number of the line: the file cannot be read, or a line of it is wrong. */
bool config_file_read(const char *path, config_take *take, void *context, char *why, size_t size);

#endif
