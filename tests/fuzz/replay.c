/* SPDX-License-Identifier: MIT */
/*
 * replay.c - runs a fuzz target over the files of directories
 *
 * `make check` replays every input that once did harm and every golden vector; small ones also cut short at each byte and with each byte changed.
 * Hunting for new ones is `make fuzz`: clang's -fsanitize=fuzzer with the same
 * target and no replay.o.
 */
#include <dirent.h>

#include "../vectors/vectors.h"
#include "base/buf.h"
#include "base/xalloc.h"
#include "fuzz.h"

#define MUTATE_MAX_BYTES 1024

/* An allocation of exactly that size lets a sanitizer see the first byte too far. */
static void replay_bytes(const char *p, size_t n)
{
	uint8_t *copy = xmemdup(p, n);

	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static void replay_mutants(struct buf *data)
{
	static const char flips[] = {1, '\x80', '\xff'};

	for (size_t i = 0; i < data->len; i++) {
		char keep = data->p[i];

		replay_bytes(data->p, i);
		for (size_t k = 0; k < sizeof(flips); k++) {
			data->p[i] = (char)(keep ^ flips[k]);
			replay_bytes(data->p, data->len);
		}
		data->p[i] = keep;
	}
}

static int replay_file(const char *path)
{
	struct buf data = BUF_INIT;
	struct err e = ERR_INIT;
	int rc = vector_read(path, &data, &e);

	if (rc < 0)
		fprintf(stderr, "%s\n", e.msg);
	else
		replay_bytes(data.p, data.len);
	if (rc == 0 && data.len <= MUTATE_MAX_BYTES)
		replay_mutants(&data);
	buf_release(&data);
	return rc;
}

static unsigned int replay_dir(const char *name, int *bad)
{
	struct buf path = BUF_INIT;
	DIR *dir = opendir(name);
	struct dirent *d;
	unsigned int n = 0;

	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		buf_reset(&path);
		buf_addf(&path, "%s/%s", name, d->d_name);
		*bad |= replay_file(path.p) < 0;
		n++;
	}
	if (dir)
		closedir(dir);
	buf_release(&path);
	return n;
}

int main(int argc, char **argv)
{
	unsigned int n = 0;
	int bad = 0;

	for (int i = 1; i < argc; i++)
		n += replay_dir(argv[i], &bad);
	/* A directory may be missing; nothing at all to replay is a mistake. */
	if (!n)
		fprintf(stderr, "usage: %s DIRECTORY...: no file to replay\n", argv[0]);
	return bad || n == 0;
}
