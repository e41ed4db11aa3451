/* SPDX-License-Identifier: MIT */
/* push.c - a push as git tells a hook of it; see push.h */
#include "policy/push.h"

#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/xalloc.h"

#define LINE_MAX_BYTES (2 * (REPO_OID_HEX + 1) + PATH_MAX_BYTES)
#define OPTIONS_MAX 100

void push_init(struct push *p)
{
	memset(p, 0, sizeof(*p));
}

void push_release(struct push *p)
{
	for (size_t i = 0; i < p->n; i++)
		free((char *)(uintptr_t)p->updates[i].ref);
	free(p->updates);
	push_init(p);
}

static int add_line(struct push *p, const char *line, size_t len, struct err *e)
{
	struct judge_update *u;
	char *copy;
	const char *at;
	bool good;

	if (len > LINE_MAX_BYTES || memchr(line, '\0', len))
		return err_set(e, ERR_INPUT, "malformed line on stdin");
	if (p->n >= PUSH_MAX_REFS)
		return err_set(e, ERR_LIMIT, "more than %d refs in one push", PUSH_MAX_REFS);
	XGROW(p->updates, p->n + 1, p->alloc);
	u = &p->updates[p->n];
	copy = xstrndup(line, len);
	at = repo_oid_take(&u->old_id, copy, ' ');
	if (at)
		at = repo_oid_take(&u->new_id, at, ' ');
	good = at && *at;
	if (good) {
		u->ref = xstrdup(at);
		p->n++;
	}
	free(copy);
	return good ? 0 : err_set(e, ERR_INPUT, "malformed line on stdin");
}

int push_read(struct push *p, int fd, struct err *e)
{
	struct buf text = BUF_INIT;
	int rc = io_read_fd(fd, (size_t)PUSH_MAX_REFS * LINE_MAX_BYTES, &text, e);

	for (const char *at = text.p; rc == 0 && at < text.p + text.len;) {
		const char *lf = memchr(at, '\n', text.len - (size_t)(at - text.p));
		size_t len = lf ? (size_t)(lf - at) : text.len - (size_t)(at - text.p);

		rc = add_line(p, at, len, e);
		at += len + 1;
	}
	buf_release(&text);
	return rc;
}

int push_resolve(struct push *p, struct repo *r, struct err *e)
{
	struct buf target = BUF_INIT;
	size_t given = p->n;
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < given; i++) {
		rc = repo_ref_referent(r, p->updates[i].ref, &target, e);
		if (rc == ERR_INPUT) { /* no ref is called so, and git is about to say that */
			err_clear(e);
			rc = 0;
		}
		if (rc != 1)
			continue;
		XGROW(p->updates, p->n + 1, p->alloc);
		p->updates[p->n] = p->updates[i];
		p->updates[p->n++].ref = xstrdup(target.p);
	}
	buf_release(&target);
	return rc < 0 ? rc : 0;
}

int push_look_up(struct push *p, struct repo *r, struct err *e)
{
	for (size_t i = 0; i < p->n; i++) {
		struct judge_update *u = &p->updates[i];
		int rc = repo_ref_get(r, u->ref, &u->old_id, e);

		if (rc == ERR_INPUT) /* no ref is called so, and git is about to say that */
			err_clear(e);
		else if (rc < 0)
			return rc;
		if (rc != 1)
			memset(u->old_id.hex, '0', REPO_OID_HEX);
	}
	return 0;
}

static const char *set_env(const char *name)
{
	const char *v = getenv(name);

	return v && *v ? v : NULL;
}

static void push_options(struct push *p)
{
	const char *count = getenv("GIT_PUSH_OPTION_COUNT"), *rest;
	uint64_t n = 0;

	if (!count || num_parse_u64(count, 0, OPTIONS_MAX, &n, NULL) < 0)
		return;
	for (uint64_t i = 0; i < n; i++) {
		char name[48];
		const char *option;

		snprintf(name, sizeof(name), "GIT_PUSH_OPTION_%" PRIu64, i);
		option = getenv(name);
		if (option && str_startswith(option, "deepops.override=", &rest) && *rest)
			p->pusher.override_reason = rest;
		else if (option && !strcmp(option, "deepops.format=json"))
			p->json = true;
	}
}

/* The first of these variables that is set. */
static const char *first_env(const char *const *names)
{
	const char *value = NULL;

	for (; *names && !value; names++)
		value = set_env(*names);
	return value;
}

void push_identify(struct push *p, bool trust_forge)
{
	static const char *const forges[] = {"GL_USER", "GL_USERNAME", "GITEA_PUSHER_NAME", NULL};
	const char *status = getenv("GIT_PUSH_CERT_STATUS");
	const char *nonce = getenv("GIT_PUSH_CERT_NONCE_STATUS");

	p->pusher.name = NULL;
	p->pusher.certified = status && nonce && !strcmp(status, "G") && !strcmp(nonce, "OK");
	if (set_env("DEEPOPS_ROLE")) /* the forced command sets both */
		p->pusher.name = set_env("DEEPOPS_USER");
	if (!p->pusher.name && trust_forge)
		p->pusher.name = first_env(forges);
	if (!p->pusher.name && p->pusher.certified)
		p->pusher.name = set_env("GIT_PUSH_CERT_SIGNER");
}

int push_who(struct push *p, struct repo *r, struct err *e)
{
	bool trust = false;
	int rc = repo_config_bool(r, "deepops.trustForge", false, &trust, e);

	if (rc == 0)
		push_identify(p, trust);
	return rc;
}

int push_receive(struct push *p, struct err *e)
{
	const char *protocol = getenv("GL_PROTOCOL");

	push_init(p);
	p->web = protocol && !strcmp(protocol, "web");
	push_options(p);
	return push_read(p, STDIN_FILENO, e);
}

const char *push_prefix(const struct push *p)
{
	return p->web ? "GL-HOOK-ERR: " : "";
}
