/* SPDX-License-Identifier: MIT */
/* secrets.c - shapes of keys; see secrets.h */
#include "run/secrets.h"

#include <ctype.h>

enum alphabet { UPPER_DIGITS, ALNUM, ALNUM_DASH, ALNUM_UNDER };

static const struct shape {
	const char *prefix;
	enum alphabet alphabet;
	size_t min; /* characters of the alphabet after the prefix */
	const char *what;
} shapes[] = {
	{"AKIA", UPPER_DIGITS, 16, "an AWS access key"},
	{"ASIA", UPPER_DIGITS, 16, "an AWS session key"},
	{"AIza", ALNUM_DASH, 35, "a Google API key"},
	{"ghp_", ALNUM, 36, "a GitHub token"},
	{"gho_", ALNUM, 36, "a GitHub token"},
	{"ghs_", ALNUM, 36, "a GitHub token"},
	{"github_pat_", ALNUM_UNDER, 60, "a GitHub token"},
	{"glpat-", ALNUM_DASH, 20, "a GitLab token"},
	{"hf_", ALNUM, 34, "a Hugging Face token"},
	{"npm_", ALNUM, 36, "an npm token"},
	{"sk-ant-", ALNUM_DASH, 40, "an Anthropic key"},
	{"sk-proj-", ALNUM_DASH, 40, "an OpenAI key"},
	{"sk_live_", ALNUM, 24, "a Stripe key"},
	{"xoxb-", ALNUM_DASH, 30, "a Slack token"},
	{"xoxp-", ALNUM_DASH, 30, "a Slack token"},
};

static bool in_alphabet(enum alphabet a, unsigned char c)
{
	switch (a) {
	case UPPER_DIGITS:
		return isupper(c) || isdigit(c);
	case ALNUM:
		return isalnum(c);
	case ALNUM_DASH:
		return isalnum(c) || c == '-' || c == '_';
	case ALNUM_UNDER:
		return isalnum(c) || c == '_';
	}
	return false;
}

static bool matches(const struct shape *s, const char *text, size_t len)
{
	const char *at = text, *end = text + len;
	size_t prefix = strlen(s->prefix);

	while ((at = memmem(at, (size_t)(end - at), s->prefix, prefix))) {
		const char *p = at + prefix;
		/* A key stands on its own: inside a longer word it is base64 or a hash. */
		bool starts = at == text || !(isalnum((unsigned char)at[-1]) || at[-1] == '_');

		while (p < end && in_alphabet(s->alphabet, (unsigned char)*p))
			p++;
		if (starts && (size_t)(p - at) - prefix >= s->min)
			return true;
		at += prefix;
	}
	return false;
}

/* "-----BEGIN ... PRIVATE KEY-----" on one line. */
static bool private_key(const char *text, size_t len)
{
	static const char begin[] = "-----BEGIN ", key[] = "PRIVATE KEY-----";
	const char *at = text, *end = text + len;

	while ((at = memmem(at, (size_t)(end - at), begin, sizeof(begin) - 1))) {
		const char *eol = memchr(at, '\n', (size_t)(end - at));

		if (memmem(at, (size_t)((eol ? eol : end) - at), key, sizeof(key) - 1))
			return true;
		at += sizeof(begin) - 1;
	}
	return false;
}

const char *secrets_find(const void *text, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
		if (matches(&shapes[i], text, len))
			return shapes[i].what;
	return private_key(text, len) ? "a private key" : NULL;
}
