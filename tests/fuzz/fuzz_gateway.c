/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/gateway/arguments: from any JSON to parameters for the engine, and back.
 *
 *   F1  What is accepted is one well-formed list, and what is refused has a message.
 *   F2  What is accepted prints as JSON that Jansson reads.
 *   F3  A list of plain values comes back as the same JSON.
 *
 * The first byte chooses the method, the second whether there is a key; the rest is the body.
 */
#include <assert.h>
#include <string.h>

#include <jansson.h>

#include "client/walk.h"
#include "tools/gateway/arguments.h"
#include "tools/gateway/print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* No objects, which may be rows, and no reals, which may be whole. */
static bool is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] == '{' || text[i] == '.' || text[i] == 'e' || text[i] == 'E')
            return false;
    return true;
}

static void check_printed(const struct arguments *arguments, const char *text, size_t len)
{
    struct bytes out = { 0 };
    stockd_value value = { arguments->pack.data, arguments->pack.len };
    print_value(&out, value);
    assert(!out.failed);
    json_t *printed = json_loadb(out.at, out.len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    assert(printed && json_is_array(printed));
    json_t *given = json_loadb(text, len, 0, NULL);
    if (given && json_is_array(given) && is_plain(text, len))
        assert(json_equal(printed, given));
    json_decref(given);
    json_decref(printed);
    bytes_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned count;
    struct arguments arguments;
    struct complaint why = { .param = "" };
    methods_read();
    const struct method *methods = gateway_methods(&count);
    if (size < 2)
        return 0;
    const char *text = (const char *)data + 2;
    size_t len = size - 2;
    bool good = arguments_read(&methods[data[0] % count], text, len, data[1] & 1 ? "key" : "",
                               &arguments, &why);
    if (good) {
        assert(stk_walk_length(arguments.pack.data, arguments.pack.len) == arguments.pack.len);
        check_printed(&arguments, text, len);
    } else {
        assert(why.message[0]);
    }
    stockd_pack_free(&arguments.pack);
    return 0;
}
