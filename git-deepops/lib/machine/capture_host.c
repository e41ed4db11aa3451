/* SPDX-License-Identifier: MIT */
/* capture_host.c - system, kernel, CPU, limits, container and VM hints; see capture.h */
#include <ctype.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/xalloc.h"
#include "machine/capture_internal.h"

#define PROC_FILE_MAX_BYTES (8 * MIB) /* cpuinfo of a machine with 1,000 threads: 2 MiB */

static bool read_text(const char *path, struct buf *out)
{
	buf_reset(out);
	if (io_read_file(AT_FDCWD, path, PROC_FILE_MAX_BYTES, out, NULL) < 0)
		return false;
	buf_rtrim(out);
	return true;
}

/* Value of `NAME=value` or `NAME="value"` in os-release; appended. */
static void release_value(const char *text, const char *name, struct buf *out)
{
	size_t n = strlen(name);

	for (const char *at = text; at && *at;
	     at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
		if (strncmp(at, name, n) != 0 || at[n] != '=')
			continue;
		at += n + 1;
		if (*at == '"')
			buf_add(out, at + 1, strcspn(at + 1, "\"\n"));
		else
			buf_add(out, at, strcspn(at, "\n"));
		return;
	}
}

void capture_os(const char *root, struct capture_lines *l)
{
	struct buf path = BUF_INIT, text = BUF_INIT, value = BUF_INIT;

	buf_addf(&path, "%s/etc/os-release", root);
	if (read_text(path.p, &text)) {
		release_value(text.p, "ID", &value);
		capture_add(l, "os.id", value.p);
		buf_reset(&value);
		release_value(text.p, "VERSION_ID", &value);
	} else {
		strvec_pushf(&l->absent, "no %s", path.p);
	}
	/* Debian's point release stands only in this file. */
	buf_reset(&path);
	buf_addf(&path, "%s/etc/debian_version", root);
	capture_add(l, "os.version", read_text(path.p, &text) ? text.p : value.p);
	buf_release(&path);
	buf_release(&text);
	buf_release(&value);
}

void capture_kernel(struct capture_lines *l)
{
	struct utsname u;

	if (uname(&u) < 0)
		return;
	capture_add(l, "kernel.release", u.release);
	capture_add(l, "kernel.version", u.version);
	capture_add(l, "kernel.machine", u.machine);
}

/* ---- CPU ---- */

/* "name<tabs>: value": the value, or NULL. */
static char *cpuinfo_value(char *line, const char *name)
{
	size_t n = strlen(name);
	char *colon;

	if (strncmp(line, name, n) != 0 || (line[n] != '\t' && line[n] != ':' && line[n] != ' '))
		return NULL;
	colon = strchr(line, ':');
	if (!colon)
		return NULL;
	colon++;
	return colon + strspn(colon, " \t");
}

static void add_flags(struct capture_lines *l, const char *text)
{
	struct strvec flags = STRVEC_INIT;
	struct buf joined = BUF_INIT;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (n)
			strvec_pushn(&flags, text, n);
		text += n + (text[n] == ' ');
	}
	strvec_sort(&flags);
	strvec_uniq(&flags);
	for (size_t i = 0; i < flags.nr; i++)
		buf_addf(&joined, "%s%s", i ? " " : "", flags.v[i]);
	capture_add(l, "cpu.flags", joined.p);
	buf_release(&joined);
	strvec_release(&flags);
}

struct cpu {
	size_t threads;
	struct strvec sockets, cores; /* distinct ids */
	struct buf socket;            /* of the processor being read */
	bool has_flags, has_model, has_vendor, has_microcode;
};

static void cpu_line(struct capture_lines *l, struct cpu *c, char *line)
{
	char *v;

	if (cpuinfo_value(line, "processor")) {
		c->threads++;
	} else if ((v = cpuinfo_value(line, "physical id"))) {
		buf_sets(&c->socket, v);
		strvec_push(&c->sockets, v);
	} else if ((v = cpuinfo_value(line, "core id"))) {
		strvec_pushf(&c->cores, "%s/%s", c->socket.p, v);
	} else if (!c->has_flags &&
		   ((v = cpuinfo_value(line, "flags")) || (v = cpuinfo_value(line, "Features")))) {
		add_flags(l, v);
		c->has_flags = true;
	} else if (!c->has_model && ((v = cpuinfo_value(line, "model name")) ||
				     (v = cpuinfo_value(line, "CPU part")))) {
		capture_add(l, "cpu.model", v);
		c->has_model = true;
	} else if (!c->has_vendor && ((v = cpuinfo_value(line, "vendor_id")) ||
				      (v = cpuinfo_value(line, "CPU implementer")))) {
		capture_add(l, "cpu.vendor", v);
		c->has_vendor = true;
	} else if (!c->has_microcode && ((v = cpuinfo_value(line, "microcode")) ||
					 (v = cpuinfo_value(line, "CPU revision")))) {
		capture_add(l, "cpu.microcode", v);
		c->has_microcode = true;
	}
}

void capture_cpu(struct capture_lines *l)
{
	struct cpu c = {.sockets = STRVEC_INIT, .cores = STRVEC_INIT, .socket = BUF_INIT};
	struct buf text = BUF_INIT;

	if (!read_text("/proc/cpuinfo", &text)) {
		strvec_push(&l->absent, "cannot read /proc/cpuinfo");
		goto out;
	}
	for (char *at = text.p; at && *at;) {
		char *eol = strchr(at, '\n');

		if (eol)
			*eol = '\0';
		cpu_line(l, &c, at);
		at = eol ? eol + 1 : NULL;
	}
	strvec_sort(&c.sockets);
	strvec_uniq(&c.sockets);
	strvec_sort(&c.cores);
	strvec_uniq(&c.cores);
	capture_addf(l, "cpu.threads", "%zu", c.threads);
	capture_addf(l, "cpu.sockets", "%zu", MAX(c.sockets.nr, (size_t)1));
	capture_addf(l, "cpu.cores", "%zu", c.cores.nr ? c.cores.nr : c.threads);
out:
	buf_release(&text);
	buf_release(&c.socket);
	strvec_release(&c.sockets);
	strvec_release(&c.cores);
}

/* ---- limits ---- */

static void add_ulimit(struct capture_lines *l, const char *key, enum __rlimit_resource what)
{
	struct rlimit lim;

	if (getrlimit(what, &lim) < 0)
		return;
	if (lim.rlim_cur == RLIM_INFINITY)
		capture_add(l, key, "unlimited");
	else
		capture_addf(l, key, "%ju", (uintmax_t)lim.rlim_cur);
}

/* Limits of the control group we are in, cgroup 2 only. */
static void add_cgroup(struct capture_lines *l)
{
	static const char *const files[][2] = {{"cpu.max", "env.cgroup.cpu"},
					       {"memory.max", "env.cgroup.memory"}};
	struct buf group = BUF_INIT, path = BUF_INIT, text = BUF_INIT;
	const char *at;

	if (!read_text("/proc/self/cgroup", &group))
		goto out;
	at = strstr(group.p, "0::");
	if (!at)
		goto out;
	at += 3;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		buf_reset(&path);
		buf_addf(&path, "/sys/fs/cgroup%.*s/%s", (int)strcspn(at, "\n"), at, files[i][0]);
		if (read_text(path.p, &text))
			capture_add(l, files[i][1], text.p);
	}
out:
	buf_release(&group);
	buf_release(&path);
	buf_release(&text);
}

void capture_limits(struct capture_lines *l)
{
	add_ulimit(l, "env.ulimit.as", RLIMIT_AS);
	add_ulimit(l, "env.ulimit.data", RLIMIT_DATA);
	add_ulimit(l, "env.ulimit.memlock", RLIMIT_MEMLOCK);
	add_ulimit(l, "env.ulimit.nofile", RLIMIT_NOFILE);
	add_ulimit(l, "env.ulimit.stack", RLIMIT_STACK);
	add_cgroup(l);
}

/* ---- container and VM ---- */

static void add_hint(struct buf *hints, const char *hint)
{
	buf_addf(hints, "%s%s", hints->len ? "," : "", hint);
}

/* Every hint is kept: no single detector is right everywhere. */
static void container_hints(struct capture_lines *l)
{
	static const char *const words[] = {"docker", "kubepods", "libpod", "lxc", "containerd"};
	struct buf hints = BUF_INIT, text = BUF_INIT;

	if (getenv("container"))
		add_hint(&hints, "env");
	if (access("/.dockerenv", F_OK) == 0)
		add_hint(&hints, "dockerenv");
	if (access("/run/.containerenv", F_OK) == 0)
		add_hint(&hints, "containerenv");
	if (read_text("/run/systemd/container", &text))
		add_hint(&hints, text.p);
	if (read_text("/proc/1/cgroup", &text))
		for (size_t i = 0; i < ARRAY_SIZE(words); i++)
			if (strstr(text.p, words[i]))
				add_hint(&hints, words[i]);
	capture_add(l, "env.container", hints.len ? hints.p : "none");
	buf_release(&hints);
	buf_release(&text);
}

static void vm_hints(struct capture_lines *l)
{
	struct buf hints = BUF_INIT, text = BUF_INIT;

	if (read_text("/proc/cpuinfo", &text) && strstr(text.p, " hypervisor"))
		add_hint(&hints, "hypervisor");
	if (read_text("/sys/class/dmi/id/sys_vendor", &text) && text.len)
		add_hint(&hints, text.p);
	if (read_text("/sys/class/dmi/id/product_name", &text) && text.len)
		add_hint(&hints, text.p);
	if (read_text("/sys/hypervisor/type", &text) && text.len)
		add_hint(&hints, text.p);
	capture_add(l, "env.vm", hints.len ? hints.p : "none");
	buf_release(&hints);
	buf_release(&text);
}

void capture_virtual(struct capture_lines *l)
{
	container_hints(l);
	vm_hints(l);
}
