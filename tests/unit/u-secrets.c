/* SPDX-License-Identifier: MIT */
/* u-secrets.c - keys are found, words are not; see run/secrets.h */
#include "base/buf.h"
#include "run/secrets.h"
#include "tap.h"

/* Put together here, so that this file holds no key-shaped text itself. */
static void check(const char *before, const char *start, const char *rest, const char *kind)
{
	struct buf text = BUF_INIT;

	buf_addf(&text, "%s%s%s\n", before, start, rest);
	is_str(secrets_find(text.p, text.len), kind, text.p);
	buf_release(&text);
}

#define A16 "ABCDEFGHIJKLMNOP"
#define A20 "abcdefghijABCDEF0123"

int main(void)
{
	check("key = ", "AKIA", A16, "an AWS access key");
	check("", "AKIA", A16, "an AWS access key");
	check("\"", "ghp_", A20 A16, "a GitHub token");
	check("", "github_pat_", A20 "_" A20 A20, "a GitHub token");
	check("x=", "glpat-", A20, "a GitLab token");
	check("", "hf_", A20 "abcdefghijklmn", "a Hugging Face token");
	check("", "sk-ant-", A20 A20, "an Anthropic key");
	check("k:\n",
	      "-----BEGIN "
	      "OPENSSH PRIVATE KEY-----",
	      "\n" A20 A20, "a private key");
	check("{\"k\":\"",
	      "-----BEGIN "
	      "PRIVATE KEY-----",
	      "\\n" A20, "a private key");
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
	ok(!secrets_find("", 0), "nothing in nothing");
	return done_testing();
}
