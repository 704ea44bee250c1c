/* SPDX-License-Identifier: MIT */
/*
 * Real vocabularies against the ids their makers' tokenizers give: in the folder $KG_VOCAB_DIR,
 * files NAME.gguf, NAME.json (a tokenizer.json) or NAME.model (of SentencePiece) with texts
 * NAME.gguf.inp and ids NAME.gguf.out, which llama.cpp keeps in its folder models.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "runtime/tokenizer_gguf.h"
#include "runtime/tokenizer_json.h"
#include "runtime/tokenizer_sentencepiece.h"

enum { IDS_MAX = 4096, FILE_MAX = 64 << 20 };

static const char separator[] = "\n__ggml_vocab_test__\n";

/* One line of ids; returns how many. */
static size_t read_ids(const char *line, const char *end, uint32_t *ids)
{
	size_t count = 0;

	while (line < end) {
		char *after;
		unsigned long id = strtoul(line, &after, 10);

		if (after == line || after > end)
			break;
		assert_true(count < IDS_MAX);
		ids[count++] = (uint32_t)id;
		line = after;
	}
	return count;
}

/* Whether the ids of a text are the expected ones, and give the text back. */
static bool agrees(const kg_tokenizer *t, const char *text, size_t size, const uint32_t *expected,
		   size_t expected_count)
{
	uint32_t *ids = NULL;
	size_t count = 0;
	kg_buf back;
	bool same;

	assert_int_equal(kg_tokenizer_encode(t, text, size, false, &ids, &count), KG_OK);
	same = count == expected_count && memcmp(ids, expected, count * sizeof(*ids)) == 0;
	kg_buf_init(&back, size + 1);
	assert_int_equal(kg_tokenizer_decode(t, ids, count, &back), KG_OK);
	if (kg_tokenizer_get_rules(t)->byte_level) {
		assert_int_equal(back.size, size);
		assert_memory_equal(kg_buf_text(&back), text, size);
	}
	kg_buf_release(&back);
	free(ids);
	return same;
}

/* Compares all texts of a vocabulary; returns how many differ. */
static int compare(const kg_tokenizer *t, const char *name, const char *texts, const char *ids)
{
	uint32_t expected[IDS_MAX];
	int differ = 0;
	int all = 0;

	for (;;) {
		const char *text_end = strstr(texts, separator);
		const char *ids_end = strchr(ids, '\n');
		size_t count;

		if (text_end == NULL || ids_end == NULL)
			break;
		count = read_ids(ids, ids_end, expected);
		all++;
		if (!agrees(t, texts, (size_t)(text_end - texts), expected, count)) {
			differ++;
			print_message("%s: text %d differs\n", name, all);
		}
		texts = text_end + sizeof(separator) - 1;
		ids = ids_end + 1;
	}
	print_message("%s: %d of %d texts agree\n", name, all - differ, all);
	assert_true(all > 0);
	return differ;
}

static char *read_text(const char *folder, const char *name, const char *suffix, size_t *size)
{
	char path[KG_PATH_SIZE];
	kg_buf data;

	assert_int_equal(kg_path(path, "%s/%s%s", folder, name, suffix), KG_OK);
	kg_buf_init(&data, FILE_MAX);
	if (kg_fs_read(&data, path) != KG_OK) {
		kg_buf_release(&data);
		return NULL;
	}
	return (char *)kg_buf_take(&data, size);
}

/* The tokenizer after a way through a file of our own. */
static kg_tokenizer *copy(const kg_tokenizer *t)
{
	kg_gguf_writer writer;
	kg_gguf *gguf = NULL;
	kg_tokenizer *again = NULL;
	kg_buf file;

	kg_gguf_writer_init(&writer, KG_GGUF_ALIGNMENT);
	kg_buf_init(&file, FILE_MAX);
	assert_int_equal(kg_tokenizer_to_gguf(t, &writer), KG_OK);
	assert_int_equal(kg_gguf_writer_finish(&writer, &file), KG_OK);
	assert_int_equal(kg_gguf_open(&gguf, file.data, file.size), KG_OK);
	assert_int_equal(kg_tokenizer_from_gguf(&again, gguf), KG_OK);
	kg_gguf_free(gguf);
	kg_gguf_writer_release(&writer);
	kg_buf_release(&file);
	return again;
}

static kg_err load(kg_tokenizer **out, const char *name, const char *file, size_t size)
{
	static const kg_tokenizer_hints hints = {.bos = KG_TOKENIZER_NONE,
						 .eos = KG_TOKENIZER_NONE};
	kg_gguf *gguf = NULL;
	kg_err err;

	if (strcmp(strrchr(name, '.'), ".json") == 0)
		return kg_tokenizer_from_json(out, file, size, &hints);
	if (strcmp(strrchr(name, '.'), ".model") == 0)
		return kg_tokenizer_from_sentencepiece(out, file, size, &hints);
	err = kg_gguf_open(&gguf, (const uint8_t *)file, size);
	if (err == KG_OK)
		err = kg_tokenizer_from_gguf(out, gguf);
	kg_gguf_free(gguf);
	return err;
}

/* How many texts differ; -1 for a vocabulary that is of no family known here or has no ids. */
static int judge(const char *folder, const char *name)
{
	size_t size = 0;
	char *file = read_text(folder, name, "", &size);
	char *texts = read_text(folder, name, ".inp", &(size_t){0});
	char *ids = read_text(folder, name, ".out", &(size_t){0});
	kg_tokenizer *t = NULL;
	int differ = -1;

	assert_non_null(file);
	if (texts == NULL || ids == NULL) {
		print_message("%s: no expected ids\n", name);
	} else if (load(&t, name, file, size) != KG_OK) {
		print_message("%s: %s\n", name, kg_err_text());
	} else {
		kg_tokenizer *again = copy(t);

		differ = compare(t, name, texts, ids) + compare(again, name, texts, ids);
		kg_tokenizer_free(again);
	}
	kg_tokenizer_free(t);
	free(file);
	free(texts);
	free(ids);
	return differ;
}

static void test_vocabulary__gives_the_published_ids(void **state)
{
	const char *folder = getenv("KG_VOCAB_DIR");
	DIR *entries;
	const struct dirent *entry;
	int judged = 0;
	int differ = 0;

	(void)state;
	if (folder == NULL) {
		print_message("SKIP: KG_VOCAB_DIR names no folder of vocabularies\n");
		skip();
	}
	entries = opendir(folder);
	assert_non_null(entries);
	while ((entry = readdir(entries)) != NULL) {
		const char *dot = strrchr(entry->d_name, '.');

		if (dot != NULL && (strcmp(dot, ".gguf") == 0 || strcmp(dot, ".json") == 0 ||
				    strcmp(dot, ".model") == 0)) {
			int result = judge(folder, entry->d_name);

			judged += result >= 0;
			differ += result > 0 ? result : 0;
		}
	}
	(void)closedir(entries);
	assert_true(judged > 0);
	assert_int_equal(differ, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vocabulary__gives_the_published_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
