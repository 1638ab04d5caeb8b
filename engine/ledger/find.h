/* SPDX-License-Identifier: Apache-2.0 */
/* Checks and finds what a request names. Each refusal names the parameter. */
#ifndef STOCKD_ENGINE_LEDGER_FIND_H
#define STOCKD_ENGINE_LEDGER_FIND_H

#include "engine/ledger/ctx.h"

enum code check_id(struct ctx *ctx, const char *parameter, struct text id);
/* Of a text for people: a name, a ref, a reason. */
enum code check_text(struct ctx *ctx, const char *parameter, struct text t);
/* Both look in the pinned catalogue. */
enum code find_location(struct ctx *ctx, const char *parameter, struct text code,
                        const struct location **location);
enum code find_channel(struct ctx *ctx, struct text code, const struct channel **channel);
enum code find_item(struct ctx *ctx, struct text sku, uint32_t *item);
/* Finds the item, or creates it with a record of its own. */
enum code make_item(struct ctx *ctx, struct text sku, uint32_t *item);

/* How records name the pool. */
struct pool_key name_of_pool(const struct items *items, uint32_t unit);

#endif
