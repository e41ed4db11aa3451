/* SPDX-License-Identifier: MIT */
/*
 * replay.c - runs a fuzz target over the files of its corpus
 *
 * `make check` replays every input that was ever worth keeping; hunting for new
 * ones is clang's -fsanitize=fuzzer with the same target and no replay.o.
 */
#include <dirent.h>
#include <fcntl.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/xalloc.h"
#include "fuzz.h"

static int replay_file(const char *path)
{
	struct buf data = BUF_INIT;
	uint8_t *copy;
	struct err e = ERR_INIT;
	int rc = io_read_file(AT_FDCWD, path, FUZZ_MAX_BYTES, &data, &e);

	if (rc < 0) {
		fprintf(stderr, "%s: %s\n", path, e.msg);
		goto out;
	}
	/* An allocation of exactly that size lets a sanitizer see the first byte too far. */
	copy = xmalloc(data.len ? data.len : 1);
	memcpy(copy, data.p, data.len);
	LLVMFuzzerTestOneInput(copy, data.len);
	free(copy);
out:
	buf_release(&data);
	return rc;
}

int main(int argc, char **argv)
{
	struct buf path = BUF_INIT;
	struct dirent *d;
	DIR *dir;
	unsigned int n = 0;
	int bad = 0;

	if (argc != 2 || !(dir = opendir(argv[1]))) {
		fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
		return 129;
	}
	while ((d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		buf_reset(&path);
		buf_addf(&path, "%s/%s", argv[1], d->d_name);
		bad |= replay_file(path.p) < 0;
		n++;
	}
	closedir(dir);
	buf_release(&path);
	if (!n)
		fprintf(stderr, "%s: empty corpus\n", argv[1]);
	return bad || n == 0;
}
