/* SPDX-License-Identifier: MIT */
/* url.c - where a chunk remote is; see url.h */
#include "transport/url.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/urltext.h"
#include "base/xalloc.h"

#define URL_MAX_BYTES (8 * KIB)
#define URL_PORT_MAX 65535

void url_release(struct url *u)
{
	free(u->user);
	free(u->host);
	free(u->path);
	memset(u, 0, sizeof(*u));
}

static bool is_scheme_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '+' || c == '-' || c == '.';
}

/* What follows "scheme://", or NULL if `text` has none. */
static const char *after_scheme(const char *text)
{
	const char *p = text;

	while (is_scheme_byte(*p))
		p++;
	return p > text && !strncmp(p, "://", 3) ? p + 3 : NULL;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Percent-decode; NULL if an escape is malformed or gives NUL. */
static char *decode(const char *s, size_t len)
{
	char *out = xmalloc(len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int high, low;

		if (s[i] != '%') {
			out[n++] = s[i];
			continue;
		}
		high = i + 1 < len ? hex_value(s[i + 1]) : -1;
		low = i + 2 < len ? hex_value(s[i + 2]) : -1;
		if (high < 0 || low < 0 || (!high && !low)) {
			free(out);
			return NULL;
		}
		out[n++] = (char)(high * 16 + low);
		i += 2;
	}
	out[n] = '\0';
	return out;
}

static char *keep(const char *s, size_t len, bool decoded)
{
	return decoded ? decode(s, len) : xstrndup(s, len);
}

/*
 * Something ssh can be given as an argument: not an option, no control bytes or blanks.  Nor what
 * means something to a shell, as in OpenSSH since 9.6: ProxyCommand and Match exec of people's
 * configuration hand %h and %r to one, and a URL may come from a stranger's submodule or file.
 */
static bool is_plain_word(const char *s, const char *refused)
{
	if (!s || !*s || *s == '-')
		return false;
	for (; *s; s++) {
		if ((unsigned char)*s <= ' ' || *s == 0x7f || strchr(refused, *s))
			return false;
	}
	return true;
}

static bool is_host(const char *s)
{
	return is_plain_word(s, "'`\"$\\;&<>|(){}");
}

/* DOMAIN\name and the machine account NAME$ are users. */
static bool is_user(const char *s)
{
	const char *dollar = s ? strchr(s, '$') : NULL;

	return is_plain_word(s, "'`\";&<>|(){}:") && (!dollar || !dollar[1]) &&
	       !str_endswith(s, "\\");
}

/*
 * Cut [user@]host[:port] in s[0..len) into its parts.  A port only where the
 * URL has a scheme or the host is in brackets: host:path has none.
 */
static int parse_authority(struct url *u, const char *s, size_t len, bool scheme, struct err *e)
{
	const char *end = s + len;
	const char *at = memrchr(s, '@', len);
	const char *host = at ? at + 1 : s, *host_end = end, *port = NULL, *colon;
	uint64_t number = 0;

	if (at) {
		u->user = keep(s, (size_t)(at - s), scheme);
		if (!is_user(u->user))
			return err_set(e, ERR_INPUT, "malformed user");
	}
	if (host < end && *host == '[') {
		host++;
		host_end = memchr(host, ']', (size_t)(end - host));
		if (!host_end)
			return err_set(e, ERR_INPUT, "a bracket is open");
		port = host_end + 1;
		/* git's [host:port]:path; an IPv6 address has more colons. */
		colon = memchr(host, ':', (size_t)(host_end - host));
		if (colon && !scheme && !memchr(colon + 1, ':', (size_t)(host_end - colon - 1))) {
			end = host_end;
			port = host_end = colon;
		}
	} else if (scheme) {
		port = memchr(host, ':', (size_t)(end - host));
		if (port)
			host_end = port;
	}
	u->host = keep(host, (size_t)(host_end - host), scheme);
	if (!is_host(u->host))
		return err_set(e, ERR_INPUT, "malformed host");
	if (!port || port == end)
		return 0;
	if (*port != ':' || (port + 1 < end && num_parse_u64n(port + 1, (size_t)(end - port - 1), 1,
							      URL_PORT_MAX, &number, NULL) < 0))
		return err_set(e, ERR_INPUT, "malformed port");
	u->port = (uint16_t)number;
	return 0;
}

static int parse_ssh(struct url *u, const char *rest, struct err *e)
{
	const char *slash = strchr(rest, '/');
	int rc;

	if (!slash || !slash[1])
		return err_set(e, ERR_INPUT, "it has no path");
	rc = parse_authority(u, rest, (size_t)(slash - rest), true, e);
	if (rc < 0)
		return rc;
	/* As in git, a path in somebody's home directory. */
	if (slash[1] == '~')
		slash++;
	u->kind = URL_SSH;
	u->path = decode(slash, strlen(slash));
	return 0;
}

static int parse_scp(struct url *u, const char *text, struct err *e)
{
	const char *from = strchr(text, '@');
	const char *bracket = text, *colon;
	int rc;

	/* The colons of an IPv6 address stand inside brackets. */
	if (from && from < text + strcspn(text, ":/"))
		bracket = from + 1;
	colon = *bracket == '[' ? strchr(bracket, ']') : text;
	colon = colon ? strchr(colon, ':') : NULL;
	if (!colon || !colon[1])
		return err_set(e, ERR_INPUT, "it has no path");
	rc = parse_authority(u, text, (size_t)(colon - text), false, e);
	if (rc < 0)
		return rc;
	u->kind = URL_SSH;
	u->path = xstrdup(colon + 1);
	return 0;
}

static int parse_file(struct url *u, const char *rest, struct err *e)
{
	if (str_startswith(rest, "localhost/", NULL))
		rest += strlen("localhost");
	if (*rest != '/')
		return err_set(e, ERR_INPUT, "its path is not absolute");
	u->path = decode(rest, strlen(rest));
	return 0;
}

/* Does a colon make it host:path?  Not after a slash: ./a:b is a path. */
static bool is_scp(const char *text)
{
	size_t n = strcspn(text, ":/");

	return text[n] == ':' || (*text == '[' && strchr(text, ']')) ||
	       (strchr(text, '@') && text[strcspn(text, "@/")] == '@' &&
		text[strcspn(text, "@") + 1] == '[');
}

static int parse_any(struct url *u, const char *text, struct err *e)
{
	const char *rest = after_scheme(text);

	if (!rest && is_scp(text))
		return parse_scp(u, text, e);
	if (!rest) {
		u->path = xstrdup(text);
		return 0;
	}
	if (str_startswith(text, "file://", NULL))
		return parse_file(u, rest, e);
	if (str_startswith(text, "ssh://", NULL) || str_startswith(text, "git+ssh://", NULL) ||
	    str_startswith(text, "ssh+git://", NULL))
		return parse_ssh(u, rest, e);
	err_set(e, ERR_INPUT, "chunks travel over ssh or to a path only");
	return err_hint(e, "git config deepops.remote ssh://HOST/PATH");
}

/* The URL for a message, short and without what may be a secret. */
static void describe(struct buf *out, const char *text)
{
	struct buf shown = BUF_INIT;
	char clean[200];

	urltext_public(&shown, text);
	err_sanitize(clean, sizeof(clean), shown.p);
	buf_addstr(out, clean);
	buf_release(&shown);
}

int url_parse(struct url *u, const char *text, struct err *e)
{
	struct buf name = BUF_INIT;
	int rc;

	memset(u, 0, sizeof(*u));
	if (strlen(text) > URL_MAX_BYTES)
		rc = err_set(e, ERR_LIMIT, "it has %zu bytes", strlen(text));
	else
		rc = parse_any(u, text, e);
	if (rc == 0 && (!u->path || !*u->path || *u->path == '-'))
		rc = err_set(e, ERR_INPUT, "malformed path");
	if (rc < 0) {
		describe(&name, text);
		err_wrap(e, "URL %s", name.p);
		url_release(u);
	}
	buf_release(&name);
	return rc;
}
