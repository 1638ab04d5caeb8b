/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides whether a request may reach its method's handler. This is the one place that sees both
 * the principal and what the method needs (struct method): the right, the thing that it names, the
 * token's rate, and a log that accepts changes. Channels and locations that a request names are
 * checked where they are read (param_channel, param_place).
 */
#ifndef STOCKD_PROTOCOL_ADMISSION_H
#define STOCKD_PROTOCOL_ADMISSION_H

#include "protocol/methods.h"

/* CODE_OK: the handler may run; its changes are journalled in the principal's name. CODE_DEFERRED:
 * not now; ask again later. Otherwise the call's refusal says why not. */
enum code admit(struct call *call, const struct method *method);

/* A message of a stranger that is no call of a method: it learns no more than that. */
void refuse_stranger(struct refusal *refusal);

#endif
