/* SPDX-License-Identifier: Apache-2.0 */
/* From the JSON of a request to the parameters that the engine takes. */
#include <criterion/criterion.h>
#include <string.h>

#include "tools/gateway/arguments.h"
#include "tools/gateway/print.h"

static struct complaint why;
static bool again;

/* The packed parameters as JSON; "" if they were refused. Static: the last call's. */
static const char *read_with(const char *method, const char *body, const char *key)
{
    static char text[1024];
    struct arguments arguments;
    struct bytes out = { 0 };
    methods_read();
    const struct method *m = gateway_method(method, strlen(method));
    cr_assert(m, "no method %s", method);
    why = (struct complaint){ .param = "" };
    text[0] = '\0';
    if (arguments_read(m, body, strlen(body), key, &arguments, &why)) {
        print_value(&out, (stockd_value){ arguments.pack.data, arguments.pack.len });
        cr_assert_lt(out.len, sizeof text);
        memcpy(text, out.at, out.len);
        text[out.len] = '\0';
        again = arguments.again;
    } else {
        cr_assert(why.message[0], "%s: refused without a word", body);
    }
    stockd_pack_free(&arguments.pack);
    bytes_free(&out);
    return text;
}

static const char *read_body(const char *method, const char *body)
{
    return read_with(method, body, "");
}

static void refused(const char *method, const char *body, const char *param)
{
    cr_assert_str_eq(read_body(method, body), "", "%s took %s", method, body);
    cr_assert_str_eq(why.param, param, "%s: \"%s\" is named, not \"%s\": %s", body, why.param,
                     param, why.message);
}

Test(gateway_arguments, named_parameters_come_in_the_engines_order)
{
    cr_assert_str_eq(
        read_body("receive", "{\"qty\":5,\"location\":\"main\",\"sku\":\"A\",\"id\":\"r\"}"),
        "[\"r\",\"A\",\"main\",5]");
}

Test(gateway_arguments, options_stand_beside_the_parameters)
{
    cr_assert_str_eq(read_body("reserve", "{\"id\":\"o\",\"channel\":\"web\",\"ttl_ms\":1000,"
                                          "\"confirm\":true,\"lines\":[[\"A\",1]]}"),
                     "[\"o\",\"web\",[[\"A\",1]],{\"ttl_ms\":1000,\"confirm\":true}]");
}

Test(gateway_arguments, what_may_be_left_out_is_nil_before_options)
{
    cr_assert_str_eq(read_body("fulfil", "{\"id\":\"o\"}"), "[\"o\"]");
    cr_assert_str_eq(read_body("fulfil", "{\"id\":\"o\",\"op\":\"x\"}"),
                     "[\"o\",null,{\"op\":\"x\"}]");
    cr_assert_str_eq(read_body("history", "{\"id\":\"o\"}"), "[null,{\"id\":\"o\"}]");
    cr_assert_str_eq(read_body("ping", ""), "[]");
}

Test(gateway_arguments, null_is_the_same_as_left_out)
{
    cr_assert_str_eq(read_body("fulfil", "{\"id\":\"o\",\"lines\":null,\"op\":null}"), "[\"o\"]");
    refused("fulfil", "{\"id\":null}", "id");
}

Test(gateway_arguments, a_line_may_be_an_object)
{
    cr_assert_str_eq(read_body("reserve", "{\"id\":\"o\",\"channel\":\"c\",\"lines\":["
                                          "{\"qty\":2,\"sku\":\"A\"},[\"B\",1],"
                                          "{\"sku\":\"C\",\"qty\":3,\"location\":\"main\"}]}"),
                     "[\"o\",\"c\",[[\"A\",2],[\"B\",1],[\"C\",3,\"main\"]]]");
    cr_assert_str_eq(read_body("move", "{\"id\":\"o\",\"op\":\"m\",\"lines\":[{\"sku\":\"A\","
                                       "\"from\":\"x\",\"to\":\"y\",\"qty\":1}]}"),
                     "[\"o\",[[\"A\",\"x\",\"y\",1]],{\"op\":\"m\"}]");
    refused("reserve", "{\"id\":\"o\",\"channel\":\"c\",\"lines\":[{\"sku\":\"A\"}]}", "lines");
    refused("reserve",
            "{\"id\":\"o\",\"channel\":\"c\",\"lines\":[{\"sku\":\"A\",\"qty\":1,\"size\":2}]}",
            "lines");
    refused("reserve", "{\"id\":\"o\",\"channel\":\"c\",\"lines\":[{\"sku\":\"A\",\"qty\":\"1\"}]}",
            "lines");
    refused("reserve", "{\"id\":\"o\",\"channel\":\"c\",\"lines\":[5]}", "lines");
}

Test(gateway_arguments, a_wrong_type_is_refused_by_name)
{
    refused("receive", "{\"id\":1,\"sku\":\"A\",\"location\":\"m\",\"qty\":1}", "id");
    refused("receive", "{\"id\":\"r\",\"sku\":\"A\",\"location\":\"m\",\"qty\":\"1\"}", "qty");
    refused("receive", "{\"id\":\"r\",\"sku\":\"A\",\"location\":\"m\",\"qty\":1.5}", "qty");
    refused("receive", "{\"id\":\"r\",\"sku\":\"A\",\"location\":\"m\",\"qty\":true}", "qty");
    refused("receive", "[\"r\",\"A\",\"m\",[]]", "qty");
    refused("availability", "{\"channel\":\"c\",\"skus\":\"A\"}", "skus");
    refused("location_set", "{\"code\":\"m\",\"lat\":\"1\"}", "lat");
    refused("location_set", "{\"code\":\"m\",\"ships\":1}", "ships");
    refused("events", "{\"since_lsn\":0,\"types\":\"late\"}", "types");
}

Test(gateway_arguments, a_missing_or_unknown_parameter_is_named)
{
    refused("receive", "{\"id\":\"r\",\"sku\":\"A\",\"qty\":1}", "location");
    refused("receive", "{\"id\":\"r\",\"sku\":\"A\",\"location\":\"m\",\"qty\":1,\"x\":1}", "x");
}

Test(gateway_arguments, what_is_not_json_is_refused)
{
    static const char *const bodies[] = { "{",        "nonsense",        "5",
                                          "\"text\"", "{\"a\":}",        "{\"id\":\"\xff\"}",
                                          "{} {}",    "{\"i\\u0000\":1}" };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        refused("ping", bodies[i], "");
    refused("confirm", "{\"id\":\"a\",\"id\":\"b\"}", "id");
}

Test(gateway_arguments, depth_is_limited)
{
    char deep[8192];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    refused("ping", deep, "");
    refused("calendar_set", "{\"code\":\"c\",\"week\":[[[[[[[[[1]]]]]]]]]}", "week");
    cr_assert_str_eq(read_body("calendar_set", "{\"code\":\"c\",\"week\":[[1,540,1200]]}"),
                     "[\"c\",{\"week\":[[1,540,1200]]}]");
}

Test(gateway_arguments, integers_are_exact_to_64_bits)
{
    cr_assert_str_eq(read_body("changes", "{\"since_lsn\":9223372036854775807}"),
                     "[9223372036854775807]");
    cr_assert_str_eq(read_body("changes", "{\"since_lsn\":9007199254740993}"),
                     "[9007199254740993]");
    cr_assert_str_eq(read_body("adjust", "{\"id\":\"a\",\"sku\":\"A\",\"location\":\"m\","
                                         "\"delta\":-9223372036854775808}"),
                     "[\"a\",\"A\",\"m\",-9223372036854775808]");
    refused("changes", "{\"since_lsn\":9223372036854775808}", "since_lsn");
    refused("changes", "{\"since_lsn\":99999999999999999999999}", "since_lsn");
    refused("changes", "[9223372036854775808]", "since_lsn");
    refused("changes", "{\"since_lsn\":1e400}", "");
}

Test(gateway_arguments, a_whole_number_may_be_written_as_a_real)
{
    cr_assert_str_eq(read_body("changes", "{\"since_lsn\":5.0}"), "[5]");
    cr_assert_str_eq(read_body("changes", "{\"since_lsn\":1e3}"), "[1000]");
    refused("changes", "{\"since_lsn\":1e17}", "since_lsn");
    cr_assert_str_eq(read_body("location_set", "{\"code\":\"m\",\"lat\":48.5,\"lon\":2}"),
                     "[\"m\",{\"lat\":48.5,\"lon\":2}]");
}

Test(gateway_arguments, the_key_stands_for_the_id)
{
    const char *lines = "{\"channel\":\"c\",\"lines\":[[\"A\",1]]}";
    cr_assert_str_eq(read_with("reserve", lines, "k"), "[\"k\",\"c\",[[\"A\",1]]]");
    refused("reserve", lines, "id");
    cr_assert_str_eq(read_with("confirm", "{\"id\":\"o\"}", "k"), "[\"o\"]", "it has no op");
    cr_assert_str_eq(read_with("reservation", "{\"id\":\"o\"}", "k"), "[\"o\"]");
}

Test(gateway_arguments, the_key_of_a_step_is_its_op)
{
    cr_assert_str_eq(read_with("fulfil", "{\"id\":\"o\",\"lines\":[[\"A\",1]]}", "k"),
                     "[\"o\",[[\"A\",1]],{\"op\":\"k\"}]");
    cr_assert(again);
    cr_assert_str_eq(read_with("fulfil", "{\"id\":\"o\",\"op\":\"x\"}", "k"),
                     "[\"o\",null,{\"op\":\"x\"}]");
    cr_assert_str_eq(read_with("fulfil", "{}", "o"), "[\"o\"]");
}

Test(gateway_arguments, a_list_is_passed_on_as_it_is)
{
    cr_assert_str_eq(read_body("reserve", "[\"o\",\"c\",[[\"A\",1]],{\"ttl_ms\":5}]"),
                     "[\"o\",\"c\",[[\"A\",1]],{\"ttl_ms\":5}]");
    cr_assert_str_eq(read_body("fulfil", "[\"o\",null,{\"op\":\"x\"}]"),
                     "[\"o\",null,{\"op\":\"x\"}]");
}

Test(gateway_arguments, only_what_is_done_once_is_sent_again)
{
    static const struct {
        const char *method, *body;
        bool again;
    } cases[] = {
        { "reserve", "[\"o\",\"c\",[[\"A\",1]]]", true },
        { "availability", "[\"c\",[\"A\"]]", true },
        { "fulfil", "[\"o\"]", true },
        { "fulfil", "{\"id\":\"o\"}", true },
        { "fulfil", "[\"o\",[[\"A\",1]]]", false },
        { "fulfil", "{\"id\":\"o\",\"lines\":[[\"A\",1]]}", false },
        { "fulfil", "[\"o\",[[\"A\",1]],{\"op\":\"x\"}]", true },
        { "arrive", "{\"id\":\"o\",\"lines\":[[\"A\",1]],\"op\":\"x\"}", true },
        { "move", "{\"id\":\"o\",\"lines\":[[\"A\",\"x\",\"y\",1]]}", false },
        { "move", "{\"id\":\"o\",\"lines\":[[\"A\",\"x\",\"y\",1]],\"op\":\"m\"}", true },
        { "reject", "{\"id\":\"o\",\"location\":\"x\"}", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert_str_neq(read_body(cases[i].method, cases[i].body), "", "%s", cases[i].body);
        cr_assert_eq(again, cases[i].again, "%s %s", cases[i].method, cases[i].body);
    }
}

Test(gateway_arguments, availability_takes_sku_for_skus)
{
    cr_assert_str_eq(read_body("availability", "{\"channel\":\"c\",\"sku\":[\"A\"]}"),
                     "[\"c\",[\"A\"]]");
}
