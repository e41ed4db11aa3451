/* SPDX-License-Identifier: MIT */
/* capture_dpkg.c - installed Debian packages and their digests; see capture.h */
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/io.h"
#include "base/xalloc.h"
#include "machine/capture_internal.h"

#define DPKG_STATUS "/var/lib/dpkg/status"
#define DPKG_INFO "/var/lib/dpkg/info"

struct package {
	const char *name, *arch, *version; /* into the status text */
	size_t name_len, arch_len, version_len;
	bool installed;
};

/* "sha256:..." of info/<name>.md5sums; dpkg names the file with the architecture for Multi-Arch: same. */
static bool package_digest(int info_fd, const struct package *p, struct chunkid_text *out)
{
	struct buf path = BUF_INIT, text = BUF_INIT;
	struct chunkid id;
	bool found;

	buf_addf(&path, "%.*s.md5sums", (int)p->name_len, p->name);
	found = io_read_file(info_fd, path.p, CAPTURE_FILE_MAX_BYTES, &text, NULL) == 0;
	if (!found) {
		buf_reset(&path);
		buf_addf(&path, "%.*s:%.*s.md5sums", (int)p->name_len, p->name, (int)p->arch_len,
			 p->arch);
		buf_reset(&text);
		found = io_read_file(info_fd, path.p, CAPTURE_FILE_MAX_BYTES, &text, NULL) == 0;
	}
	if (found) {
		chunkid_of(&id, text.p, text.len);
		*out = chunkid_text(&id);
	}
	buf_release(&text);
	buf_release(&path);
	return found;
}

static void add_package(struct capture_lines *l, int info_fd, const struct package *p)
{
	struct buf key = BUF_INIT, version = BUF_INIT;
	struct chunkid_text digest;
	bool found;

	if (!p->installed || !p->name)
		return;
	buf_addf(&key, "os.pkg.dpkg.%.*s:%.*s", (int)p->name_len, p->name, (int)p->arch_len,
		 p->arch ? p->arch : "");
	buf_add(&version, p->version ? p->version : "", p->version_len);
	found = package_digest(info_fd, p, &digest);
	capture_add_package(l, key.p, version.p, found ? digest.s : NULL);
	buf_release(&key);
	buf_release(&version);
}

/* If the line is `field`: its value. */
static bool is_field(const char *line, size_t len, const char *field, const char **value,
		     size_t *value_len)
{
	size_t n = strlen(field);

	if (len < n || memcmp(line, field, n) != 0)
		return false;
	*value = line + n;
	*value_len = len - n;
	return true;
}

static void take_line(struct package *p, const char *line, size_t len)
{
	static const char installed[] = " installed";
	const char *value;
	size_t n;

	if (is_field(line, len, "Package: ", &value, &n)) {
		p->name = value;
		p->name_len = n;
	} else if (is_field(line, len, "Architecture: ", &value, &n)) {
		p->arch = value;
		p->arch_len = n;
	} else if (is_field(line, len, "Version: ", &value, &n)) {
		p->version = value;
		p->version_len = n;
	} else if (is_field(line, len, "Status: ", &value, &n)) {
		p->installed =
			n > sizeof(installed) - 1 && !memcmp(value + n - (sizeof(installed) - 1),
							     installed, sizeof(installed) - 1);
	}
}

static void parse_status(struct capture_lines *l, int info_fd, const struct buf *text)
{
	struct package p = {0};
	const char *at = text->p, *end = text->p + text->len;

	while (at < end) {
		const char *eol = memchr(at, '\n', (size_t)(end - at));
		size_t len = eol ? (size_t)(eol - at) : (size_t)(end - at);

		if (len == 0) {
			add_package(l, info_fd, &p);
			memset(&p, 0, sizeof(p));
		} else {
			take_line(&p, at, len);
		}
		at += len + 1;
	}
	add_package(l, info_fd, &p);
}

void capture_dpkg(const char *root, struct capture_lines *l)
{
	struct buf text = BUF_INIT, path = BUF_INIT;
	int info_fd;

	buf_addf(&path, "%s" DPKG_STATUS, root);
	if (io_read_file(AT_FDCWD, path.p, CAPTURE_STATUS_MAX_BYTES, &text, NULL) < 0) {
		strvec_pushf(&l->absent, "no package list at %s", path.p);
		goto out;
	}
	buf_reset(&path);
	buf_addf(&path, "%s" DPKG_INFO, root);
	info_fd = open(path.p, O_PATH | O_DIRECTORY | O_CLOEXEC);
	parse_status(l, info_fd, &text);
	if (info_fd >= 0)
		close(info_fd);
out:
	buf_release(&path);
	buf_release(&text);
}

/* ---- owners ---- */

struct owners {
	const struct strvec *paths;
	char **found; /* one a path, NULL until known */
	size_t left;
};

/* The lines of one info/<package>.list against the sorted paths wanted. */
static void scan_list(struct owners *o, const struct buf *text, const char *package)
{
	const char *at = text->p, *end = text->p + text->len;

	while (at < end && o->left) {
		const char *eol = memchr(at, '\n', (size_t)(end - at));
		size_t len = eol ? (size_t)(eol - at) : (size_t)(end - at), lo = 0,
		       hi = o->paths->nr;

		while (lo < hi) {
			size_t mid = lo + (hi - lo) / 2;
			int c = strncmp(o->paths->v[mid], at, len);

			if (c == 0 && o->paths->v[mid][len])
				c = 1;
			if (c == 0 && !o->found[mid]) {
				o->found[mid] = xstrdup(package);
				o->left--;
			}
			if (c == 0)
				break;
			if (c < 0)
				lo = mid + 1;
			else
				hi = mid;
		}
		at += len + 1;
	}
}

void capture_dpkg_owners(const char *root, const struct strvec *paths, struct strvec *owners)
{
	struct owners o = {paths, xcalloc(paths->nr + 1, sizeof(char *)), paths->nr};
	struct buf dir = BUF_INIT, text = BUF_INIT;
	struct dirent *d;
	DIR *info;

	buf_addf(&dir, "%s" DPKG_INFO, root);
	info = opendir(dir.p);
	while (info && o.left && (d = readdir(info))) {
		size_t len = strlen(d->d_name);
		char *package;

		if (!str_endswith(d->d_name, ".list"))
			continue;
		buf_reset(&text);
		if (io_read_file(dirfd(info), d->d_name, CAPTURE_FILE_MAX_BYTES, &text, NULL) < 0)
			continue;
		package = xstrndup(d->d_name, len - strlen(".list"));
		package[strcspn(package, ":")] = '\0';
		scan_list(&o, &text, package);
		free(package);
	}
	if (info)
		closedir(info);
	for (size_t i = 0; i < paths->nr; i++) {
		strvec_push(owners, o.found[i] ? o.found[i] : "");
		free(o.found[i]);
	}
	free(o.found);
	buf_release(&text);
	buf_release(&dir);
}
