/* SPDX-License-Identifier: Apache-2.0 */
/* pages.c - lists that the engine answers page by page. */
#include "tools/stockctl/pages.h"

#include <string.h>

#define PAGE 1000

/* The id of the last record of a page. */
struct after {
    char id[STOCKD_ID_MAX];
    size_t len;
};

/* Takes [{options, state, after, limit}]. */
static int pack_page(const struct args *args, const char *state, const struct after *after,
                     stockd_pack *pack)
{
    stockd_pack_array(pack, 1);
    stockd_pack_map(pack, args_option_count(args) + (state != NULL) + (after->len > 0) + 1);
    stockd_pack_str(pack, "limit");
    stockd_pack_u64(pack, PAGE);
    if (state != NULL) {
        stockd_pack_str(pack, "state");
        stockd_pack_str(pack, state);
    }
    if (after->len > 0) {
        stockd_pack_str(pack, "after");
        stockd_pack_str_n(pack, after->id, after->len);
    }
    return args_pack_pairs(args, pack);
}

/* *next: where the next page begins, or empty. False: the page is none. */
static bool give_page(stockd_value result, const char *method, struct after *next, page_fn *each,
                      void *context)
{
    stockd_value list;
    stockd_value record;
    stockd_value id;
    const char *bytes;

    if (!stockd_map_find(result, method, &list) || !stockd_map_find(result, "next", &id))
        return false;
    stockd_iter it = stockd_iterate(list);
    while (stockd_next(&it, NULL, &record))
        each(context, record);
    next->len = 0;
    if (!stockd_value_str(id, &bytes, &next->len))
        return true;
    if (next->len == 0 || next->len > STOCKD_ID_MAX || stockd_value_count(list) == 0)
        return false; /* or it would loop forever */
    memcpy(next->id, bytes, next->len);
    return true;
}

int pages_each(struct ctl *ctl, const struct args *args, const char *method, const char *state,
               uint64_t *lsn, page_fn *each, void *context)
{
    struct after after = { .len = 0 };
    stockd_reply reply;
    stockd_pack pack;
    bool first = true;

    do {
        stockd_pack_init(&pack, NULL, 0);
        int failed = pack_page(args, state, &after, &pack);
        if (failed == CTL_DONE)
            failed = ctl_call(ctl, method, &pack, STOCKD_RETRY_SAFE, &reply);
        stockd_pack_free(&pack);
        if (failed != CTL_DONE)
            return failed;
        if (first)
            stockd_map_u64(reply.result, "lsn", lsn);
        first = false;
        if (!give_page(reply.result, method, &after, each, context))
            return ctl_error(ctl, CTL_UNREACHABLE, "unreachable",
                             "the engine sent an invalid page of %s", method);
    } while (after.len > 0);
    return CTL_DONE;
}
