/* SPDX-License-Identifier: MIT */
/* secret.c - text in the form of a key or token; see secret.h */
#include "run/secret.h"

#include <ctype.h>

enum alphabet { UPPER, ALNUM, WORD, TOKEN, ARMOR };

/* As the issuers document them; lengths are the shortest in use. */
static const struct form {
	const char *kind, *start;
	enum alphabet alphabet;
	size_t min; /* characters behind the start */
} forms[] = {
	{"private key", "-----BEGIN PRIVATE KEY-----", ARMOR, 16},
	{"private key", "-----BEGIN RSA PRIVATE KEY-----", ARMOR, 16},
	{"private key", "-----BEGIN EC PRIVATE KEY-----", ARMOR, 16},
	{"private key", "-----BEGIN DSA PRIVATE KEY-----", ARMOR, 16},
	{"private key", "-----BEGIN ENCRYPTED PRIVATE KEY-----", ARMOR, 16},
	{"private key", "-----BEGIN OPENSSH PRIVATE KEY-----", ARMOR, 16},
	{"private key", "-----BEGIN PGP PRIVATE KEY BLOCK-----", ARMOR, 16},
	{"AWS access key", "AKIA", UPPER, 16},
	{"AWS access key", "ASIA", UPPER, 16},
	{"GitHub token", "ghp_", ALNUM, 36},
	{"GitHub token", "gho_", ALNUM, 36},
	{"GitHub token", "ghu_", ALNUM, 36},
	{"GitHub token", "ghs_", ALNUM, 36},
	{"GitHub token", "ghr_", ALNUM, 36},
	{"GitHub token", "github_pat_", WORD, 40},
	{"GitLab token", "glpat-", TOKEN, 20},
	{"Slack token", "xoxb-", TOKEN, 20},
	{"Slack token", "xoxp-", TOKEN, 20},
	{"Slack token", "xoxa-", TOKEN, 20},
	{"Google API key", "AIza", TOKEN, 35},
	{"Hugging Face token", "hf_", ALNUM, 34},
	{"OpenAI key", "sk-proj-", TOKEN, 40},
	{"Anthropic key", "sk-ant-", TOKEN, 40},
	{"OpenAI key", "sk-", ALNUM, 48},
	{"Stripe key", "sk_live_", ALNUM, 24},
	{"npm token", "npm_", ALNUM, 36},
	{"PyPI token", "pypi-AgEIcHlwaS5vcmc", TOKEN, 50},
};

static bool in_alphabet(unsigned char c, enum alphabet a)
{
	switch (a) {
	case UPPER:
		return isupper(c) || isdigit(c);
	case ALNUM:
		return isalnum(c);
	case WORD:
		return isalnum(c) || c == '_';
	case TOKEN:
		return isalnum(c) || c == '_' || c == '-';
	case ARMOR: /* base64 and line ends, also as a JSON or shell string holds them */
		return isalnum(c) || c == '+' || c == '/' || c == '=' || c == '\\' || isspace(c) ||
		       c == '-' || c == ':' || c == ',';
	}
	return false;
}

/* A start inside a longer word is part of that word: "task-", "MAKIA". */
static bool begins_word(const unsigned char *begin, const unsigned char *p)
{
	return p == begin || !(isalnum(p[-1]) || p[-1] == '_');
}

/* Where this form first stands in begin..end with a whole run behind it. */
static const unsigned char *find_form(const struct form *f, const unsigned char *begin,
				      const unsigned char *end)
{
	const unsigned char *p = begin;
	size_t start = strlen(f->start), n;

	while ((p = memmem(p, (size_t)(end - p), f->start, start)) != NULL) {
		const unsigned char *run = p + start;

		for (n = 0; n < f->min && run + n < end && in_alphabet(run[n], f->alphabet);)
			n++;
		if (n == f->min && begins_word(begin, p))
			return p;
		p++;
	}
	return NULL;
}

const char *secret_find(const void *text, size_t len, size_t *at)
{
	const unsigned char *begin = text, *first = NULL;
	const char *kind = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		const unsigned char *hit = find_form(&forms[i], begin, begin + len);

		if (!hit || (first && hit >= first))
			continue;
		first = hit;
		kind = forms[i].kind;
	}
	if (first && at)
		*at = (size_t)(first - begin);
	return kind;
}
