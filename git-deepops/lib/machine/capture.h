/* SPDX-License-Identifier: MIT */
/*
 * capture.h - what this machine is, in canonical text, without an interpreter
 *
 * Sorted `key=value` lines, UTF-8, LF; values percent-encoded where a byte is
 * outside [ -~] or `%`.  Machine id = SHA-256 of the text.
 * Keys (gitformat-deepops-record(5)):
 *	os.id os.version
 *	os.pkg.dpkg.<name>:<arch>=<version> sha256:<digest of its md5sums file>|none
 *	os.pkg.python.<directory>/<name>=<version> sha256:<digest of RECORD>|dpkg:<package>|none
 *	os.pkg.conda.<prefix>/<name>=<version-build> sha256:<digest of its conda-meta file>
 *	kernel.release kernel.version kernel.machine
 *	cpu.vendor cpu.model cpu.flags cpu.microcode cpu.sockets cpu.cores cpu.threads
 *	gpu.count gpu.<n>.model gpu.<n>.memory gpu.driver gpu.cuda
 *	env.ulimit.<name> env.cgroup.<name> env.container env.vm
 * gpu.count=0 says that there is none; without gpu.count it could not be found out.
 * Nothing that changes between two runs on the same machine is in it.
 */
#ifndef MACHINE_CAPTURE_H
#define MACHINE_CAPTURE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/strvec.h"
#include "chunk/chunkid.h"

#define CAPTURE_MAX_BYTES (4 * MIB)

struct capture {
	struct buf text;
	struct chunkid id;    /* of the text */
	char device[64];      /* hardware class in a word: "a100x1", "x86_64x2" */
	unsigned int threads; /* CPUs this process may use */
	size_t packages;
	size_t undigested;    /* packages without a digest */
	struct strvec absent; /* what could not be read, for people */
};

struct capture_opts {
	const char *rootfs; /* NULL: / of this process; else files there, no kernel, CPU, GPU */
	const char
		*cache_dir;  /* NULL: no cache; else package lists are kept there by status mtime */
	const char *command; /* NULL, or the program of the run: its interpreter is "in use" too */
};

void capture_init(struct capture *c);
void capture_release(struct capture *c);
int capture_machine(const struct capture_opts *o, struct capture *out, struct err *e) MUST_CHECK;

/* ---- programs that ran ---- */

/*
 * Which package owns each absolute path of `paths`?  owners->v[i] is its name, or "".  Answers are
 * kept in `cache_dir` (NULL: nowhere) until a package is installed or removed.
 */
void capture_owners(const char *cache_dir, const struct strvec *paths, struct strvec *owners);
/* Is it the interpreter of a Python or conda environment, or a program that a package of one installed? */
bool capture_is_environment(const char *path);
/*
 * Add the packages of these interpreters to the text of a capture, which was made with `command`:
 * text and id of `c` are new then.  False: all of them were there already.
 */
bool capture_add_interpreters(struct capture *c, const struct strvec *programs,
			      const char *command);
/* Code that these interpreters take from outside of `top`: "package: /where". */
void capture_editables(const struct strvec *programs, const char *top, struct strvec *out);

/* Value of a key in a capture's text, decoded and appended; 1 found, 0 not. */
int capture_value(const void *text, size_t len, const char *key, struct buf *out);
/* Is it the canonical form: sorted, no duplicate, known first component? ERR_INPUT says where not. */
int capture_check(const void *text, size_t len, struct err *e) MUST_CHECK;

/*
 * Split an environment by the allow-list of gitdeepops-run(1): "NAME=value" to `values`, the
 * names of all others to `names`; both sorted.
 */
void capture_env(char *const *environment, struct strvec *values, struct strvec *names);

#endif
