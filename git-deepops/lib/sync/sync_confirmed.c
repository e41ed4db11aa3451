/* SPDX-License-Identifier: MIT */
/* sync_confirmed.c - remember what the last data push covered; see sync_internal.h */

#include "sync/sync_internal.h"

#include <fcntl.h>

#include "base/io.h"
#include "base/path.h"
#include "base/tempfile.h"

#define CONFIRMED_MAX_BYTES (64 * KIB)
#define CONFIRMED_MAX_COMMITS 256

/* Remote names may hold slashes: they become "%2F", "%" becomes "%25". */
static void confirmed_path(struct repo *r, const char *remote, struct buf *out)
{
	buf_addf(out, "%s/pushed/", repo_deepops_dir(r));
	for (; *remote; remote++) {
		if (*remote == '/' || *remote == '%')
			buf_addf(out, "%%%02X", (unsigned int)(unsigned char)*remote);
		else
			buf_addch(out, *remote);
	}
}

static void parse_line(struct sync_confirmed *c, const char *line)
{
	const char *id;

	if (str_startswith(line, "commit ", &id) && repo_oid_ok(id))
		strvec_push(&c->commits, id);
	else if (str_startswith(line, "journal ", &id) && repo_oid_ok(id))
		memcpy(c->journal.hex, id, sizeof(c->journal.hex));
}

void sync_confirmed_read(struct sync_confirmed *c, struct repo *r, const char *remote)
{
	struct buf path = BUF_INIT, text = BUF_INIT;

	strvec_init(&c->commits);
	c->journal.hex[0] = '\0';
	confirmed_path(r, remote, &path);
	if (io_read_file(AT_FDCWD, path.p, CONFIRMED_MAX_BYTES, &text, NULL) == 0) {
		for (char *line = text.p; *line;) {
			char *end = strchr(line, '\n');

			if (end)
				*end = '\0';
			parse_line(c, line);
			if (!end)
				break;
			line = end + 1;
		}
	}
	buf_release(&path);
	buf_release(&text);
}

/* Tips of this push first, then older ones: the list stays short and the newest matter most. */
static void add_commits(struct buf *text, const struct strvec *tips,
			const struct sync_confirmed *before)
{
	size_t n = 0;

	for (size_t i = 0; i < tips->nr && n < CONFIRMED_MAX_COMMITS; i++, n++)
		buf_addf(text, "commit %s\n", tips->v[i]);
	for (size_t i = 0; i < before->commits.nr && n < CONFIRMED_MAX_COMMITS; i++) {
		if (strvec_has(tips, before->commits.v[i]))
			continue;
		buf_addf(text, "commit %s\n", before->commits.v[i]);
		n++;
	}
}

int sync_confirmed_write(struct repo *r, const char *remote, const struct sync_plan *p,
			 struct err *e)
{
	struct sync_confirmed before;
	struct buf path = BUF_INIT, dir = BUF_INIT, text = BUF_INIT;
	const char *journal;
	int rc;

	sync_confirmed_read(&before, r, remote);
	add_commits(&text, &p->tips, &before);
	journal = p->journal.hex[0] ? p->journal.hex : before.journal.hex;
	if (*journal)
		buf_addf(&text, "journal %s\n", journal);
	confirmed_path(r, remote, &path);
	path_dirname(&dir, path.p);
	rc = path_mkdirs(dir.p, 0777, e);
	if (rc == 0)
		rc = tempfile_write(path.p, 0644, text.p, text.len, e);
	buf_release(&path);
	buf_release(&dir);
	buf_release(&text);
	sync_confirmed_release(&before);
	return rc;
}

void sync_confirmed_release(struct sync_confirmed *c)
{
	strvec_release(&c->commits);
}
