/* SPDX-License-Identifier: MIT */
/* capture_programs.c - which environment or package a program that ran belongs to; see capture.h */
#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "machine/capture_internal.h"

#define META_MAX_BYTES (16 * MIB)
#define URL_MAX_BYTES (64 * KIB)
#define OWNERS_NAME "owners"
#define OWNERS_MAX 10000 /* paths that are remembered; then anew */

static bool exists(const char *dir, const char *name)
{
	char *path = xstrfmt("%s/%s", dir, name);
	bool there = access(path, F_OK) == 0;

	free(path);
	return there;
}

/* ---- packages of the system ---- */

static bool is_system_place(const char *path)
{
	static const char *const places[] = {"/usr/", "/bin/",       "/sbin/",      "/lib",
					     "/opt/", "/nix/store/", "/gnu/store/", "/etc/"};

	if (str_startswith(path, "/usr/local/", NULL))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (str_startswith(path, places[i], NULL))
			return true;
	return false;
}

static const char *owner_of(const struct strvec *asked, const struct strvec *owners,
			    const char *path)
{
	for (size_t i = 0; path && i < asked->nr; i++)
		if (!strcmp(asked->v[i], path))
			return owners->v[i];
	return "";
}

/* "<path> <owner>", the owner empty where there is none; sorted by path.  NULL: not known. */
static const char *known_owner(const struct strvec *lines, const char *path)
{
	const char *rest;

	for (size_t i = 0; i < lines->nr; i++)
		if (str_startswith(lines->v[i], path, &rest) && *rest == ' ' &&
		    !strchr(rest + 1, ' '))
			return rest + 1;
	return NULL;
}

/* dpkg has a list of files a package: with many packages reading them takes longer than the run. */
static void cached_owners(const char *dir, const struct strvec *asked, struct strvec *owners)
{
	struct strvec lines = STRVEC_INIT, unknown = STRVEC_INIT, found = STRVEC_INIT;
	const struct strvec none = STRVEC_INIT;
	struct buf text = BUF_INIT;
	struct chunkid stamp;

	capture_packages_stamp("", &none, &text);
	chunkid_of(&stamp, text.p, text.len);
	if (dir)
		(void)capture_cache_load(dir, OWNERS_NAME, &stamp, &lines);
	for (size_t i = 0; i < asked->nr; i++)
		if (!known_owner(&lines, asked->v[i]))
			strvec_push(&unknown, asked->v[i]);
	if (unknown.nr)
		capture_dpkg_owners("", &unknown, &found);
	for (size_t i = 0; i < asked->nr; i++) {
		const char *owner = owner_of(&unknown, &found, asked->v[i]);
		const char *known = known_owner(&lines, asked->v[i]);

		strvec_push(owners, known ? known : owner);
	}
	if (lines.nr + unknown.nr > OWNERS_MAX)
		strvec_release(&lines);
	for (size_t i = 0; i < unknown.nr; i++)
		if (!strchr(unknown.v[i], '\n'))
			strvec_pushf(&lines, "%s %s", unknown.v[i], found.v[i]);
	if (dir && unknown.nr)
		capture_cache_save(dir, OWNERS_NAME, &stamp, &lines);
	strvec_release(&lines);
	strvec_release(&unknown);
	strvec_release(&found);
	buf_release(&text);
}

void capture_owners(const char *cache_dir, const struct strvec *paths, struct strvec *owners)
{
	bool dpkg = access("/var/lib/dpkg/info", F_OK) == 0;
	struct strvec asked = STRVEC_INIT, found = STRVEC_INIT;

	/* A package may list /bin/x where the file is /usr/bin/x. */
	for (size_t i = 0; dpkg && i < paths->nr; i++) {
		if (!is_system_place(paths->v[i]))
			continue;
		strvec_push(&asked, paths->v[i]);
		if (str_startswith(paths->v[i], "/usr/", NULL))
			strvec_push(&asked, paths->v[i] + strlen("/usr"));
	}
	strvec_sort(&asked);
	strvec_uniq(&asked);
	if (asked.nr)
		cached_owners(cache_dir, &asked, &found);
	for (size_t i = 0; i < paths->nr; i++) {
		const char *path = paths->v[i], *short_path = NULL;
		const char *owner = owner_of(&asked, &found, path);

		if (!*owner && str_startswith(path, "/usr", &short_path))
			owner = owner_of(&asked, &found, short_path);
		if (!dpkg && is_system_place(path))
			owner = "system";
		strvec_push(owners, owner);
	}
	strvec_release(&asked);
	strvec_release(&found);
}

/* ---- environments ---- */

static bool file_mentions(const char *path, const char *word)
{
	struct buf text = BUF_INIT;
	bool found = io_read_file(AT_FDCWD, path, META_MAX_BYTES, &text, NULL) == 0 &&
		     memmem(text.p, text.len, word, strlen(word)) != NULL;

	buf_release(&text);
	return found;
}

static bool any_mentions(const char *prefix, const char *pattern, const char *word)
{
	char *full = xstrfmt("%s/%s", prefix, pattern);
	bool found = false;
	glob_t g;

	if (glob(full, GLOB_NOSORT, NULL, &g) == 0) {
		for (size_t i = 0; i < g.gl_pathc && !found; i++)
			found = file_mentions(g.gl_pathv[i], word);
		globfree(&g);
	}
	free(full);
	return found;
}

/* Did a package of this prefix install bin/<name>? */
static bool is_installed(const char *prefix, const char *name)
{
	char *record = xstrfmt("../../../bin/%s,", name), *conda = xstrfmt("\"bin/%s\"", name);
	bool found =
		any_mentions(prefix, "lib/python3*/site-packages/*.dist-info/RECORD", record) ||
		any_mentions(prefix, "conda-meta/*.json", conda);

	free(record);
	free(conda);
	return found;
}

static bool is_elf(const char *path)
{
	char head[4] = "";
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	bool elf = fd >= 0 && read(fd, head, sizeof(head)) == 4 && !memcmp(head, "\177ELF", 4);

	if (fd >= 0)
		close(fd);
	return elf;
}

static bool is_prefix(const char *prefix)
{
	char *pattern = xstrfmt("%s/lib/python3*", prefix);
	bool found = exists(prefix, "pyvenv.cfg") || exists(prefix, "conda-meta");
	glob_t g;

	if (!found && strcmp(prefix, "/usr") != 0 &&
	    glob(pattern, GLOB_ONLYDIR | GLOB_NOSORT, NULL, &g) == 0) {
		found = g.gl_pathc > 0;
		globfree(&g);
	}
	free(pattern);
	return found;
}

/* pyenv: all of its versions are captured where one of its shims is in use. */
static bool is_pyenv(const char *path)
{
	struct buf dir = BUF_INIT, up = BUF_INIT;
	bool found = false;

	path_dirname(&dir, path);
	for (int i = 0; i < 6 && dir.len > 1 && !found; i++) {
		found = exists(dir.p, "shims") && exists(dir.p, "versions");
		buf_reset(&up);
		path_dirname(&up, dir.p);
		buf_swap(&up, &dir);
	}
	buf_release(&dir);
	buf_release(&up);
	return found;
}

bool capture_is_environment(const char *path)
{
	struct buf bin = BUF_INIT, prefix = BUF_INIT;
	const char *name = path_basename(path);
	bool python = str_startswith(name, "python", NULL) || str_startswith(name, "pypy", NULL);
	bool found;

	path_dirname(&bin, path);
	path_dirname(&prefix, bin.p);
	found = is_prefix(prefix.p) && ((python && is_elf(path)) || is_installed(prefix.p, name));
	found = found || is_pyenv(path);
	buf_release(&bin);
	buf_release(&prefix);
	return found;
}

/* ---- packages of interpreters that ran ---- */

static void dirs_of(const struct strvec *programs, struct strvec *dirs)
{
	for (size_t i = 0; i < programs->nr; i++)
		capture_interpreter_dirs(programs->v[i], dirs);
	strvec_sort(dirs);
	strvec_uniq(dirs);
	capture_same_dirs(dirs);
}

bool capture_add_interpreters(struct capture *c, const struct strvec *programs, const char *command)
{
	struct capture_lines l = {STRVEC_INIT, STRVEC_INIT, 0, 0};
	struct strvec before = STRVEC_INIT, all = STRVEC_INIT, dirs = STRVEC_INIT;
	bool more;

	capture_python_dirs("", command, &before);
	dirs_of(programs, &all);
	for (size_t i = 0; i < all.nr; i++)
		if (!strvec_has(&before, all.v[i]))
			strvec_push(&dirs, all.v[i]);
	if (dirs.nr)
		capture_python("", &dirs, &l);
	more = l.lines.nr > 0;
	for (const char *at = c->text.p; more && *at; at += strcspn(at, "\n") + 1)
		strvec_pushn(&l.lines, at, strcspn(at, "\n"));
	strvec_sort(&l.lines);
	strvec_uniq(&l.lines);
	if (more) {
		buf_reset(&c->text);
		for (size_t i = 0; i < l.lines.nr; i++)
			buf_addf(&c->text, "%s\n", l.lines.v[i]);
		chunkid_of(&c->id, c->text.p, c->text.len);
		c->undigested = l.undigested;
	}
	strvec_release(&l.lines);
	strvec_release(&l.absent);
	strvec_release(&before);
	strvec_release(&all);
	strvec_release(&dirs);
	return more && c->text.len <= CAPTURE_MAX_BYTES;
}

/* ---- code that an environment takes from elsewhere ---- */

static void add_outside(const char *name, const char *target, const char *top, struct strvec *out)
{
	char *real = realpath(target, NULL), *line;
	const char *rest;

	if (real && !(str_startswith(real, top, &rest) && (*rest == '/' || !*rest))) {
		line = xstrfmt("%s: %s", name, real);
		if (!strvec_has(out, line))
			strvec_push(out, line);
		free(line);
	}
	free(real);
}

/* direct_url.json of an editable install: {"dir_info":{"editable":true},"url":"file:///home/u/pkg"} */
static void look_at_url(int fd, const char *entry, const char *top, struct strvec *out)
{
	char *path = xstrfmt("%s/direct_url.json", entry), *name;
	struct buf text = BUF_INIT;
	struct json *j = NULL;
	const struct json *info, *editable;
	const char *url, *file;

	if (io_read_file(fd, path, URL_MAX_BYTES, &text, NULL) == 0 &&
	    json_parse(&j, text.p, text.len, URL_MAX_BYTES, NULL) == 0) {
		info = json_get(j, "dir_info");
		editable = info ? json_get(info, "editable") : NULL;
		url = json_get_str(j, "url");
		name = xstrndup(entry, strcspn(entry, "-"));
		if (editable && json_kind(editable) == JSON_KIND_BOOL && json_bool(editable) &&
		    url && str_startswith(url, "file://", &file))
			add_outside(name, file, top, out);
		free(name);
	}
	json_unref(j);
	buf_release(&text);
	free(path);
}

/* *.pth and *.egg-link: a line that is a directory is searched for modules. */
static void look_at_pth(int fd, const char *entry, const struct strvec *dirs, const char *top,
			struct strvec *out)
{
	struct buf text = BUF_INIT;

	if (io_read_file(fd, entry, URL_MAX_BYTES, &text, NULL) == 0) {
		for (const char *at = text.p; *at;) {
			size_t len = strcspn(at, "\r\n");
			char *line = xstrndup(at, len);

			if (line[0] == '/' && !strvec_has(dirs, line) && !is_system_place(line))
				add_outside(entry, line, top, out);
			free(line);
			at += len;
			at += strspn(at, "\r\n");
		}
	}
	buf_release(&text);
}

void capture_editables(const struct strvec *programs, const char *top, struct strvec *out)
{
	struct strvec dirs = STRVEC_INIT;

	dirs_of(programs, &dirs);
	for (size_t i = 0; i < dirs.nr; i++) {
		DIR *d = opendir(dirs.v[i]);
		struct dirent *ent;

		while (d && (ent = readdir(d))) {
			if (str_endswith(ent->d_name, ".dist-info"))
				look_at_url(dirfd(d), ent->d_name, top, out);
			else if (str_endswith(ent->d_name, ".pth") ||
				 str_endswith(ent->d_name, ".egg-link"))
				look_at_pth(dirfd(d), ent->d_name, &dirs, top, out);
		}
		if (d)
			closedir(d);
	}
	strvec_release(&dirs);
}
