/* SPDX-License-Identifier: MIT */
/*
 * secrets_name.c - secrets that are known by their names, and passwords in URLs; see secrets.h
 *
 * A name is cut into words at every character that is no letter or digit, and where a capital
 * follows a small letter: "--wandb-key", "db.password", "apiKey".  Some words mean a secret
 * whatever stands there.  Others ("key", "token") name harmless things more often, above all in
 * language models: there the neighbouring word decides, or the value must look random.
 */
#include <ctype.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "run/secrets.h"

#define MAX_WORDS 12
#define MAX_WORD_BYTES 24
#define RANDOM_MIN_BYTES 16

struct words {
	char v[MAX_WORDS][MAX_WORD_BYTES];
	size_t n;
};

static bool is_one_of(const char *word, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(word, *list))
			return true;
	return false;
}

/* Of more than MAX_WORDS the last ones: what a thing is stands at the end of its name. */
static void split(const char *name, struct words *w)
{
	size_t len = 0;

	memset(w, 0, sizeof(*w));
	for (const char *p = name;; p++) {
		unsigned char c = (unsigned char)*p;
		bool hump = p > name && isupper(c) && islower((unsigned char)p[-1]);

		if (len && (!isalnum(c) || hump)) {
			w->n++;
			len = 0;
		}
		if (!c)
			return;
		if (!isalnum(c))
			continue;
		if (w->n == MAX_WORDS) {
			memmove(w->v[0], w->v[1], sizeof(w->v[0]) * (MAX_WORDS - 1));
			w->n--;
			memset(w->v[w->n], 0, sizeof(w->v[0]));
		}
		if (len < MAX_WORD_BYTES - 1)
			w->v[w->n][len++] = (char)tolower(c);
	}
}

/* ---- values ---- */

static bool is_reference(const char *v)
{
	return strchr("$%<[{(", *v) || str_startswith(v, "env:", NULL) ||
	       str_startswith(v, "oc.env", NULL) || str_startswith(v, "file:", NULL);
}

static bool is_path(const char *v)
{
	return str_startswith(v, "./", NULL) || str_startswith(v, "../", NULL) ||
	       str_startswith(v, "~/", NULL) || (*v == '/' && strchr(v + 1, '/'));
}

static bool is_number(const char *v)
{
	return v[strspn(v, "0123456789.,_eE+-")] == '\0';
}

/* Nothing that anybody would keep secret. */
static bool is_plain(const char *v)
{
	static const char *const words[] = {"true", "false", "none",     "null", "yes",
					    "no",   "on",    "off",      "auto", "default",
					    "cpu",  "cuda",  "optional", NULL};
	struct words w;

	if (!*v || is_reference(v) || strstr(v, SECRETS_MASK) || v[strspn(v, "xX*.-_")] == '\0')
		return true;
	if (is_number(v) && strlen(v) < 4)
		return true;
	split(v, &w);
	return w.n == 1 && is_one_of(w.v[0], words);
}

/* One run of letters and digits without a break, as keys are and words are not. */
static bool looks_random(const char *v)
{
	size_t n = strspn(v, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/=");
	size_t digits = 0, changes = 0;

	if (v[n] && v[n] != '-' && v[n] != '_')
		return false;
	for (size_t i = 0; i < n; i++) {
		digits += isdigit((unsigned char)v[i]) != 0;
		changes += i && !isdigit((unsigned char)v[i]) != !isdigit((unsigned char)v[i - 1]);
	}
	return n >= RANDOM_MIN_BYTES && digits && digits < n && changes >= 3;
}

/* ---- names ---- */

static const char *const always[] = {
	"password",    "passwd",     "passphrase",    "passcode",
	"pwd",         "secret",     "secrets",       "credential",
	"credentials", "cred",       "creds",         "apikey",
	"secretkey",   "accesskey",  "privatekey",    "accesstoken",
	"authtoken",   "apitoken",   "authorization", "cookie",
	"cookies",     "jwt",        "bearer",        "passkey",
	"mypassword",  "dbpassword", "userpass",      "userpassword",
	"pgpassword",  "apisecret",  "clientsecret",  "secretaccesskey",
	NULL};
/* What is said of a secret, not the secret: where it is, how long, which one. */
static const char *const about[] = {
	"file",   "path",    "dir",    "name",    "id",    "ids",   "size", "len",
	"length", "dim",     "dims",   "count",   "num",   "max",   "min",  "type",
	"types",  "env",     "var",    "policy",  "mode",  "limit", "rate", "index",
	"idx",    "ttl",     "expiry", "level",   "class", "hint",  "url",  "budget",
	"ratio",  "enabled", "store",  "manager", NULL};
/* Before "key": then it opens something. */
static const char *const opens[] = {
	"api",     "access", "secret",    "private",      "service", "auth",    "account",
	"wandb",   "hf",     "openai",    "encryption",   "signing", "license", "storage",
	"master",  "ssh",    "client",    "aws",          "azure",   "gcp",     "comet",
	"neptune", "kaggle", "anthropic", "subscription", "app",     NULL};
/* Before "token": then it is one of a vocabulary, or counted. */
static const char *const vocabulary[] = {
	"pad",         "mask",       "bos",       "eos",       "unk",      "cls",     "sep",
	"start",       "stop",       "end",       "begin",     "image",    "video",   "audio",
	"special",     "prompt",     "max",       "min",       "new",      "per",     "num",
	"n",           "total",      "extra",     "blank",     "eot",      "eod",     "sos",
	"fim",         "prefix",     "suffix",    "middle",    "target",   "trigger", "placeholder",
	"initializer", "instance",   "class",     "separator", "sentinel", "first",   "last",
	"next",        "additional", "decoder",   "encoder",   "language", "task",    "text",
	"word",        "sub",        "oov",       "padding",   "null",     "space",   "question",
	"answer",      "system",     "assistant", "vision",    NULL};

static const char *of_kind(const char *word)
{
	if (strstr(word, "pass") || !strcmp(word, "pwd") || !strcmp(word, "pw"))
		return "a password";
	if (str_endswith(word, "key"))
		return "a key";
	if (str_endswith(word, "token") || !strcmp(word, "jwt") || !strcmp(word, "bearer"))
		return "a token";
	if (str_startswith(word, "cookie", NULL))
		return "a cookie";
	return "a secret";
}

/* `last` names something that is sometimes a secret: the word before it and the value decide. */
static bool by_context(const char *last, const char *before, const char *value)
{
	static const char *const weak[] = {"auth", "session",   "authentication", "sid",
					   "sig",  "signature", "keys",           NULL};

	if (is_number(value))
		return false;
	if (!strcmp(last, "key"))
		return is_one_of(before, opens) || looks_random(value);
	if (!strcmp(last, "token"))
		return !is_one_of(before, vocabulary);
	if (!strcmp(last, "pass") || !strcmp(last, "pw"))
		return true;
	if (!is_one_of(last, weak))
		return false;
	return looks_random(value) || (*last == 'a' && strchr(value, ':'));
}

const char *secrets_named(const char *name, const char *value)
{
	const char *last, *before;
	struct words w;

	split(name, &w);
	if (!w.n || is_plain(value))
		return NULL;
	last = w.v[w.n - 1];
	before = w.n > 1 ? w.v[w.n - 2] : "";
	if (is_one_of(last, about) || (is_path(value) && !looks_random(value + 1)))
		return NULL;
	for (size_t i = 0; i < w.n; i++)
		if (is_one_of(w.v[i], always) && (i + 1 == w.n || looks_random(value)))
			return of_kind(w.v[i]);
	return by_context(last, before, value) ? of_kind(last) : NULL;
}

/* ---- URLs ---- */

static bool ends_authority(char c)
{
	return !c || strchr("/?# \t\r\n\"'<>\\", c);
}

size_t secrets_url_password(const char *text, size_t len, size_t scheme_end, size_t *at)
{
	size_t sign = 0, colon = 0, i;
	char *value;
	bool secret;

	for (i = scheme_end; i < len && !ends_authority(text[i]); i++) {
		if (text[i] == '@')
			sign = i;
		else if (text[i] == ':' && !colon && !sign)
			colon = i;
	}
	if (!sign)
		return 0;
	*at = colon ? colon + 1 : scheme_end;
	value = xstrndup(text + *at, sign - *at);
	/* A user alone is a name, unless it looks like what a server hands out. */
	secret = colon ? !is_plain(value) && strcmp(value, "x-oauth-basic") != 0
		       : looks_random(value);
	free(value);
	return secret ? sign : 0;
}

static bool url_with_password(const char *text)
{
	size_t len = strlen(text), at;

	for (const char *p = text; (p = strstr(p, "://")); p += 3)
		if (secrets_url_password(text, len, (size_t)(p + 3 - text), &at))
			return true;
	return false;
}

/* ---- words of a command ---- */

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-+/@"
#define QUOTES "\"'`"

/* The value at `p` up to its end: a blank, or the quote it began with. */
static char *value_at(const char *p)
{
	char quote = strchr("\"'", *p) ? *p : '\0';

	while (*p == '\\' && p[1] && strchr(QUOTES, p[1]))
		p++;
	if (quote && *p)
		return xstrndup(p + 1, strcspn(p + 1, (char[]){quote, '\0'}));
	return xstrndup(p, strcspn(p, " \t\r\n&;,|)}\"'`"));
}

static const char *judge(const char *name, size_t n, const char *value)
{
	static const char *const schemes[] = {"bearer", "basic", "token", NULL};
	char *copy = xstrndup(name, n), *v, *scheme;
	const char *kind;

	value += strspn(value, " ");
	v = value_at(value);
	scheme = xstrdup(v);
	for (char *p = scheme; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (is_one_of(scheme, schemes) && value[strlen(v)] == ' ') {
		value += strlen(v) + 1;
		free(v);
		v = value_at(value);
	}
	kind = secrets_named(copy, v);
	free(copy);
	free(scheme);
	free(v);
	return kind;
}

/* Program text: a value without quotes is another name there, unless it looks like a key. */
static const char *judge_in(bool code, const char *name, size_t n, const char *value)
{
	value += strspn(value, " ");
	return code && !strchr("\"'\\", *value) && !looks_random(value) ? NULL
									: judge(name, n, value);
}

/* `name=value`, `name: value`, `"name": "value"`, `--name value` somewhere in a text. */
static const char *named_inside(const char *text)
{
	bool code = strpbrk(text, "()\n") != NULL;
	const char *kind = NULL;

	for (const char *p = text; !kind && *p;) {
		size_t n = strspn(p, NAME_CHARS);
		const char *q = p + n;

		if (!n) {
			p++;
			continue;
		}
		if (*q == '=' && q[1] != '=')
			kind = judge_in(code, p, n, q + 1);
		else if (*q == ':' && q[1] == ' ')
			kind = judge_in(code, p, n, q + 2);
		else if (*q && strchr("\"'", *q) && q[1] == ':')
			kind = judge_in(code, p, n, q + 2);
		else if (*p == '-' && *q == ' ' && q[1] != '-')
			kind = judge(p, n, q + 1);
		p = q;
	}
	return kind;
}

const char *secrets_in_text(const char *text)
{
	const char *kind = secrets_find(text, strlen(text));

	if (!kind && url_with_password(text))
		kind = "a password in a URL";
	return kind ? kind : named_inside(text);
}

const char *secrets_in_words(const struct strvec *words, size_t *at)
{
	for (size_t i = 0; i < words->nr; i++) {
		const char *word = words->v[i], *next = i + 1 < words->nr ? words->v[i + 1] : NULL;
		const char *kind = secrets_in_text(word);

		*at = i;
		if (kind)
			return kind;
		*at = i + 1;
		if (next && *word == '-' && *next != '-' && !strpbrk(word, "= ") &&
		    (kind = secrets_named(word, next)))
			return kind;
	}
	return NULL;
}
