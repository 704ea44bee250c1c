/* SPDX-License-Identifier: MIT */
/* Any JSON as the body of a message to an agent: the first byte picks the reader. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/speech.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds) {
		__builtin_trap();
	}
}

static void read_score(const json_t *body)
{
	kg_score_order order;
	if (kg_score_order_read(&order, body) != KG_OK) {
		return;
	}
	for (size_t i = 0; i < order.count; i++) {
		int64_t id;
		uint8_t *bytes;
		size_t length;
		if (kg_score_order_at(&order, i, &id, &bytes, &length) == KG_OK) {
			require(id >= 0 && length <= KG_ENTRY_TEXT_MAX + 3);
			free(bytes);
		}
	}
}

static void read_body(unsigned which, const json_t *body)
{
	static kg_heard heard; /* large for a stack */
	kg_think think;
	kg_settle settle;
	kg_chain_head head;
	switch (which) {
	case 0:
		if (kg_think_read(&think, body) == KG_OK) {
			require(strlen(think.round) == KG_ROUND_SIZE - 1 && think.max_tokens >= 1);
			require(think.sampler.temperature >= 0 && think.sampler.top_p <= 1);
		}
		break;
	case 1:
		read_score(body);
		break;
	case 2:
		if (kg_settle_read(&settle, body) == KG_OK) {
			require(settle.agreement >= 0 && settle.agreement <= 1);
		}
		break;
	case 3:
		if (kg_head_read(&head, body) == KG_OK && head.sequence == 0) {
			require(head.time_ms == 0);
		}
		break;
	default:
		if (kg_heard_read(&heard, body) == KG_OK) {
			require(heard.tag_count <= KG_ENTRY_TAGS_MAX);
			require(!heard.has_coefficient ||
				kg_coefficient_check(&heard.coefficient) == KG_OK);
		}
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *body = NULL;
	if (size == 0 || kg_json_parse(&body, data + 1, size - 1) != KG_OK) {
		return 0;
	}
	if (json_is_object(body)) {
		read_body((data[0] & 0x7f) % 5, body);
	}
	json_decref(body);
	return 0;
}
