/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STOCKD_ENGINE_OPS_EXPIRE_H
#define STOCKD_ENGINE_OPS_EXPIRE_H

#include <stdint.h>

struct ctx;
struct id_entry;

/* Expires a hold that is due. The caller owns the entry; it is put. */
void expire_entry(struct ctx *ctx, struct id_entry *entry, uint64_t word);

#endif
