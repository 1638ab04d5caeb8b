/* SPDX-License-Identifier: Apache-2.0 */
/* The ready file: one line per bound address, for programs that wait until the engine serves. It
 * appears whole. */
#ifndef STOCKD_TOOLS_STOCKD_READY_FILE_H
#define STOCKD_TOOLS_STOCKD_READY_FILE_H

struct server;

/* Writes the contents beside the path; http: the ops port's address, or NULL. 0, or an errno and
 * nothing is left. */
int ready_file_prepare(const char *path, const struct server *server, const char *http);
/* Gives it its name. 0, or an errno and nothing is left. */
int ready_file_show(const char *path);

#endif
