/* SPDX-License-Identifier: MIT */
/*
 * url.h - where a chunk remote is: ssh://, host:path, file://, a path
 *
 *	ssh://[user@]host[:port]/path		/~user/path is ~user/path, as in git
 *	[user@]host:path			if no slash comes before the colon
 *	file:///path  path
 *
 * IPv6 addresses stand in brackets.  URLs with a scheme are percent-decoded.
 * A host, user or path that begins with '-' is refused: ssh would take it for
 * an option.  So are control bytes, blanks and what a shell takes for more than itself in host and
 * user, as in OpenSSH 9.6.
 */
#ifndef TRANSPORT_URL_H
#define TRANSPORT_URL_H

#include "base/err.h"

enum url_kind { URL_LOCAL, URL_SSH };

struct url {
	enum url_kind kind;
	char *user;    /* NULL: not given */
	char *host;    /* without brackets; NULL for URL_LOCAL */
	uint16_t port; /* 0: not given */
	char *path;
};

#define URL_INIT                                                                                   \
	{                                                                                          \
		URL_LOCAL, NULL, NULL, 0, NULL                                                     \
	}

/* ERR_INPUT names the URL as urltext_public() gives it. */
int url_parse(struct url *u, const char *text, struct err *e) MUST_CHECK;
void url_release(struct url *u);

#endif
