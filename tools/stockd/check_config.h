/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STOCKD_TOOLS_STOCKD_CHECK_CONFIG_H
#define STOCKD_TOOLS_STOCKD_CHECK_CONFIG_H

struct options;

/* --check-config: judges options that were read, as far as that needs no engine: it binds nothing,
 * and touches no data. 0 and a line on standard output, or 2 and a line on stderr: an exit
 * status. */
int check_config(const struct options *options);

#endif
