/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gateway/openapi.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "tools/gateway/methods.h"
#include "tools/gateway/problem.h"
#include "tools/gateway/routes.h"

#define API_VERSION "1.0.0"

static const char about[] =
    "Stock of a retailer over HTTP: every method of the engine as POST /v1/{method}, common "
    "questions as GET, and streams of changes and events. 200 means what the engine's own reply "
    "means: the change is as durable as the engine was told to make it. Errors are "
    "application/problem+json with the engine's code.";

static json_t *reference(const char *section, const char *name)
{
    char path[96];
    snprintf(path, sizeof path, "#/components/%s/%s", section, name);
    return json_pack("{s:s}", "$ref", path);
}

static json_t *schema_of(const char *kind)
{
    return reference("schemas", kind);
}

/* ---- schemas ---- */

static json_t *or_null(json_t *schema)
{
    return json_pack("{s:[o,{s:s}]}", "anyOf", schema, "type", "null");
}

static json_t *row_as_list(const struct kind *kind)
{
    json_t *items = json_array();
    unsigned least = 0;
    for (unsigned i = 0; i < kind->column_count; i++) {
        json_t *schema = schema_of(kind->columns[i].kind->name);
        least += !kind->columns[i].optional;
        json_array_append_new(items, kind->columns[i].optional ? or_null(schema) : schema);
    }
    return json_pack("{s:s,s:o,s:b,s:i}", "type", "array", "prefixItems", items, "items", 0,
                     "minItems", (int)least);
}

/* An object of parameters or columns; required, if not NULL, gets the names of those that must
 * be there. */
static json_t *properties_of(const struct parameter *list, unsigned count, json_t *required)
{
    json_t *properties = json_object();
    for (unsigned i = 0; i < count; i++) {
        json_t *schema = schema_of(list[i].kind->name);
        json_object_set_new(schema, "description", json_string(list[i].about));
        json_object_set_new(properties, list[i].name, schema);
        if (required && !list[i].optional)
            json_array_append_new(required, json_string(list[i].name));
    }
    return properties;
}

static json_t *row_as_object(const struct kind *kind)
{
    json_t *required = json_array();
    json_t *properties = properties_of(kind->columns, kind->column_count, required);
    return json_pack("{s:s,s:o,s:o,s:b}", "type", "object", "properties", properties, "required",
                     required, "additionalProperties", 0);
}

static json_t *problem_schema(void)
{
    json_t *codes = json_array();
    unsigned status;
    const char *code;
    for (unsigned i = 0; (code = problem_code(i, &status)); i++)
        json_array_append_new(codes, json_string(code));
    return json_pack("{s:s,s:[s,s,s,s,s],s:{s:{s:s},s:{s:s},s:{s:s,s:o},s:{s:s},s:{s:s}}}", "type",
                     "object", "required", "status", "title", "code", "detail", "details",
                     "properties", "status", "type", "integer", "title", "type", "string", "code",
                     "type", "string", "examples", codes, "detail", "type", "string", "details",
                     "type", "object");
}

static json_t *schemas(void)
{
    unsigned count;
    const struct kind *kinds = gateway_kinds(&count);
    json_t *schemas = json_object();
    for (unsigned i = 0; i < count; i++) {
        json_t *schema;
        if (kinds[i].form == FORM_ROWS)
            schema = json_pack("{s:s,s:i,s:{s:[o,o]}}", "type", "array", "maxItems", 1024, "items",
                               "oneOf", row_as_list(&kinds[i]), row_as_object(&kinds[i]));
        else
            schema = json_loads(kinds[i].schema, 0, NULL);
        assert(schema);
        json_object_set_new(schemas, kinds[i].name, schema);
    }
    json_object_set_new(schemas, "problem", problem_schema());
    return schemas;
}

/* ---- operations ---- */

static json_t *responses(json_t *good, const char *type, const char *what)
{
    json_t *content = json_object();
    json_object_set_new(content, type, json_pack("{s:o}", "schema", good));
    return json_pack("{s:{s:s,s:o},s:o,s:o}", "200", "description", what, "content", content, "4XX",
                     reference("responses", "refused"), "503", reference("responses", "away"));
}

static json_t *result_schema(const struct method *method)
{
    json_t *required = json_array(), *properties = json_object();
    if (method->result_count == 0) {
        json_decref(required);
        json_decref(properties);
        return json_pack("{s:s}", "type", "string");
    }
    for (unsigned i = 0; i < method->result_count; i++) {
        json_t *schema = or_null(schema_of(method->result[i].kind->name));
        json_object_set_new(schema, "description", json_string(method->result[i].about));
        json_object_set_new(properties, method->result[i].name, schema);
        if (!method->result[i].optional)
            json_array_append_new(required, json_string(method->result[i].name));
    }
    return json_pack("{s:s,s:o,s:o}", "type", "object", "properties", properties, "required",
                     required);
}

static bool takes_key(const struct method *method)
{
    return method->lane != LANE_QUESTION && method->parameter_count > 0 &&
           strcmp(method->parameters[0].name, "id") == 0;
}

static json_t *body_schema(const struct method *method)
{
    json_t *required = json_array();
    json_t *properties = properties_of(method->parameters, method->parameter_count, required);
    json_t *options = properties_of(method->options, method->option_count, NULL);
    json_object_update_missing(properties, options);
    json_decref(options);
    if (takes_key(method)) /* Idempotency-Key may stand for the id, which is the first */
        json_array_remove(required, 0);
    json_t *object = json_pack("{s:s,s:o,s:o,s:b}", "type", "object", "properties", properties,
                               "required", required, "additionalProperties", 0);
    return json_pack("{s:[o,{s:s,s:s}]}", "oneOf", object, "type", "array", "description",
                     "the positional parameters, and a map of options last");
}

static json_t *post_of(const struct method *method)
{
    json_t *parameters = json_array(), *good;
    bool stream = method->lane == LANE_STREAM;
    if (takes_key(method))
        json_array_append_new(parameters, reference("parameters", "idempotency_key"));
    if (stream)
        json_array_append_new(parameters, reference("parameters", "last_event_id"));
    good = stream ? json_pack("{s:s}", "type", "string") : result_schema(method);
    return json_pack("{s:{s:s,s:s,s:o,s:{s:b,s:{s:{s:o}}},s:o}}", "post", "operationId",
                     method->name, "summary", method->summary, "parameters", parameters,
                     "requestBody", "required", 0, "content", "application/json", "schema",
                     body_schema(method), "responses",
                     responses(good, stream ? "text/event-stream" : "application/json",
                               stream ? "The stream" : "The result"));
}

static const char *route_type(enum page page)
{
    return page == PAGE_HOME                             ? "text/html"
           : page == PAGE_ASSET                          ? "text/*"
           : page == PAGE_METRICS                        ? "text/plain"
           : page == PAGE_CHANGES || page == PAGE_EVENTS ? "text/event-stream"
                                                         : "application/json";
}

static json_t *parameter(const char *in, const struct query_parameter *given)
{
    json_t *schema = schema_of(given->kind);
    if (given->repeated)
        schema = json_pack("{s:s,s:o}", "type", "array", "items", schema);
    return json_pack("{s:s,s:s,s:s,s:b,s:o}", "name", given->name, "in", in, "description",
                     given->about, "required", (int)given->required, "schema", schema);
}

static json_t *get_of(const struct route *route)
{
    json_t *parameters = json_array();
    const char *type = route_type(route->page);
    bool text = strcmp(type, "application/json") != 0;
    if (route->variable)
        json_array_append_new(
            parameters, parameter("path", &(struct query_parameter){ route->variable, route->kind,
                                                                     "which one", false, true }));
    for (unsigned i = 0; i < sizeof route->query / sizeof *route->query; i++)
        if (route->query[i].name)
            json_array_append_new(parameters, parameter("query", &route->query[i]));
    if (route->page == PAGE_CHANGES || route->page == PAGE_EVENTS)
        json_array_append_new(parameters, reference("parameters", "last_event_id"));
    return json_pack(
        "{s:{s:s,s:s,s:o,s:o}}", "get", "operationId", route->id, "summary", route->summary,
        "parameters", parameters, "responses",
        responses(json_pack("{s:s}", "type", text ? "string" : "object"), type, route->summary));
}

static void add_routes(json_t *paths)
{
    unsigned count;
    const struct route *routes = gateway_routes(&count);
    for (unsigned i = 0; i < count; i++) {
        char path[64];
        bool variable = routes[i].variable != NULL;
        snprintf(path, sizeof path, "%s%s%s%s", routes[i].path, variable ? "{" : "",
                 variable ? routes[i].variable : "", variable ? "}" : "");
        json_object_set_new(paths, path, get_of(&routes[i]));
    }
}

static void add_methods(json_t *paths)
{
    unsigned count;
    const struct method *methods = gateway_methods(&count);
    for (unsigned i = 0; i < count; i++) {
        char path[64];
        snprintf(path, sizeof path, "/v1/%s", methods[i].name);
        json_t *post = post_of(&methods[i]), *there = json_object_get(paths, path);
        if (there) {
            json_object_update(there, post);
            json_decref(post);
        } else {
            json_object_set_new(paths, path, post);
        }
    }
}

/* ---- the document ---- */

static json_t *header(const char *name, const char *what, const char *kind)
{
    return json_pack("{s:s,s:s,s:s,s:b,s:o}", "name", name, "in", "header", "description", what,
                     "required", 0, "schema", schema_of(kind));
}

static json_t *response(const char *what)
{
    return json_pack("{s:s,s:{s:{s:o}}}", "description", what, "content",
                     "application/problem+json", "schema", schema_of("problem"));
}

static json_t *components(void)
{
    return json_pack(
        "{s:o,s:{s:o,s:o},s:{s:o,s:o},s:{s:{s:s,s:s}}}", "schemas", schemas(), "parameters",
        "idempotency_key",
        header("Idempotency-Key",
               "stands for `id` where the body has none, and for the `op` of a step", "id"),
        "last_event_id", header("Last-Event-ID", "the position to continue from", "lsn"),
        "responses", "refused", response("Refused: `code` says why"), "away",
        response("The engine is away, or takes no changes"), "securitySchemes", "token", "type",
        "http", "scheme", "bearer");
}

char *openapi_document(void)
{
    methods_read();
    json_t *paths = json_object();
    add_routes(paths);
    add_methods(paths);
    json_t *document =
        json_pack("{s:s,s:{s:s,s:s,s:s,s:{s:s,s:s}},s:[{s:s}],s:[{},{s:[]}],s:o,s:o}", "openapi",
                  "3.1.0", "info", "title", "stockd", "version", API_VERSION, "description", about,
                  "license", "name", "Apache 2.0", "identifier", "Apache-2.0", "servers", "url",
                  "/", "security", "token", "paths", paths, "components", components());
    char *text = json_dumps(document, JSON_COMPACT);
    json_decref(document);
    return text;
}
