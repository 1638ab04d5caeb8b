/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "client/internal.h"

enum { FIRST_CAPACITY = 4096 };

bool stk_buffer_ensure(struct stk_buffer *buffer, size_t size)
{
    size_t used = stk_buffer_len(buffer);

    assert(buffer->head <= buffer->tail);
    assert(buffer->tail <= buffer->capacity);
    if (size <= buffer->capacity - buffer->tail)
        return true;

    /* Moving pays only if it frees at least as much as it copies. */
    if (buffer->head >= used && size <= buffer->capacity - used) {
        if (used > 0)
            memmove(buffer->data, buffer->data + buffer->head, used);
    } else {
        size_t capacity = buffer->capacity ? buffer->capacity : FIRST_CAPACITY;

        if (size > SIZE_MAX / 4 - used)
            return false;
        while (capacity < used + size)
            capacity *= 2;
        unsigned char *data = malloc(capacity);
        if (!data)
            return false;
        if (used > 0)
            memcpy(data, buffer->data + buffer->head, used);
        stk_buffer_free(buffer);
        buffer->data = data;
        buffer->capacity = capacity;
    }
    buffer->head = 0;
    buffer->tail = used;
    assert(size <= buffer->capacity - buffer->tail);
    return true;
}

void stk_buffer_clear(struct stk_buffer *buffer)
{
    buffer->head = 0;
    buffer->tail = 0;
}

void stk_buffer_free(struct stk_buffer *buffer)
{
    if (buffer->data) /* perhaps a token */
        explicit_bzero(buffer->data, buffer->capacity);
    free(buffer->data);
    *buffer = (struct stk_buffer){ 0 };
}
