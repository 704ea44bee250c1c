/* SPDX-License-Identifier: MIT */
/* Any two frames from anyone: the first byte picks sender and receiver, the rest is header, body.
 */
#include <stddef.h>
#include <stdint.h>

#include "bus/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"agent-0", "keeper", "orchestrator", "operator"};
	size_t header = size > KG_MESSAGE_HEADER_SIZE ? KG_MESSAGE_HEADER_SIZE : 0;
	kg_message m = {0};

	if (size == 0)
		return 0;
	if (kg_message_parse(&m, names[data[0] & 3], (kg_role)(1 << (data[0] >> 2 & 3)), data + 1,
			     header, data + 1 + header, size - 1 - header) != KG_OK)
		return 0;
	if (m.kind == KG_MESSAGE_FAILED && kg_message_fail(&m) == KG_OK)
		__builtin_trap();
	kg_message_release(&m);
	return 0;
}
