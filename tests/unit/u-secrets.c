/* SPDX-License-Identifier: MIT */
/* u-secrets.c - keys are found, words are not; see run/secrets.h */
#include "run/secrets.h"

#include "tap.h"

/* Put together here, so that this file holds no key-shaped text itself. */
static void check(const char *before, const char *start, const char *rest, const char *kind)
{
	struct buf text = BUF_INIT, masked = BUF_INIT;

	buf_addf(&text, "%s%s%s\n", before, start, rest);
	is_str(secrets_find(text.p, text.len), kind, text.p);
	secrets_mask(text.p, text.len, &masked);
	if (kind)
		ok(strstr(masked.p, SECRETS_MASK) && !secrets_find(masked.p, masked.len) &&
			   !strstr(masked.p, rest),
		   "masked: %s", masked.p);
	else
		is_str(masked.p, text.p, "not masked");
	buf_release(&text);
	buf_release(&masked);
}

#define A16 "ABCDEFGHIJKLMNOP"
#define A20 "abcdefghijABCDEF0123"
#define H32 "0123456789abcdef0123456789abcdef"

static void shapes(void)
{
	check("key = ", "AKIA", A16, "an AWS access key");
	check("", "AKIA", A16, "an AWS access key");
	check("\"", "ghp_", A20 A16, "a GitHub token");
	check("", "github_pat_", A20 "_" A20 A20, "a GitHub token");
	check("x=", "glpat-", A20, "a GitLab token");
	check("", "hf_", A20 "abcdefghijklmn", "a Hugging Face token");
	check("", "sk-ant-", A20 A20, "an Anthropic key");
	check("", "sk-", A20 "T3Blbk" A20, "an API key");
	check("url ", "https://hooks.slack.com/services/", "T0123456/B0123456/" A20,
	      "a Slack hook");
	check("bot", "123456789:AA", A20 "_bcdefghijklm", "a Telegram token");
	check("", "abc8Q~", A20 "abcdefghijklmn", "an Azure client secret");
	check("", "abcdefghijklmn.atlasv1.", A20 A20 A20, "a Terraform token");
	check("aws_secret_access_key = ", "", A20 A20, "an AWS secret key");
	check("t=", "eyJhbGciOiJIUzI1NiJ9.", "eyJzdWIiOiJ4In0." A20, "a JSON web token");
	check("", "eyJhbGciOiJIUzI1NiJ9.", "eyJzdWIiOiJ4In0.", NULL);
	check("k:\n",
	      "-----BEGIN "
	      "OPENSSH PRIVATE KEY-----",
	      "\n" A20 A20, "a private key");
	check("{\"k\":\"",
	      "-----BEGIN "
	      "PRIVATE KEY-----",
	      "\\n" A20, "a private key");
	check("{\"log\":\"a\\n", "ghp_", A20 A16, "a GitHub token");
	check("q=x%3D", "ghp_", A20 A16, "a GitHub token");
	check("", "AKIA", "ABC", NULL);
	check("", "AKIA", "abcdefghijklmnop", NULL);
	check("M", "AKIA", A16, NULL);
	check("ta", "sk-", A20 A20 A20, NULL);
	check("", "sk-", "learn is a library", NULL);
	check("", "hf_", "hub_download(repo_id)", NULL);
	check("", "12:34:AA", "", NULL);
	check("",
	      "-----BEGIN "
	      "PUBLIC KEY-----",
	      "\n" A20 A20, NULL);
	ok(!secrets_find("", 0), "nothing in nothing");
}

static void masked_as(const char *text, const char *want)
{
	struct buf out = BUF_INIT;

	secrets_mask(text, strlen(text), &out);
	is_str(out.p, want, text);
	buf_release(&out);
}

static void masking(void)
{
	masked_as("a ghp_" A20 A16 " b AKIA" A16 ", c", "a *** b ***, c");
	masked_as("clone https://me:hunter22@h/x done", "clone https://me:***@h/x done");
	masked_as("https://" H32 "@h/x", "https://***@h/x");
	masked_as("https://me@h/x ssh://git@h http://h:80/a@b", /* */
		  "https://me@h/x ssh://git@h http://h:80/a@b");
	masked_as("-----BEGIN PRIVATE "
		  "KEY-----\nabc\ndef\n-----END PRIVATE KEY-----\nmore\n",
		  "***\nmore\n");
	masked_as("expected -----BEGIN PRIVATE "
		  "KEY-----, got nothing\n",
		  "expected ***, got nothing\n");
}

/* A stream in pieces: cut where told, nothing of a key remains. */
static void in_pieces(void)
{
	struct buf text = BUF_INIT, held = BUF_INIT, out = BUF_INIT, whole = BUF_INIT;

	for (int i = 0; i < 300; i++)
		buf_addf(&text,
			 "line %d\nghp_" A20 A16 "\n-----BEGIN PRIVATE "
			 "KEY-----\nabcdef\nABCDEF\n-----END PRIVATE KEY-----\n",
			 i);
	secrets_mask(text.p, text.len, &whole);
	for (size_t at = 0; at < text.len;) {
		size_t n = MIN(text.len - at, (size_t)(37 + at % 91)), cut;

		buf_add(&held, text.p + at, n);
		at += n;
		cut = at == text.len ? held.len : secrets_cut(held.p, held.len);
		secrets_mask(held.p, cut, &out);
		buf_remove(&held, 0, cut);
	}
	ok(out.len == whole.len && !memcmp(out.p, whole.p, out.len),
	   "pieces give what the whole gives");
	ok(!strstr(out.p, "abcdef") && strstr(out.p, "line 299\n***\n***\n"), "and no key is left");
	buf_reset(&text);
	for (int i = 0; i < 70000; i++)
		buf_addch(&text, 'a');
	ok(secrets_cut(text.p, text.len) > 0, "a line without end is cut somewhere");
	ok(secrets_cut(text.p, 60000) == 0, "but not early");
	buf_release(&text);
	buf_release(&held);
	buf_release(&out);
	buf_release(&whole);
}

/* ---- names ---- */

static void named(const char *name, const char *value, const char *kind)
{
	is_str(secrets_named(name, value), kind, name);
}

static void names(void)
{
	named("--password", "hunter2", "a password");
	named("db.password", "correcthorse", "a password");
	named("--db-pass", "x9", "a password");
	named("dbPassword", "12345", "a password");
	named("--api-key", "abc", "a key");
	named("apiKey", "abc", "a key");
	named("--wandb-key", H32 "01234567", "a key");
	named("--some-key", H32, "a key");
	named("aws_secret_access_key", "a/b+c", "a key");
	named("--hf_token", "hf-short", "a token");
	named("--token", "abcdef", "a token");
	named("client_secret", "zz", "a secret");
	named("cookie", "sid=1", "a cookie");
	named("basic.auth", "me:pw", "a secret");
	named("secret.value", H32, "a secret");
	/* Words of language models and of programs. */
	named("--max-tokens", "512", NULL);
	named("pad_token", "hello", NULL);
	named("pad_token_id", "0", NULL);
	named("mask-token", "MASK", NULL);
	named("sep_token", "[SEP]", NULL);
	named("tokenizer", "bert-base", NULL);
	named("use_auth_token", "true", NULL);
	named("num_tokens", "100000", NULL);
	named("key", "image", NULL);
	named("label_key", "label_2024_final_v2", NULL);
	named("sort-key", "pixelvalues", NULL);
	named("key_dim", "64", NULL);
	named("keypoints", "17", NULL);
	named("monkey", "abc", NULL);
	named("author", "Alice", NULL);
	named("passes", "3", NULL);
	named("bypass", "abc", NULL);
	named("pass@1", "0.5", NULL);
	named("password_file", "/run/secrets/pw", NULL);
	named("--credentials", "/etc/app/creds.json", NULL);
	named("password", "$DB_PASSWORD", NULL);
	named("password", "${oc.env:PW}", NULL);
	named("password", "***", NULL);
	named("password", "", NULL);
	named("token", "null", NULL);
	named("session", "morning", NULL);
}

static void words(const char *kind, size_t where, const char *a, const char *b, const char *c)
{
	struct strvec v = STRVEC_INIT;
	size_t at = 0;

	strvec_pushl(&v, "python3", a, b, c, NULL);
	is_str(secrets_in_words(&v, &at), kind, a);
	if (kind)
		is_u64(at, where, "and where");
	strvec_release(&v);
}

static void commands(void)
{
	words("a password", 2, "t.py", "--password=hunter2", NULL);
	words("a password", 2, "--password", "hunter2", NULL);
	words(NULL, 0, "--password", "--verbose", NULL);
	words("a key", 2, "-m", "+wandb.api_key=abc", NULL);
	words("a password in a URL", 2, "--db", "postgresql://u:pw@h/db", NULL);
	words(NULL, 0, "--db", "postgresql://u@h/db", NULL);
	words(NULL, 0, "--db", "postgresql://u:$PW@h/db", NULL);
	words("a token", 2, "x", "https://h/api?private_token=abcde&n=1", NULL);
	words("a secret", 2, "-H", "Authorization: Bearer abc123def", NULL);
	words("a password", 2, "-c", "curl --password hunter2 https://h", NULL);
	words("a password", 2, "-c", "PGPASSWORD=hunter2 psql -c 'select 1'", NULL);
	words("a password", 1, "PGPASSWORD=hunter2", "psql", NULL);
	words("a key", 2, "--config", "{\"api_key\": \"abc\"}", NULL);
	words("a key", 2, "-c", "f(api_key='abc')", NULL);
	words(NULL, 0, "-c", "f(token=tok, password=None)", NULL);
	words(NULL, 0, "-c", "echo $PASSWORD; train --token \"$TOKEN\"", NULL);
	words(NULL, 0, "train.py", "--lr=0.1", "key=value");
}

int main(void)
{
	shapes();
	masking();
	in_pieces();
	names();
	commands();
	return done_testing();
}
