/* SPDX-License-Identifier: MIT */
/*
 * capture_internal.h - the parts of a capture; see capture.h
 *
 * Each part appends lines with capture_add() and says what it could not read
 * with strvec_pushf(&absent).  None fails: what is not there is left out and said.
 */
#ifndef MACHINE_CAPTURE_INTERNAL_H
#define MACHINE_CAPTURE_INTERNAL_H

#include "machine/capture.h"

#define CAPTURE_STATUS_MAX_BYTES (64 * MIB) /* dpkg status: about 1 KiB a package */
#define CAPTURE_FILE_MAX_BYTES (16 * MIB)   /* md5sums, RECORD, *.list */

struct capture_lines {
	struct strvec lines; /* "key=value", encoded, unsorted */
	struct strvec absent;
	size_t packages, undigested;
};

/* key and value are raw; an empty or NULL value is left out. */
void capture_add(struct capture_lines *l, const char *key, const char *value);
void capture_addf(struct capture_lines *l, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* A package; digest "sha256:...", "dpkg:<package>" or NULL. */
void capture_add_package(struct capture_lines *l, const char *key, const char *version,
			 const char *digest);

/* Directories that hold Python packages of the interpreters in use, sorted, each once. */
void capture_python_dirs(const char *root, const char *command, struct strvec *dirs);
/* The same of one interpreter by its path; appended, unsorted. */
void capture_interpreter_dirs(const char *program, struct strvec *dirs);
/* Of directories that are one keep the first: lib64 of a venv is a link to lib. */
void capture_same_dirs(struct strvec *dirs);
/* What the package lists depend on: a line a file with its size and times. */
void capture_packages_stamp(const char *root, const struct strvec *python_dirs, struct buf *out);

/*
 * Lines (without line ends) in a file `name` of `dir`, which hold as long as the stamp is the same.
 * False: there are none.  A cache that cannot be written costs time, nothing else.
 */
bool capture_cache_load(const char *dir, const char *name, const struct chunkid *stamp,
			struct strvec *lines);
void capture_cache_save(const char *dir, const char *name, const struct chunkid *stamp,
			const struct strvec *lines);

void capture_dpkg(const char *root, struct capture_lines *l);
void capture_python(const char *root, const struct strvec *dirs, struct capture_lines *l);
/*
 * Which Debian package owns each path of `paths` (sorted, absolute below `root`)?
 * owners->v[i] is its name or "".
 */
void capture_dpkg_owners(const char *root, const struct strvec *paths, struct strvec *owners);

void capture_os(const char *root, struct capture_lines *l);
void capture_kernel(struct capture_lines *l);
void capture_cpu(struct capture_lines *l);
void capture_limits(struct capture_lines *l);
void capture_virtual(struct capture_lines *l);
/* `device` gets "a100x1" when there is a GPU, else it is left alone. */
void capture_gpu(struct capture_lines *l, char *device, size_t n);

#endif
