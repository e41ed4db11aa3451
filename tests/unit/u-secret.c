/* SPDX-License-Identifier: MIT */
/* u-secret.c - keys are found, words are not; see run/secret.h */
#include "base/buf.h"
#include "run/secret.h"
#include "tap.h"

/* Put together here, so that this file holds no key-shaped text itself. */
static void check(const char *before, const char *start, const char *rest, const char *kind)
{
	struct buf text = BUF_INIT;
	const char *found;
	size_t at = 0;

	buf_addf(&text, "%s%s%s\n", before, start, rest);
	found = secret_find(text.p, text.len, &at);
	is_str(found, kind, text.p);
	if (kind)
		is_u64(at, strlen(before), "its place");
	buf_release(&text);
}

#define A16 "ABCDEFGHIJKLMNOP"
#define A20 "abcdefghijABCDEF0123"

int main(void)
{
	check("key = ", "AKIA", A16, "AWS access key");
	check("", "AKIA", A16, "AWS access key");
	check("\"", "ghp_", A20 A16, "GitHub token");
	check("", "github_pat_", A20 "_" A20, "GitHub token");
	check("x=", "glpat-", A20, "GitLab token");
	check("", "hf_", A20 "abcdefghijklmn", "Hugging Face token");
	check("", "sk-", A20 A20 "01234567", "OpenAI key");
	check("", "sk-ant-", A20 A20, "Anthropic key");
	check("k:\n",
	      "-----BEGIN "
	      "OPENSSH PRIVATE KEY-----",
	      "\n" A20 A20, "private key");
	check("{\"k\":\"",
	      "-----BEGIN "
	      "PRIVATE KEY-----",
	      "\\n" A20, "private key");
	check("", "AKIA", "ABC", NULL);
	check("", "AKIA", "abcdefghijklmnop", NULL);
	check("M", "AKIA", A16, NULL);
	check("ta", "sk-", A20 A20 A20, NULL);
	check("", "sk-", "learn is a library", NULL);
	check("", "hf_", "hub_download(repo_id)", NULL);
	check("",
	      "-----BEGIN "
	      "PUBLIC KEY-----",
	      "\n" A20 A20, NULL);
	check("",
	      "-----BEGIN "
	      "PRIVATE KEY-----",
	      "", NULL);
	check("task-x ", "sk-", A20 A20 "01234567", "OpenAI key");
	ok(!secret_find("", 0, NULL), "nothing in nothing");
	return done_testing();
}
