/* SPDX-License-Identifier: MIT */
/* libssh2_hostkey.c - is the host the one we know? see libssh2_internal.h */
#include "transport/libssh2_internal.h"

#include <fcntl.h>

#include "base/hash.h"
#include "base/io.h"
#include "base/limits.h"

#define KNOWN_HOSTS_MAX_BYTES (4 * MIB)

/* Key types as known_hosts, libssh2's flags and the protocol call them. */
static const struct {
	int flag;
	const char *name;
	bool usable; /* libssh2 1.10 verifies RSA with SHA-1 only, which nobody offers any more */
} types[] = {
	{LIBSSH2_KNOWNHOST_KEY_ED25519, "ssh-ed25519", true},
	{LIBSSH2_KNOWNHOST_KEY_ECDSA_256, "ecdsa-sha2-nistp256", true},
	{LIBSSH2_KNOWNHOST_KEY_ECDSA_384, "ecdsa-sha2-nistp384", true},
	{LIBSSH2_KNOWNHOST_KEY_ECDSA_521, "ecdsa-sha2-nistp521", true},
	{LIBSSH2_KNOWNHOST_KEY_SSHRSA, "ssh-rsa", false},
};

/* SHA256:… as ssh-keygen -l shows it: base64 without padding. */
static void fingerprint(LIBSSH2_SESSION *session, struct buf *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *hash =
		(const unsigned char *)libssh2_hostkey_hash(session, LIBSSH2_HOSTKEY_HASH_SHA256);
	unsigned int bits = 0, have = 0;

	buf_addstr(out, "SHA256:");
	for (size_t i = 0; hash && i < HASH_BYTES; i++) {
		bits = bits << 8 | hash[i];
		for (have += 8; have >= 6; have -= 6)
			buf_addch(out, digits[bits >> (have - 6) & 63]);
	}
	if (have)
		buf_addch(out, digits[bits << (6 - have) & 63]);
}

/* ---- known_hosts ---- */

/*
 * What libssh2's reader would misread: patterns, negation and markers.  Such a
 * line may well be the one that speaks of our host, so ssh must judge.
 */
static bool is_beyond_us(const char *line)
{
	size_t names = strcspn(line, " \t");

	return *line == '@' || strcspn(line, "*?!") < names;
}

static void read_line(struct libssh2 *c, LIBSSH2_KNOWNHOSTS *known, const char *path,
		      const char *line, size_t len)
{
	struct buf text = BUF_INIT;

	line += strspn(line, " \t");
	if (*line == '#' || *line == '\n' || !*line)
		return;
	buf_add(&text, line, len);
	if (is_beyond_us(text.p) && !c->conf.why_not.len)
		buf_addf(&c->conf.why_not, "patterns or markers in %s", path);
	/* A line of a type it does not know is no error of the file. */
	if (libssh2_knownhost_readline(known, text.p, text.len, LIBSSH2_KNOWNHOST_FILE_OPENSSH))
		buf_reset(&text);
	buf_release(&text);
}

static int read_file(struct libssh2 *c, LIBSSH2_KNOWNHOSTS *known, const char *path, struct err *e)
{
	struct buf text = BUF_INIT;
	int rc = io_read_file(AT_FDCWD, path, KNOWN_HOSTS_MAX_BYTES, &text, e);

	for (const char *p = text.p; rc == 0 && *p;) {
		size_t len = strcspn(p, "\n");

		read_line(c, known, path, p, len);
		p += len + (p[len] == '\n');
	}
	buf_release(&text);
	return rc == ERR_NOTFOUND ? 0 : rc;
}

/* Does known_hosts hold a key of this type for the host? A wrong key of the type is a mismatch then. */
static bool knows_type(LIBSSH2_KNOWNHOSTS *known, const char *name, int flag)
{
	struct libssh2_knownhost *found;

	return libssh2_knownhost_checkp(known, name, -1, "?", 1,
					LIBSSH2_KNOWNHOST_TYPE_PLAIN |
						LIBSSH2_KNOWNHOST_KEYENC_RAW | flag,
					&found) == LIBSSH2_KNOWNHOST_CHECK_MISMATCH;
}

/* Types that known_hosts holds and libssh2 can check; any type it can if the host is unknown. */
static size_t choose_types(LIBSSH2_KNOWNHOSTS *known, const char *name,
			   const char *can[ARRAY_SIZE(types)])
{
	size_t any = 0, n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (!knows_type(known, name, types[i].flag))
			continue;
		any++;
		if (types[i].usable)
			can[n++] = types[i].name;
	}
	for (size_t i = 0; !any && i < ARRAY_SIZE(types); i++) {
		if (types[i].usable)
			can[n++] = types[i].name;
	}
	return n;
}

static int prefer_known(struct libssh2 *c, LIBSSH2_KNOWNHOSTS *known, struct err *e)
{
	const char *can[ARRAY_SIZE(types)];
	struct buf name = BUF_INIT, list = BUF_INIT;
	size_t n;
	int rc = 0;

	sshconf_known_name(&c->conf, &name);
	n = choose_types(known, name.p, can);
	sshconf_common(&list, c->conf.host_keys, can, n);
	if (!n)
		rc = err_set(e, ERR_DENIED, "%s: its known host key is RSA", c->base.host);
	else if (!list.len)
		rc = err_set(e, ERR_DENIED, "%s: ssh_config allows no host key libssh2 can check",
			     c->base.host);
	/* libssh2's own preference would meet a second key of the host and call it changed. */
	else if (libssh2_session_method_pref(c->session, LIBSSH2_METHOD_HOSTKEY, list.p))
		rc = libssh2_fail(c, ERR_DENIED, "host key algorithms", e);
	buf_release(&name);
	buf_release(&list);
	return rc;
}

int libssh2_hostkey_prefer(struct libssh2 *c, LIBSSH2_KNOWNHOSTS **known, struct err *e)
{
	int rc = 0;

	*known = libssh2_knownhost_init(c->session);
	if (!*known)
		return libssh2_fail(c, ERR_SYS, "known hosts", e);
	for (size_t i = 0; rc == 0 && i < c->conf.known_hosts.nr; i++)
		rc = read_file(c, *known, c->conf.known_hosts.v[i], e);
	if (rc == 0 && c->conf.why_not.len)
		rc = err_set(e, ERR_DENIED, "%s: %s", c->base.host, c->conf.why_not.p);
	return rc < 0 ? rc : prefer_known(c, *known, e);
}

/* ---- the key that came ---- */

static int refuse(struct libssh2 *c, bool changed, const char *name, struct err *e)
{
	const char *file = c->conf.own_known_hosts ? c->conf.own_known_hosts : "known_hosts";
	struct buf print = BUF_INIT;

	fingerprint(c->session, &print);
	err_set(e, ERR_DENIED, "%s: the host key %s: %s %s", c->base.host,
		changed ? "has changed" : "is not known",
		libssh2_session_methods(c->session, LIBSSH2_METHOD_HOSTKEY), print.p);
	buf_release(&print);
	if (changed)
		return err_hint(e, "only if you know why it changed: ssh-keygen -R '%s' -f %s",
				name, file);
	return err_hint(e, "if that is the host's fingerprint: ssh-keyscan -p %u %s >>%s",
			c->conf.port, c->conf.hostname, file);
}

int libssh2_hostkey_check(struct libssh2 *c, LIBSSH2_KNOWNHOSTS *known, struct err *e)
{
	struct libssh2_knownhost *found;
	struct buf name = BUF_INIT;
	const char *method = libssh2_session_methods(c->session, LIBSSH2_METHOD_HOSTKEY);
	const char *key;
	size_t len;
	int type, flag = LIBSSH2_KNOWNHOST_KEY_UNKNOWN, verdict, rc = 0;

	key = libssh2_session_hostkey(c->session, &len, &type);
	for (size_t i = 0; method && i < ARRAY_SIZE(types); i++) {
		if (!strcmp(method, types[i].name))
			flag = types[i].flag;
	}
	if (!key)
		return libssh2_fail(c, ERR_DENIED, "host key", e);
	sshconf_known_name(&c->conf, &name);
	verdict = libssh2_knownhost_checkp(
		known, name.p, -1, key, len,
		LIBSSH2_KNOWNHOST_TYPE_PLAIN | LIBSSH2_KNOWNHOST_KEYENC_RAW | flag, &found);
	if (verdict != LIBSSH2_KNOWNHOST_CHECK_MATCH)
		rc = refuse(c, verdict == LIBSSH2_KNOWNHOST_CHECK_MISMATCH, name.p, e);
	buf_release(&name);
	return rc;
}
