/* SPDX-License-Identifier: MIT */
/* fuzz-push.c - what git tells a hook on stdin, ref names by whoever pushes */
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "policy/push.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("stdin", MFD_CLOEXEC);
	struct err e = ERR_INIT;
	struct push p;

	fuzz_check(fd >= 0 && write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0,
		   "memfd");
	push_init(&p);
	if (push_read(&p, fd, &e) < 0)
		fuzz_check(e.msg[0] != '\0', "a refusal without a reason");
	else
		for (size_t i = 0; i < p.n; i++)
			fuzz_check(p.updates[i].ref && *p.updates[i].ref &&
					   repo_oid_ok(p.updates[i].old_id.hex) &&
					   repo_oid_ok(p.updates[i].new_id.hex),
				   "an update that is none");
	push_release(&p);
	close(fd);
	return 0;
}
