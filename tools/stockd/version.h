/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STOCKD_TOOLS_STOCKD_VERSION_H
#define STOCKD_TOOLS_STOCKD_VERSION_H

#define STOCKD_VERSION "0.1.0"

#endif
