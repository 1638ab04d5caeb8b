/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenAPI 3.1 document, made from methods.def and routes.c. */
#ifndef GATEWAY_OPENAPI_H
#define GATEWAY_OPENAPI_H

/* The document as JSON text, from malloc; NULL: out of memory. Reads the table (methods_read). */
char *openapi_document(void);

#endif
