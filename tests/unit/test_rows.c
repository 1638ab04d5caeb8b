/* SPDX-License-Identifier: Apache-2.0 */
/* Records as CSV and as lines of JSON; JSON without control characters. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "tools/stockctl/rows.h"

static char *text;
static size_t size;
static FILE *out;

static void begin(struct rows *rows, bool csv, const char *columns)
{
    out = open_memstream(&text, &size);
    cr_assert_not_null(out);
    rows_begin(rows, out, csv, columns);
}

static void add(struct rows *rows, const char *record)
{
    json_t *json = json_loads(record, JSON_DECODE_ANY, NULL);
    cr_assert_not_null(json, "%s", record);
    rows_add(rows, json);
    json_decref(json);
}

static void learn(struct rows *rows, const char *record)
{
    json_t *json = json_loads(record, 0, NULL);
    rows_learn(rows, json);
    json_decref(json);
}

static void end(struct rows *rows, const char *expected)
{
    rows_end(rows);
    fclose(out);
    cr_expect_str_eq(text, expected, "got:\n%s\nnot:\n%s", text, expected);
    free(text);
}

Test(rows, a_header_even_without_rows)
{
    struct rows rows;

    begin(&rows, true, "sku available");
    end(&rows, "sku,available\n");
    begin(&rows, true, NULL);
    end(&rows, "");
    begin(&rows, false, "sku available");
    end(&rows, "");
}

Test(rows, named_columns_come_first_then_those_of_the_first_record)
{
    struct rows rows;

    begin(&rows, true, "sku qty");
    add(&rows, "{\"at\": 5, \"qty\": 2, \"sku\": \"A\"}");
    add(&rows, "{\"sku\": \"B\", \"unheard\": 1}");
    end(&rows, "sku,qty,at\nA,2,5\nB,,\n");
}

Test(rows, columns_may_be_learned_before)
{
    struct rows rows;

    begin(&rows, true, "a");
    learn(&rows, "{\"a\": 1}");
    learn(&rows, "{\"b\": 1}");
    add(&rows, "{\"a\": 1}");
    add(&rows, "{\"b\": 2}");
    end(&rows, "a,b\n1,\n,2\n");
}

Test(rows, lists_have_their_fields_in_order)
{
    struct rows rows;

    begin(&rows, true, "channel sku");
    add(&rows, "[\"web\", \"A\"]");
    add(&rows, "[\"web\"]");
    end(&rows, "channel,sku\nweb,A\nweb,\n");
    begin(&rows, false, "channel sku");
    add(&rows, "[\"web\", \"A\"]");
    end(&rows, "{\"channel\":\"web\",\"sku\":\"A\"}\n");
}

Test(rows, cells)
{
    struct rows rows;

    begin(&rows, true, NULL);
    add(&rows, "{\"n\": null, \"t\": true, \"f\": false, \"i\": -7, \"r\": 0.1, \"e\": \"\","
               " \"l\": [\"a\", 1], \"none\": [], \"m\": {\"x\": 1, \"y\": {\"z\": 2}},"
               " \"deep\": [[1, null]], \"q\": \"a,\\\"b\\\"\\nc\", \"s\": \" x\"}");
    end(&rows, "n,t,f,i,r,e,l,none,m.x,m.y.z,deep,q,s\n"
               ",yes,no,-7,0.1,,\"a,1\",,1,2,\"[[1,null]]\",\"a,\"\"b\"\"\nc\",\" x\"\n");
}

Test(rows, a_single_value)
{
    struct rows rows;

    begin(&rows, true, "result");
    add(&rows, "\"pong\"");
    end(&rows, "result\npong\n");
}

Test(rows, lines_of_json_keep_what_is_nested)
{
    struct rows rows;

    begin(&rows, false, "a");
    add(&rows, "{\"a\": {\"b\": [1, 2]}, \"c\": null}");
    add(&rows, "{\"d\": \"x\\ny\"}");
    end(&rows, "{\"a\":{\"b\":[1,2]},\"c\":null}\n{\"d\":\"x\\ny\"}\n");
}

Test(rows, each_record_is_written_as_it_comes)
{
    struct rows rows;

    begin(&rows, true, "a");
    add(&rows, "{\"a\": 1}");
    fflush(out);
    cr_expect_str_eq(text, "a\n1\n");
    add(&rows, "{\"a\": 2}");
    end(&rows, "a\n1\n2\n");
}

Test(rows, json_has_no_raw_control_characters)
{
    json_t *json = json_pack("[s]", "a\033[2J\x7f\xc2\x9b\xe2\x80\xa8\xc3\xa9\xe2\x82\xac");

    out = open_memstream(&text, &size);
    json_put(out, json, JSON_COMPACT);
    fclose(out);
    cr_expect_str_eq(text, "[\"a\\u001B[2J\\u007f\\u009b\\u2028\xc3\xa9\xe2\x82\xac\"]", "%s",
                     text);
    json_t *again = json_loads(text, 0, NULL);
    cr_expect(json_equal(again, json), "it is no longer the same");
    json_decref(again);
    json_decref(json);
    free(text);
}
