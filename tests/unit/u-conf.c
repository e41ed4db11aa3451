/* SPDX-License-Identifier: MIT */
/* u-conf.c - strict git-config syntax: what is read and what is refused; see base/conf.h */
#include "base/conf.h"
#include "base/limits.h"
#include "tap.h"

/* All lines as "line:section/sub.key=value;", or the error's message. */
static void flatten(const void *text, size_t len, enum conf_flags flags, struct buf *out)
{
	struct err e = ERR_INIT;
	struct conf c;
	struct conf_line l;
	int rc;

	buf_reset(out);
	conf_init(&c, text, len, flags, "f");
	while ((rc = conf_next(&c, &l, &e)) == 1) {
		buf_addf(out, "%u:%s", l.line, l.section);
		if (l.sub)
			buf_addf(out, "/%s", l.sub);
		if (l.key)
			buf_addf(out, ".%s=%s", l.key, l.value);
		buf_addch(out, ';');
	}
	if (rc < 0)
		buf_sets(out, e.msg);
	conf_release(&c);
}

static void check(enum conf_flags flags, const char *text, const char *want)
{
	struct buf out = BUF_INIT;

	flatten(text, strlen(text), flags, &out);
	is_str(out.p, want, want);
	buf_release(&out);
}

static void test_comments(void)
{
	enum conf_flags f = CONF_COMMENTS;

	check(f, "", "");
	check(f, "\n; a\n  # b\n[a]", "4:a;");
	check(f, "[rule \"main\"]  ; c\n ref=refs/heads/main # x\n\tK-1 =  a b  \n",
	      "1:rule/main;2:rule/main.ref=refs/heads/main;3:rule/main.K-1=a b;");
	check(f, "[a \"q\\\"\\\\ x\"]\nk = \"a;b # \\\" \\\\ \\n\\t\" ; c\n",
	      "1:a/q\"\\ x;2:a/q\"\\ x.k=a;b # \" \\ \n\t;");
	check(f, "[a]\nk =\n", "1:a;2:a.k=;");
	check(f, "[a]\r\n\tk = v\r\n; c\r\n\tj = \"v\"\r\n", "1:a;2:a.k=v;4:a.j=v;");
	check(f, "[a \"\"]\n", "1:a/;");
	check(f, "k = v\n", "f:1: a key before the first section");
	check(f, "[include]\npath = x\n", "f:1: include is not allowed");
	check(f, "[a]\n\n[includeif \"gitdir:x\"]\n", "f:3: include is not allowed");
	check(f, "[includeIf \"gitdir:x\"]\n", "f:1: malformed section header");
	check(f, "[A]\n", "f:1: a section name is [a-z0-9-]");
	check(f, "[a.b]\n", "f:1: malformed section header");
	check(f, "[a  \"b\"]\n", "f:1: malformed section header");
	check(f, "[a \"b]\n", "f:1: section name has no closing quote");
	check(f, "[a \"b\\n\"]\n",
	      "f:1: only \\\" and \\\\ may follow a backslash in a section name");
	check(f, "[a] k = v\n", "f:1: text after a section header");
	check(f, "[a\n", "f:1: malformed section header");
	check(f, "[a]\nk\n", "f:2: expected `key = value'");
	check(f, "[a]\n1k = v\n", "f:2: neither a section nor `key = value'");
	check(f, "[a]\nk_x = v\n", "f:2: expected `key = value'");
	check(f, "[a]\nk = a\\\n b\n", "f:2: quote the value as a whole");
	check(f, "[a]\nk = a \"b\"\n", "f:2: quote the value as a whole");
	check(f, "[a]\nk = \"b\" c\n", "f:2: text after a quoted value");
	check(f, "[a]\nk = \"b\n", "f:2: value has no closing quote");
	check(f, "[a]\nk = \"\\x\"\n", "f:2: unknown escape in a value");
}

static void test_exact(void)
{
	enum conf_flags f = CONF_EXACT;

	check(f, "[deepops]\n\tversion = 1\n[shard \"a\\\\b\"]\n\tid = x ; \"y\n",
	      "1:deepops;2:deepops.version=1;3:shard/a\\b;4:shard/a\\b.id=x ; \"y;");
	check(f, "[a]\n\tk = v", "f:2: no newline at the end");
	check(f, "[a]\n k = v\n", "f:2: expected a section, or a tab and a key");
	check(f, "[a]\nk = v\n", "f:2: expected a section, or a tab and a key");
	check(f, "[a]\n\t k = v\n", "f:2: neither a section nor `key = value'");
	check(f, "[a]\n\tk =v\n", "f:2: expected `key = value'");
	check(f, "[a]\n\tk=v\n", "f:2: expected `key = value'");
	check(f, "[a]\n\tk = \n", "f:2: empty value");
	check(f, "[a]\n\n", "f:2: blank line");
	check(f, "; c\n", "f:1: expected a section, or a tab and a key");
	check(f, "[a] \n", "f:1: text after a section header");
	check(f, " [a]\n", "f:1: expected a section, or a tab and a key");
	check(f, "<<<<<<< HEAD\n", "f:1: expected a section, or a tab and a key");
	check(f, "[a]\n\tk = v\r\n", "f:2: control byte");
}

static void test_limits(void)
{
	struct buf text = BUF_INIT, out = BUF_INIT;

	flatten("[a]\nk = a\0b\n", 12, CONF_COMMENTS, &out);
	is_str(out.p, "f:2: control byte", "NUL");
	buf_addstr(&text, "[a]\nk = ");
	while (text.len < CONF_MAX_LINE_BYTES + 100)
		buf_addch(&text, 'x');
	flatten(text.p, text.len, CONF_COMMENTS, &out);
	is_str(out.p, "f:2: line too long", "a long line");
	while (text.len <= CONF_MAX_BYTES)
		buf_addstr(&text, "\n;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;");
	flatten(text.p, text.len, CONF_COMMENTS, &out);
	is_str(out.p, "f: more than 256 KiB", "a big file");
	buf_reset(&out);
	conf_escape_sub(&out, "a\"b\\c");
	is_str(out.p, "a\\\"b\\\\c", "escape");
	buf_release(&text);
	buf_release(&out);
}

int main(void)
{
	test_comments();
	test_exact();
	test_limits();
	return done_testing();
}
