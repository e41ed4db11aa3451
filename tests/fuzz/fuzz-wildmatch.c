/* SPDX-License-Identifier: MIT */
/* fuzz-wildmatch.c - patterns of a policy and paths of a push: lines of patterns, last the path */
#include <string.h>

#include "base/strvec.h"
#include "base/wildmatch.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *rest = text, *line;
	struct strvec patterns = STRVEC_INIT;
	const char *path;

	memcpy(text, data, size);
	text[size] = '\0';
	while ((line = strsep(&rest, "\n")) != NULL)
		strvec_push(&patterns, line);
	path = patterns.v[patterns.nr - 1];
	for (size_t i = 0; i < patterns.nr; i++) {
		bool whole = wildmatch(patterns.v[i], path);

		if (!strpbrk(patterns.v[i], "*?[\\"))
			fuzz_check(whole == !strcmp(patterns.v[i], path), "plain text");
		(void)wildmatch_ignore(patterns.v[i], path, false);
	}
	(void)wildmatch_list(&patterns, path, false);
	(void)wildmatch_list(&patterns, path, true);
	strvec_release(&patterns);
	free(text);
	return 0;
}
