/* SPDX-License-Identifier: MIT */
#include "tests/bus/bus_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void process_start(process *p, const char *name)
{
	memset(p, 0, sizeof(*p));
	assert_int_equal(kg_curve_generate(&p->curve), KG_OK);
	assert_int_equal(kg_bus_new(&p->bus, name, p->curve), KG_OK);
	p->peer = kg_peer_of(name, p->curve);
}

void process_end(process *p)
{
	kg_bus_free(p->bus);
	kg_curve_free(p->curve);
}

void rig_dir(char dir[KG_PATH_SIZE])
{
	(void)snprintf(dir, KG_PATH_SIZE, "/tmp/kg-bus-XXXXXX");
	assert_non_null(mkdtemp(dir));
}

void rig_endpoint(char endpoint[KG_ENDPOINT_SIZE], const char *dir, const char *name)
{
	(void)snprintf(endpoint, KG_ENDPOINT_SIZE, "ipc://%s/%s.sock", dir, name);
}

void rig_clean(const char *dir)
{
	char command[KG_PATH_SIZE + 16];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	assert_int_equal(system(command), 0);
}
