/* SPDX-License-Identifier: MIT */
/* triple_kept.c - verdicts on records that are made once; see triple_kept.h */
#include "policy/triple_kept.h"

#include "base/num.h"
#include "base/xalloc.h"

/* "<code> <bytes of text> <bytes of fix, or ->\n<text><fix>" for each finding. */
static void add_finding(struct buf *out, const struct triple_finding *f)
{
	buf_addf(out, "%s %zu ", reason_info(f->reason)->code, strlen(f->text));
	if (f->fix)
		buf_addf(out, "%zu\n%s%s", strlen(f->fix), f->text, f->fix);
	else
		buf_addf(out, "-\n%s", f->text);
}

/* The word at *at, and the blank or line end behind it; NULL at the end. */
static char *take_word(const char **at)
{
	size_t len = strcspn(*at, " \n");
	char *word;

	if (!(*at)[len])
		return NULL;
	word = xstrndup(*at, len);
	*at += len + 1;
	return word;
}

static char *take_bytes(const char **at, const char *end, const char *count)
{
	uint64_t n = 0;
	char *bytes;

	if (!count || num_parse_u64(count, 0, (uint64_t)(end - *at), &n, NULL) < 0)
		return NULL;
	bytes = xstrndup(*at, n);
	*at += n;
	return bytes;
}

static bool take_finding(const char **at, const char *end, struct triple *out)
{
	char *code = take_word(at), *text = code ? take_word(at) : NULL,
	     *fix = text ? take_word(at) : NULL;
	const struct reason_info *info = fix ? reason_find(code) : NULL;
	struct triple_finding f = {.text = NULL};
	bool good = false;

	if (info) {
		f.reason = reason_of_info(info);
		f.text = take_bytes(at, end, text);
		f.fix = f.text && strcmp(fix, "-") != 0 ? take_bytes(at, end, fix) : NULL;
		good = f.text && (!strcmp(fix, "-") || f.fix);
	}
	if (good) {
		XGROW(out->v, out->n + 1, out->alloc);
		out->v[out->n++] = f;
	} else {
		free(f.text);
		free(f.fix);
	}
	free(code);
	free(text);
	free(fix);
	return good;
}

int triple_kept_get(struct runindex *ix, const struct journal_entry *j, struct triple *out)
{
	struct buf text = BUF_INIT;
	const char *at;
	bool good = ix &&
		    runindex_verdict_get(ix, chunkid_text(&j->id).s, TRIPLE_KEPT_JUDGE, &text) == 1;

	for (at = text.p; good && at < text.p + text.len;)
		good = take_finding(&at, text.p + text.len, out);
	if (!good)
		triple_release(out);
	buf_release(&text);
	return good;
}

int triple_kept_put(struct runindex *ix, const struct journal_entry *j, const struct triple *t,
		    struct err *e)
{
	struct buf text = BUF_INIT;
	int rc;

	for (size_t i = 0; i < t->n; i++) {
		if (t->v[i].reason == REASON_EXEC_TIMES) {
			buf_release(&text);
			return 0;
		}
		add_finding(&text, &t->v[i]);
	}
	rc = runindex_verdict_put(ix, chunkid_text(&j->id).s, TRIPLE_KEPT_JUDGE, &text, e);
	buf_release(&text);
	return rc;
}
