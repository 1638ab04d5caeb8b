/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway's document beside the engine's table of methods. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "protocol/methods.h"
#include "tools/gateway/openapi.h"
#include "tools/gateway/problem.h"

static json_t *document(void)
{
    char *text = openapi_document();
    cr_assert(text);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    cr_assert(json);
    free(text);
    return json;
}

Test(gateway_methods, every_method_of_the_engine_has_a_row)
{
    unsigned count;
    json_t *json = document(), *paths = json_object_get(json, "paths");
    const struct method *methods = methods_all(&count);
    cr_assert_gt(count, 40);
    for (unsigned i = 0; i < count; i++) {
        char path[64];
        snprintf(path, sizeof path, "/v1/%s", methods[i].name);
        cr_expect(json_object_get(json_object_get(paths, path), "post"),
                  "the engine has %s, and tools/gateway/methods.def has not", methods[i].name);
    }
    json_decref(json);
}

/* A question may be sent again and needs no id; the engine knows best what is one. */
Test(gateway_methods, what_takes_a_key_is_a_change)
{
    unsigned count;
    json_t *json = document(), *paths = json_object_get(json, "paths");
    const struct method *methods = methods_all(&count);
    for (unsigned i = 0; i < count; i++) {
        char path[64];
        snprintf(path, sizeof path, "/v1/%s", methods[i].name);
        json_t *post = json_object_get(json_object_get(paths, path), "post");
        if (json_array_size(json_object_get(post, "parameters")) > 0 &&
            strcmp(methods[i].name, "subscribe") != 0)
            cr_expect(methods[i].needs & NEED_LOG, "%s takes a key", methods[i].name);
    }
    json_decref(json);
}

static void check_references(const json_t *json, const json_t *root)
{
    const char *key;
    size_t index;
    json_t *value;
    if (json_is_array(json))
        json_array_foreach((json_t *)json, index, value) check_references(value, root);
    if (!json_is_object(json))
        return;
    json_object_foreach((json_t *)json, key, value)
    {
        char path[128], *rest = path, *part;
        const json_t *at = root;
        check_references(value, root);
        if (strcmp(key, "$ref") != 0)
            continue;
        snprintf(path, sizeof path, "%s", json_string_value(value));
        while ((part = strtok_r(rest, "/", &rest)))
            at = strcmp(part, "#") == 0 ? at : json_object_get(at, part);
        cr_expect(at, "%s leads nowhere", json_string_value(value));
    }
}

Test(gateway_methods, every_reference_leads_somewhere)
{
    json_t *json = document();
    check_references(json, json);
    json_decref(json);
}

Test(gateway_methods, every_error_code_of_the_engine_has_a_status)
{
    static const struct {
        const char *code;
        unsigned status;
    } contract[] = {
        { "bad_request", 400 },         { "unauthorized", 401 },
        { "forbidden", 403 },           { "unknown_sku", 404 },
        { "unknown_reservation", 404 }, { "conflict", 409 },
        { "wrong_state", 409 },         { "stale", 409 },
        { "too_large", 413 },           { "insufficient_stock", 422 },
        { "overloaded", 429 },          { "read_only", 503 },
    };
    for (size_t i = 0; i < sizeof contract / sizeof *contract; i++)
        cr_expect_eq(problem_status(contract[i].code), contract[i].status, "%s", contract[i].code);
    for (int code = CODE_DEFERRED + 1; code < CODE_COUNT; code++)
        cr_expect_neq(problem_status(code_name((enum code)code)), 500, "%s",
                      code_name((enum code)code));
    cr_expect_eq(problem_status("no_such_code"), 500);
}
