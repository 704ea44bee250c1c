/* SPDX-License-Identifier: MIT */
/*
 * replay – runs a fuzz target over corpus files as an ordinary test, with any compiler.
 *
 * Every file is also replayed truncated at up to 512 evenly spaced lengths.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	size_t size;
	long end;

	if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (end = ftell(f)) < 0) {
		perror(path);
		if (f != NULL)
			(void)fclose(f);
		return 1;
	}
	rewind(f);
	size = (size_t)end;
	data = malloc(size + 1);
	if (data == NULL || fread(data, 1, size, f) != size) {
		perror(path);
		(void)fclose(f);
		free(data);
		return 1;
	}
	(void)fclose(f);
	for (size_t k = 0; k <= 512 && k <= size; k++) {
		size_t cut = size <= 512 ? k : size / 512 * k;
		uint8_t *part = malloc(cut + 1); /* own block, so that a sanitizer sees overreads */

		if (part == NULL)
			break;
		memcpy(part, data, cut);
		(void)LLVMFuzzerTestOneInput(part, cut);
		free(part);
	}
	(void)LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	int failed = 0;
	int files = 0;

	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);
		struct dirent *e;

		if (dir == NULL) {
			perror(argv[i]);
			return 1;
		}
		while ((e = readdir(dir)) != NULL) {
			char path[4096];

			if (e->d_name[0] == '.')
				continue;
			(void)snprintf(path, sizeof(path), "%s/%s", argv[i], e->d_name);
			failed |= replay(path);
			files++;
		}
		(void)closedir(dir);
	}
	printf("%d files replayed\n", files);
	return failed || files == 0;
}
