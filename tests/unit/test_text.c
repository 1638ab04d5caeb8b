/* SPDX-License-Identifier: Apache-2.0 */
/* What may be a sku, a code, a text. */
#include <criterion/criterion.h>
#include <string.h>

#include "engine/base/limits.h"
#include "engine/base/text.h"

Test(text, well_formed_utf8_is_taken)
{
    static const char *const good[] = {
        "",
        "plain",
        "\x7f",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x93\xa6z",
    };
    for (unsigned i = 0; i < sizeof good / sizeof good[0]; i++)
        cr_assert(text_is_utf8(text_of(good[i])), "%u", i);
}

Test(text, ill_formed_utf8_is_refused)
{
    static const char *const bad[] = {
        "\x80",             /* a continuation alone */
        "\xbf",             /* likewise */
        "\xc0\x80",         /* overlong */
        "\xc1\xbf",         /* overlong */
        "\xc2",             /* cut off */
        "\xc2\x41",         /* not continued */
        "\xe0\x9f\xbf",     /* overlong */
        "\xe1\x80",         /* cut off */
        "\xe1\x80\x41",     /* not continued */
        "\xed\xa0\x80",     /* a surrogate */
        "\xed\xbf\xbf",     /* a surrogate */
        "\xf0\x8f\xbf\xbf", /* overlong */
        "\xf4\x90\x80\x80", /* over U+10FFFF */
        "\xf5\x80\x80\x80", /* over U+10FFFF */
        "\xf0\x90\x80",     /* cut off */
        "\xff",             /* never */
        "good \xc2",        /* at the end of something good */
    };
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_not(text_is_utf8(text_of(bad[i])), "%u", i);
}

Test(text, a_character_is_not_read_over_the_end)
{
    /* The bytes behind the text would make it well-formed. */
    const char bytes[] = "\xe2\x82\xac";
    cr_assert_not(text_is_utf8((struct text){ bytes, 1 }));
    cr_assert_not(text_is_utf8((struct text){ bytes, 2 }));
    cr_assert(text_is_utf8((struct text){ bytes, 3 }));
}

Test(text, a_sku_has_1_to_64_bytes)
{
    char bytes[SKU_MAX + 1];
    memset(bytes, 'x', sizeof bytes);
    cr_assert_not(text_is_sku((struct text){ bytes, 0 }));
    cr_assert(text_is_sku((struct text){ bytes, 1 }));
    cr_assert(text_is_sku((struct text){ bytes, SKU_MAX }));
    cr_assert_not(text_is_sku((struct text){ bytes, SKU_MAX + 1 }));
    cr_assert(text_is_sku((struct text){ "\0", 1 }), "a zero byte is UTF-8 too");
    cr_assert_not(text_is_sku(text_of("\xff")));
}

Test(text, a_code_has_1_to_32_of_its_characters)
{
    char bytes[CODE_MAX + 1];
    memset(bytes, 'x', sizeof bytes);
    cr_assert_not(text_is_code((struct text){ bytes, 0 }));
    cr_assert(text_is_code((struct text){ bytes, CODE_MAX }));
    cr_assert_not(text_is_code((struct text){ bytes, CODE_MAX + 1 }));
    for (int c = 0; c < 256; c++) {
        char one = (char)c;
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '_' || c == '-';
        cr_assert_eq(text_is_code((struct text){ &one, 1 }), good, "%d", c);
    }
}

Test(text, equality_is_of_length_and_bytes)
{
    cr_assert(text_equal(text_of("ab"), (struct text){ "abc", 2 }));
    cr_assert_not(text_equal(text_of("ab"), text_of("abc")));
    cr_assert_not(text_equal(text_of("ab"), text_of("ac")));
    cr_assert(text_given(text_of("")));
    cr_assert_not(text_given(text_of(NULL)));
}
