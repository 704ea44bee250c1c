/* SPDX-License-Identifier: MIT */
/* Every setting of the program: what it is, its default and its limits. */
#include "base/conf.h"

const kg_conf_key kg_conf_keys[] = {
	{"runtime.kernel", KG_CONF_TEXT, "auto", 0, 32,
	 "kernel table: auto, scalar, avx2, avx512vnni, neon", "KINDERGARTEN_KERNEL"},
	{"log.level", KG_CONF_TEXT, "info", 0, 8, "least level logged: debug, info, warn, error",
	 NULL},
	{NULL, KG_CONF_TEXT, NULL, 0, 0, NULL, NULL},
};
