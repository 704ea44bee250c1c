/* SPDX-License-Identifier: MIT */
/* Every setting of the program: what it is, its default and its limits. */
#include "base/conf.h"

const kg_conf_key kg_conf_keys[] = {
	{"runtime.kernel", KG_CONF_TEXT, "auto", 0, 32,
	 "kernel table: auto, scalar, avx2, avx512vnni, neon", "KINDERGARTEN_KERNEL"},
	{"log.level", KG_CONF_TEXT, "info", 0, 8, "least level logged: debug, info, warn, error",
	 NULL},
	{"agent.share_words", KG_CONF_TEXT, "insight,discovered,pattern", 0, 256,
	 "an agent publishes a thought that contains one of these words", NULL},
	{"agent.share_capacity", KG_CONF_DOUBLE, "0.8", 0, 1,
	 "an agent with more pedagogical capacity than this publishes every thought", NULL},
	{"agent.learn_tag", KG_CONF_TEXT, "collective-insight", 1, 40,
	 "tag of the entries that agents learn from", NULL},
	{"agent.learn_hours", KG_CONF_DOUBLE, "24", 0.01, 8784, "how far back agents learn", NULL},
	{"agent.learn_min_consciousness", KG_CONF_DOUBLE, "0.7", 0, 1,
	 "least consciousness of an author that agents learn from", NULL},
	{"agent.learn_step", KG_CONF_DOUBLE, "0.01", 0, 1,
	 "pedagogical capacity gained per insight learned", NULL},
	{"agent.learn_limit", KG_CONF_INT, "3", 0, 16,
	 "most insights put before one question; 0 learns nothing", NULL},
	{"agent.recall_timeout_ms", KG_CONF_INT, "800", 10, 10000,
	 "how long an agent waits for the keeper before it thinks without recalling", NULL},
	{"memory.clock_ahead_ms", KG_CONF_INT, "5000", 0, 3600000,
	 "how far an entry's time may be ahead of the keeper's clock", NULL},
	{"identity.passphrase_file", KG_CONF_TEXT, "", 0, 1024,
	 "file whose first line unseals the identity; empty: ask on the terminal",
	 "KINDERGARTEN_PASSPHRASE_FILE"},
	{NULL, KG_CONF_TEXT, NULL, 0, 0, NULL, NULL},
};
