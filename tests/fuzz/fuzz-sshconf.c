/* SPDX-License-Identifier: MIT */
/* fuzz-sshconf.c - what `ssh -G` prints, or whatever program stands in its place */
#include <string.h>

#include "base/defs.h"
#include "fuzz.h"
#include "transport/sshconf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const can[] = {"aes256-ctr", "aes128-ctr"};
	char *text = malloc(size + 1);
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;
	struct sshconf c;

	memcpy(text, data, size);
	text[size] = '\0';
	sshconf_init(&c);
	if (sshconf_parse(&c, text, &e) < 0) {
		fuzz_check(e.msg[0] != '\0', "a refusal without a reason");
	} else {
		fuzz_check(c.hostname && *c.hostname && c.port, "no host or port");
		sshconf_known_name(&c, &out);
		fuzz_check(out.len > 0, "no name to look for in known_hosts");
		buf_reset(&out);
		sshconf_common(&out, c.ciphers ? c.ciphers : "", can, ARRAY_SIZE(can));
	}
	sshconf_release(&c);
	buf_release(&out);
	free(text);
	return 0;
}
