/* SPDX-License-Identifier: MIT */
/* u-sshconf.c - unit tests of transport/sshconf */
#include "transport/sshconf.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "tap.h"

/* What ssh -G prints for a host without any configuration, shortened. */
#define PLAIN                                                                                      \
	"host h\nuser me\nhostname h.example\nport 22\naddressfamily any\n"                        \
	"identitiesonly no\nstricthostkeychecking ask\nproxyusefdpass no\n"                        \
	"ciphers chacha20-poly1305@openssh.com,aes128-ctr,aes256-ctr\n"                            \
	"hostkeyalgorithms ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512\n"                         \
	"kexalgorithms curve25519-sha256\nmacs umac-64@openssh.com,hmac-sha2-256\n"                \
	"identityfile /k/id_rsa\nidentityfile /k/id ed25519\n"                                     \
	"globalknownhostsfile /etc/a /etc/b\nuserknownhostsfile /u/known /u/known2\n"              \
	"serveraliveinterval 0\nserveralivecountmax 3\nconnecttimeout none\nsomethingnew 7\n"

static void parse(struct sshconf *c, const char *more)
{
	struct buf text = BUF_INIT;
	struct err e = ERR_INIT;

	sshconf_init(c);
	buf_addf(&text, "%s%s", PLAIN, more);
	ok(sshconf_parse(c, text.p, &e) == 0, "parse with '%.*s' %s", (int)strcspn(more, "\n"),
	   more, e.msg);
	buf_release(&text);
}

static void test_plain(void)
{
	struct sshconf c;
	struct buf name = BUF_INIT;

	setenv("SSH_AUTH_SOCK", "/run/agent", 1);
	parse(&c, "");
	is_str(c.hostname, "h.example", "host name");
	is_str(c.user, "me", "user");
	is_u64(c.port, 22, "port");
	is_str(c.why_not.p, "", "nothing that libssh2 can't do");
	ok(c.identities.nr == 2 && !strcmp(c.identities.v[1], "/k/id ed25519"), "identity files");
	ok(c.known_hosts.nr == 4, "files of known hosts");
	is_str(c.own_known_hosts, "/u/known", "the user's own");
	is_str(c.agent, "/run/agent", "agent");
	ok(!c.identities_only && !c.connect_seconds && !c.alive_seconds && c.alive_count == 3,
	   "the rest");
	sshconf_known_name(&c, &name);
	is_str(name.p, "h.example", "known by its name");
	buf_release(&name);
	sshconf_release(&c);
}

static void test_values(void)
{
	struct sshconf c;
	struct buf name = BUF_INIT;

	setenv("MY_AGENT", "/my/agent", 1);
	parse(&c, "port 2222\nidentityagent $MY_AGENT\nidentitiesonly yes\nconnecttimeout 5\n"
		  "serveraliveinterval 60\n");
	is_u64(c.port, 2222, "another port");
	is_str(c.agent, "/my/agent", "another agent");
	ok(c.identities_only && c.connect_seconds == 5 && c.alive_seconds == 60, "seconds");
	sshconf_known_name(&c, &name);
	is_str(name.p, "[h.example]:2222", "known by name and port");
	sshconf_release(&c);

	parse(&c, "port 2222\nhostkeyalias alias\nidentityagent none\nidentityfile none\n");
	ok(!c.agent, "no agent");
	buf_reset(&name);
	sshconf_known_name(&c, &name);
	is_str(name.p, "alias", "known by its alias");
	buf_release(&name);
	sshconf_release(&c);
}

static void test_home(void)
{
	const struct passwd *pw = getpwuid(geteuid());
	struct sshconf c;
	char want[300];

	parse(&c, "identityfile ~/.ssh/id\n");
	snprintf(want, sizeof(want), "%s/.ssh/id", pw ? pw->pw_dir : "");
	is_str(c.identities.v[2], want, "~ is the account's directory");
	is_str(c.why_not.p, "", "and fine");
	sshconf_release(&c);
	parse(&c, "identityfile ~other/id\n");
	is_str(c.why_not.p, "the path ~other/id", "another's is not");
	sshconf_release(&c);
	parse(&c, "userknownhostsfile /k/%h\n");
	is_str(c.why_not.p, "the path /k/%h", "nor are tokens left over");
	sshconf_release(&c);
}

static void test_limits(void)
{
	static const struct {
		const char *line, *why;
	} cases[] = {
		{"proxyjump bastion\n", "ProxyJump bastion"},
		{"proxyjump none\n", ""},
		{"proxycommand nc %h %p\n", "ProxyCommand nc %h %p"},
		{"certificatefile /k/cert\n", "CertificateFile /k/cert"},
		{"stricthostkeychecking accept-new\n", "StrictHostKeyChecking accept-new"},
		{"stricthostkeychecking false\n", "StrictHostKeyChecking false"},
		{"stricthostkeychecking true\n", ""},
		{"compression yes\n", "Compression yes"},
		{"compression no\n", ""},
		{"setenv A=b\n", "SetEnv A=b"},
		{"requesttty force\n", "RequestTTY force"},
		{"pubkeyauthentication false\n", "PubkeyAuthentication false"},
		{"proxyjump a\nsetenv B=c\n", "ProxyJump a"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sshconf c;

		parse(&c, cases[i].line);
		is_str(c.why_not.p, cases[i].why, "what stops libssh2");
		sshconf_release(&c);
	}
}

static void test_others(void)
{
	static const char *const texts[] = {"", "hello\n", "hostname h\nuser u\nport 22\n",
					    "hostname h\nuser u\nport 0\nciphers a\nmacs b\n"
					    "kexalgorithms c\nhostkeyalgorithms d\n",
					    "hostname\nuser u\nport 22\nciphers a\nmacs b\n"
					    "kexalgorithms c\nhostkeyalgorithms d\n"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct sshconf c;
		struct err e = ERR_INIT;

		sshconf_init(&c);
		ok(sshconf_parse(&c, texts[i], &e) == ERR_INPUT, "text %zu is not OpenSSH's", i);
		is_str(e.msg, "the ssh command is not OpenSSH", "and that is said");
		sshconf_release(&c);
	}
}

static void test_common(void)
{
	static const char *const can[] = {"b", "a", "cc"};
	struct buf out = BUF_INIT;

	sshconf_common(&out, "x,a,c,b,bb", can, ARRAY_SIZE(can));
	is_str(out.p, "a,b", "what both have, in the order of the list");
	buf_reset(&out);
	sshconf_common(&out, "", can, ARRAY_SIZE(can));
	is_str(out.p, "", "nothing of nothing");
	buf_release(&out);
}

int main(void)
{
	test_plain();
	test_values();
	test_home();
	test_limits();
	test_others();
	test_common();
	return done_testing();
}
