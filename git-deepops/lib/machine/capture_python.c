/* SPDX-License-Identifier: MIT */
/*
 * capture_python.c - Python and conda packages of the interpreters in use; see capture.h
 *
 * An interpreter's packages are found from where its program lies, as
 * site.py does: <prefix>/lib/python3*\/{site,dist}-packages, Debian's shared
 * directory, the user's own, and what a virtual environment lets through.
 */
#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "machine/capture_internal.h"

#define DIST_INFO ".dist-info"
#define EGG_INFO ".egg-info"

/* ---- where ---- */

static void add_dirs(const char *root, const char *pattern, struct strvec *dirs)
{
	struct buf full = BUF_INIT;
	glob_t g;

	buf_addf(&full, "%s%s", root, pattern);
	if (glob(full.p, GLOB_ONLYDIR | GLOB_NOSORT, NULL, &g) == 0) {
		for (size_t i = 0; i < g.gl_pathc; i++) {
			struct stat st;

			if (stat(g.gl_pathv[i], &st) == 0 && S_ISDIR(st.st_mode))
				strvec_push(dirs, g.gl_pathv[i] + strlen(root));
		}
		globfree(&g);
	}
	buf_release(&full);
}

static void add_prefix(const char *root, const char *prefix, struct strvec *dirs)
{
	static const char *const below[] = {
		"lib/python3*/site-packages",       "lib/python3*/dist-packages",
		"lib/python3/dist-packages",        "lib64/python3*/site-packages",
		"local/lib/python3*/dist-packages", "conda-meta",
	};
	struct buf pattern = BUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(below); i++) {
		buf_reset(&pattern);
		buf_addf(&pattern, "%s/%s", prefix, below[i]);
		add_dirs(root, pattern.p, dirs);
	}
	buf_release(&pattern);
}

/* A virtual environment names the interpreter it was made from, and whether that one's packages count. */
static void add_venv_base(const char *root, const char *prefix, struct strvec *dirs)
{
	struct buf path = BUF_INIT, text = BUF_INIT, home = BUF_INIT;
	const char *at;

	buf_addf(&path, "%s%s/pyvenv.cfg", root, prefix);
	if (io_read_file(AT_FDCWD, path.p, 64 * KIB, &text, NULL) < 0 ||
	    !strstr(text.p, "include-system-site-packages = true"))
		goto out;
	at = strstr(text.p, "home = ");
	if (at) {
		at += strlen("home = ");
		buf_add(&home, at, strcspn(at, "\r\n"));
		buf_reset(&path);
		path_dirname(&path, home.p);
		add_prefix(root, path.p, dirs);
	}
out:
	buf_release(&home);
	buf_release(&text);
	buf_release(&path);
}

/* `program` is a path of an interpreter: <prefix>/bin/python3. */
static void add_interpreter(const char *root, const char *program, struct strvec *dirs)
{
	struct buf bin = BUF_INIT, prefix = BUF_INIT;
	char real[PATH_MAX];

	path_dirname(&bin, program);
	path_dirname(&prefix, bin.p);
	add_prefix(root, prefix.p, dirs);
	add_venv_base(root, prefix.p, dirs);
	if (!*root && realpath(program, real)) {
		buf_reset(&bin);
		buf_reset(&prefix);
		path_dirname(&bin, real);
		path_dirname(&prefix, bin.p);
		/* A venv's program is a link to its base, whose packages it does not see. */
		if (!strcmp(prefix.p, "/usr"))
			add_prefix(root, "/usr", dirs);
	}
	/* pyenv's program is a script that picks a version as it starts: all of them may be in use. */
	if (str_endswith(bin.p, "/shims")) {
		buf_addstr(&prefix, "/versions/*");
		add_prefix(root, prefix.p, dirs);
	}
	buf_release(&bin);
	buf_release(&prefix);
}

static bool find_program(const char *name, struct buf *out)
{
	if (!strchr(name, '/'))
		return path_in_path(out, name);
	buf_addstr(out, name);
	return true;
}

static void add_environment(struct strvec *dirs)
{
	const char *home = getenv("HOME"), *path = getenv("PYTHONPATH");
	static const char *const prefixes[] = {"VIRTUAL_ENV", "CONDA_PREFIX"};
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		const char *prefix = getenv(prefixes[i]);

		if (prefix && *prefix)
			add_prefix("", prefix, dirs);
	}
	if (home && *home && !getenv("PYTHONNOUSERSITE")) {
		buf_addf(&b, "%s/.local/lib/python3*/site-packages", home);
		add_dirs("", b.p, dirs);
	}
	while (path && *path) {
		size_t len = strcspn(path, ":");

		buf_reset(&b);
		buf_add(&b, path, len);
		if (len && b.p[0] == '/')
			add_dirs("", b.p, dirs);
		path += len + (path[len] == ':');
	}
	buf_release(&b);
}

void capture_interpreter_dirs(const char *program, struct strvec *dirs)
{
	add_interpreter("", program, dirs);
}

void capture_same_dirs(struct strvec *dirs)
{
	struct strvec kept = STRVEC_INIT, reals = STRVEC_INIT, old = *dirs;

	for (size_t i = 0; i < old.nr; i++) {
		char *real = realpath(old.v[i], NULL);

		if (!real || !strvec_has(&reals, real))
			strvec_push(&kept, old.v[i]);
		strvec_push(&reals, real ? real : old.v[i]);
		free(real);
	}
	*dirs = kept;
	strvec_release(&old);
	strvec_release(&reals);
}

void capture_python_dirs(const char *root, const char *command, struct strvec *dirs)
{
	struct buf program = BUF_INIT;

	if (*root) {
		add_prefix(root, "/usr", dirs);
	} else {
		if (find_program("python3", &program))
			add_interpreter(root, program.p, dirs);
		buf_reset(&program);
		if (command && str_startswith(path_basename(command), "python", NULL) &&
		    find_program(command, &program))
			add_interpreter(root, program.p, dirs);
		add_environment(dirs);
	}
	buf_release(&program);
	strvec_sort(dirs);
	strvec_uniq(dirs);
	if (!*root)
		capture_same_dirs(dirs);
}

/* ---- what ---- */

struct found {
	char *name, *version;
	char *path; /* of the metadata, below root, for its owner */
	bool has_digest;
	struct chunkid digest;
};

struct finds {
	struct found *v;
	size_t n, alloc;
};

static bool digest_of(int dirfd_, const char *path, struct chunkid *out)
{
	struct buf text = BUF_INIT;
	bool good = io_read_file(dirfd_, path, CAPTURE_FILE_MAX_BYTES, &text, NULL) == 0;

	if (good)
		chunkid_of(out, text.p, text.len);
	buf_release(&text);
	return good;
}

/* "Version: 1.2" of METADATA or PKG-INFO. */
static void read_version(int fd, const char *name, const char *file, struct buf *out)
{
	struct buf path = BUF_INIT, text = BUF_INIT;
	const char *at;

	buf_addstr(&path, name);
	if (*file)
		buf_addf(&path, "/%s", file);
	if (io_read_file(fd, path.p, CAPTURE_FILE_MAX_BYTES, &text, NULL) == 0) {
		at = strstr(text.p, "\nVersion: ");
		if (at) {
			at += strlen("\nVersion: ");
			buf_add(out, at, strcspn(at, "\r\n"));
		}
	}
	buf_release(&path);
	buf_release(&text);
}

/* <name>-<version>.dist-info, <name>-<version>[-py3.11].egg-info, <name>.egg-info. */
static void take_info(int fd, const char *dir, const char *entry, struct finds *out)
{
	bool dist = str_endswith(entry, DIST_INFO);
	size_t len = strlen(entry) - strlen(dist ? DIST_INFO : EGG_INFO);
	size_t name_len = strcspn(entry, "-");
	struct buf version = BUF_INIT, record = BUF_INIT;
	struct found *f;

	if (name_len >= len) {
		name_len = len;
		read_version(fd, entry, dist ? "METADATA" : "PKG-INFO", &version);
		if (!version.len)
			read_version(fd, entry, "", &version); /* an egg-info that is a file */
	} else {
		const char *v = entry + name_len + 1;

		buf_add(&version, v,
			strcspn(v, "-") < len - name_len - 1 ? strcspn(v, "-")
							     : len - name_len - 1);
	}
	XGROW(out->v, out->n + 1, out->alloc);
	f = &out->v[out->n++];
	memset(f, 0, sizeof(*f));
	f->name = xstrndup(entry, name_len);
	f->version = buf_detach(&version, NULL);
	f->path = xstrfmt("%s/%s", dir, entry);
	if (dist) {
		buf_addf(&record, "%s/RECORD", entry);
		f->has_digest = digest_of(fd, record.p, &f->digest);
	}
	buf_release(&record);
}

/* conda-meta/<name>-<version>-<build>.json */
static void take_conda(int fd, const char *dir, const char *entry, struct capture_lines *l)
{
	struct buf key = BUF_INIT, name = BUF_INIT, prefix = BUF_INIT;
	struct chunkid id;
	char *build, *version;
	bool good;

	buf_add(&name, entry, strlen(entry) - strlen(".json"));
	build = strrchr(name.p, '-');
	if (!build || build == name.p)
		goto out;
	*build = '\0';
	version = strrchr(name.p, '-');
	*build = '-';
	if (!version)
		goto out;
	*version++ = '\0';
	path_dirname(&prefix, dir);
	buf_addf(&key, "os.pkg.conda.%s/%s", prefix.p, name.p);
	good = digest_of(fd, entry, &id);
	capture_add_package(l, key.p, version, good ? chunkid_text(&id).s : NULL);
out:
	buf_release(&prefix);
	buf_release(&key);
	buf_release(&name);
}

static void scan_dir(const char *root, const char *dir, struct finds *out, struct capture_lines *l)
{
	bool conda = !strcmp(path_basename(dir), "conda-meta");
	char *full = xstrfmt("%s%s", root, dir);
	DIR *d = opendir(full);
	struct dirent *ent;

	while (d && (ent = readdir(d))) {
		if (conda && str_endswith(ent->d_name, ".json"))
			take_conda(dirfd(d), dir, ent->d_name, l);
		else if (str_endswith(ent->d_name, DIST_INFO) ||
			 str_endswith(ent->d_name, EGG_INFO))
			take_info(dirfd(d), dir, ent->d_name, out);
	}
	if (d)
		closedir(d);
	else
		strvec_pushf(&l->absent, "cannot list %s", full);
	free(full);
}

/* By directory and name; one with a digest before one without, so that the first of equals counts. */
static int cmp_found(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	size_t dx = strlen(x->path) - strlen(path_basename(x->path)),
	       dy = strlen(y->path) - strlen(path_basename(y->path));
	int c = strncmp(x->path, y->path, MIN(dx, dy));

	if (c == 0 && dx != dy)
		c = dx < dy ? -1 : 1;
	if (c == 0)
		c = strcmp(x->name, y->name);
	if (c == 0)
		c = (int)y->has_digest - (int)x->has_digest;
	return c ? c : strcmp(x->path, y->path);
}

static void package_key(const struct found *f, struct buf *key)
{
	buf_reset(key);
	buf_addstr(key, "os.pkg.python.");
	path_dirname(key, f->path);
	buf_addf(key, "/%s", f->name);
}

static void add_found(const struct found *f, const char *owner, struct capture_lines *l)
{
	struct buf key = BUF_INIT, digest = BUF_INIT;

	package_key(f, &key);
	if (f->has_digest)
		buf_addstr(&digest, chunkid_text(&f->digest).s);
	else if (owner && *owner)
		buf_addf(&digest, "dpkg:%s", owner);
	capture_add_package(l, key.p, f->version, digest.len ? digest.p : NULL);
	buf_release(&key);
	buf_release(&digest);
}

static void add_finds(const char *root, struct finds *all, struct capture_lines *l)
{
	struct strvec paths = STRVEC_INIT, owners = STRVEC_INIT;
	struct buf key = BUF_INIT, last = BUF_INIT;

	for (size_t i = 0; i < all->n; i++)
		if (!all->v[i].has_digest)
			strvec_push(&paths, all->v[i].path);
	strvec_sort(&paths);
	if (paths.nr)
		capture_dpkg_owners(root, &paths, &owners);
	if (all->n)
		qsort(all->v, all->n, sizeof(*all->v), cmp_found);
	for (size_t i = 0; i < all->n; i++) {
		const char *owner = NULL;

		for (size_t k = 0; !all->v[i].has_digest && k < paths.nr; k++)
			if (!strcmp(paths.v[k], all->v[i].path))
				owner = owners.v[k];
		package_key(&all->v[i], &key);
		if (strcmp(key.p, last.p) != 0)
			add_found(&all->v[i], owner, l);
		buf_swap(&key, &last);
	}
	buf_release(&key);
	buf_release(&last);
	strvec_release(&paths);
	strvec_release(&owners);
}

void capture_python(const char *root, const struct strvec *dirs, struct capture_lines *l)
{
	struct finds all = {NULL, 0, 0};

	for (size_t i = 0; i < dirs->nr; i++)
		scan_dir(root, dirs->v[i], &all, l);
	add_finds(root, &all, l);
	for (size_t i = 0; i < all.n; i++) {
		free(all.v[i].name);
		free(all.v[i].version);
		free(all.v[i].path);
	}
	free(all.v);
}

/* ---- what it depends on ---- */

static void stamp(int dirfd_, const char *path, const char *shown, struct buf *out)
{
	struct stat st;

	if (fstatat(dirfd_, path, &st, 0) == 0)
		buf_addf(out, "%s %ju %jd %jd.%09ld %jd.%09ld\n", shown, (uintmax_t)st.st_ino,
			 (intmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
			 (intmax_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
	else
		buf_addf(out, "%s absent\n", shown);
}

void capture_packages_stamp(const char *root, const struct strvec *python_dirs, struct buf *out)
{
	static const char *const dpkg[] = {"/var/lib/dpkg/status", "/var/lib/dpkg/info"};
	struct buf path = BUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(dpkg); i++) {
		buf_reset(&path);
		buf_addf(&path, "%s%s", root, dpkg[i]);
		stamp(AT_FDCWD, path.p, path.p, out);
	}
	for (size_t i = 0; i < python_dirs->nr; i++) {
		struct strvec names = STRVEC_INIT;
		struct dirent *ent;
		DIR *d;

		buf_reset(&path);
		buf_addf(&path, "%s%s", root, python_dirs->v[i]);
		stamp(AT_FDCWD, path.p, path.p, out);
		d = opendir(path.p);
		while (d && (ent = readdir(d)))
			if (str_endswith(ent->d_name, DIST_INFO))
				strvec_push(&names, ent->d_name);
		strvec_sort(&names);
		for (size_t k = 0; d && k < names.nr; k++) {
			buf_reset(&path);
			buf_addf(&path, "%s/RECORD", names.v[k]);
			stamp(dirfd(d), path.p, path.p, out);
		}
		if (d)
			closedir(d);
		strvec_release(&names);
	}
	buf_release(&path);
}
