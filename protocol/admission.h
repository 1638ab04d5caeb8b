/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides whether a request may reach its method's handler. This is the one place that sees both
 * the principal and what the method needs (struct method). Any principal may call any method, so
 * only the server's state can stop a request.
 */
#ifndef STOCKD_PROTOCOL_ADMISSION_H
#define STOCKD_PROTOCOL_ADMISSION_H

#include "protocol/methods.h"

/* CODE_OK: the handler may run; its changes are journalled in the principal's name. CODE_DEFERRED:
 * not now; ask again later. Otherwise the call's refusal says why not. */
enum code admit(struct call *call, const struct method *method);

#endif
