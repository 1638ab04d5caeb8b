/* SPDX-License-Identifier: Apache-2.0 */
/* The page at /. */
#ifndef GATEWAY_PAGE_H
#define GATEWAY_PAGE_H

extern const char page_home[];

#endif
