/* SPDX-License-Identifier: Apache-2.0 */
/* listing.c - the engine's locations and channels, for checks before anything is sent. */
#include "tools/stockctl/ctl.h"

int listing_each(struct ctl *ctl, const char *method, uint64_t *lsn, listing_fn *each,
                 void *context)
{
    stockd_reply reply;
    stockd_value list;
    stockd_value record;
    int failed = ctl_call(ctl, method, NULL, STOCKD_RETRY_SAFE, &reply);

    if (failed != CTL_DONE)
        return failed;
    if (!reply_list(reply.result, &list))
        return ctl_error(ctl, CTL_UNREACHABLE, "unreachable", "%s: the engine sent no list",
                         method);
    if (lsn != NULL)
        stockd_map_u64(reply.result, "lsn", lsn);
    stockd_iter it = stockd_iterate(list);
    while (stockd_next(&it, NULL, &record)) {
        const char *code;
        size_t len;
        if (stockd_map_str(record, "code", &code, &len))
            each(context, code, len, record);
    }
    return CTL_DONE;
}

static void add_code(void *context, const char *code, size_t len, stockd_value record)
{
    struct lookup *codes = context;
    (void)record;
    lookup_add(codes, code, len, lookup_count(codes));
}

int lookup_listing(struct ctl *ctl, const char *method, struct lookup *codes, uint64_t *lsn)
{
    return listing_each(ctl, method, lsn, add_code, codes);
}
