/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/pack.h"

void pack_bool(struct out *out, bool truth)
{
    if (truth)
        msgpack_pack_true(PACKER(out));
    else
        msgpack_pack_false(PACKER(out));
}

void pack_double(struct out *out, double number)
{
    msgpack_pack_double(PACKER(out), number);
}

void pack_bytes(struct out *out, struct text text)
{
    if (text_is_utf8(text)) {
        pack_text(out, text);
        return;
    }
    msgpack_pack_bin(PACKER(out), text.len);
    out_append(out, text.at, text.len);
}

void pack_string(struct out *out, const char *string)
{
    pack_text(out, text_of(string));
}

void pack_key_int(struct out *out, const char *key, int64_t number)
{
    pack_string(out, key);
    pack_int(out, number);
}

void pack_key_uint(struct out *out, const char *key, uint64_t number)
{
    pack_string(out, key);
    pack_uint(out, number);
}

void pack_key_limit(struct out *out, const char *key, int64_t number)
{
    pack_string(out, key);
    if (number < 0)
        pack_nil(out);
    else
        pack_int(out, number);
}

void pack_key_bool(struct out *out, const char *key, bool truth)
{
    pack_string(out, key);
    pack_bool(out, truth);
}

void pack_key_text(struct out *out, const char *key, struct text text)
{
    pack_string(out, key);
    if (text_given(text))
        pack_text(out, text);
    else
        pack_nil(out);
}

void pack_key_string(struct out *out, const char *key, const char *string)
{
    pack_key_text(out, key, text_of(string));
}
