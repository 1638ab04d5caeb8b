/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between a request's method and its handler: whether it may go there. This is the one place that
 * knows of both the principal and what the method needs (struct method). Any principal may call any
 * method, so what can stand in the way is the server's state only.
 */
#ifndef STOCKD_PROTOCOL_ADMISSION_H
#define STOCKD_PROTOCOL_ADMISSION_H

#include "protocol/methods.h"

/* CODE_OK: the handler may run, and what it changes is journalled in the principal's name.
 * CODE_DEFERRED: not now, ask again later. Else the call's refusal says why not. */
enum code admit(struct call *call, const struct method *method);

#endif
