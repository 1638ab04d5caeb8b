/* SPDX-License-Identifier: Apache-2.0 */
/* call.c - requests to the engine, and its refusals as text. */
#include "tools/stockctl/output.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_json_error(const struct ctl *ctl, const char *code, const char *message,
                             json_t *details)
{
    json_t *error = json_pack("{s:{s:s, s:s, s:o}}", "error", "code", code, "message", message,
                              "details", details != NULL ? details : json_object());
    if (error == NULL) /* the message was not UTF-8 */
        error = json_pack("{s:{s:s, s:s, s:{}}}", "error", "code", code, "message", "", "details");
    json_put(stdout, error, ctl->output == OUTPUT_NDJSON ? JSON_COMPACT : JSON_INDENT(2));
    putchar('\n');
    json_decref(error);
}

int ctl_error(const struct ctl *ctl, int exit_code, const char *code, const char *format, ...)
{
    char message[2048];
    va_list list;

    va_start(list, format);
    vsnprintf(message, sizeof(message), format, list);
    va_end(list);
    char *clean = text_clean(message, strlen(message));
    if (output_errors_in_json(ctl))
        print_json_error(ctl, code, clean, NULL);
    else
        fprintf(stderr, "stockctl: %s\n", clean);
    free(clean);
    return exit_code;
}

bool ctl_has_several(const struct ctl *ctl)
{
    return strchr(ctl->server, ',') != NULL;
}

int ctl_lost(const struct ctl *ctl, const stockd_client *client, int status)
{
    const char *text = stockd_error_message(client);
    size_t len = strlen(ctl->server);

    if (text[0] == '\0')
        text = stockd_status_text(status);
    if (strncmp(text, ctl->server, len) == 0 && text[len] == ':')
        text += len + 2;      /* most client messages already begin with the address */
    if (ctl_has_several(ctl)) /* each address is in the text */
        return ctl_error(ctl, CTL_UNREACHABLE, "unreachable", "%s", text);
    return ctl_error(ctl, CTL_UNREACHABLE, "unreachable", "%s: %s%s", ctl->server, text,
                     (status == STOCKD_E_CONNECT || status == STOCKD_E_CLOSED) &&
                             !output_errors_in_json(ctl)
                         ? " (is stockd running there? -s ADDRESS names another)"
                         : "");
}

int ctl_failed(struct ctl *ctl, int status)
{
    return ctl_lost(ctl, ctl->client, status);
}

/* The short lines, or whatever list the details hold. */
static void print_short_lines(stockd_value details)
{
    static const struct column columns[] = {
        { "sku", "<SKU" },       { "location", "<LOCATION" },
        { "wanted", ">WANTED" }, { "available", ">AVAILABLE" },
        { "left", ">LEFT" },
    };
    stockd_value lines;

    if (reply_list(details, &lines))
        show_records(lines, columns, sizeof(columns) / sizeof(columns[0]), "  ", stderr);
}

int ctl_refused(struct ctl *ctl, const stockd_reply *reply)
{
    char *message = text_clean(reply->message, strlen(reply->message));

    if (output_errors_in_json(ctl)) {
        print_json_error(ctl, reply->code, message, json_from_value(reply->details));
    } else {
        fprintf(stderr, "stockctl: %s: %s\n", reply->code, message);
        print_short_lines(reply->details);
    }
    free(message);
    return CTL_REFUSED;
}

bool ctl_is_fatal(const char *code)
{
    static const char *const codes[] = { "read_only", "unauthorized", "forbidden", "limit",
                                         "unknown_method" };
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (strcmp(code, codes[i]) == 0)
            return true;
    return false;
}

char *ctl_default_name(void)
{
    const struct passwd *user = getpwuid(getuid());
    char *name = user != NULL ? text_format("%.64s@stockctl", user->pw_name)
                              : text_format("%lu@stockctl", (unsigned long)getuid());
    if (bytes_are_utf8(name, strlen(name)))
        return name;
    free(name);
    return text_format("stockctl");
}

stockd_options ctl_options(const struct ctl *ctl)
{
    return (stockd_options){ .client_name = ctl->name,
                             .token_file = ctl->token_file,
                             .ca_file = ctl->ca_file,
                             .cert_file = ctl->cert_file,
                             .key_file = ctl->key_file };
}

static bool is_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Whether the shell's connection is to this engine, as this caller, and does what is wanted. */
static bool may_share(const struct ctl *ctl)
{
    const struct ctl *kept = ctl->kept;

    return kept != NULL && ctl->notify == NULL && !ctl->patient &&
           is_same(ctl->server, kept->server) && is_same(ctl->name, kept->name) &&
           is_same(ctl->token_file, kept->token_file) && is_same(ctl->ca_file, kept->ca_file) &&
           is_same(ctl->cert_file, kept->cert_file) && is_same(ctl->key_file, kept->key_file);
}

int ctl_connect(struct ctl *ctl)
{
    stockd_options options = ctl_options(ctl);

    options.call_timeout_ms = ctl->patient ? -1 : 0;
    options.notify = ctl->notify;
    options.notify_context = ctl->notify_context;
    if (ctl->client == NULL && may_share(ctl))
        ctl->client = ctl->kept->client;
    if (ctl->client != NULL)
        return CTL_DONE;
    int status = stockd_connect(&ctl->client, ctl->server, &options);
    if (status == STOCKD_E_ARGUMENT)
        return ctl_error(ctl, CTL_USAGE, "usage", "%s", stockd_error_message(ctl->client));
    if (status == STOCKD_REFUSED)
        return ctl_refused(ctl, stockd_last_reply(ctl->client));
    if (status != STOCKD_OK)
        return ctl_failed(ctl, status);
    if (may_share(ctl))
        ctl->kept->client = ctl->client;
    return CTL_DONE;
}

int ctl_call(struct ctl *ctl, const char *method, const stockd_pack *params, unsigned flags,
             stockd_reply *reply)
{
    int failed = ctl_connect(ctl);
    if (failed != CTL_DONE)
        return failed;
    if (params != NULL && stockd_pack_status(params) != STOCKD_OK)
        return ctl_error(ctl, CTL_USAGE, "usage", "%s: cannot make the request: %s", method,
                         stockd_status_text(stockd_pack_status(params)));
    int status = stockd_call(ctl->client, method, params != NULL ? params->data : NULL,
                             params != NULL ? params->len : 0, flags, reply);
    if (status == STOCKD_OK)
        return CTL_DONE;
    return status == STOCKD_REFUSED ? ctl_refused(ctl, reply) : ctl_failed(ctl, status);
}

static int take_id(const struct args *args, const char *option, char *out)
{
    const char *given = args_option(args, option);

    if (given == NULL) {
        stockd_make_id(out);
        return CTL_DONE;
    }
    size_t len = strlen(given);
    if (len == 0 || len > STOCKD_ID_MAX)
        return usage_error(args, "--%s: 1 to %d bytes, not %zu", option, STOCKD_ID_MAX, len);
    memcpy(out, given, len + 1);
    return CTL_DONE;
}

int ctl_take_id(const struct args *args, char *out)
{
    return take_id(args, "id", out);
}

int ctl_take_op(const struct args *args, char *out)
{
    return take_id(args, "op", out);
}

bool reply_list(stockd_value result, stockd_value *list)
{
    stockd_iter it = stockd_iterate(result);
    stockd_value key;
    stockd_value element;

    if (stockd_value_kind(result) != STOCKD_KIND_MAP)
        return false;
    while (stockd_next(&it, &key, &element)) {
        if (stockd_value_kind(element) != STOCKD_KIND_ARRAY)
            continue;
        *list = element;
        return true;
    }
    return false;
}
