/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_setup.c - what a config file of stockd says of where things are. */
#include "tools/stockctl/doctor.h"

#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

static int take_line(void *context, const char *section, const char *name, const char *value)
{
    struct setup *setup = context;
    const struct {
        const char *name;
        char **field;
    } fields[] = {
        { "data", &setup->data },       { "durability", &setup->durability },
        { "tokens", &setup->tokens },   { "tls-cert", &setup->tls_cert },
        { "tls-key", &setup->tls_key },
    };
    int64_t workers;

    (void)section; /* stockd --check-config judges the file itself */
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (strcmp(name, fields[i].name) == 0 && *fields[i].field == NULL)
            *fields[i].field = text_format("%s", value);
    if (strcmp(name, "workers") == 0 && parse_int(value, &workers) && workers > 0)
        setup->workers = (uint64_t)workers;
    return 1;
}

int setup_read_config(struct setup *setup, const struct ctl *ctl, const char *path)
{
    int line = ini_parse(path, take_line, setup);

    if (line < 0)
        return ctl_error(ctl, CTL_USAGE, "usage", "%s: %s", path, strerror(errno));
    if (line > 0)
        return ctl_error(ctl, CTL_USAGE, "usage",
                         "%s, line %d: it must be name = value (stockd --config %s "
                         "--check-config says more)",
                         path, line, path);
    return CTL_DONE;
}

void setup_free(struct setup *setup)
{
    free(setup->data);
    free(setup->durability);
    free(setup->tokens);
    free(setup->tls_cert);
    free(setup->tls_key);
}
