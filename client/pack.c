/* SPDX-License-Identifier: Apache-2.0 */
/* Packing parameters: msgpack-c's packer over a buffer that latches its first error. */
#include <assert.h>
#include <msgpack/pack.h>
#include <stdlib.h>
#include <string.h>

#include <stockd/client.h>

enum { FIRST_CAPACITY = 256 };

/* Where data points after an error before anything was packed: not NULL, which means "none". */
static unsigned char failed_data;

static void latch(stockd_pack *pack, int status)
{
    assert(status < 0);
    if (pack->status == STOCKD_OK)
        pack->status = status;
    pack->len = 0;
    if (!pack->data)
        pack->data = &failed_data;
}

/* Makes room for more bytes, or latches an error. */
static bool ensure(stockd_pack *pack, size_t more)
{
    assert(pack->len <= pack->capacity);
    if (more <= pack->capacity - pack->len)
        return true;
    if (pack->fixed || more > SIZE_MAX / 2 - pack->len) {
        latch(pack, STOCKD_E_TOO_LARGE);
        return false;
    }
    size_t capacity = pack->capacity ? pack->capacity : FIRST_CAPACITY;

    while (capacity < pack->len + more)
        capacity *= 2;
    unsigned char *data = realloc(pack->data, capacity);
    if (!data) {
        latch(pack, STOCKD_E_MEMORY);
        return false;
    }
    pack->data = data;
    pack->capacity = capacity;
    return true;
}

/* msgpack-c's output: int (*)(void *, const char *, size_t). */
static int append(void *context, const char *bytes, size_t len)
{
    stockd_pack *pack = context;

    if (pack->status != STOCKD_OK || !ensure(pack, len))
        return -1;
    if (len > 0)
        memcpy(pack->data + pack->len, bytes, len);
    pack->len += len;
    return 0;
}

static msgpack_packer packer_on(stockd_pack *pack)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, pack, append);
    return packer;
}

void stockd_pack_init(stockd_pack *pack, void *buffer, size_t size)
{
    *pack = (stockd_pack){ .data = buffer, .capacity = buffer ? size : 0, .fixed = buffer != NULL };
}

void stockd_pack_reset(stockd_pack *pack)
{
    if (pack->data == &failed_data)
        pack->data = NULL;
    pack->len = 0;
    pack->status = STOCKD_OK;
}

void stockd_pack_free(stockd_pack *pack)
{
    if (!pack->fixed && pack->data != &failed_data)
        free(pack->data);
    *pack = (stockd_pack){ 0 };
}

int stockd_pack_status(const stockd_pack *pack)
{
    return pack->status;
}

/* MessagePack counts in 32 bits. */
static bool count_fits(stockd_pack *pack, size_t count)
{
    if (count <= UINT32_MAX)
        return true;
    latch(pack, STOCKD_E_TOO_LARGE);
    return false;
}

void stockd_pack_array(stockd_pack *pack, size_t elements)
{
    msgpack_packer packer = packer_on(pack);

    if (count_fits(pack, elements))
        msgpack_pack_array(&packer, elements);
}

void stockd_pack_map(stockd_pack *pack, size_t pairs)
{
    msgpack_packer packer = packer_on(pack);

    if (count_fits(pack, pairs))
        msgpack_pack_map(&packer, pairs);
}

void stockd_pack_nil(stockd_pack *pack)
{
    msgpack_packer packer = packer_on(pack);

    msgpack_pack_nil(&packer);
}

void stockd_pack_bool(stockd_pack *pack, bool value)
{
    msgpack_packer packer = packer_on(pack);

    if (value)
        msgpack_pack_true(&packer);
    else
        msgpack_pack_false(&packer);
}

void stockd_pack_u64(stockd_pack *pack, uint64_t value)
{
    msgpack_packer packer = packer_on(pack);

    msgpack_pack_uint64(&packer, value);
}

void stockd_pack_i64(stockd_pack *pack, int64_t value)
{
    msgpack_packer packer = packer_on(pack);

    msgpack_pack_int64(&packer, value);
}

void stockd_pack_double(stockd_pack *pack, double value)
{
    msgpack_packer packer = packer_on(pack);

    msgpack_pack_double(&packer, value);
}

void stockd_pack_str(stockd_pack *pack, const char *string)
{
    if (string)
        stockd_pack_str_n(pack, string, strlen(string));
    else
        stockd_pack_nil(pack);
}

void stockd_pack_str_n(stockd_pack *pack, const char *bytes, size_t len)
{
    msgpack_packer packer = packer_on(pack);

    if (count_fits(pack, len) && msgpack_pack_str(&packer, len) == 0)
        msgpack_pack_str_body(&packer, bytes, len);
}

void stockd_pack_value(stockd_pack *pack, stockd_value value)
{
    if (value.data)
        append(pack, (const char *)value.data, value.len);
    else
        stockd_pack_nil(pack);
}
