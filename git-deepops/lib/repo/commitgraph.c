/* SPDX-License-Identifier: MIT */
/* commitgraph.c - git's commit-graph files; see commitgraph.h */
#include "repo/commitgraph.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/io.h"
#include "base/path.h"
#include "base/xalloc.h"

#define LAYERS_MAX 64 /* git keeps a handful */
#define CHAIN_MAX_BYTES ((size_t)LAYERS_MAX * (REPO_OID_HEX + 1))
#define HEAD_BYTES 8
#define TOC_BYTES 12
#define OID_RAW (REPO_OID_HEX / 2)
#define DATA_BYTES (OID_RAW + 16)
#define NO_PARENT UINT32_C(0x70000000)
#define MORE_PARENTS UINT32_C(0x80000000)

struct layer {
	const unsigned char *map;
	size_t len;
	const unsigned char *fanout, *ids, *data, *edges;
	size_t nedges;
	uint32_t n, base; /* commits of its own, and of the layers below */
};

struct commitgraph {
	struct layer v[LAYERS_MAX];
	size_t n;
};

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t get64(const unsigned char *p)
{
	return (uint64_t)get32(p) << 32 | get32(p + 4);
}

/* ---- opening ---- */

/* The chunk called `name`: where it begins and its length; NULL. */
static const unsigned char *chunk(const struct layer *l, const char name[4], size_t *len)
{
	size_t n = l->map[6];

	if (HEAD_BYTES + (n + 1) * TOC_BYTES > l->len)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		const unsigned char *at = l->map + HEAD_BYTES + i * TOC_BYTES;
		uint64_t from = get64(at + 4), to = get64(at + TOC_BYTES + 4);

		if (memcmp(at, name, 4) != 0)
			continue;
		if (from > to || to > l->len)
			return NULL;
		*len = (size_t)(to - from);
		return l->map + from;
	}
	return NULL;
}

static bool understand(struct layer *l, uint32_t base)
{
	size_t fanout, ids, data;

	if (l->len < HEAD_BYTES || memcmp(l->map, "CGPH\1\1", 6) != 0)
		return false; /* another version, or other hashes than ours */
	l->fanout = chunk(l, "OIDF", &fanout);
	l->ids = chunk(l, "OIDL", &ids);
	l->data = chunk(l, "CDAT", &data);
	l->edges = chunk(l, "EDGE", &l->nedges);
	l->nedges /= 4;
	if (!l->fanout || fanout != (size_t)256 * 4 || !l->ids || !l->data)
		return false;
	l->n = get32(l->fanout + (size_t)255 * 4);
	l->base = base;
	return l->n < NO_PARENT - base && ids / OID_RAW == l->n && data / DATA_BYTES == l->n;
}

static bool add_layer(struct commitgraph *g, const char *path)
{
	struct layer *l = &g->v[g->n], *below = g->n ? &g->v[g->n - 1] : NULL;
	int fd = g->n < LAYERS_MAX ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = MAP_FAILED;
	struct stat st;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return false;
	memset(l, 0, sizeof(*l));
	l->map = map;
	l->len = (size_t)st.st_size;
	g->n++; /* to be unmapped, also when it is of no use */
	return understand(l, below ? below->base + below->n : 0);
}

/* A chain: one name a line, the lowest layer first. */
static bool add_chain(struct commitgraph *g, const char *objects)
{
	struct buf path = BUF_INIT, text = BUF_INIT;
	bool good;

	path_join(&path, objects, "info/commit-graphs/commit-graph-chain");
	good = io_read_file(AT_FDCWD, path.p, CHAIN_MAX_BYTES, &text, NULL) == 0 && text.len;
	for (char *at = text.p; good && *at;) {
		size_t len = strcspn(at, "\n");

		buf_reset(&path);
		buf_addf(&path, "%s/info/commit-graphs/graph-%.*s.graph", objects, (int)len, at);
		good = len == REPO_OID_HEX && add_layer(g, path.p);
		at += len + (at[len] == '\n');
	}
	buf_release(&path);
	buf_release(&text);
	return good;
}

struct commitgraph *commitgraph_open(const char *objects)
{
	struct commitgraph *g = xcalloc(1, sizeof(*g));
	char *path = xstrfmt("%s/info/commit-graph", objects);
	bool good = access(path, F_OK) == 0 ? add_layer(g, path) : add_chain(g, objects);

	free(path);
	if (!good) {
		commitgraph_close(g);
		g = NULL;
	}
	return g;
}

void commitgraph_close(struct commitgraph *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->n; i++)
		munmap((void *)(uintptr_t)g->v[i].map, g->v[i].len);
	free(g);
}

/* ---- looking up ---- */

static bool find_in(const struct layer *l, const unsigned char *raw, uint32_t *at)
{
	uint32_t lo = raw[0] ? get32(l->fanout + (size_t)(raw[0] - 1) * 4) : 0;
	uint32_t hi = get32(l->fanout + (size_t)raw[0] * 4);

	if (hi > l->n)
		return false;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int c = memcmp(raw, l->ids + (size_t)mid * OID_RAW, OID_RAW);

		if (c == 0) {
			*at = mid;
			return true;
		}
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return false;
}

/* The commit at a position of all layers. */
static bool id_at(const struct commitgraph *g, uint32_t pos, struct repo_oid *out)
{
	for (size_t i = g->n; i-- > 0;) {
		const struct layer *l = &g->v[i];

		if (pos < l->base)
			continue;
		if (pos - l->base >= l->n)
			return false;
		hex_encode(out->hex, l->ids + (size_t)(pos - l->base) * OID_RAW, OID_RAW);
		return true;
	}
	return false;
}

static bool add_parent(const struct commitgraph *g, struct commitgraph_commit *c, size_t *alloc,
		       uint32_t pos)
{
	XGROW(c->parents, c->nparents + 1, *alloc);
	return id_at(g, pos, &c->parents[c->nparents++]);
}

static bool parents_of(const struct commitgraph *g, const struct layer *l,
		       const unsigned char *data, struct commitgraph_commit *c)
{
	uint32_t first = get32(data + OID_RAW), second = get32(data + OID_RAW + 4);
	size_t alloc = 0;
	bool good = first == NO_PARENT || add_parent(g, c, &alloc, first);

	if (!good || second == NO_PARENT)
		return good;
	if (!(second & MORE_PARENTS))
		return add_parent(g, c, &alloc, second);
	for (size_t i = second & ~MORE_PARENTS; good; i++) {
		uint32_t edge = i < l->nedges ? get32(l->edges + i * 4) : MORE_PARENTS;

		good = i < l->nedges && add_parent(g, c, &alloc, edge & ~MORE_PARENTS);
		if (edge & MORE_PARENTS)
			break;
	}
	return good;
}

bool commitgraph_find(const struct commitgraph *g, const struct repo_oid *id,
		      struct commitgraph_commit *out)
{
	unsigned char raw[OID_RAW];
	uint32_t at;

	if (!g || !hex_decode(raw, id->hex, sizeof(raw)))
		return false;
	for (size_t i = g->n; i-- > 0;) {
		const struct layer *l = &g->v[i];
		const unsigned char *data;
		uint64_t when;

		if (!find_in(l, raw, &at))
			continue;
		data = l->data + (size_t)at * DATA_BYTES;
		when = get64(data + OID_RAW + 8);
		memset(out, 0, sizeof(*out));
		out->generation = (uint32_t)(when >> 34);
		out->date = (int64_t)(when & ((UINT64_C(1) << 34) - 1));
		/* Zero was written by a git that did not know generations. */
		if (out->generation && parents_of(g, l, data, out))
			return true;
		free(out->parents);
		return false;
	}
	return false;
}
