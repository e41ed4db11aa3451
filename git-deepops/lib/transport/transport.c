/* SPDX-License-Identifier: MIT */
/* transport.c - a two-way byte stream to a program on a host; see transport.h */
#include "transport/transport.h"

#include "base/xalloc.h"
#include "transport/libssh2.h"
#include "transport/pipe.h"
#include "transport/sshchild.h"
#include "transport/url.h"

#define EXIT_NO_PROGRAM 127      /* of a shell */
#define EXIT_SSH_FAILED 255      /* of ssh itself */
#define TRANSPORT_SAID_BYTES 300 /* of stderr in a message */

void transport_init(struct transport *t, const struct transport_ops *ops, const char *host,
		    const char *program)
{
	memset(t, 0, sizeof(*t));
	t->ops = ops;
	t->exit_code = -1;
	t->host = host ? xstrdup(host) : NULL;
	t->program = xstrdup(program);
	buf_init(&t->said);
	buf_init(&t->describe);
}

void transport_said(struct transport *t, const char *p, size_t n)
{
	buf_add(&t->said, p, n);
	if (t->said.len > TRANSPORT_STDERR_BYTES)
		buf_remove(&t->said, 0, t->said.len - TRANSPORT_STDERR_BYTES);
}

static void finish(struct transport *t)
{
	if (!t->finished)
		t->exit_code = t->ops->finish(t);
	t->finished = true;
}

void transport_close(struct transport **t)
{
	struct transport *c = *t;

	if (!c)
		return;
	finish(c);
	free(c->host);
	free(c->program);
	buf_release(&c->said);
	buf_release(&c->describe);
	c->ops->free(c);
	*t = NULL;
}

int transport_read(struct transport *t, void *p, size_t n, struct err *e)
{
	return t->at_end ? 0 : t->ops->read(t, p, n, e);
}

bool transport_at_end(const struct transport *t)
{
	return t->at_end;
}

int transport_write(struct transport *t, const void *p, size_t n, struct err *e)
{
	return t->ops->write(t, p, n, e);
}

int transport_wait(struct transport *t, unsigned int events, int timeout_ms, struct err *e)
{
	return t->ops->wait(t, events, timeout_ms, e);
}

int transport_half_close(struct transport *t, struct err *e)
{
	return t->ops->half_close(t, e);
}

const char *transport_describe(const struct transport *t)
{
	return t->describe.p;
}

/* ---- why did it end? ---- */

/* What ssh says, what that means, and what mends it: a command that ends with the host. */
static const struct {
	const char *text;
	enum err_code code;
	const char *say; /* instead of ssh's own words, with the fingerprint after it */
	const char *mend;
} meanings[] = {
	{"REMOTE HOST IDENTIFICATION HAS CHANGED", ERR_DENIED,
	 "the host key has changed: ", "only if you know why it changed: ssh-keygen -R"},
	{"Host key verification failed", ERR_DENIED, NULL,
	 "compare the fingerprint with the host's, then make it known: ssh"},
	{"Permission denied", ERR_DENIED, NULL, "ssh -v"},
	{"Could not resolve hostname", ERR_NOTFOUND, NULL, "ssh -v"},
};

/* stderr on one line: lines joined by "; ", banners of @ and blank lines left out. */
static void one_line(struct buf *out, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\r\n");

		if (*text != '@' && strspn(text, " \t") < len) {
			if (out->len)
				buf_addstr(out, "; ");
			buf_add(out, text, len);
		}
		text += len;
		text += strspn(text, "\r\n");
	}
}

static bool explain_meaning(const struct transport *t, const char *said, struct err *e)
{
	const char *print = strstr(t->said.p, "SHA256:");

	if (!print)
		print = "";
	for (size_t i = 0; i < ARRAY_SIZE(meanings); i++) {
		if (!strstr(t->said.p, meanings[i].text))
			continue;
		err_set(e, meanings[i].code, "ssh to %s: %s%.*s", t->host,
			meanings[i].say ? meanings[i].say : said,
			(int)(meanings[i].say ? strcspn(print, " .\r\n") : 0), print);
		err_hint(e, "%s %s", meanings[i].mend, t->host);
		return true;
	}
	return false;
}

static int explain_missing(const struct transport *t, struct err *e)
{
	err_set(e, ERR_NOTFOUND, "%s: %s is not installed there",
		t->host ? t->host : "this machine", t->program);
	return err_hint(e,
			"install git-deepops there, or: git config remote.NAME.deepopsServe PATH");
}

/* What our own server says before the protocol begins: "fatal: text; hint: text". */
static int explain_said(const struct transport *t, char *said, struct err *e)
{
	char *hint = strstr(said, "; hint: ");
	const char *text = said;
	int rc;

	if (hint)
		*hint = '\0';
	str_startswith(said, "fatal: ", &text);
	rc = err_set(e, ERR_SYS, "%s: %s", t->host ? t->host : t->program, text);
	return hint ? err_hint(e, "%s", hint + strlen("; hint: ")) : rc;
}

int transport_explain(struct transport *t, struct err *e)
{
	struct buf line = BUF_INIT;
	char said[TRANSPORT_SAID_BYTES];
	const char *where = t->host ? t->host : "this machine";

	finish(t);
	one_line(&line, t->said.p);
	/* The last words say most. */
	err_sanitize(said, sizeof(said),
		     line.p + (line.len >= sizeof(said) ? line.len - sizeof(said) + 1 : 0));
	buf_release(&line);
	if (t->exit_code == EXIT_NO_PROGRAM)
		return explain_missing(t, e);
	if (t->host && t->exit_code == EXIT_SSH_FAILED && explain_meaning(t, said, e))
		return e ? e->code : ERR_SYS;
	if (*said)
		return explain_said(t, said, e);
	if (t->exit_code > 0)
		return err_set(e, ERR_SYS, "%s: %s ended with exit code %d", where, t->program,
			       t->exit_code);
	return err_set(e, ERR_SYS, "%s: %s closed the connection", where, t->program);
}

/* ---- which kind ---- */

static int open_ssh(struct transport **out, const struct url *u,
		    const struct transport_where *where, struct err *e)
{
	const char *kind = where->kind ? where->kind : "auto";
	struct err why = ERR_INIT;
	bool final = false;
	int rc;

	if (!strcmp(kind, "ssh"))
		return sshchild_open(out, u, where, e);
	if (!strcmp(kind, "libssh2"))
		return libssh2_transport_open(out, u, where, &final, e);
	if (strcmp(kind, "auto") != 0)
		return err_set(e, ERR_INPUT,
			       "deepops.sshTransport is '%s', not auto, libssh2 or ssh", kind);
	rc = libssh2_transport_open(out, u, where, &final, &why);
	if (rc == 0)
		return 0;
	if (final) {
		if (e)
			*e = why;
		return rc;
	}
	rc = sshchild_open(out, u, where, e);
	if (rc == 0)
		buf_addf(&(*out)->describe, " (not libssh2: %s)", why.msg);
	return rc;
}

int transport_open(struct transport **out, const struct transport_where *where, struct err *e)
{
	struct url u = URL_INIT;
	int rc = url_parse(&u, where->url, e);

	*out = NULL;
	if (rc < 0)
		return rc;
	if (u.kind == URL_LOCAL)
		rc = pipe_open(out, u.path, where->serve, e);
	else
		rc = open_ssh(out, &u, where, e);
	url_release(&u);
	return rc;
}
