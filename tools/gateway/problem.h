/* SPDX-License-Identifier: Apache-2.0 */
/* Errors over HTTP: application/problem+json (RFC 9457), with the engine's code. */
#ifndef GATEWAY_PROBLEM_H
#define GATEWAY_PROBLEM_H

#include <stockd/client.h>

#include "tools/gateway/bytes.h"

/* Codes of the gateway's own; the others come from the engine. */
#define PROBLEM_AWAY "engine_away"    /* it cannot be reached, or does not answer */
#define PROBLEM_NOT_FOUND "not_found" /* no such address */
#define PROBLEM_NOT_ALLOWED "method_not_allowed"
#define PROBLEM_BAD_REQUEST "bad_request"

/* The HTTP status of an error code; 500 for one that the table does not know. */
unsigned problem_status(const char *code);

/* The codes with their statuses, for the documents: NULL at the end. */
const char *problem_code(unsigned index, unsigned *status);

/* A status' phrase, for those that the gateway sends. */
const char *status_phrase(unsigned status);

/* The body. details may have no value. */
void problem_write(struct bytes *out, const char *code, const char *detail, stockd_value details);

/* Seconds after which it is worth trying again; 0: not by waiting. */
unsigned problem_retry_after(const char *code, stockd_value details);

#endif
