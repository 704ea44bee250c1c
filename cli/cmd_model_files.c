/* SPDX-License-Identifier: MIT */
/* model import, model export: models of other programs brought in, and taken out for them. */
#include <getopt.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "cli/model.h"
#include "runtime/export_gguf.h"
#include "runtime/import_gguf.h"
#include "runtime/import_hf.h"
#include "runtime/llama2c.h"
#include "runtime/model.h"

typedef struct {
	const char *tokenizer;
	const char *output;
	const char *format;
	const char *name;
} options;

static const struct option longs[] = {{"tokenizer", required_argument, NULL, 't'},
				      {"output", required_argument, NULL, 'o'},
				      {"format", required_argument, NULL, 'f'},
				      {"name", required_argument, NULL, 'n'},
				      {NULL, 0, NULL, 0}};

/* `allowed` are the letters of the part. Returns KG_EXIT_YES to go on. */
static int parse(options *o, const char *allowed, int argc, char **argv)
{
	int c;

	*o = (options){0};
	opterr = 0;
	while ((c = getopt_long(argc, argv, "o:", longs, NULL)) != -1) {
		if (c == '?' || strchr(allowed, c) == NULL)
			return kg_cli_unknown(&kg_cmd_model, longs, c, argv);
		switch (c) {
		case 't':
			o->tokenizer = optarg;
			break;
		case 'o':
			o->output = optarg;
			break;
		case 'f':
			o->format = optarg;
			break;
		default:
			o->name = optarg;
			break;
		}
	}
	return KG_EXIT_YES;
}

static bool is_same(const char *a, const char *b)
{
	struct stat first;
	struct stat second;

	return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
	       first.st_ino == second.st_ino;
}

/* Whether `output` is, by its name, one of the files that a model in a folder consists of. */
static bool is_part(const char *folder, const char *output)
{
	static const char *const ends[] = {".safetensors", ".json", ".model"};
	char path[KG_PATH_SIZE];
	const char *slash = strrchr(output, '/');
	size_t size = strlen(output);
	size_t length = slash == NULL ? 0 : (size_t)(slash - output) + 1;

	if (access(output, F_OK) != 0 || length >= sizeof(path))
		return false;
	memcpy(path, output, length);
	path[length] = '\0';
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (size >= strlen(ends[i]) &&
		    strcmp(output + size - strlen(ends[i]), ends[i]) == 0)
			return is_same(folder, length == 0 ? "." : path);
	return false;
}

kg_err kg_cli_check_output(const char *input, const char *output)
{
	struct stat b;

	if (is_same(input, output) || is_part(input, output))
		return kg_fail(KG_EINVAL, "%s would overwrite its own source", output);
	if (lstat(output, &b) == 0 && !S_ISREG(b.st_mode))
		return kg_fail(KG_EINVAL, "%s is there and no regular file", output);
	return KG_OK;
}

static bool is_gguf(const kg_map *file)
{
	return file->size >= 4 && memcmp(file->data, "GGUF", 4) == 0;
}

static kg_err import_llama2c(kg_model **out, const kg_map *checkpoint, const char *tokenizer,
			     const char *name)
{
	kg_map pieces;
	kg_err err = kg_map_open(&pieces, tokenizer);

	if (err != KG_OK)
		return err;
	err = kg_llama2c_import(out, checkpoint->data, checkpoint->size, pieces.data, pieces.size,
				name);
	kg_map_close(&pieces);
	return err;
}

static kg_err import_map(kg_model **out, const kg_map *file, const options *o, const char *source,
			 const char *name)
{
	if (is_gguf(file) && o->tokenizer != NULL)
		return kg_fail(KG_EINVAL, "%s is a GGUF file, which has its own tokenizer", source);
	return is_gguf(file) ? kg_import_gguf(out, file->data, file->size, name)
			     : import_llama2c(out, file, o->tokenizer, name);
}

static int import_folder(const options *o, const char *source, kg_strategy strategy)
{
	kg_model_form form = {.strategy = strategy};
	char name[KG_MODEL_NAME_MAX + 1];
	kg_model *model = NULL;
	kg_err err;

	kg_cli_model_name(name, source);
	if (o->tokenizer != NULL)
		err = kg_fail(KG_EINVAL, "%s is a folder, which has its own tokenizer", source);
	else
		err = kg_import_hf(&model, source, o->name == NULL ? name : o->name);
	/* The matrices of a complex model are what they are; a format asked for is its tables'. */
	if (err == KG_OK && kg_model_get_config(model)->architecture == KG_ARCHITECTURE_IFAIRY)
		form.strategy =
			kg_strategy_of_phase(o->format == NULL ? KG_FORMAT_INT8 : strategy.table);
	if (err == KG_OK)
		err = kg_model_save(model, o->output, &form);
	kg_model_free(model);
	return err == KG_OK ? KG_EXIT_YES : kg_cli_trouble("model import");
}

static int import_file(const options *o, const char *source, kg_strategy strategy)
{
	kg_model_form form = {.strategy = strategy};
	char name[KG_MODEL_NAME_MAX + 1];
	kg_model *model = NULL;
	kg_map file;
	kg_err err = kg_map_open(&file, source);

	if (err != KG_OK)
		return kg_cli_trouble("model import");
	if (!is_gguf(&file) && o->tokenizer == NULL) {
		kg_map_close(&file);
		return kg_cli_usage(
			&kg_cmd_model,
			"%s is no GGUF file; a llama2.c checkpoint needs --tokenizer TOK", source);
	}
	kg_cli_model_name(name, source);
	err = import_map(&model, &file, o, source, o->name == NULL ? name : o->name);
	if (err == KG_OK)
		err = kg_model_save(model, o->output, &form);
	kg_model_free(model);
	kg_map_close(&file);
	return err == KG_OK ? KG_EXIT_YES : kg_cli_trouble("model import");
}

int kg_cli_model_import(int argc, char **argv)
{
	options o;
	kg_strategy strategy = kg_strategy_of(KG_FORMAT_F32);
	kg_err err;
	int code = parse(&o, "tofn", argc, argv);

	if (code != KG_EXIT_YES)
		return code;
	if (argc - optind != 1 || o.output == NULL)
		return kg_cli_usage(&kg_cmd_model, "import needs one source and -o F.fairy");
	if (o.format != NULL && strcmp(o.format, "f16") == 0)
		strategy = kg_strategy_of(KG_FORMAT_F16);
	else if (o.format != NULL && strcmp(o.format, "f32") != 0)
		return kg_cli_usage(&kg_cmd_model, "--format is f32 or f16, not \"%s\"", o.format);
	err = kg_cli_check_output(argv[optind], o.output);
	if (err == KG_OK && o.tokenizer != NULL)
		err = kg_cli_check_output(o.tokenizer, o.output);
	if (err != KG_OK)
		return kg_cli_trouble("model import");
	return kg_cli_is_folder(argv[optind]) ? import_folder(&o, argv[optind], strategy)
					      : import_file(&o, argv[optind], strategy);
}

static kg_err export(const char *source, const char *output, kg_ggml_type type)
{
	kg_model *model = NULL;
	kg_err err = kg_cli_check_output(source, output);

	if (err == KG_OK)
		err = kg_cli_model_open(&model, source);
	if (err == KG_OK)
		err = kg_export_gguf_save(model, type, output);
	kg_model_free(model);
	return err;
}

int kg_cli_model_export(int argc, char **argv)
{
	static const struct {
		const char *name;
		kg_ggml_type type;
	} formats[] = {{"f16", KG_GGML_F16}, {"f32", KG_GGML_F32}, {"q8_0", KG_GGML_Q8_0}};
	enum { FORMATS = sizeof(formats) / sizeof(formats[0]) };
	options o;
	size_t f = 0;
	int code = parse(&o, "of", argc, argv);

	if (code != KG_EXIT_YES)
		return code;
	if (argc - optind != 1 || o.output == NULL)
		return kg_cli_usage(&kg_cmd_model, "export needs one model and -o F.gguf");
	while (o.format != NULL && f < FORMATS && strcmp(formats[f].name, o.format) != 0)
		f++;
	if (f == FORMATS)
		return kg_cli_usage(&kg_cmd_model, "--format is f16, f32 or q8_0, not \"%s\"",
				    o.format);
	if (export(argv[optind], o.output, formats[f].type) != KG_OK)
		return kg_cli_trouble("model export");
	return KG_EXIT_YES;
}
