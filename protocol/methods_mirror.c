/* SPDX-License-Identifier: Apache-2.0 */
/* The mirror for clients: its section of info, and mirror_take. */
#include <string.h>

#include "protocol/methods.h"
#include "protocol/mirror_port.h"
#include "protocol/pack.h"

static void look(const struct call *call, struct mirror_report *report)
{
    const struct mirror_port *mirror = call->service->mirror;
    *report = (struct mirror_report){ .state = "off" };
    if (mirror)
        mirror->report(mirror->self, report);
}

static void pack_key_given(struct out *out, const char *key, const char *text)
{
    pack_key_string(out, key, text[0] ? text : NULL);
}

void pack_mirror(struct call *call)
{
    struct out *out = call->out;
    struct mirror_report report;
    look(call, &report);
    bool connected = strcmp(report.state, "live") == 0 || strcmp(report.state, "syncing") == 0;
    pack_map(out, 6 + report.count);
    pack_key_string(out, "state", report.state);
    pack_key_bool(out, "connected", connected);
    pack_key_string(out, "address", report.address);
    pack_key_string(out, "prefix", report.prefix);
    pack_key_given(out, "engine", report.engine);
    pack_key_given(out, "error", report.error);
    for (unsigned i = 0; i < report.count; i++)
        pack_key_uint(out, report.numbers[i].name, report.numbers[i].number);
}

enum code method_mirror_take(struct call *call)
{
    struct mirror_report report;
    params_options(&call->params, NULL, 0, NULL);
    if (!params_good(&call->params))
        return call->refusal.code;
    look(call, &report);
    if (strcmp(report.state, "fenced") != 0) {
        refuse(&call->refusal, CODE_WRONG_STATE, NULL,
               "the mirror is %s; mirror_take applies only to a fenced one", report.state);
        return CODE_WRONG_STATE;
    }
    call->service->mirror->take(call->service->mirror->self);
    reply_map(call, 1, log_head(call->service->log));
    return CODE_OK;
}
