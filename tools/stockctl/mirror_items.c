/* SPDX-License-Identifier: Apache-2.0 */
/* mirror_items.c - the items that `mirror verify` compares, and their differences. */
#include "tools/stockctl/mirror.h"

#include <stdlib.h>
#include <string.h>

/* ---- items ---- */

size_t verify_add_sku(struct verify *v, const char *sku, size_t len)
{
    size_t item = lookup_add(v->skus, sku, len, v->sku_count);

    if (item != v->sku_count)
        return item;
    if (v->sku_count == v->sku_capacity) {
        v->sku_capacity = v->sku_capacity > 0 ? v->sku_capacity * 2 : 1024;
        v->sku = must_grow(v->sku, v->sku_capacity, sizeof(*v->sku));
        v->sku_len = must_grow(v->sku_len, v->sku_capacity, sizeof(*v->sku_len));
    }
    v->sku[item] = must_alloc(len + 1, 1);
    memcpy(v->sku[item], sku, len);
    v->sku_len[item] = len;
    v->sku_count++;
    return item;
}

/* ---- differences ---- */

static char *copy_of(const char *text)
{
    return text != NULL ? text_format("%s", text) : NULL;
}

void verify_add_difference(struct verify *v, size_t item, const char *field, const char *engine,
                           const char *redis)
{
    if (v->difference_count == v->difference_capacity) {
        v->difference_capacity = v->difference_capacity > 0 ? v->difference_capacity * 2 : 64;
        v->difference = must_grow(v->difference, v->difference_capacity, sizeof(*v->difference));
    }
    v->difference[v->difference_count++] = (struct difference){
        .item = item,
        .field = copy_of(field),
        .engine = copy_of(engine),
        .redis = copy_of(redis),
    };
}

static void free_difference(struct difference *d)
{
    free(d->field);
    free(d->engine);
    free(d->redis);
}

void verify_clear_differences(struct verify *v)
{
    for (size_t i = 0; i < v->difference_count; i++)
        free_difference(&v->difference[i]);
    v->difference_count = 0;
}

static bool moved(const struct verify *v, size_t item)
{
    size_t at = item * v->channel_count;
    return memcmp(v->before + at, v->after + at, v->channel_count * sizeof(*v->before)) != 0;
}

void verify_set_moving_apart(struct verify *v)
{
    size_t kept = 0;
    size_t last = SIZE_MAX;

    for (size_t i = 0; i < v->difference_count; i++) {
        struct difference *d = &v->difference[i];
        if (!moved(v, d->item)) {
            v->difference[kept++] = *d;
            continue;
        }
        v->moving += d->item != last;
        last = d->item;
        free_difference(d);
    }
    v->difference_count = kept;
}
