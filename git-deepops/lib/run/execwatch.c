/* SPDX-License-Identifier: MIT */
/* execwatch.c - see execwatch.h */
#include "run/execwatch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/xalloc.h"

#define NOTIF_BYTES 4096   /* more than any kernel's struct */
#define ARG_MAX_BYTES 4096 /* of one argument that is looked at */
#define CMDLINE_MAX_BYTES 65536
#define KEEPER_WAIT_MS 20
#define SAMPLE_FIRST_MS 2
#define SAMPLE_LAST_MS 1000
#define SAMPLE_MAX_PROCS 4096

struct alive { /* a process that was sampled */
	pid_t pid;
	ino_t exe; /* another one: it has called execve since */
	bool seen; /* in this round */
};

struct execwatch {
	execwatch_fn fn;
	void *arg;
	enum execwatch_how how;
	int listener;  /* -1: none */
	int socket[2]; /* the child sends the listener */
	int keeper;    /* closing it hands the listener over */
	pid_t keeper_pid;
	bool began_with; /* each exec was seen from the first on */
	bool saw;
	bool no_new_privs;
	char *tamed;
	int pause_ms;
	struct alive *alive;
	size_t nalive, alive_alloc;
};

struct execwatch *execwatch_new(execwatch_fn fn, void *arg, enum execwatch_how how)
{
	struct execwatch *w = xcalloc(1, sizeof(*w));

	w->fn = fn;
	w->arg = arg;
	w->how = how;
	w->listener = w->keeper = -1;
	w->pause_ms = SAMPLE_FIRST_MS;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, w->socket) < 0)
		w->socket[0] = w->socket[1] = -1;
	return w;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* It ends at once unless the command left something running: then it is init's, once we are gone. */
static void reap_keeper(const struct execwatch *w)
{
	for (int i = 0; w->keeper_pid > 0 && i < KEEPER_WAIT_MS; i++) {
		if (waitpid(w->keeper_pid, NULL, WNOHANG) != 0)
			return;
		(void)poll(NULL, 0, 1);
	}
}

void execwatch_free(struct execwatch *w)
{
	if (!w)
		return;
	close_fd(&w->listener);
	close_fd(&w->socket[0]);
	close_fd(&w->socket[1]);
	close_fd(&w->keeper);
	reap_keeper(w);
	free(w->tamed);
	free(w->alive);
	free(w);
}

/* ---- the filter: in the child, only calls that are safe after fork ---- */

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#define OTHER_ARCH AUDIT_ARCH_I386
#define OTHER_EXECVE 11
#define OTHER_EXECVEAT 358
#define MORE_EXECVE (0x40000000 | 520) /* x32: the native architecture with a bit in the number */
#define MORE_EXECVEAT (0x40000000 | 545)
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#define OTHER_ARCH AUDIT_ARCH_ARM
#define OTHER_EXECVE 11
#define OTHER_EXECVEAT 387
#define MORE_EXECVE __NR_execve /* there are no others */
#define MORE_EXECVEAT __NR_execveat
#endif

#ifdef NATIVE_ARCH

#define IF_EQUAL(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), (yes), (no))
#define FIELD(name) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, name))

static int install(void)
{
	struct sock_filter code[] = {
		FIELD(arch),
		IF_EQUAL(NATIVE_ARCH, 0, 5),
		FIELD(nr),
		IF_EQUAL(__NR_execve, 8, 0),
		IF_EQUAL(__NR_execveat, 7, 0),
		IF_EQUAL(MORE_EXECVE, 6, 0),
		IF_EQUAL(MORE_EXECVEAT, 5, 4),
		IF_EQUAL(OTHER_ARCH, 0, 3),
		FIELD(nr),
		IF_EQUAL(OTHER_EXECVE, 2, 0),
		IF_EQUAL(OTHER_EXECVEAT, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	};
	struct sock_fprog prog = {ARRAY_SIZE(code), code};

	return (int)syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER,
			    SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW,
			    &prog);
}

#else

static int install(void)
{
	errno = ENOSYS;
	return -1;
}

#endif

/* One byte, 'p' where no_new_privs had to be set, and the descriptor if there is one. */
static void send_listener(int to, int fd, char word)
{
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {0};
	struct iovec iov = {&word, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	if (fd >= 0) {
		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	while (sendmsg(to, &m, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

void execwatch_in_child(void *arg)
{
	struct execwatch *w = arg;
	char word = 'o';
	int fd = -1;

	if (w->socket[1] < 0)
		return;
	if (w->how != EXECWATCH_SAMPLED) {
		fd = install();
		if (fd < 0 && errno == EACCES && w->how == EXECWATCH_BEST &&
		    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) {
			word = 'p';
			fd = install();
		}
	}
	send_listener(w->socket[1], fd, word);
	if (fd >= 0)
		close(fd);
}

static void receive_listener(struct execwatch *w)
{
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	char word = 0;
	struct iovec iov = {&word, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct cmsghdr *c;
	ssize_t n;

	do
		n = recvmsg(w->socket[0], &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	c = n == 1 ? CMSG_FIRSTHDR(&m) : NULL;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(&w->listener, CMSG_DATA(c), sizeof(w->listener));
	w->no_new_privs = word == 'p';
	w->began_with = w->listener >= 0;
}

/* ---- whoever lets execs go on when we do not ---- */

static void let_go(int listener, uint64_t id)
{
	struct seccomp_notif_resp resp = {.id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};

	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);
}

/* A buffer with the kernel's struct in it; cleared, or the kernel refuses it. */
union notif {
	struct seccomp_notif n;
	char room[NOTIF_BYTES];
};

static void keep(int listener, int life)
{
	struct pollfd f = {.fd = life, .events = POLLIN};
	char byte;

	while (poll(&f, 1, -1) < 0 || read(life, &byte, 1) < 0)
		if (errno != EINTR && errno != EAGAIN)
			break;
	f = (struct pollfd){.fd = listener, .events = POLLIN};
	for (;;) {
		union notif req;

		if ((poll(&f, 1, -1) < 0 && errno != EINTR) ||
		    (f.revents & (POLLHUP | POLLERR | POLLNVAL)))
			return;
		memset(&req, 0, sizeof(req));
		if ((f.revents & POLLIN) && ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &req.n) == 0)
			let_go(listener, req.n.id);
	}
}

/* It must hold nothing but the two: a pipe of ours that it held would never end. */
static void close_others(int a, int b)
{
	int low = MIN(a, b), high = MAX(a, b);

	if (low > 0)
		(void)close_range(0, (unsigned int)low - 1, 0);
	if (high > low + 1)
		(void)close_range((unsigned int)low + 1, (unsigned int)high - 1, 0);
	(void)close_range((unsigned int)high + 1, ~0U, 0);
}

struct keeper {
	int listener, life[2];
};

static void be_keeper(void *arg)
{
	struct keeper *k = arg;

	setsid();
	close_others(k->listener, k->life[0]);
	if (chdir("/") == 0)
		keep(k->listener, k->life[0]);
}

static void start_keeper(struct execwatch *w)
{
	struct keeper k = {.listener = w->listener};

	if (w->listener < 0 || pipe2(k.life, O_CLOEXEC) < 0)
		return;
	w->keeper_pid = proc_helper(be_keeper, &k);
	close(k.life[0]);
	w->keeper = k.life[1];
}

/* ---- looking at a process that is about to call execve ---- */

static bool read_link(pid_t pid, const char *name, char out[PATH_MAX])
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	n = readlink(path, out, PATH_MAX - 1);
	out[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* Up to the NUL, as far as it can be read. */
static bool read_text(int mem, uint64_t at, size_t max, struct buf *out)
{
	char piece[256];

	while (at && out->len < max) {
		ssize_t n = pread(mem, piece, sizeof(piece) - at % sizeof(piece), (off_t)at);
		size_t len;

		if (n <= 0)
			return false;
		len = strnlen(piece, (size_t)n);
		buf_add(out, piece, len);
		if (len < (size_t)n)
			return true;
		at += (uint64_t)n;
	}
	return false;
}

static void read_argv(int mem, uint64_t at, bool narrow, struct strvec *out)
{
	size_t step = narrow ? 4 : 8;
	struct buf one = BUF_INIT;

	while (out->nr < EXECWATCH_MAX_ARGS) {
		uint64_t pointer = 0;
		uint32_t half = 0;

		if (pread(mem, narrow ? (void *)&half : (void *)&pointer, step, (off_t)at) !=
		    (ssize_t)step)
			break;
		pointer += half;
		if (!pointer)
			break;
		buf_reset(&one);
		if (!read_text(mem, pointer, ARG_MAX_BYTES, &one) && !one.len)
			break;
		strvec_push(out, one.p);
		at += step;
	}
	buf_release(&one);
}

static bool is_program(const char *path, struct stat *st)
{
	return stat(path, st) == 0 && S_ISREG(st->st_mode) && (st->st_mode & 0111);
}

static void report(struct execwatch *w, pid_t pid, const char *path, const struct strvec *argv)
{
	char cwd[PATH_MAX], root[PATH_MAX];
	struct buf full = BUF_INIT;
	struct execwatch_seen seen = {NULL, cwd, argv, false};
	struct stat st = {0};

	if (!read_link(pid, "cwd", cwd))
		snprintf(cwd, sizeof(cwd), "/");
	seen.foreign_root = read_link(pid, "root", root) && strcmp(root, "/") != 0;
	if (path[0] != '/')
		buf_addf(&full, "%s/", strcmp(cwd, "/") != 0 ? cwd : "");
	buf_addstr(&full, path);
	seen.path = full.p;
	if (seen.foreign_root || is_program(full.p, &st)) {
		w->saw = true;
		if (w->no_new_privs && (st.st_mode & (S_ISUID | S_ISGID)) && !w->tamed)
			w->tamed = xstrdup(full.p);
		w->fn(w->arg, &seen);
	}
	buf_release(&full);
}

/* execveat(fd, "", AT_EMPTY_PATH) and names below a directory that is open. */
static void from_descriptor(pid_t pid, int fd, struct buf *path)
{
	char base[PATH_MAX], name[32];
	struct buf joined = BUF_INIT;

	if ((path->len && path->p[0] == '/') || (fd == AT_FDCWD && path->len))
		return;
	snprintf(name, sizeof(name), "fd/%d", fd);
	if (!read_link(pid, name, base))
		return;
	buf_addstr(&joined, base);
	if (path->len)
		buf_addf(&joined, "/%s", path->p);
	buf_swap(&joined, path);
	buf_release(&joined);
}

static void look_at(struct execwatch *w, const struct seccomp_notif *n)
{
	bool at = n->data.nr == __NR_execveat, narrow = false;
	struct strvec argv = STRVEC_INIT;
	struct buf path = BUF_INIT;
	char name[64];
	int mem;

#ifdef NATIVE_ARCH
	narrow = n->data.arch != NATIVE_ARCH;
	if (narrow)
		at = n->data.nr == OTHER_EXECVEAT;
	else if (n->data.nr == MORE_EXECVE || n->data.nr == MORE_EXECVEAT) {
		at = n->data.nr == MORE_EXECVEAT;
		narrow = MORE_EXECVE != __NR_execve; /* its pointers in memory have 32 bits */
	}
#endif
	snprintf(name, sizeof(name), "/proc/%d/mem", (int)n->pid);
	mem = open(name, O_RDONLY | O_CLOEXEC);
	if (mem < 0) {
		w->began_with = false;
		return;
	}
	(void)read_text(mem, n->data.args[at], PATH_MAX, &path);
	read_argv(mem, n->data.args[at + 1], narrow, &argv);
	close(mem);
	if (at)
		from_descriptor((pid_t)n->pid, (int)n->data.args[0], &path);
	if (path.len)
		report(w, (pid_t)n->pid, path.p, &argv);
	buf_release(&path);
	strvec_release(&argv);
}

void execwatch_take(struct execwatch *w)
{
	struct pollfd f = {.fd = w->listener, .events = POLLIN};

	while (poll(&f, 1, 0) > 0) {
		union notif req;

		if (f.revents & (POLLHUP | POLLERR | POLLNVAL)) {
			close_fd(&w->listener); /* nobody has the filter any more */
			return;
		}
		memset(&req, 0, sizeof(req));
		if (ioctl(w->listener, SECCOMP_IOCTL_NOTIF_RECV, &req.n) < 0)
			continue; /* it was killed meanwhile */
		look_at(w, &req.n);
		let_go(w->listener, req.n.id);
	}
}

/* Until the first exec has worked or failed: whoever waits for the child could not answer it. */
void execwatch_in_parent(void *arg, int report_fd)
{
	struct execwatch *w = arg;

	close_fd(&w->socket[1]);
	if (w->socket[0] < 0)
		return;
	receive_listener(w);
	close_fd(&w->socket[0]);
	start_keeper(w);
	while (w->listener >= 0) {
		struct pollfd f[2] = {{.fd = report_fd, .events = POLLIN},
				      {.fd = w->listener, .events = POLLIN}};

		if (poll(f, 2, -1) < 0 && errno != EINTR)
			return;
		if (f[1].revents)
			execwatch_take(w);
		if (f[0].revents)
			return;
	}
}

int execwatch_fd(const struct execwatch *w)
{
	return w->listener;
}

/* ---- looking at what is there ---- */

int execwatch_pause_ms(const struct execwatch *w)
{
	return w->began_with ? -1 : w->pause_ms;
}

static struct alive *find_alive(struct execwatch *w, pid_t pid)
{
	for (size_t i = 0; i < w->nalive; i++)
		if (w->alive[i].pid == pid)
			return &w->alive[i];
	XGROW(w->alive, w->nalive + 1, w->alive_alloc);
	w->alive[w->nalive] = (struct alive){pid, 0, false};
	return &w->alive[w->nalive++];
}

static void sample_one(struct execwatch *w, pid_t pid)
{
	struct alive *a = find_alive(w, pid);
	struct strvec argv = STRVEC_INIT;
	struct buf text = BUF_INIT;
	char exe[PATH_MAX], path[64];
	struct stat st;

	a->seen = true;
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	if (stat(path, &st) < 0 || st.st_ino == a->exe || !read_link(pid, "exe", exe))
		return;
	a->exe = st.st_ino;
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	if (io_read_file(AT_FDCWD, path, CMDLINE_MAX_BYTES, &text, NULL) == 0)
		for (const char *at = text.p;
		     at < text.p + text.len && argv.nr < EXECWATCH_MAX_ARGS; at += strlen(at) + 1)
			strvec_push(&argv, at);
	report(w, pid, exe, &argv);
	buf_release(&text);
	strvec_release(&argv);
}

/* `pid` and what it started, as far as that still belongs to it. */
static void sample_tree(struct execwatch *w, pid_t pid, int depth)
{
	struct buf text = BUF_INIT;
	struct dirent *d;
	char path[64];
	DIR *tasks;

	if (depth > 64 || w->nalive >= SAMPLE_MAX_PROCS)
		return;
	sample_one(w, pid);
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	while (tasks && (d = readdir(tasks))) {
		char *name = xstrfmt("%s/children", d->d_name);

		buf_reset(&text);
		if (d->d_name[0] != '.' &&
		    io_read_file(dirfd(tasks), name, CMDLINE_MAX_BYTES, &text, NULL) == 0)
			for (char *at = text.p; *at; at += strspn(at, " ")) {
				uint64_t child = 0;
				size_t len = strcspn(at, " ");

				if (num_parse_u64n(at, len, 1, INT32_MAX, &child, NULL) == 0)
					sample_tree(w, (pid_t)child, depth + 1);
				at += len;
			}
		free(name);
	}
	if (tasks)
		closedir(tasks);
	buf_release(&text);
}

void execwatch_sample(struct execwatch *w, pid_t top)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->nalive; i++)
		w->alive[i].seen = false;
	sample_tree(w, top, 0);
	for (size_t i = 0; i < w->nalive; i++)
		if (w->alive[i].seen)
			w->alive[kept++] = w->alive[i];
	w->nalive = kept;
	w->pause_ms = MIN(w->pause_ms + w->pause_ms / 4 + 1, SAMPLE_LAST_MS);
}

bool execwatch_is_complete(const struct execwatch *w)
{
	return w->began_with;
}

bool execwatch_saw(const struct execwatch *w)
{
	return w->saw;
}

const char *execwatch_tamed(const struct execwatch *w)
{
	return w->tamed;
}
