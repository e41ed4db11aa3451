/* SPDX-License-Identifier: MIT */
/* urltext.c - a URL without what may be a secret; see urltext.h */
#include "base/urltext.h"

#include <strings.h>

static bool is_scheme_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '+' || c == '-' || c == '.';
}

/* What follows "scheme" and `mark`, or NULL. */
static const char *after(const char *text, const char *mark)
{
	const char *p = text;

	while (is_scheme_byte(*p))
		p++;
	return p > text && !strncmp(p, mark, strlen(mark)) ? p + strlen(mark) : NULL;
}

static bool is_port(const char *s, size_t len)
{
	return strspn(s, "0123456789") >= len;
}

static bool is_ssh(const char *url)
{
	return !strncasecmp(url, "ssh://", 6) || !strncasecmp(url, "git+ssh://", 10) ||
	       !strncasecmp(url, "ssh+git://", 10);
}

/* [user[:password]@]host[:port]; false: what stands for the port may begin a password. */
static bool add_authority(struct buf *out, const char *s, size_t len, bool user)
{
	const char *at = memrchr(s, '@', len);
	const char *host = at ? at + 1 : s, *end = s + len, *bracket, *colon;

	if (user && at) {
		buf_add(out, s, strcspn(s, ":@"));
		buf_addch(out, '@');
	}
	bracket = memrchr(host, ']', (size_t)(end - host));
	colon = memchr(bracket ? bracket : host, ':', (size_t)(end - (bracket ? bracket : host)));
	if (colon && !is_port(colon + 1, (size_t)(end - colon - 1)) && strchr(end, '@'))
		return false;
	buf_add(out, host, (size_t)(end - host));
	return true;
}

static void add_url(struct buf *out, const char *url, const char *rest, bool user)
{
	size_t before = out->len, len = strcspn(rest, "/?#");

	buf_add(out, url, (size_t)(rest - url));
	if (!add_authority(out, rest, len, user && is_ssh(url))) {
		/* One with a slash in it, perhaps: nothing of it is shown. */
		buf_setlen(out, before + (size_t)(rest - url));
		buf_addstr(out, "...");
		return;
	}
	buf_add(out, rest + len, strcspn(rest + len, "?#"));
}

/* [user@]host:path.  What stands before a colon and an at sign may be "user:password@". */
static void add_scp(struct buf *out, const char *text, bool user)
{
	size_t first = strcspn(text, "/");
	const char *at = memrchr(text, '@', first), *colon = memchr(text, ':', first);

	if (at && (!user || (colon && colon < at)))
		text = at + 1;
	buf_add(out, text, strcspn(text, "?#"));
}

static bool is_scp(const char *text)
{
	return text[strcspn(text, ":/")] == ':' || *text == '[';
}

static void add(struct buf *out, const char *url, bool user)
{
	const char *rest;

	/* A remote helper's: "ext::...", "https::https://...". */
	while ((rest = after(url, "::"))) {
		buf_add(out, url, (size_t)(rest - url));
		url = rest;
	}
	rest = after(url, "://");
	if (rest && strncasecmp(url, "file:", 5) != 0)
		add_url(out, url, rest, user);
	else if (!rest && is_scp(url))
		add_scp(out, url, user);
	else
		buf_addstr(out, url);
}

void urltext_public(struct buf *out, const char *url)
{
	add(out, url, true);
}

void urltext_recorded(struct buf *out, const char *url)
{
	add(out, url, false);
}
