/* SPDX-License-Identifier: MIT */
/* replace.c - write standard input durably to the file named; what the sweep is first tried on */
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/sig.h"
#include "base/tempfile.h"

int main(int argc, char **argv)
{
	struct buf content = BUF_INIT;
	struct err e = ERR_INIT;
	int rc;

	if (argc != 2)
		return 129;
	sig_setup();
	rc = io_read_fd(STDIN_FILENO, 1u << 20, &content, &e);
	if (rc == 0)
		rc = tempfile_write(argv[1], 0644, content.p, content.len, &e);
	if (rc < 0)
		log_fatal(&e);
	buf_release(&content);
	return rc < 0 ? 128 : 0;
}
