/* SPDX-License-Identifier: MIT */
/*
 * fuzz_import_hf – any bytes as the files of a Hugging Face folder: refused, or a model that can be
 * written.
 *
 * Input: files one after the other, each as a byte (which, modulo their number), two bytes of size
 * (little-endian, cut at the end of the input) and content.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fs.h"
#include "runtime/import_hf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {
	"config.json",         "tokenizer.json",
	"model.safetensors",   "model.safetensors.index.json",
	"second.safetensors",  "tokenizer_config.json",
	"chat_template.jinja", "tokenizer.model",
};

enum { NAMES = sizeof(names) / sizeof(*names) };

static char folder[] = "/tmp/kg-fuzz-hf-XXXXXX";

static void remove_files(void)
{
	char path[KG_PATH_SIZE];

	for (int i = 0; i < NAMES; i++)
		if (kg_path(path, "%s/%s", folder, names[i]) == KG_OK)
			(void)unlink(path);
}

static void remove_folder(void)
{
	remove_files();
	(void)rmdir(folder);
}

/* Plainly: kg_fs_write waits for the disk. */
static void put_file(const char *name, const uint8_t *data, size_t size)
{
	char path[KG_PATH_SIZE];
	FILE *file = NULL;

	if (kg_path(path, "%s/%s", folder, name) == KG_OK)
		file = fopen(path, "wb");
	if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0)
		abort();
}

static void put_files(const uint8_t *data, size_t size)
{
	while (size >= 3) {
		size_t part = data[1] | (size_t)data[2] << 8;

		part = part < size - 3 ? part : size - 3;
		put_file(names[data[0] % NAMES], data + 3, part);
		data += 3 + part;
		size -= 3 + part;
	}
}

static void write_model(const kg_model *m)
{
	bool complex = kg_model_get_config(m)->architecture == KG_ARCHITECTURE_IFAIRY;
	const kg_model_form form = {.strategy = complex ? kg_strategy_of_phase(KG_FORMAT_F32)
							: kg_strategy_of(KG_FORMAT_F32)};
	kg_buf out;

	kg_buf_init(&out, 1 << 24);
	if (kg_model_encode(m, &out, &form) != KG_OK)
		abort();
	kg_buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool made;
	kg_model *m = NULL;

	if (!made && (mkdtemp(folder) == NULL || atexit(remove_folder) != 0))
		abort();
	made = true;
	remove_files();
	put_files(data, size);
	if (kg_import_hf(&m, folder, "fuzz") == KG_OK)
		write_model(m);
	else if (m != NULL || kg_err_text()[0] == '\0')
		abort();
	kg_model_free(m);
	return 0;
}
