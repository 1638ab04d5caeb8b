/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the JSON of a request to the parameters that the engine takes.
 *
 * A request's body is an object of named parameters, with the options beside them, or the list that
 * the engine takes. Names, kinds and what is missing are judged here, by the table; what the values
 * mean is judged by the engine alone.
 */
#ifndef GATEWAY_ARGUMENTS_H
#define GATEWAY_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

#include <stockd/client.h>

#include "tools/gateway/methods.h"

/* Why a request was refused before it was sent. */
struct complaint {
    char param[64]; /* "" if it is about none */
    char message[256];
};

void complain(struct complaint *why, const char *param, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

struct arguments {
    stockd_pack pack; /* one list; the caller frees it, also after a failure */
    bool again;       /* it may be sent again if the connection is lost */
};

/*
 * Reads len bytes of JSON; none count as {}. key stands for the id where the body has none, and for
 * the `op` of a step that has its id; "": there is no key. False: refused, and *why says why.
 */
bool arguments_read(const struct method *method, const char *text, size_t len, const char *key,
                    struct arguments *arguments, struct complaint *why);

#endif
