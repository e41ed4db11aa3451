/* SPDX-License-Identifier: MIT */
/* fuzz-url.c - URLs from configuration, also from a file that whoever can push writes */
#include <ctype.h>
#include <string.h>

#include "fuzz.h"
#include "transport/url.h"

/* What ssh could take for an option, or a terminal for a command. */
static void harmless(const char *s)
{
	if (!s)
		return;
	fuzz_check(*s && *s != '-', "empty, or begins with a dash");
	for (; *s; s++)
		fuzz_check(!iscntrl((unsigned char)*s), "control byte");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct err e = ERR_INIT;
	struct url u = URL_INIT;

	memcpy(text, data, size);
	text[size] = '\0';
	if (url_parse(&u, text, &e) < 0) {
		fuzz_check(e.msg[0] != '\0', "a refusal without a reason");
	} else {
		fuzz_check(u.path && *u.path && *u.path != '-', "path");
		fuzz_check((u.kind == URL_SSH) == (u.host != NULL), "host");
		harmless(u.host);
		harmless(u.user);
	}
	url_release(&u);
	free(text);
	return 0;
}
