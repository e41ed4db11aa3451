/* SPDX-License-Identifier: MIT */
/*
 * gen.c - writes the benchmark's data sets, the same bytes everywhere
 *
 *	gen W1|W2|W3|W4 DIR [SCALE]		version 1 into DIR, which must exist
 *	gen W1|W2|W3|W4 DIR [SCALE] v2		change it into version 2, in place
 *
 * SCALE divides the sizes (default 1); see tests/bench/RESULTS.md for what each
 * stands for.  All randomness comes from splitmix64 with a fixed seed per file.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define W1_FILES 50000u
#define W1_FOLDERS 100u
#define W1_MEDIAN 8900.0 /* bytes; with sigma 0.8 the mean is 12,300 */
#define W1_SIGMA 0.8

#define W2_SHARDS 8u
#define W2_SHARD_BYTES 134000000u
#define W2_MEMBER_BYTES 110000u
#define W2_EDITS 100u
#define W2_EDIT_BYTES 64u

#define W3_ROWS 16600000u
#define W3_PLACES 200u
#define W3_EDITED (W3_ROWS / 100)

#define W4_TENSORS 124u
#define W4_FLOATS 134250000u
#define W4_CHANGED 5u

static unsigned int scale = 1;

static uint64_t rnd(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static double rnd_unit(uint64_t *state) /* (0, 1] */
{
	return (double)((rnd(state) >> 11) + 1) / 9007199254740992.0;
}

static double rnd_normal(uint64_t *state)
{
	double r = sqrt(-2.0 * log(rnd_unit(state)));

	return r * cos(6.283185307179586 * rnd_unit(state));
}

static FILE *must_open(const char *path, const char *mode)
{
	FILE *f = fopen(path, mode);

	if (!f) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	return f;
}

static void must_write(FILE *f, const void *p, size_t n)
{
	if (fwrite(p, 1, n, f) != n) {
		perror("write");
		exit(1);
	}
}

static void must_close(FILE *f, const char *path)
{
	if (fclose(f)) {
		perror(path);
		exit(1);
	}
}

static void write_noise(FILE *f, uint64_t *state, size_t n)
{
	uint64_t block[1024];

	while (n > 0) {
		size_t step = n < sizeof(block) ? n : sizeof(block);

		for (size_t i = 0; i < (step + 7) / 8; i++)
			block[i] = rnd(state);
		must_write(f, block, step);
		n -= step;
	}
}

/* W1: many small files of already compressed content. */
static void w1_file(const char *dir, unsigned int i, uint64_t version)
{
	uint64_t state = i * 2654435761u + version * 0x100000001b3u;
	double size = W1_MEDIAN * exp(W1_SIGMA * rnd_normal(&state));
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%02u", dir, i % W1_FOLDERS);
	if (mkdir(path, 0777) && errno != EEXIST) {
		perror(path);
		exit(1);
	}
	snprintf(path, sizeof(path), "%s/%02u/%06u.jpg", dir, i % W1_FOLDERS, i);
	f = must_open(path, "wb");
	must_write(f, "\xff\xd8\xff\xe0", 4);
	write_noise(f, &state, (size_t)size + 1);
	must_close(f, path);
}

static void w1(const char *dir, bool v2)
{
	unsigned int n = W1_FILES / scale;
	char path[4096];

	if (!v2) {
		for (unsigned int i = 0; i < n; i++)
			w1_file(dir, i, 1);
		return;
	}
	for (unsigned int i = 0; i < n; i += 100) /* rewrite 1 % */
		w1_file(dir, i, 2);
	for (unsigned int i = n; i < n + n / 100; i++) /* add 1 % */
		w1_file(dir, i, 1);
	for (unsigned int i = 1; i < n; i += 500) { /* remove 0.2 % */
		snprintf(path, sizeof(path), "%s/%02u/%06u.jpg", dir, i % W1_FOLDERS, i);
		if (remove(path)) {
			perror(path);
			exit(1);
		}
	}
}

/* W2: tar shards of images. */
static void w2_header(FILE *f, unsigned int member)
{
	char h[512] = {0};
	unsigned int sum = 0;

	snprintf(h, 100, "%08u.jpg", member);
	memcpy(h + 100,
	       "0000644\0"
	       "0000000\0"
	       "0000000",
	       24);
	snprintf(h + 124, 12, "%011o", W2_MEMBER_BYTES);
	memcpy(h + 136, "14500000000", 12);
	memset(h + 148, ' ', 8);
	h[156] = '0';
	memcpy(h + 257, "ustar\00000", 8);
	for (size_t i = 0; i < sizeof(h); i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	must_write(f, h, sizeof(h));
}

static void w2_edit(const char *path)
{
	uint64_t state = 77;
	FILE *f = must_open(path, "r+b");
	long place = (long)(W2_SHARD_BYTES / scale / W2_EDITS);

	for (unsigned int i = 0; i < W2_EDITS; i++) {
		if (fseek(f, i * place + 1000, SEEK_SET)) {
			perror(path);
			exit(1);
		}
		write_noise(f, &state, W2_EDIT_BYTES);
	}
	must_close(f, path);
}

static void w2(const char *dir, bool v2)
{
	static const char zeros[1024 + 512];
	size_t padding = (512 - W2_MEMBER_BYTES % 512) % 512;
	char path[4096];

	for (unsigned int shard = 0; shard < W2_SHARDS; shard++) {
		unsigned int members = W2_SHARD_BYTES / scale / (W2_MEMBER_BYTES + 1024);
		uint64_t state = shard;
		FILE *f;

		snprintf(path, sizeof(path), "%s/shard-%05u.tar", dir, shard);
		if (v2 && shard == 3)
			w2_edit(path);
		if (v2)
			continue;
		f = must_open(path, "wb");
		for (unsigned int i = 0; i < members; i++) {
			w2_header(f, shard * members + i);
			write_noise(f, &state, W2_MEMBER_BYTES);
			must_write(f, zeros, padding);
		}
		must_write(f, zeros, 1024);
		must_close(f, path);
	}
}

/* W3: one table; an edited row gets a longer remark, so what follows moves. */
static void w3(const char *dir, bool v2)
{
	static const char *const colours[] = {"red", "green", "blue", "amber", "violet", "grey"};
	unsigned int rows = W3_ROWS / scale, stride = rows / W3_PLACES;
	unsigned int run = W3_EDITED / scale / W3_PLACES;
	uint64_t state = 3;
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/table.csv", dir);
	f = must_open(path, "wb");
	fputs("id,time,x,y,colour,count,score,remark\n", f);
	for (unsigned int i = 0; i < rows; i++) {
		uint64_t a = rnd(&state), b = rnd(&state);
		bool edited = v2 && i % stride < run;

		fprintf(f, "%u,%u,%u.%03u,%u.%03u,%s,%u,0.%06u,obs-%08x%s\n", i, 1700000000 + i * 3,
			(unsigned int)(a % 1000), (unsigned int)(a >> 20) % 1000,
			(unsigned int)(b % 1000), (unsigned int)(b >> 20) % 1000,
			colours[(a >> 40) % 6], (unsigned int)(b >> 48) % 100,
			(unsigned int)(a >> 32) % 1000000, (unsigned int)(b >> 8),
			edited ? "-corrected" : "");
	}
	must_close(f, path);
}

/* W4: model weights.  The sum of four uniforms is close enough to a bell and cheap. */
static void w4(const char *dir, bool v2)
{
	uint64_t total = W4_FLOATS / scale, unit = total / (W4_TENSORS * (W4_TENSORS + 1) / 2);
	float block[1024];
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/model.bin", dir);
	f = must_open(path, "wb");
	for (unsigned int t = 0; t < W4_TENSORS; t++) {
		bool changed = v2 && t % (W4_TENSORS / W4_CHANGED) == 12;
		uint64_t state = t + (changed ? 1000u : 0u);

		for (uint64_t left = unit * (t + 1); left > 0;) {
			size_t n = left < 1024 ? (size_t)left : 1024;

			for (size_t i = 0; i < n; i++) {
				uint64_t r = rnd(&state);
				int64_t s = (int64_t)((r & 0xffff) + (r >> 16 & 0xffff) +
						      (r >> 32 & 0xffff) + (r >> 48)) -
					    131070;

				block[i] = (float)s * 4e-7f;
			}
			must_write(f, block, n * sizeof(float));
			left -= n;
		}
	}
	must_close(f, path);
}

int main(int argc, char **argv)
{
	bool v2 = argc > 3 && !strcmp(argv[argc - 1], "v2");
	int plain = argc - (v2 ? 1 : 0);

	if (plain == 4)
		scale = (unsigned int)strtoul(argv[3], NULL, 10);
	if (plain < 3 || plain > 4 || !scale) {
		fprintf(stderr, "usage: gen W1|W2|W3|W4 DIR [SCALE] [v2]\n");
		return 129;
	}
	if (!strcmp(argv[1], "W1"))
		w1(argv[2], v2);
	else if (!strcmp(argv[1], "W2"))
		w2(argv[2], v2);
	else if (!strcmp(argv[1], "W3"))
		w3(argv[2], v2);
	else if (!strcmp(argv[1], "W4"))
		w4(argv[2], v2);
	else
		return 129;
	return 0;
}
