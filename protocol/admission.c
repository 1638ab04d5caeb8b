/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/admission.h"

#include <assert.h>
#include <stdatomic.h>

/* CODE_OK if the log accepts records: its journal has not failed, and it has room for a request. */
static enum code ask_log(struct call *call)
{
    const struct service *service = call->service;
    if (atomic_load_explicit(&service->log->failed, memory_order_acquire)) {
        const struct storage_port *storage = service->storage;
        refuse_read_only(&call->refusal, storage->failure(storage->self));
        return CODE_READ_ONLY;
    }
    return ledger_has_room(call->ctx) ? CODE_OK : CODE_DEFERRED;
}

enum code admit(struct call *call, const struct method *method)
{
    assert((method->needs & ~(unsigned)NEED_ALL) == 0);
    enum code code = method->needs & NEED_LOG ? ask_log(call) : CODE_OK;
    if (code == CODE_OK)
        ctx_set_client(call->ctx, call->principal->client);
    return code;
}
