/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands for Redis as bytes (RESP): "*argc", then each argument as "$length bytes", lines ended
 * by CR LF. Encoded here, because hiredis allocates memory for each command.
 *
 * Owned by one thread. If memory runs out, the buffer latches `incomplete` and is not sent.
 */
#ifndef STOCKD_MIRROR_COMMANDS_H
#define STOCKD_MIRROR_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/text.h"

struct commands {
    char *bytes;
    size_t length, capacity;
    uint32_t count;  /* commands */
    bool incomplete; /* memory ran out: something is missing */
};

void commands_clear(struct commands *c);
void commands_free(struct commands *c);

/* Begins a command of argc arguments, its name included; the others must follow. */
void command(struct commands *c, const char *name, uint32_t argc);
void argument(struct commands *c, struct text text);
void argument_string(struct commands *c, const char *string);
void argument_number(struct commands *c, int64_t number);
void argument_lsn(struct commands *c, uint64_t lsn);
/* One argument, in two parts. */
void argument_joined(struct commands *c, const char *first, struct text second);

void commands_append(struct commands *c, const struct commands *more);

/* Writes the number's decimal digits and returns how many. `to` has room for 20. */
unsigned decimal(char *to, uint64_t number);

/* Writes the text as it is in a JSON string, and returns where it ends: at most six bytes for each.
 * If it is not UTF-8, its bytes are taken as characters. */
char *json_escape(char *to, struct text text);

/*
 * The message for the pub/sub channels: {"sku":"...","available":N,"lsn":N}. Returns its length;
 * `to` has room for MESSAGE_MAX. The sku is UTF-8.
 */
enum { MESSAGE_MAX = 512 };
size_t change_message(char *to, struct text sku, int64_t available, uint64_t lsn);

#endif
