/* SPDX-License-Identifier: MIT */
/* sshconf.c - what ~/.ssh/config says about a host; see sshconf.h */
#include "transport/sshconf.h"

#include <pwd.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/xalloc.h"
#include "transport/sshchild.h"

#define SSHCONF_MAX_BYTES (256 * KIB)
#define SSHCONF_MAX_SECONDS 86400

void sshconf_init(struct sshconf *c)
{
	memset(c, 0, sizeof(*c));
	strvec_init(&c->identities);
	strvec_init(&c->known_hosts);
	buf_init(&c->why_not);
}

void sshconf_release(struct sshconf *c)
{
	char **strings[] = {&c->own_known_hosts, &c->hostname, &c->user, &c->family, &c->agent,
			    &c->key_alias,       &c->ciphers,  &c->macs, &c->kex,    &c->host_keys};

	for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
		free(*strings[i]);
	strvec_release(&c->identities);
	strvec_release(&c->known_hosts);
	buf_release(&c->why_not);
	sshconf_init(c);
}

/* ---- what libssh2 can't do ---- */

/* Keys whose value must be one of these for libssh2 to honour it; "" alone: the key may not be there. */
static const struct {
	const char *key, *name;
	const char *fine[4];
} limits[] = {
	{"proxyjump", "ProxyJump", {"none"}},
	{"proxycommand", "ProxyCommand", {"none"}},
	{"certificatefile", "CertificateFile", {"none"}},
	{"pkcs11provider", "PKCS11Provider", {"none"}},
	{"knownhostscommand", "KnownHostsCommand", {"none"}},
	{"revokedhostkeys", "RevokedHostKeys", {"none"}},
	{"remotecommand", "RemoteCommand", {"none"}},
	{"localcommand", "LocalCommand", {"none"}},
	{"bindaddress", "BindAddress", {"none"}},
	{"bindinterface", "BindInterface", {"none"}},
	{"setenv", "SetEnv", {"none"}},
	{"compression", "Compression", {"no", "false"}},
	{"pubkeyauthentication", "PubkeyAuthentication", {"true", "yes", "unbound", "host-bound"}},
	{"verifyhostkeydns", "VerifyHostKeyDNS", {"false", "no"}},
	{"stricthostkeychecking", "StrictHostKeyChecking", {"true", "yes", "ask"}},
	{"requesttty", "RequestTTY", {"auto", "false", "no"}},
	{"sessiontype", "SessionType", {"default"}},
};

static void cannot(struct sshconf *c, const char *what, const char *value)
{
	char clean[80];

	if (c->why_not.len)
		return;
	err_sanitize(clean, sizeof(clean), value);
	buf_addf(&c->why_not, "%s %s", what, clean);
}

static void check_limits(struct sshconf *c, const char *key, const char *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		bool fine = false;

		if (strcmp(limits[i].key, key) != 0)
			continue;
		for (size_t j = 0; j < ARRAY_SIZE(limits[i].fine) && limits[i].fine[j]; j++)
			fine |= !strcmp(limits[i].fine[j], value);
		if (!fine)
			cannot(c, limits[i].name, value);
	}
}

/* ---- values ---- */

/* ~ in front as ssh takes it: the account's directory, not $HOME. */
static char *expand(struct sshconf *c, const char *path)
{
	/* cppcheck-suppress getpwuidCalled ; one thread opens a transport */
	const struct passwd *pw = *path == '~' ? getpwuid(geteuid()) : NULL;

	if (strchr(path, '%') || (*path == '~' && path[1] != '/'))
		cannot(c, "the path", path);
	return pw && path[1] == '/' ? xstrfmt("%s%s", pw->pw_dir, path + 1) : xstrdup(path);
}

static void add_path(struct sshconf *c, struct strvec *to, const char *path)
{
	char *full;

	if (!*path || !strcmp(path, "none"))
		return;
	full = expand(c, path);
	strvec_push(to, full);
	free(full);
}

static void add_paths(struct sshconf *c, struct strvec *to, const char *value)
{
	while (*value) {
		char *word = xstrndup(value, strcspn(value, " "));

		add_path(c, to, word);
		free(word);
		value += strcspn(value, " ");
		value += strspn(value, " ");
	}
}

/* IdentityAgent: none, SSH_AUTH_SOCK, $NAME or a path; absent: SSH_AUTH_SOCK. */
static void set_agent(struct sshconf *c, const char *value)
{
	const char *from = value;

	free(c->agent);
	c->agent = NULL;
	if (!strcmp(value, "none"))
		return;
	if (!strcmp(value, "SSH_AUTH_SOCK"))
		from = getenv("SSH_AUTH_SOCK");
	else if (*value == '$')
		from = getenv(value + 1);
	if (from && *from)
		c->agent = expand(c, from);
}

static void set_seconds(unsigned int *out, const char *value)
{
	uint64_t n;

	if (num_parse_u64(value, 0, SSHCONF_MAX_SECONDS, &n, NULL) == 0)
		*out = (unsigned int)n;
}

static void set_string(char **out, const char *value)
{
	free(*out);
	*out = xstrdup(value);
}

static void set_number(struct sshconf *c, const char *key, const char *value)
{
	uint64_t port;

	if (!strcmp(key, "port") && num_parse_u64(value, 1, UINT16_MAX, &port, NULL) == 0)
		c->port = (uint16_t)port;
	else if (!strcmp(key, "connecttimeout"))
		set_seconds(&c->connect_seconds, value);
	else if (!strcmp(key, "serveraliveinterval"))
		set_seconds(&c->alive_seconds, value);
	else if (!strcmp(key, "serveralivecountmax"))
		set_seconds(&c->alive_count, value);
}

static void set_key(struct sshconf *c, const char *key, const char *value)
{
	const struct {
		const char *key;
		char **to;
	} strings[] = {
		{"hostname", &c->hostname},    {"user", &c->user},
		{"addressfamily", &c->family}, {"hostkeyalias", &c->key_alias},
		{"ciphers", &c->ciphers},      {"macs", &c->macs},
		{"kexalgorithms", &c->kex},    {"hostkeyalgorithms", &c->host_keys},
	};

	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		if (!strcmp(strings[i].key, key))
			set_string(strings[i].to, value);
	}
	if (!strcmp(key, "identityfile"))
		add_path(c, &c->identities, value);
	else if (!strcmp(key, "identitiesonly"))
		c->identities_only = !strcmp(value, "yes") || !strcmp(value, "true");
	else if (!strcmp(key, "identityagent"))
		set_agent(c, value);
	else if (!strcmp(key, "userknownhostsfile") || !strcmp(key, "globalknownhostsfile"))
		add_paths(c, &c->known_hosts, value);
	else
		set_number(c, key, value);
	if (!strcmp(key, "userknownhostsfile")) {
		free(c->own_known_hosts);
		c->own_known_hosts = xstrndup(value, strcspn(value, " "));
	}
	check_limits(c, key, value);
}

int sshconf_parse(struct sshconf *c, const char *text, struct err *e)
{
	set_agent(c, "SSH_AUTH_SOCK");
	while (*text) {
		size_t len = strcspn(text, "\n");
		char *line = xstrndup(text, len);
		char *value = line + strcspn(line, " ");

		if (*value)
			*value++ = '\0';
		set_key(c, line, value);
		free(line);
		text += len + (text[len] == '\n');
	}
	if (!c->hostname || !*c->hostname || !c->user || !*c->user || !c->port || !c->ciphers ||
	    !c->macs || !c->kex || !c->host_keys)
		return err_set(e, ERR_INPUT, "the ssh command is not OpenSSH");
	/* `none`, as ssh shows that there is no alias. */
	if (c->key_alias && !strcmp(c->key_alias, "none")) {
		free(c->key_alias);
		c->key_alias = NULL;
	}
	return 0;
}

int sshconf_resolve(struct sshconf *c, const struct url *u, const struct transport_where *where,
		    struct err *e)
{
	struct proc p = PROC_INIT;
	struct buf out = BUF_INIT;
	int rc;

	sshchild_args(&p.args, u, where, "-G");
	p.in = p.err = PROC_NULL;
	rc = proc_capture(&p, NULL, SSHCONF_MAX_BYTES, &out, e);
	if (rc > 0)
		rc = err_set(e, ERR_INPUT, "the ssh command does not know -G");
	if (rc == 0)
		rc = sshconf_parse(c, out.p, e);
	buf_release(&out);
	proc_release(&p);
	return rc;
}

/* ---- for libssh2.c ---- */

void sshconf_known_name(const struct sshconf *c, struct buf *out)
{
	if (c->key_alias)
		buf_addstr(out, c->key_alias);
	else if (c->port == 22)
		buf_addstr(out, c->hostname);
	else
		buf_addf(out, "[%s]:%u", c->hostname, c->port);
}

void sshconf_common(struct buf *out, const char *list, const char *const *can, size_t n)
{
	while (*list) {
		size_t len = strcspn(list, ",");

		for (size_t i = 0; i < n; i++) {
			if (strlen(can[i]) != len || strncmp(can[i], list, len) != 0)
				continue;
			if (out->len)
				buf_addch(out, ',');
			buf_add(out, list, len);
			break;
		}
		list += len + (list[len] == ',');
	}
}
