/* SPDX-License-Identifier: MIT */
/*
 * floor.c - the server's floor policy, kept; see floor.h
 *
 *	deepops-floor 1
 *	uuid <32 hex>
 *	asked <seconds>
 *	none | text
 *	<the policy>
 *	end <sha256 of all of the above>
 */
#include "sync/floor.h"

#include <fcntl.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/io.h"
#include "base/num.h"
#include "sync/sync_internal.h"

#define FLOOR_FIRST_LINE "deepops-floor 1\n"
#define FLOOR_MAX_BYTES (2 * MIB)

void floor_init(struct floor *f)
{
	memset(f, 0, sizeof(*f));
	buf_init(&f->text);
	buf_init(&f->why);
}

void floor_release(struct floor *f)
{
	buf_release(&f->text);
	buf_release(&f->why);
	floor_init(f);
}

/* ---- kept ---- */

static void floor_path(struct repo *r, const struct where *w, struct buf *out)
{
	char key[SYNC_KEY_HEX + 1];

	sync_memory_key(w->url.p, key);
	buf_addf(out, "%s/floor/%s", repo_deepops_dir(r), key);
}

/* "name value LF" at *p; borrowed, and *p moved behind it; NULL if that is not what stands there. */
static char *take_line(char **p, const char *name)
{
	size_t len = strlen(name);
	char *value = *p + len, *end = strchr(*p, '\n');

	if (strncmp(*p, name, len) != 0 || !end)
		return NULL;
	*end = '\0';
	*p = end + 1;
	return value;
}

static bool parse(struct floor *f, struct buf *file)
{
	char *p = file->p + strlen(FLOOR_FIRST_LINE);
	const char *uuid = take_line(&p, "uuid "), *asked = uuid ? take_line(&p, "asked ") : NULL;
	const char *what = asked ? take_line(&p, "") : NULL;
	uint64_t seconds;

	if (!what || strlen(uuid) != 2 * sizeof(f->uuid) ||
	    !hex_decode(f->uuid, uuid, sizeof(f->uuid)) ||
	    num_parse_u64(asked, 1, INT64_MAX, &seconds, NULL) < 0)
		return false;
	if (!strcmp(what, "text"))
		f->state = FLOOR_TEXT;
	else if (!strcmp(what, "none"))
		f->state = FLOOR_NONE;
	else
		return false;
	f->asked = (int64_t)seconds;
	buf_add(&f->text, p, file->len - (size_t)(p - file->p));
	return true;
}

void floor_kept(struct repo *r, const struct where *w, struct floor *out)
{
	struct buf path = BUF_INIT, file = BUF_INIT;

	floor_path(r, w, &path);
	if (io_read_file(AT_FDCWD, path.p, FLOOR_MAX_BYTES, &file, NULL) < 0 ||
	    !sync_memory_unseal(&file, FLOOR_FIRST_LINE) || !parse(out, &file)) {
		floor_release(out);
		buf_addstr(&out->why, "the server was never asked for it");
	}
	buf_release(&path);
	buf_release(&file);
}

static void keep(struct repo *r, const struct where *w, const struct floor *f)
{
	char uuid[2 * sizeof(f->uuid) + 1];
	struct buf path = BUF_INIT, file = BUF_INIT;
	struct err ignored = ERR_INIT;

	hex_encode(uuid, f->uuid, sizeof(f->uuid));
	floor_path(r, w, &path);
	buf_addf(&file, FLOOR_FIRST_LINE "uuid %s\nasked %" PRId64 "\n%s\n", uuid, f->asked,
		 f->state == FLOOR_TEXT ? "text" : "none");
	buf_addbuf(&file, &f->text);
	sync_memory_seal(&file);
	/* Disposable: who can't keep it asks again. */
	if (file.len > FLOOR_MAX_BYTES || sync_memory_write(path.p, &file, &ignored) < 0)
		err_clear(&ignored);
	buf_release(&path);
	buf_release(&file);
}

/* ---- asked ---- */

void floor_ask(struct repo *r, const struct where *w, struct remote *remote, struct floor *out)
{
	struct err why = ERR_INIT;
	int rc;

	floor_release(out);
	rc = remote_policy(remote, &out->text, &why);
	if (rc < 0) {
		floor_release(out);
		buf_addstr(&out->why, why.msg);
		return;
	}
	out->state = rc ? FLOOR_TEXT : FLOOR_NONE;
	out->asked = clock_now_seconds();
	memcpy(out->uuid, remote_uuid(remote), sizeof(out->uuid));
	keep(r, w, out);
}

static bool is_fresh(const struct floor *f, int64_t max_seconds)
{
	int64_t now = clock_now_seconds();

	return f->state != FLOOR_UNKNOWN && f->asked <= now && now - f->asked <= max_seconds;
}

void floor_get(struct repo *r, const struct where *w, int64_t max_seconds, struct floor *out)
{
	struct remote_where view = where_view(w);
	struct remote *remote = NULL;
	struct err why = ERR_INIT;
	struct floor now;

	floor_kept(r, w, out);
	if (is_fresh(out, max_seconds))
		return;
	floor_init(&now);
	if (remote_open(&remote, &view, &why) < 0)
		buf_addstr(&now.why, why.msg);
	else
		floor_ask(r, w, remote, &now);
	remote_close(&remote);
	if (now.state != FLOOR_UNKNOWN || out->state == FLOOR_UNKNOWN) {
		struct floor old = *out;

		*out = now;
		now = old;
	} else {
		buf_swap(&out->why, &now.why);
	}
	floor_release(&now);
}

void floor_refresh(struct repo *r, const struct where *w, struct remote *remote)
{
	struct floor f;

	floor_init(&f);
	floor_kept(r, w, &f);
	if (!is_fresh(&f, FLOOR_MAX_SECONDS) ||
	    memcmp(f.uuid, remote_uuid(remote), sizeof(f.uuid)) != 0)
		floor_ask(r, w, remote, &f);
	floor_release(&f);
}
