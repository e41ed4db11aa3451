/* SPDX-License-Identifier: MIT */
/* u-url.c - unit tests of transport/url */
#include "transport/url.h"

#include "base/urltext.h"

#include "tap.h"

struct good {
	const char *text;
	const char *user, *host;
	unsigned int port;
	const char *path;
};

static const struct good good[] = {
	{"ssh://h/p.git", NULL, "h", 0, "/p.git"},
	{"ssh://u@h:2222/a/b", "u", "h", 2222, "/a/b"},
	{"ssh://h:/a", NULL, "h", 0, "/a"},
	{"ssh://h/~u/a", NULL, "h", 0, "~u/a"},
	{"ssh://[::1]:22/a", NULL, "::1", 22, "/a"},
	{"ssh://u@[fe80::1]/a", "u", "fe80::1", 0, "/a"},
	{"ssh://h/a%20b", NULL, "h", 0, "/a b"},
	{"git+ssh://h/a", NULL, "h", 0, "/a"},
	{"h:a/b", NULL, "h", 0, "a/b"},
	{"u@h:/a:b", "u", "h", 0, "/a:b"},
	{"h:~/a%20b", NULL, "h", 0, "~/a%20b"},
	{"[::1]:a", NULL, "::1", 0, "a"},
	{"u@[::1]:/a", "u", "::1", 0, "/a"},
	{"[h:22]:a", NULL, "h", 22, "a"},
	{"u@[h:22]:a", "u", "h", 22, "a"},
	{"file:///a%25", NULL, NULL, 0, "/a%"},
	{"file://localhost/a", NULL, NULL, 0, "/a"},
	{"/a/b:c", NULL, NULL, 0, "/a/b:c"},
	{"./a:b", NULL, NULL, 0, "./a:b"},
	{"../a@b", NULL, NULL, 0, "../a@b"},
	{"a b", NULL, NULL, 0, "a b"},
	{"ssh://u@[fe80::1%25eth0]:22/a", "u", "fe80::1%eth0", 22, "/a"},
	{"DOM\\u@h:a", "DOM\\u", "h", 0, "a"},
	{"ssh://host$@h/a", "host$", "h", 0, "/a"},
};

static void test_good(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		const struct good *g = &good[i];
		struct url u = URL_INIT;
		struct err e = ERR_INIT;

		ok(url_parse(&u, g->text, &e) == 0, "%s: %s", g->text, e.msg);
		is_str(u.user, g->user, "user");
		is_str(u.host, g->host, "host");
		is_u64(u.port, g->port, "port");
		is_str(u.path, g->path, "path");
		ok((u.kind == URL_SSH) == (g->host != NULL), "kind");
		url_release(&u);
	}
}

static const struct {
	const char *text, *msg;
} bad[] = {
	{"", "URL : malformed path"},
	{"https://h/a", "URL https://h/a: chunks travel over ssh or to a path only"},
	{"ssh://h", "URL ssh://h: it has no path"},
	{"ssh://h/", "URL ssh://h/: it has no path"},
	{"ssh:///a", "URL ssh:///a: malformed host"},
	{"ssh://-oProxyCommand=x/a", "URL ssh://-oProxyCommand=x/a: malformed host"},
	{"ssh://%2doProxyCommand=x/a", "URL ssh://%2doProxyCommand=x/a: malformed host"},
	{"ssh://-u@h/a", "URL ssh://-u@h/a: malformed user"},
	{"ssh://u:secret@h/a", "URL ssh://u@h/a: malformed user"},
	{"ssh://h:0/a", "URL ssh://h:0/a: malformed port"},
	{"ssh://h:65536/a", "URL ssh://h:65536/a: malformed port"},
	{"ssh://h:22x/a", "URL ssh://h:22x/a: malformed port"},
	{"ssh://[::1/a", "URL ssh://[::1/a: a bracket is open"},
	{"ssh://h/%zz", "URL ssh://h/%zz: malformed path"},
	{"ssh://h/a%00b", "URL ssh://h/a%00b: malformed path"},
	{"ssh://h\n/a", "URL ssh://h?/a: malformed host"},
	{"-oProxyCommand=x:a", "URL -oProxyCommand=x:a: malformed host"},
	{"[-x]:a", "URL [-x]:a: malformed host"},
	{"h:", "URL h:: it has no path"},
	{"h:-a", "URL h:-a: malformed path"},
	{"-a", "URL -a: malformed path"},
	{"ssh://h$(touch${IFS}x)/a", "URL ssh://h$(touch${IFS}x)/a: malformed host"},
	{"ssh://h`x`/a", "URL ssh://h`x`/a: malformed host"},
	{"ssh://h%3bx/a", "URL ssh://h%3bx/a: malformed host"},
	{"ssh://h'x/a", "URL ssh://h'x/a: malformed host"},
	{"ssh://h|x/a", "URL ssh://h|x/a: malformed host"},
	{"ssh://h%26x/a", "URL ssh://h%26x/a: malformed host"},
	{"ssh://h\\x/a", "URL ssh://h\\x/a: malformed host"},
	{"ssh://[::1;x]/a", "URL ssh://[::1;x]/a: malformed host"},
	{"ssh://u$(x)@h/a", "URL ssh://u$(x)@h/a: malformed user"},
	{"ssh://u;x@h/a", "URL ssh://u;x@h/a: malformed user"},
	{"ssh://u`x`@h/a", "URL ssh://u`x`@h/a: malformed user"},
	{"ssh://$x@h/a", "URL ssh://$x@h/a: malformed user"},
	{"u;x@h:a", "URL u;x@h:a: malformed user"},
	{"h;x:a", "URL h;x:a: malformed host"},
	{"https://ghp_secret@h/a?token=secret#secret",
	 "URL https://h/a: chunks travel over ssh or to a path only"},
	{"file://h/a", "URL file://h/a: its path is not absolute"},
};

static void test_bad(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct url u = URL_INIT;
		struct err e = ERR_INIT;

		ok(url_parse(&u, bad[i].text, &e) == ERR_INPUT, "%s is refused", bad[i].text);
		is_str(e.msg, bad[i].msg, "and named");
	}
}

static const struct {
	const char *text, *shown, *recorded;
} texts[] = {
	{"https://ghp_secret@h/a.git", "https://h/a.git", NULL},
	{"HTTPS://u:secret@h:8443/a", "HTTPS://h:8443/a", NULL},
	{"https://u:secret@[::1]:8443/a?x=secret", "https://[::1]:8443/a", NULL},
	{"https://u:sec/ret@h/a", "https://...", NULL},
	{"https://u:sec@ret@h/a", "https://h/a", NULL},
	{"https://h/@scope/a", "https://h/@scope/a", NULL},
	{"https://h/a?token=secret", "https://h/a", NULL},
	{"https://h?token=secret", "https://h", NULL},
	{"https://h/a#secret", "https://h/a", NULL},
	{"https://h?x=u:secret@h/", "https://h", NULL},
	{"https://@h/a", "https://h/a", NULL},
	{"ssh://git@h:22/a", "ssh://git@h:22/a", "ssh://h:22/a"},
	{"ssh://u:secret@h/a", "ssh://u@h/a", "ssh://h/a"},
	{"git@h:a/b", "git@h:a/b", "h:a/b"},
	{"git@h:a?token=secret", "git@h:a", "h:a"},
	{"u:secret@h:a", "h:a", NULL},
	{"ext::https::https://u:secret@h/a", "ext::https::https://h/a", NULL},
	{"s3://key:secret@bucket/a", "s3://bucket/a", NULL},
	{"/a/b?c#d@e", "/a/b?c#d@e", NULL},
	{"../a:b@c", "../a:b@c", NULL},
	{"file:///a?b", "file:///a?b", NULL},
	{"", "", NULL},
};

static void test_texts(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		const char *recorded = texts[i].recorded ? texts[i].recorded : texts[i].shown;
		struct buf out = BUF_INIT;

		urltext_public(&out, texts[i].text);
		is_str(out.p, texts[i].shown, texts[i].text);
		buf_reset(&out);
		urltext_recorded(&out, texts[i].text);
		is_str(out.p, recorded, "and recorded without a user");
		buf_release(&out);
	}
}

int main(void)
{
	test_texts();
	test_good();
	test_bad();
	return done_testing();
}
