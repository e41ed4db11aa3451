/* SPDX-License-Identifier: MIT */
/* fuzz-gitargs.c - the command line of a git, words with a NUL after each as in /proc */
#include <string.h>

#include "fuzz.h"
#include "repo/gitargs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data, *end = p + size;
	struct strvec argv = STRVEC_INIT;
	bool said = false;

	for (; p < end; p += strnlen(p, (size_t)(end - p)) + 1)
		strvec_pushn(&argv, p, strnlen(p, (size_t)(end - p)));
	for (size_t i = 0; i < argv.nr; i++)
		said |= strstr(argv.v[i], "push") != NULL;
	if (gitargs_parse(&argv) != GITARGS_NO_PUSH)
		fuzz_check(said, "a push without the word");
	strvec_release(&argv);
	return 0;
}
