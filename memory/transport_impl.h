/* SPDX-License-Identifier: MIT */
/* transport_impl – what is done otherwise when the other repository is on this machine. */
#ifndef KG_MEMORY_TRANSPORT_IMPL_H
#define KG_MEMORY_TRANSPORT_IMPL_H

#include "memory/transport.h"

/* The path that the url means; NULL: it is elsewhere. */
const char *kg_transport__local(const char *url);

/* Copies all sealed content that is not there under its name. Nothing of the other repository is
 * run. */
kg_err kg_transport__put_sealed(kg_store *from, const char *path);

#endif
