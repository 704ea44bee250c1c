/* SPDX-License-Identifier: MIT */
#include "agent/post_main.h"

#include <string.h>

#include "agent/speech.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

enum {
	RESEND_MS = 1500, /* until an unacknowledged entry is sent again */
	AWAY_MS = 3000,   /* a keeper that cannot be reached is left alone that long */
	FULL_MS = 250     /* the same for one that has no room */
};

void kg_post_avoid(kg_post *post, int64_t now_ms)
{
	post->away_ms = now_ms + AWAY_MS;
}

bool kg_post_is_away(const kg_post *post, int64_t now_ms)
{
	return now_ms < post->away_ms;
}

void kg_post_send(kg_post *post, int64_t now_ms)
{
	uint64_t ticket;
	const uint8_t *object;
	size_t size;
	if (!post->outbox || kg_post_is_away(post, now_ms)) {
		return;
	}
	while (kg_outbox_due(post->outbox, now_ms - RESEND_MS, &ticket, &object, &size)) {
		uint64_t request = kg_socket_next_id(post->keeper);
		if (kg_socket_send(post->keeper, NULL, KG_MESSAGE_SUBMIT, request, object, size) !=
		    KG_OK) {
			kg_log_err(KG_LOG_WARN, "keeper.unreachable");
			kg_post_avoid(post, kg_clock_mono_ms());
			return;
		}
		kg_outbox_sent(post->outbox, ticket, request, now_ms);
	}
}

/* The keeper's chain ends elsewhere than thought: ask where. */
static void ask_head(kg_post *post)
{
	char key[KG_PUBKEY_TEXT_SIZE];
	kg_pubkey_format(key, post->agent);
	uint64_t request = kg_socket_next_id(post->keeper);
	if (kg_socket_send_json(post->keeper, NULL, KG_MESSAGE_HEAD, request,
				json_pack("{s:s}", "agent", key)) == KG_OK) {
		post->head_request = request;
	}
}

/* The words are those of memory/reason.h. */
bool kg_post_is_closed(void)
{
	static const char *const words[] = {"revoked:", "closed:"};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strncmp(kg_err_text(), words[i], strlen(words[i])) == 0) {
			return true;
		}
	}
	return false;
}

static void on_refused(kg_post *post, const kg_message *message, int64_t now_ms)
{
	kg_err code = kg_message_fail(message);
	uint64_t ticket = 0;
	kg_log_err(code == KG_EFULL ? KG_LOG_INFO : KG_LOG_WARN, "entry.refused");
	switch (code) {
	case KG_EFULL:
		/* It keeps what it can hold; the rest waits here, in its order. */
		kg_outbox_unsent(post->outbox);
		post->away_ms = now_ms + FULL_MS;
		break;
	case KG_EDENIED:
	case KG_EBADSIG:
	case KG_ECORRUPT:
		post->closed = post->closed || kg_post_is_closed();
		if (kg_outbox_drop(post->outbox, message->id, &ticket)) {
			post->lost(post->data, ticket, code);
		}
		ask_head(post);
		break;
	case KG_EEXISTS:
		(void)kg_outbox_stored(post->outbox, message->id);
		break;
	case KG_ECONFLICT:
		kg_outbox_refuse(post->outbox, message->id);
		ask_head(post);
		break;
	default: /* what else may be wrong (a full disk, a clock) passes; sent again later */
		break;
	}
}

static void take_credit(kg_post *post, const kg_message *message)
{
	int64_t credit;
	if (kg_json_get_i64(&credit, message->json, "credit", 0, INT64_MAX) == KG_OK) {
		kg_outbox_allow(post->outbox, credit);
	}
}

static void on_ack(kg_post *post, const kg_message *message)
{
	const char *text = NULL;
	kg_entry_id id;
	if (kg_json_get_text(&text, message->json, "id", KG_HASH_TEXT_SIZE - 1) != KG_OK ||
	    kg_entry_id_parse(&id, text) != KG_OK) {
		kg_log_err(KG_LOG_WARN, "message.refused");
		return;
	}
	kg_outbox_acknowledge(post->outbox, &id);
}

static void on_head(kg_post *post, const kg_message *message)
{
	kg_chain_head head;
	bool moved = false;
	if (message->id != post->head_request) {
		return;
	}
	post->head_request = 0;
	if (kg_head_read(&head, message->json) != KG_OK ||
	    kg_outbox_rebase(post->outbox, &head, kg_clock_wall_ms(), &moved) != KG_OK) {
		kg_log_err(KG_LOG_ERROR, "chain.broken");
		return;
	}
	if (moved) {
		kg_log(KG_LOG_WARN, "chain.moved", "sequence=%llu",
		       (unsigned long long)head.sequence);
	}
}

void kg_post_hear(kg_post *post, const kg_message *message, int64_t now_ms)
{
	if (!post->outbox) {
		return;
	}
	if (message->kind == KG_MESSAGE_ACK) {
		take_credit(post, message);
		on_ack(post, message);
	} else if (message->kind == KG_MESSAGE_HEAD_IS) {
		take_credit(post, message);
		on_head(post, message);
	} else if (message->kind == KG_MESSAGE_FAILED &&
		   kg_outbox_knows(post->outbox, message->id)) {
		on_refused(post, message, now_ms);
	}
}
