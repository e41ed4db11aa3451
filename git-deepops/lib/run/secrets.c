/* SPDX-License-Identifier: MIT */
/* secrets.c - shapes of keys; see secrets.h */
#include "run/secrets.h"

#include <ctype.h>

enum alphabet { HEX, UPPER_DIGITS, ALNUM, ALNUM_UNDER, ALNUM_DASH, DOTTED, BASE64, PATHLIKE };

struct shape {
	const char *prefix;
	enum alphabet alphabet;
	size_t min; /* characters of the alphabet after the prefix */
	const char *what;
};

static const struct shape shapes[] = {
	{"AKIA", UPPER_DIGITS, 16, "an AWS access key"},
	{"ABIA", UPPER_DIGITS, 16, "an AWS access key"},
	{"ACCA", UPPER_DIGITS, 16, "an AWS access key"},
	{"ASIA", UPPER_DIGITS, 16, "an AWS session key"},
	{"AIza", ALNUM_DASH, 35, "a Google API key"},
	{"ya29.", DOTTED, 30, "a Google token"},
	{"GOCSPX-", ALNUM_DASH, 28, "a Google client secret"},
	{"AccountKey=", BASE64, 80, "an Azure storage key"},
	{"ghp_", ALNUM, 36, "a GitHub token"},
	{"gho_", ALNUM, 36, "a GitHub token"},
	{"ghu_", ALNUM, 36, "a GitHub token"},
	{"ghs_", ALNUM, 36, "a GitHub token"},
	{"ghr_", ALNUM, 36, "a GitHub token"},
	{"github_pat_", ALNUM_UNDER, 60, "a GitHub token"},
	{"glpat-", ALNUM_DASH, 20, "a GitLab token"},
	{"gldt-", ALNUM_DASH, 20, "a GitLab token"},
	{"glrt-", ALNUM_DASH, 20, "a GitLab token"},
	{"glptt-", ALNUM_DASH, 30, "a GitLab token"},
	{"glcbt-", ALNUM_DASH, 20, "a GitLab token"},
	{"glsoat-", ALNUM_DASH, 20, "a GitLab token"},
	{"glagent-", ALNUM_DASH, 40, "a GitLab token"},
	{"ATATT3", DOTTED, 60, "an Atlassian token"},
	{"hf_", ALNUM, 34, "a Hugging Face token"},
	{"api_org_", ALNUM, 34, "a Hugging Face token"},
	{"wandb_v1_", ALNUM_UNDER, 40, "a Weights & Biases key"},
	{"KGAT_", ALNUM, 32, "a Kaggle token"},
	{"r8_", ALNUM, 37, "a Replicate token"},
	{"nvapi-", ALNUM_DASH, 50, "an NVIDIA key"},
	{"npm_", ALNUM, 36, "an npm token"},
	{"pypi-AgE", ALNUM_DASH, 50, "a PyPI token"},
	{"dckr_pat_", ALNUM_DASH, 27, "a Docker token"},
	{"dckr_oat_", ALNUM_DASH, 27, "a Docker token"},
	{"sk-ant-", ALNUM_DASH, 40, "an Anthropic key"},
	{"sk-proj-", ALNUM_DASH, 40, "an OpenAI key"},
	{"sk-svcacct-", ALNUM_DASH, 40, "an OpenAI key"},
	{"sk-admin-", ALNUM_DASH, 40, "an OpenAI key"},
	{"sk-or-v1-", HEX, 64, "an OpenRouter key"},
	{"sk-lf-", ALNUM_DASH, 32, "a Langfuse key"},
	{"sk-", ALNUM, 32, "an API key"},
	{"gsk_", ALNUM, 50, "a Groq key"},
	{"xai-", ALNUM, 70, "an xAI key"},
	{"pplx-", ALNUM, 40, "a Perplexity key"},
	{"tvly-", ALNUM_DASH, 30, "a Tavily key"},
	{"lsv2_pt_", ALNUM_UNDER, 40, "a LangSmith key"},
	{"lsv2_sk_", ALNUM_UNDER, 40, "a LangSmith key"},
	{"dapi", HEX, 32, "a Databricks token"},
	{"eyJhcGlfYWRkcmVzcyI6", BASE64, 20, "a Neptune token"},
	{"sk_live_", ALNUM, 24, "a Stripe key"},
	{"sk_test_", ALNUM, 24, "a Stripe key"},
	{"rk_live_", ALNUM, 24, "a Stripe key"},
	{"whsec_", BASE64, 32, "a Stripe secret"},
	{"xoxb-", ALNUM_DASH, 30, "a Slack token"},
	{"xoxp-", ALNUM_DASH, 30, "a Slack token"},
	{"xoxa-", ALNUM_DASH, 30, "a Slack token"},
	{"xoxr-", ALNUM_DASH, 30, "a Slack token"},
	{"xoxs-", ALNUM_DASH, 30, "a Slack token"},
	{"xoxe-", ALNUM_DASH, 30, "a Slack token"},
	{"xapp-", ALNUM_DASH, 30, "a Slack token"},
	{"https://hooks.slack.com/services/", PATHLIKE, 30, "a Slack hook"},
	{"https://discord.com/api/webhooks/", PATHLIKE, 60, "a Discord hook"},
	{"SG.", DOTTED, 60, "a SendGrid key"},
	{"key-", HEX, 32, "a Mailgun key"},
	{"SK", HEX, 32, "a Twilio key"},
	{"shpat_", HEX, 32, "a Shopify token"},
	{"shpss_", HEX, 32, "a Shopify secret"},
	{"dop_v1_", HEX, 64, "a DigitalOcean token"},
	{"doo_v1_", HEX, 64, "a DigitalOcean token"},
	{"dp.pt.", ALNUM, 40, "a Doppler token"},
	{"hvs.", ALNUM_DASH, 24, "a Vault token"},
	{"hvb.", ALNUM_DASH, 24, "a Vault token"},
	{"lin_api_", ALNUM, 40, "a Linear key"},
	{"ntn_", ALNUM, 40, "a Notion token"},
	{"PMAK-", ALNUM_DASH, 50, "a Postman key"},
	{"glsa_", ALNUM_UNDER, 40, "a Grafana token"},
	{"NRAK-", UPPER_DIGITS, 27, "a New Relic key"},
	{"sntrys_", BASE64, 60, "a Sentry token"},
	{"sntryu_", HEX, 64, "a Sentry token"},
	{"sbp_", HEX, 40, "a Supabase token"},
	{"pscale_tkn_", DOTTED, 32, "a PlanetScale token"},
	{"pscale_pw_", DOTTED, 32, "a PlanetScale password"},
	{"fm2_", BASE64, 60, "a Fly token"},
	{"AGE-SECRET-KEY-1", UPPER_DIGITS, 50, "an age key"},
};

static bool in_alphabet(enum alphabet a, unsigned char c)
{
	switch (a) {
	case HEX:
		return isdigit(c) || (c >= 'a' && c <= 'f');
	case UPPER_DIGITS:
		return isupper(c) || isdigit(c);
	case ALNUM:
		return isalnum(c);
	case ALNUM_UNDER:
		return isalnum(c) || c == '_';
	case ALNUM_DASH:
		return isalnum(c) || c == '-' || c == '_';
	case DOTTED:
		return isalnum(c) || c == '-' || c == '_' || c == '.' || c == '=';
	case BASE64:
		return isalnum(c) || c == '+' || c == '/' || c == '=' || c == '-' || c == '_';
	case PATHLIKE:
		return isalnum(c) || c == '-' || c == '_' || c == '/';
	}
	return false;
}

static size_t run_of(enum alphabet a, const char *p, const char *end)
{
	const char *from = p;

	while (p < end && in_alphabet(a, (unsigned char)*p))
		p++;
	return (size_t)(p - from);
}

/*
 * A key stands on its own: inside a longer word it is base64 or a hash.  The letter of an escape
 * ("\n") and the digits of "%3D" belong to no word.
 */
static bool begins_word(const char *text, const char *at)
{
	unsigned char c = at > text ? (unsigned char)at[-1] : ' ';

	if (!isalnum(c) && c != '_')
		return true;
	if (at - text >= 2 && at[-2] == '\\' && strchr("nrtbfv0", c))
		return true;
	return at - text >= 3 && at[-3] == '%' && isxdigit(c) && isxdigit((unsigned char)at[-2]);
}

/* A match of some kind: where it begins and ends. */
struct match {
	const char *from, *end;
	const char *what;
};

static bool by_prefix(const char *at, const char *end, struct match *m)
{
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		const struct shape *s = &shapes[i];
		size_t n = s->prefix[0] == *at ? strlen(s->prefix) : 0, run;

		if (!n || (size_t)(end - at) < n + s->min || memcmp(at, s->prefix, n) != 0)
			continue;
		run = run_of(s->alphabet, at + n, end);
		if (run >= s->min) {
			*m = (struct match){at, at + n + run, s->what};
			return true;
		}
	}
	return false;
}

/* Three parts with dots between; the first is base64 of what begins with `{"`. */
static bool json_web_token(const char *at, const char *end, struct match *m)
{
	static const size_t least[] = {12, 10, 8};
	const char *p = at;

	if (end - at < 3 || memcmp(at, "eyJ", 3) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(least); i++) {
		size_t run = run_of(ALNUM_DASH, p, end);

		if (run < least[i])
			return false;
		p += run;
		if (i + 1 < ARRAY_SIZE(least) && (p == end || *p++ != '.'))
			return false;
	}
	while (end - p > 8 && *p == '.' && run_of(ALNUM_DASH, p + 1, end) >= 8)
		p += 1 + run_of(ALNUM_DASH, p + 1, end);
	*m = (struct match){at, p, "a JSON web token"};
	return true;
}

/* aws_secret_access_key = 40 characters */
static bool aws_secret(const char *at, const char *end, struct match *m)
{
	static const char name[] = "aws_secret_access_key";
	const char *p = at + sizeof(name) - 1;

	if ((size_t)(end - at) < sizeof(name) + 40 || strncasecmp(at, name, sizeof(name) - 1) != 0)
		return false;
	while (p < end && strchr(" \t=:\"'", *p) && *p)
		p++;
	if (run_of(BASE64, p, end) != 40)
		return false;
	*m = (struct match){p, p + 40, "an AWS secret key"};
	return true;
}

/*
 * "-----BEGIN ... PRIVATE KEY-----" on one line, up to its END.  Without one, up to the end of
 * what can be base64: a text that only speaks of such a line loses no more than that line.
 */
static bool private_key(const char *at, const char *end, struct match *m)
{
	static const char begin[] = "-----BEGIN ", stop[] = "-----END ";
	const char *eol, *p, *q;

	if ((size_t)(end - at) < sizeof(begin) - 1 || memcmp(at, begin, sizeof(begin) - 1) != 0)
		return false;
	eol = memchr(at, '\n', (size_t)(end - at));
	eol = eol ? eol : end;
	p = memmem(at, (size_t)(eol - at), "PRIVATE KEY", strlen("PRIVATE KEY"));
	if (!p || !(p = memmem(p, (size_t)(eol - p), "-----", 5)))
		return false;
	p += 5;
	q = memmem(p, MIN((size_t)(end - p), (size_t)SECRETS_MAX_KEY_BYTES), stop,
		   sizeof(stop) - 1);
	if (q && (q = memmem(q + 5, (size_t)(end - q) - 5, "-----", 5)))
		p = q + 5;
	else
		while (p < end && (in_alphabet(BASE64, (unsigned char)*p) || strchr("\\\r\n", *p)))
			p++;
	*m = (struct match){at, p, "a private key"};
	return true;
}

/* Keys that are known by what stands inside: digits:AA..., ...8Q~..., ....atlasv1.... */
static bool by_infix(const char *text, const char *at, const char *end, struct match *m)
{
	static const char atlas[] = ".atlasv1.";
	const char *from = at;

	if (*at == ':' && end - at > 35 && at[1] == 'A' && at[2] == 'A') {
		while (from > text && isdigit((unsigned char)from[-1]))
			from--;
		*m = (struct match){from, at + 1 + run_of(ALNUM_DASH, at + 1, end),
				    "a Telegram token"};
		return at - from >= 8 && at - from <= 12 && m->end - at > 34;
	}
	if (*at == '~' && at - text >= 5 && at[-1] == 'Q' && isdigit((unsigned char)at[-2])) {
		*m = (struct match){at - 5, at + 1 + run_of(DOTTED, at + 1, end),
				    "an Azure client secret"};
		return begins_word(text, at - 5) && m->end - at > 31 && m->end - at < 40;
	}
	if (*at == '.' && (size_t)(end - at) > sizeof(atlas) &&
	    !memcmp(at, atlas, sizeof(atlas) - 1)) {
		while (from > text && isalnum((unsigned char)from[-1]))
			from--;
		*m = (struct match){from, at + 9 + run_of(ALNUM_DASH, at + 9, end),
				    "a Terraform token"};
		return at - from >= 14 && m->end - at > 60;
	}
	return false;
}

static bool key_at(const char *text, const char *at, const char *end, struct match *m)
{
	if (*at == ':' || *at == '~' || *at == '.')
		return by_infix(text, at, end, m);
	if (*at == '-' && private_key(at, end, m))
		return true;
	if (!isalpha((unsigned char)*at) || !begins_word(text, at))
		return false;
	return by_prefix(at, end, m) || json_web_token(at, end, m) || aws_secret(at, end, m);
}

const char *secrets_find(const void *text, size_t len)
{
	const char *from = text, *end = from + len;
	struct match m;

	for (const char *at = from; at < end; at++)
		if (key_at(from, at, end, &m))
			return m.what;
	return NULL;
}

/* ---- masking ---- */

static bool url_at(const char *text, const char *at, const char *end, struct match *m)
{
	size_t from, stop;

	if (*at != ':' || end - at < 4 || at[1] != '/' || at[2] != '/')
		return false;
	stop = secrets_url_password(text, (size_t)(end - text), (size_t)(at + 3 - text), &from);
	if (!stop)
		return false;
	*m = (struct match){text + from, text + stop, "a password in a URL"};
	return true;
}

size_t secrets_mask(const void *bytes, size_t len, struct buf *out)
{
	const char *text = bytes, *end = text + len, *done = text;
	struct match m;
	size_t n = 0;

	for (const char *at = text; at < end; at++) {
		if (!key_at(text, at, end, &m) && !url_at(text, at, end, &m))
			continue;
		if (m.from < done)
			continue;
		buf_add(out, done, (size_t)(m.from - done));
		buf_addstr(out, SECRETS_MASK);
		done = m.end;
		at = MAX(done - 1, at);
		n++;
	}
	buf_add(out, done, (size_t)(end - done));
	return n;
}

/* Behind the last line's end, or 0. */
static size_t last_line(const char *text, size_t len)
{
	while (len && text[len - 1] != '\n' && text[len - 1] != '\r')
		len--;
	return len;
}

size_t secrets_cut(const void *bytes, size_t len)
{
	static const char begin[] = "-----BEGIN ";
	const char *text = bytes, *p = text;
	size_t cut = last_line(text, len);
	struct match m;

	/* A private key that is not at its end yet is left for the next piece. */
	while ((p = memmem(p, (size_t)(text + cut - p), begin, sizeof(begin) - 1))) {
		if (private_key(p, text + cut, &m) && m.end >= text + cut)
			cut = (size_t)(p - text);
		p = MIN(text + cut, p + 1);
	}
	if (cut || len <= SECRETS_MAX_KEY_BYTES)
		return cut;
	cut = len;
	while (cut && text[cut - 1] != ' ' && text[cut - 1] != '\n')
		cut--;
	return cut ? cut : len;
}
