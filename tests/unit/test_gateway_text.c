/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway's texts: JSON of values, percent encoding, server-sent events, origins. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/gateway/bytes.h"
#include "tools/gateway/cors.h"
#include "tools/gateway/print.h"
#include "tools/gateway/problem.h"
#include "tools/gateway/routes.h"
#include "tools/gateway/stream_text.h"

static void is(struct bytes *out, const char *expected)
{
    bytes_add_char(out, '\0');
    cr_assert(!out->failed);
    cr_assert_str_eq(out->at, expected);
    bytes_free(out);
}

static stockd_value packed(const stockd_pack *pack)
{
    cr_assert_eq(stockd_pack_status(pack), STOCKD_OK);
    return (stockd_value){ pack->data, pack->len };
}

/* ---- JSON ---- */

static void prints_string(const char *text, size_t len, const char *expected)
{
    struct bytes out = { 0 };
    print_string(&out, text, len);
    is(&out, expected);
}

Test(gateway_text, strings_are_escaped)
{
    prints_string("plain", 5, "\"plain\"");
    prints_string("a\"b\\c\n\r\t\x01\x7f", 10, "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u007f\"");
    prints_string("\0", 1, "\"\\u0000\"");
    prints_string("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", 14,
                  "\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"");
}

Test(gateway_text, what_is_not_utf8_is_replaced_byte_by_byte)
{
#define ODD "\xef\xbf\xbd"
    prints_string("\xff", 1, "\"" ODD "\"");
    prints_string("a\xc3", 2, "\"a" ODD "\"");
    prints_string("\xc0\x80", 2, "\"" ODD ODD "\"");         /* overlong */
    prints_string("\xed\xa0\x80", 3, "\"" ODD ODD ODD "\""); /* a surrogate */
    prints_string("\xf4\x90\x80\x80", 4, "\"" ODD ODD ODD ODD "\"");
    prints_string("\xe0\x80\x80", 3, "\"" ODD ODD ODD "\"");
#undef ODD
}

Test(gateway_text, numbers_keep_all_their_digits)
{
    stockd_pack pack;
    struct bytes out = { 0 };
    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, 8);
    stockd_pack_u64(&pack, 0);
    stockd_pack_u64(&pack, UINT64_MAX);
    stockd_pack_u64(&pack, (UINT64_C(1) << 53) + 1);
    stockd_pack_i64(&pack, INT64_MIN);
    stockd_pack_i64(&pack, -1);
    stockd_pack_double(&pack, 0.1);
    stockd_pack_double(&pack, NAN);
    stockd_pack_double(&pack, 3.0000000000000004);
    print_value(&out, packed(&pack));
    is(&out, "[0,18446744073709551615,9007199254740993,-9223372036854775808,-1,0.1,null,"
             "3.0000000000000004]");
    stockd_pack_free(&pack);
}

Test(gateway_text, values_nest)
{
    stockd_pack pack;
    struct bytes out = { 0 };
    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_map(&pack, 3);
    stockd_pack_str(&pack, "a");
    stockd_pack_array(&pack, 2);
    stockd_pack_nil(&pack);
    stockd_pack_bool(&pack, true);
    stockd_pack_u64(&pack, 7);
    stockd_pack_map(&pack, 0);
    stockd_pack_str(&pack, "b");
    stockd_pack_array(&pack, 0);
    print_value(&out, packed(&pack));
    is(&out, "{\"a\":[null,true],\"7\":{},\"b\":[]}");
    cr_assert(print_pairs(&out, packed(&pack), "a"));
    is(&out, "\"7\":{},\"b\":[]");
    print_value(&out, (stockd_value){ NULL, 0 });
    is(&out, "null");
    stockd_pack_free(&pack);
}

Test(gateway_text, a_problem_has_code_detail_and_details)
{
    stockd_pack pack;
    struct bytes out = { 0 };
    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_map(&pack, 1);
    stockd_pack_str(&pack, "retry_after_ms");
    stockd_pack_u64(&pack, 1001);
    problem_write(&out, "overloaded", "slow \"down\"", packed(&pack));
    is(&out, "{\"status\":429,\"title\":\"Too Many Requests\",\"code\":\"overloaded\",\"detail\":"
             "\"slow \\\"down\\\"\",\"details\":{\"retry_after_ms\":1001}}");
    cr_assert_eq(problem_retry_after("overloaded", packed(&pack)), 2);
    cr_assert_eq(problem_retry_after("read_only", (stockd_value){ NULL, 0 }), 1);
    cr_assert_eq(problem_retry_after("conflict", packed(&pack)), 0);
    stockd_pack_free(&pack);
}

/* ---- targets ---- */

static bool decodes(const char *text, bool form, const char *expected)
{
    struct bytes out = { 0 };
    bool good = uri_decode(&out, (struct span){ text, strlen(text) }, form);
    bytes_add_char(&out, '\0');
    if (good)
        cr_assert_str_eq(out.at, expected);
    bytes_free(&out);
    return good;
}

Test(gateway_text, percent_encoding_is_strict)
{
    cr_assert(decodes("A%2Fb+c%e2%82%AC", true, "A/b c\xe2\x82\xac"));
    cr_assert(decodes("A+b", false, "A+b"));
    cr_assert(decodes("", false, ""));
    cr_assert_not(decodes("%", true, ""));
    cr_assert_not(decodes("%4", true, ""));
    cr_assert_not(decodes("%zz", true, ""));
    cr_assert_not(decodes("a%0", true, ""));
    cr_assert_not(decodes("%ff", true, ""));
    cr_assert_not(decodes("%c3", true, ""));
}

Test(gateway_text, queries_are_taken_pair_by_pair)
{
    struct span query = uri_query("/p?a=1&&b=&c&d=x=y#f"), name, value;
    static const char *const expected[][2] = {
        { "a", "1" }, { "b", "" }, { "c", "" }, { "d", "x=y" }
    };
    for (size_t i = 0; i < 4; i++) {
        cr_assert(query_next(&query, &name, &value));
        cr_assert(span_is(name, expected[i][0]) && span_is(value, expected[i][1]));
    }
    cr_assert_not(query_next(&query, &name, &value));
    cr_assert(span_is(uri_path("/p?a"), "/p"));
    query = uri_query("/p");
    cr_assert_not(query_next(&query, &name, &value));
}

Test(gateway_text, paths_lead_to_routes)
{
    struct span variable;
    struct span path = uri_path("/v1/items/A%2FB?x");
    const struct route *route = route_of(path, &variable);
    cr_assert(route && route->page == PAGE_ITEM && span_is(variable, "A%2FB"));
    cr_assert_null(route_of(uri_path("/v1/items/"), &variable));
    cr_assert_null(route_of(uri_path("/v2"), &variable));
    cr_assert(span_is(method_of(uri_path("/v1/reserve")), "reserve"));
    cr_assert_eq(method_of(uri_path("/v1/items/A")).len, 0);
    cr_assert_eq(method_of(uri_path("/v1/")).len, 0);
    cr_assert_eq(method_of(uri_path("/")).len, 0);
}

/* ---- server-sent events ---- */

static void pack_changed(stockd_pack *pack, const char *sku, uint64_t lsn)
{
    stockd_pack_array(pack, 4);
    stockd_pack_str(pack, "web");
    stockd_pack_str(pack, sku);
    stockd_pack_i64(pack, -2);
    stockd_pack_u64(pack, lsn);
}

Test(gateway_text, changes_are_sorted_and_only_the_last_of_an_lsn_moves_the_position)
{
    stockd_pack pack;
    struct bytes out = { 0 };
    uint64_t last = 1;
    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_map(&pack, 1);
    stockd_pack_str(&pack, "changes");
    stockd_pack_array(&pack, 3);
    pack_changed(&pack, "B", 20);
    pack_changed(&pack, "A", 10);
    pack_changed(&pack, "C", 20);
    cr_assert(stream_text_page(&out, packed(&pack), true, &last));
    cr_assert_eq(last, 20);
    bytes_add_char(&out, '\0');
    const char *first = "id: 10\ndata: {\"channel\":\"web\",\"sku\":\"A\",\"available\":-2,"
                        "\"lsn\":10}\n\ndata: {";
    cr_assert_eq(strncmp(out.at, first, strlen(first)), 0, "%s", out.at);
    const char *id = strstr(out.at + 7, "id: 20\n");
    cr_assert(id && !strstr(id + 1, "id: "), "%s", out.at);
    bytes_free(&out);
    stockd_pack_free(&pack);
}

Test(gateway_text, events_keep_their_order)
{
    stockd_pack pack;
    struct bytes out = { 0 };
    uint64_t last = 1;
    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_map(&pack, 1);
    stockd_pack_str(&pack, "events");
    stockd_pack_array(&pack, 2);
    for (int i = 0; i < 2; i++) {
        stockd_pack_map(&pack, 2);
        stockd_pack_str(&pack, "type");
        stockd_pack_str(&pack, i == 0 ? "overage" : "lost");
        stockd_pack_str(&pack, "lsn");
        stockd_pack_u64(&pack, 5);
    }
    cr_assert(stream_text_page(&out, packed(&pack), false, &last));
    is(&out, "data: {\"type\":\"overage\",\"lsn\":5}\n\nid: 5\ndata: {\"type\":\"lost\",\"lsn\":5}"
             "\n\n");
    cr_assert_not(stream_text_page(&out, packed(&pack), true, &last), "it has no changes");
    bytes_free(&out);
    stockd_pack_free(&pack);
}

/* ---- origins ---- */

Test(gateway_text, pages_of_other_origins_ask_questions_or_bear_a_token)
{
    struct cors_request request = { .origin = "https://shop.example", .host = "stock.example" };
    cr_assert_not(cors_judge(NULL, &request).allowed, "a change without a token");
    request.has_token = true;
    cr_assert(cors_judge(NULL, &request).allowed);
    request.has_token = false;
    request.is_question = true;
    cr_assert(cors_judge(NULL, &request).allowed);
    cr_assert_str_eq(cors_judge(NULL, &request).allow_origin, "*");
}

Test(gateway_text, a_page_of_the_gateway_and_a_program_may_do_everything)
{
    static const char *const own[] = { "127.0.0.1:8080", "10.1.2.3", "localhost", "LocalHost:80",
                                       "[::1]:8080" };
    static const char *const names[] = { "evil.example",
                                         "evil.example:8080",
                                         "127.0.0.1.evil.example",
                                         "localhost.evil.example",
                                         "1evil",
                                         ":80" };
    char origin[64];
    for (unsigned i = 0; i < sizeof own / sizeof *own; i++) {
        snprintf(origin, sizeof origin, "http://%s", own[i]);
        cr_expect(cors_judge(NULL, &(struct cors_request){ origin, own[i], false, false }).allowed,
                  "%s", origin);
    }
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) { /* whoever owns the name */
        snprintf(origin, sizeof origin, "http://%s", names[i]);
        struct cors_request page = { origin, names[i], false, false };
        cr_expect_not(cors_judge(NULL, &page).allowed, "%s", origin);
        cr_expect(cors_judge(origin, &page).allowed, "%s is listed", origin);
    }
    struct cors_request request = { .origin = "http://127.0.0.1:8080", .host = "127.0.0.1:8080" };
    cr_assert(cors_judge(NULL, &request).allowed);
    cr_assert(cors_judge("none", &request).allowed);
    request.host = "127.0.0.1:8081";
    cr_assert_not(cors_judge(NULL, &request).allowed);
    request.origin = NULL;
    cr_assert(cors_judge("none", &request).allowed);
    request.origin = "null";
    cr_assert_not(cors_judge(NULL, &request).allowed);
}

Test(gateway_text, listed_origins_may_do_everything_and_others_nothing)
{
    struct cors_request request = { .origin = "https://b.example", .host = "h" };
    const char *list = "https://a.example, https://b.example";
    struct cors_answer answer = cors_judge(list, &request);
    cr_assert(answer.allowed && answer.varies);
    cr_assert_str_eq(answer.allow_origin, "https://b.example");
    request.is_question = request.has_token = true;
    request.origin = "https://b.example.evil";
    cr_assert_not(cors_judge(list, &request).allowed);
    request.origin = "https://example";
    cr_assert_not(cors_judge(list, &request).allowed);
    cr_assert_not(cors_judge("none", &request).allowed);
    cr_assert(cors_judge("*", &request).allowed);
}
