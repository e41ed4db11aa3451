/* SPDX-License-Identifier: MIT */
/* capture.c - put a capture together, in canonical form, with a cache; see capture.h */
#include "machine/capture.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/utsname.h>

#include "base/io.h"
#include "base/xalloc.h"
#include "machine/capture_internal.h"

#define CACHE_NAME "packages"

void capture_init(struct capture *c)
{
	memset(c, 0, sizeof(*c));
	buf_init(&c->text);
	strvec_init(&c->absent);
}

void capture_release(struct capture *c)
{
	buf_release(&c->text);
	strvec_release(&c->absent);
	capture_init(c);
}

/* ---- lines ---- */

/* Keep printable ASCII, percent-encode the rest; keys may hold no blank and no `=` either. */
static void encode(struct buf *out, const char *s, bool key)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < ' ' || c > '~' || c == '%' || (key && (c == ' ' || c == '=')))
			buf_addf(out, "%%%02X", c);
		else
			buf_addch(out, c);
	}
}

void capture_add(struct capture_lines *l, const char *key, const char *value)
{
	struct buf b = BUF_INIT;

	if (!value || !*value)
		return;
	encode(&b, key, true);
	buf_addch(&b, '=');
	encode(&b, value, false);
	strvec_push(&l->lines, b.p);
	buf_release(&b);
}

void capture_addf(struct capture_lines *l, const char *key, const char *fmt, ...)
{
	struct buf value = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&value, fmt, ap);
	va_end(ap);
	capture_add(l, key, value.p);
	buf_release(&value);
}

void capture_add_package(struct capture_lines *l, const char *key, const char *version,
			 const char *digest)
{
	capture_addf(l, key, "%s %s", version && *version ? version : "?",
		     digest ? digest : "none");
	l->packages++;
	if (!digest)
		l->undigested++;
}

/* ---- the package lines ---- */

/* As they were found when the files that they were read from were last changed. */
static bool from_cache(const char *dir, const struct chunkid *stamp, struct capture_lines *l)
{
	if (!capture_cache_load(dir, CACHE_NAME, stamp, &l->lines))
		return false;
	l->packages = l->lines.nr;
	for (size_t i = 0; i < l->lines.nr; i++)
		l->undigested += str_endswith(l->lines.v[i], " none");
	return true;
}

static void add_packages(const struct capture_opts *o, const char *root, struct capture_lines *all)
{
	struct capture_lines l = {STRVEC_INIT, STRVEC_INIT, 0, 0};
	struct strvec dirs = STRVEC_INIT;
	struct buf stamp = BUF_INIT;
	struct chunkid key;

	capture_python_dirs(root, o->command, &dirs);
	capture_packages_stamp(root, &dirs, &stamp);
	chunkid_of(&key, stamp.p, stamp.len);
	if (!o->cache_dir || !from_cache(o->cache_dir, &key, &l)) {
		capture_dpkg(root, &l);
		capture_python(root, &dirs, &l);
		if (o->cache_dir && !l.absent.nr)
			capture_cache_save(o->cache_dir, CACHE_NAME, &key, &l.lines);
	}
	for (size_t i = 0; i < l.lines.nr; i++)
		strvec_push(&all->lines, l.lines.v[i]);
	for (size_t i = 0; i < l.absent.nr; i++)
		strvec_push(&all->absent, l.absent.v[i]);
	all->packages = l.packages;
	all->undigested = l.undigested;
	strvec_release(&l.lines);
	strvec_release(&l.absent);
	strvec_release(&dirs);
	buf_release(&stamp);
}

/* ---- the whole ---- */

static void add_host(struct capture_lines *l, struct capture *out)
{
	struct utsname u;
	cpu_set_t set;

	out->threads = 1;
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		out->threads = (unsigned int)CPU_COUNT(&set);
	snprintf(out->device, sizeof(out->device), "%.32sx%u", uname(&u) == 0 ? u.machine : "cpu",
		 out->threads);
	capture_kernel(l);
	capture_cpu(l);
	capture_gpu(l, out->device, sizeof(out->device));
	capture_limits(l);
	capture_virtual(l);
}

int capture_machine(const struct capture_opts *o, struct capture *out, struct err *e)
{
	struct capture_lines l = {STRVEC_INIT, STRVEC_INIT, 0, 0};
	const char *root = o->rootfs && strcmp(o->rootfs, "/") != 0 ? o->rootfs : "";
	int rc = 0;

	capture_os(root, &l);
	add_packages(o, root, &l);
	if (!*root)
		add_host(&l, out);
	strvec_sort(&l.lines);
	strvec_uniq(&l.lines);
	for (size_t i = 0; i < l.lines.nr; i++)
		buf_addf(&out->text, "%s\n", l.lines.v[i]);
	if (out->text.len > CAPTURE_MAX_BYTES)
		rc = err_set(e, ERR_LIMIT, "machine capture of %zu bytes", out->text.len);
	chunkid_of(&out->id, out->text.p, out->text.len);
	out->packages = l.packages;
	out->undigested = l.undigested;
	for (size_t i = 0; i < l.absent.nr; i++)
		strvec_push(&out->absent, l.absent.v[i]);
	strvec_release(&l.lines);
	strvec_release(&l.absent);
	return rc;
}

/* ---- reading ---- */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void decode(struct buf *out, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '%' && i + 2 < len && hex_value(s[i + 1]) >= 0 &&
		    hex_value(s[i + 2]) >= 0) {
			buf_addch(out, hex_value(s[i + 1]) * 16 + hex_value(s[i + 2]));
			i += 2;
		} else {
			buf_addch(out, s[i]);
		}
	}
}

int capture_value(const void *text, size_t len, const char *key, struct buf *out)
{
	const char *at = text, *end = at + len;
	size_t n = strlen(key);

	while (at < end) {
		const char *eol = memchr(at, '\n', (size_t)(end - at));
		size_t line = eol ? (size_t)(eol - at) : (size_t)(end - at);

		if (line > n && !memcmp(at, key, n) && at[n] == '=') {
			decode(out, at + n + 1, line - n - 1);
			return 1;
		}
		at += line + 1;
	}
	return 0;
}

static bool known_facet(const char *line, size_t len)
{
	static const char *const facets[] = {"os.", "build.", "kernel.", "cpu.", "gpu.", "env."};

	for (size_t i = 0; i < ARRAY_SIZE(facets); i++)
		if (len > strlen(facets[i]) && !memcmp(line, facets[i], strlen(facets[i])))
			return true;
	return false;
}

/* Canonical: what decodes is written again and must give the same bytes. */
static bool part_ok(const char *s, size_t len, bool key)
{
	struct buf plain = BUF_INIT, again = BUF_INIT;
	bool same;

	decode(&plain, s, len);
	encode(&again, plain.p, key);
	same = len > 0 && again.len == len && !memcmp(again.p, s, len);
	buf_release(&plain);
	buf_release(&again);
	return same;
}

static bool line_ok(const char *line, size_t len)
{
	const char *eq = memchr(line, '=', len);

	return eq && known_facet(line, len) && part_ok(line, (size_t)(eq - line), true) &&
	       part_ok(eq + 1, (size_t)(line + len - eq) - 1, false);
}

int capture_check(const void *text, size_t len, struct err *e)
{
	const char *at = text, *end = at + len, *last = NULL;
	size_t last_len = 0, n = 1;

	if (len > CAPTURE_MAX_BYTES)
		return err_set(e, ERR_LIMIT, "machine capture of %zu bytes", len);
	for (; at < end; n++) {
		const char *eol = memchr(at, '\n', (size_t)(end - at));
		size_t line = eol ? (size_t)(eol - at) : 0;
		int c = last ? memcmp(last, at, MIN(last_len, line)) : -1;
		const char *eq = memchr(at, '=', line);
		size_t key = eq ? (size_t)(eq - at) + 1 : 0;

		if (!eol || !line_ok(at, line))
			return err_set(e, ERR_INPUT, "machine:%zu: not key=value", n);
		if (c > 0 || (c == 0 && last_len >= line) ||
		    (last && last_len >= key && !memcmp(last, at, key)))
			return err_set(e, ERR_INPUT, "machine:%zu: not sorted, or twice the same",
				       n);
		last = at;
		last_len = line;
		at += line + 1;
	}
	return len ? 0 : err_set(e, ERR_INPUT, "machine: empty");
}
