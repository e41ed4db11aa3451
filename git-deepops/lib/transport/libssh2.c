/* SPDX-License-Identifier: MIT */
/* libssh2.c - transport through libssh2: connection and stream; see libssh2.h */
#include "transport/libssh2.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/sig.h"
#include "base/xalloc.h"
#include "transport/libssh2_internal.h"
#include "transport/sshchild.h"

#define CONNECT_SECONDS 30 /* without ConnectTimeout; also for handshake and login */
#define ALIVE_SECONDS 15   /* without ServerAliveInterval: a keep-alive after that much silence */
#define ALIVE_COUNT 4      /* so many of them unanswered: stalled */
#define WRITE_BYTES (1 * MIB)  /* a call */
#define READ_BYTES (256 * KIB) /* a call, always */
#define FINISH_MS 5000
#define MS_PER_SECOND 1000

static struct libssh2 *of(struct transport *t)
{
	return (struct libssh2 *)t;
}

const char *libssh2_library(void)
{
	return libssh2_version(0);
}

int libssh2_fail(struct libssh2 *c, enum err_code code, const char *what, struct err *e)
{
	char *text = NULL;
	char clean[160];

	libssh2_session_last_error(c->session, &text, NULL, 0);
	err_sanitize(clean, sizeof(clean), text && *text ? text : "no reason given");
	return err_set(e, code, "%s: %s: %s", c->base.host, what, clean);
}

/* ---- stream ---- */

static bool sending_is_blocked(const struct libssh2 *c)
{
	return libssh2_session_block_directions(c->session) & LIBSSH2_SESSION_BLOCK_OUTBOUND;
}

/*
 * Every read of either stream asks for the same length: libssh2 1.10 computes the
 * window it asks for from that length, and when the request could not be sent at
 * once, computes it anew on the next read, whichever stream that is.  Two lengths
 * make the two sides disagree about the window, and bytes are lost.
 */
static ssize_t read_stream(struct libssh2 *c, int stream, struct buf *out)
{
	ssize_t n;

	buf_grow(out, READ_BYTES);
	n = libssh2_channel_read_ex(c->channel, stream, out->p + out->len, READ_BYTES);
	if (n > 0)
		buf_setlen(out, out->len + (size_t)n);
	return n;
}

static void take_stderr(struct libssh2 *c)
{
	struct buf text = BUF_INIT;

	while (read_stream(c, SSH_EXTENDED_DATA_STDERR, &text) > 0) {
		transport_said(&c->base, text.p, text.len);
		buf_reset(&text);
	}
	buf_release(&text);
}

/* Hand out what is staged. */
static int unstage(struct libssh2 *c, void *p, size_t n)
{
	size_t take = MIN(n, c->stage.len - c->stage_at);

	memcpy(p, c->stage.p + c->stage_at, take);
	c->stage_at += take;
	if (c->stage_at == c->stage.len) {
		buf_reset(&c->stage);
		c->stage_at = 0;
	}
	return (int)take;
}

static int libssh2_read(struct transport *t, void *p, size_t n, struct err *e)
{
	struct libssh2 *c = of(t);
	ssize_t got;

	if (c->stage.len)
		return unstage(c, p, n);
	/* Reading may send (window, keys), which must not cut into a packet half sent. */
	if (c->pending == LIBSSH2_PENDING_WRITE)
		return 0;
	got = read_stream(c, 0, &c->stage);
	c->pending = LIBSSH2_PENDING_NONE;
	if (got > 0)
		return unstage(c, p, n);
	if (got < 0 && got != LIBSSH2_ERROR_EAGAIN)
		return libssh2_fail(c, ERR_SYS, "connection lost", e);
	if (!sending_is_blocked(c))
		take_stderr(c);
	if (sending_is_blocked(c))
		c->pending = LIBSSH2_PENDING_READ;
	t->at_end = libssh2_channel_eof(c->channel) == 1;
	return 0;
}

static int libssh2_write(struct transport *t, const void *p, size_t n, struct err *e)
{
	struct libssh2 *c = of(t);
	const char *bytes = p;
	size_t done = 0;
	ssize_t put = 0;

	if (c->pending == LIBSSH2_PENDING_READ)
		return 0;
	while (done < MIN(n, WRITE_BYTES)) {
		put = libssh2_channel_write(c->channel, bytes + done, n - done);
		if (put <= 0)
			break;
		done += (size_t)put;
	}
	c->pending = put == LIBSSH2_ERROR_EAGAIN && sending_is_blocked(c) ? LIBSSH2_PENDING_WRITE
									  : LIBSSH2_PENDING_NONE;
	c->window_shut = put <= 0 && c->pending == LIBSSH2_PENDING_NONE;
	if (put >= 0 || put == LIBSSH2_ERROR_EAGAIN || done)
		return (int)done;
	if (put == LIBSSH2_ERROR_CHANNEL_CLOSED || put == LIBSSH2_ERROR_CHANNEL_EOF_SENT) {
		errno = EPIPE;
		return err_sys(e, "%s", t->host);
	}
	return libssh2_fail(c, ERR_SYS, "connection lost", e);
}

static uint64_t alive_ms(const struct libssh2 *c)
{
	return (uint64_t)MS_PER_SECOND *
	       (c->conf.alive_seconds ? c->conf.alive_seconds : ALIVE_SECONDS);
}

/* Say something when it has been silent for long; give up when that is never answered. */
static int keep_alive(struct libssh2 *c, struct err *e)
{
	uint64_t now = clock_mono_ms(), silent = now - c->heard_ms;
	unsigned int count = c->conf.alive_count ? c->conf.alive_count : ALIVE_COUNT;
	int next;

	if (silent < alive_ms(c) || now - c->asked_ms < alive_ms(c))
		return 0;
	if (silent >= alive_ms(c) * (count + 1)) {
		errno = ETIMEDOUT;
		return err_sys(e, "%s: silent for %" PRIu64 " s", c->base.host,
			       silent / MS_PER_SECOND);
	}
	if (c->pending == LIBSSH2_PENDING_NONE && libssh2_keepalive_send(c->session, &next) != 0)
		return libssh2_fail(c, ERR_SYS, "connection lost", e);
	c->asked_ms = now;
	return 0;
}

/*
 * Would another try get on without any packet from there?  Each side's window may
 * have changed while the other direction was served, and no packet will tell again.
 */
static bool can_go_on(struct libssh2 *c, unsigned int events)
{
	unsigned long full, queued;

	if (c->pending != LIBSSH2_PENDING_NONE)
		return false;
	if ((events & TRANSPORT_WRITE) && c->window_shut &&
	    libssh2_channel_window_write(c->channel) > 0) {
		c->window_shut = false;
		return true;
	}
	/* Bytes of one stream come in while the other is read; reading opens the window again. */
	return (events & TRANSPORT_READ) &&
	       (libssh2_channel_window_read_ex(c->channel, &queued, &full) < full / 4 || queued);
}

static int libssh2_wait(struct transport *t, unsigned int events, int timeout_ms, struct err *e)
{
	struct libssh2 *c = of(t);
	struct pollfd fd = {c->fd, POLLIN, 0};
	int rc, slice = (int)MIN(alive_ms(c), (uint64_t)INT32_MAX);

	if (can_go_on(c, events))
		return 1;
	if (c->pending != LIBSSH2_PENDING_NONE)
		fd.events |= POLLOUT;
	rc = poll(&fd, 1, timeout_ms < 0 ? slice : MIN(timeout_ms, slice));
	if (rc < 0 && errno == EINTR)
		return sig_pending() ? sig_err(e) : 1;
	if (rc < 0)
		return err_sys(e, "%s", t->host);
	if (rc > 0) {
		if (fd.revents & ~POLLOUT)
			c->heard_ms = clock_mono_ms();
		return 1;
	}
	rc = keep_alive(c, e);
	/* A slice of a longer wait: the caller looks again. */
	return rc < 0 ? rc : timeout_ms < 0 || timeout_ms > slice;
}

static int libssh2_half_close(struct transport *t, struct err *e)
{
	struct libssh2 *c = of(t);
	int rc;

	libssh2_session_set_blocking(c->session, 1);
	libssh2_session_set_timeout(c->session, FINISH_MS);
	rc = libssh2_channel_send_eof(c->channel);
	libssh2_session_set_blocking(c->session, 0);
	return rc == 0 ? 0 : libssh2_fail(c, ERR_SYS, "half-close", e);
}

static int libssh2_finish(struct transport *t)
{
	struct libssh2 *c = of(t);
	char *signal = NULL;
	int code = -1;

	if (!c->channel)
		return -1;
	libssh2_session_set_blocking(c->session, 1);
	libssh2_session_set_timeout(c->session, FINISH_MS);
	take_stderr(c);
	/* The exit code comes between the end of output and the close: don't be the first to close. */
	if (t->at_end && libssh2_channel_send_eof(c->channel) == 0)
		libssh2_channel_wait_closed(c->channel);
	if (libssh2_channel_close(c->channel) == 0) {
		take_stderr(c);
		code = libssh2_channel_get_exit_status(c->channel);
		libssh2_channel_get_exit_signal(c->channel, &signal, NULL, NULL, NULL, NULL, NULL);
	}
	/* The protocol gives a signal's name, not its number. */
	if (signal) {
		libssh2_free(c->session, signal);
		code = -1;
	}
	return code;
}

static void libssh2_transport_free(struct transport *t)
{
	struct libssh2 *c = of(t);

	if (c->channel)
		libssh2_channel_free(c->channel);
	if (c->session) {
		libssh2_session_disconnect(c->session, "done");
		libssh2_session_free(c->session);
	}
	if (c->fd >= 0)
		close(c->fd);
	sshconf_release(&c->conf);
	buf_release(&c->stage);
	free(c);
}

static const struct transport_ops ops = {
	libssh2_read,       libssh2_write,  libssh2_wait,
	libssh2_half_close, libssh2_finish, libssh2_transport_free,
};

/* ---- connection ---- */

/* 0, or errno. */
static int connect_fd(int fd, const struct addrinfo *a, int seconds)
{
	struct pollfd p = {fd, POLLOUT, 0};
	socklen_t len = sizeof(int);
	int why = 0;

	if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	if (poll(&p, 1, seconds * MS_PER_SECOND) != 1)
		return ETIMEDOUT;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0 ? errno : why;
}

static int connect_one(const struct addrinfo *a, int seconds)
{
	int on = 1, why;
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);

	if (fd < 0)
		return -1;
	why = connect_fd(fd, a, seconds);
	if (why) {
		close(fd);
		errno = why;
		return -1;
	}
	/* Requests are small and answered: waiting to fill a segment would cost a round trip each. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static int seconds_to_wait(const struct libssh2 *c)
{
	return c->conf.connect_seconds ? (int)c->conf.connect_seconds : CONNECT_SECONDS;
}

static int connect_host(struct libssh2 *c, struct err *e)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list, *a;
	const char *family = c->conf.family ? c->conf.family : "any";
	char *port = xstrfmt("%u", c->conf.port);
	int rc;

	if (!strcmp(family, "inet"))
		hints.ai_family = AF_INET;
	else if (!strcmp(family, "inet6"))
		hints.ai_family = AF_INET6;
	rc = getaddrinfo(c->conf.hostname, port, &hints, &list);
	if (rc != 0) {
		err_set(e, ERR_NOTFOUND, "%s: %s", c->conf.hostname, gai_strerror(rc));
		free(port);
		return ERR_NOTFOUND;
	}
	for (a = list; a && c->fd < 0; a = a->ai_next)
		c->fd = connect_one(a, seconds_to_wait(c));
	rc = c->fd < 0 ? err_sys(e, "%s port %s", c->conf.hostname, port) : 0;
	freeaddrinfo(list);
	free(port);
	return rc;
}

/* Ask for algorithms that ssh_config allows and libssh2 has, in the order of the former. */
static int prefer(struct libssh2 *c, int method, const char *allowed, const char *what,
		  struct err *e)
{
	struct buf list = BUF_INIT;
	const char **can = NULL;
	int n = libssh2_session_supported_algs(c->session, method, &can);
	int rc = 0;

	if (n > 0) {
		sshconf_common(&list, allowed, can, (size_t)n);
		libssh2_free(c->session, can);
	}
	if (!list.len)
		rc = err_set(e, ERR_DENIED, "%s: ssh_config allows none of libssh2's %s",
			     c->base.host, what);
	else if (libssh2_session_method_pref(c->session, method, list.p) != 0)
		rc = libssh2_fail(c, ERR_DENIED, what, e);
	buf_release(&list);
	return rc;
}

static int prefer_all(struct libssh2 *c, struct err *e)
{
	const struct {
		int method;
		const char *allowed, *what;
	} lists[] = {
		{LIBSSH2_METHOD_KEX, c->conf.kex, "key exchanges"},
		{LIBSSH2_METHOD_CRYPT_CS, c->conf.ciphers, "ciphers"},
		{LIBSSH2_METHOD_CRYPT_SC, c->conf.ciphers, "ciphers"},
		{LIBSSH2_METHOD_MAC_CS, c->conf.macs, "MACs"},
		{LIBSSH2_METHOD_MAC_SC, c->conf.macs, "MACs"},
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(lists); i++)
		rc = prefer(c, lists[i].method, lists[i].allowed, lists[i].what, e);
	return rc;
}

/* Up to a host we know and that knows us. */
static int connect_session(struct libssh2 *c, bool *final, struct err *e)
{
	LIBSSH2_KNOWNHOSTS *known = NULL;
	int rc = prefer_all(c, e);

	if (rc == 0)
		rc = libssh2_hostkey_prefer(c, &known, e);
	if (rc == 0) {
		rc = connect_host(c, e);
		*final = rc < 0;
	}
	if (rc == 0) {
		libssh2_session_set_timeout(c->session, (long)seconds_to_wait(c) * MS_PER_SECOND);
		if (libssh2_session_handshake(c->session, c->fd) != 0)
			rc = libssh2_fail(c, ERR_SYS, "handshake", e);
	}
	if (rc == 0) {
		rc = libssh2_hostkey_check(c, known, e);
		*final = rc < 0;
	}
	if (known)
		libssh2_knownhost_free(known);
	return rc == 0 ? libssh2_auth(c, e) : rc;
}

static int start_program(struct libssh2 *c, const char *command, struct err *e)
{
	c->channel = libssh2_channel_open_session(c->session);
	if (!c->channel)
		return libssh2_fail(c, ERR_SYS, "channel", e);
	if (libssh2_channel_exec(c->channel, command) != 0)
		return libssh2_fail(c, ERR_SYS, "start of the program", e);
	libssh2_session_set_blocking(c->session, 0);
	libssh2_keepalive_config(c->session, 1, 1); /* sent when keep_alive() asks */
	c->heard_ms = c->asked_ms = clock_mono_ms();
	buf_addf(&c->base.describe, "libssh2 to %s: %s, %s", c->base.host,
		 libssh2_session_methods(c->session, LIBSSH2_METHOD_HOSTKEY),
		 libssh2_session_methods(c->session, LIBSSH2_METHOD_CRYPT_CS));
	return 0;
}

static int open_all(struct libssh2 *c, const struct url *u, const struct transport_where *where,
		    bool *final, struct err *e)
{
	struct buf command = BUF_INIT;
	int rc = sshconf_resolve(&c->conf, u, where, e);

	if (rc == 0 && c->conf.why_not.len)
		rc = err_set(e, ERR_DENIED, "%s: %s", c->base.host, c->conf.why_not.p);
	if (rc == 0 && libssh2_init(0) != 0)
		rc = err_set(e, ERR_SYS, "libssh2 does not start");
	if (rc == 0) {
		c->session = libssh2_session_init();
		if (!c->session)
			rc = err_set(e, ERR_SYS, "libssh2 has no memory");
	}
	if (rc == 0)
		rc = connect_session(c, final, e);
	if (rc == 0) {
		sshchild_remote_command(&command, u, where->serve);
		rc = start_program(c, command.p, e);
		buf_release(&command);
	}
	return rc;
}

int libssh2_transport_open(struct transport **out, const struct url *u,
			   const struct transport_where *where, bool *final, struct err *e)
{
	struct libssh2 *c = xcalloc(1, sizeof(*c));
	struct transport *t = &c->base;
	int rc;

	*final = false;
	transport_init(t, &ops, u->host, where->serve ? where->serve : TRANSPORT_SERVE);
	sshconf_init(&c->conf);
	buf_init(&c->stage);
	c->fd = -1;
	rc = open_all(c, u, where, final, e);
	if (rc < 0) {
		transport_close(&t);
		return rc;
	}
	*out = t;
	return 0;
}
