/*
 * Runs a fuzz target over files, in builds without libFuzzer: the corpus is
 * a test like the others. Usage: fuzz_X DIRECTORY...
 */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory of its exact size, so that a step beyond it is seen. */
static int
run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = NULL;
	long size = -1;
	int ok = 0;

	if (file == NULL || fseek(file, 0, SEEK_END) != 0 ||
	    (size = ftell(file)) < 0 || fseek(file, 0, SEEK_SET) != 0)
		goto out;
	data = malloc(size > 0 ? (size_t)size : 1);
	if (data == NULL || fread(data, 1, (size_t)size, file) != (size_t)size)
		goto out;
	(void)LLVMFuzzerTestOneInput(data, (size_t)size);
	ok = 1;
out:
	free(data);
	if (file != NULL)
		(void)fclose(file);
	if (!ok)
		fprintf(stderr, "%s: cannot be read\n", path);
	return ok;
}

int
main(int argc, char **argv)
{
	char path[4096];
	size_t count = 0;

	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);
		struct dirent *entry;

		while (dir != NULL && (entry = readdir(dir)) != NULL) {
			if (entry->d_name[0] == '.')
				continue;
			(void)snprintf(path, sizeof(path), "%s/%s", argv[i],
			    entry->d_name);
			if (!run_file(path))
				return 1;
			count++;
		}
		if (dir != NULL)
			(void)closedir(dir);
	}
	printf("%zu inputs\n", count);
	return count > 0 ? 0 : 1;
}
