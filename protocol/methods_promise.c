/* SPDX-License-Identifier: Apache-2.0 */
/* What an order could have now, and where: promise. */
#include "protocol/methods.h"
#include "protocol/order.h"
#include "protocol/pack.h"

enum code method_promise(struct call *call)
{
    struct order_taken taken = { .exclude = { .count = 0 } };
    struct reservation_view view;
    if (!take_order(call, false, &taken))
        return call->refusal.code;
    enum code code = ledger_promise(call->ctx, &taken.order, &view);
    if (code != CODE_OK)
        return code;
    reply_map(call, 4, view.lsn);
    pack_key_bool(call->out, "complete", view.missing_count == 0);
    pack_granted(call->out, &view);
    pack_missing(call->out, &view);
    return CODE_OK;
}
