/* SPDX-License-Identifier: MIT */
/* u-verdict.c - the text of a refusal, byte for byte; see policy/verdict.h */
#include "base/json.h"
#include "base/xalloc.h"
#include "policy/verdict.h"
#include "tap.h"

#define COMMIT "4f2a91c4f2a91c4f2a91c4f2a91c4f2a91c40000"

static void fill(struct verdict *v)
{
	struct verdict_ref *r = verdict_add_ref(v, "refs/heads/main", COMMIT, COMMIT);
	struct verdict_finding *f;

	r->state = VERDICT_REFUSED;
	r->commits = 3;
	r->bad = 1;
	f = verdict_add(r, REASON_DATA_INCOMPLETE,
			"%s (sha256:9f2c...) is recorded but 1 of its 3 shards is not on the "
			"remote",
			"data/train");
	f->commit = xstrdup(COMMIT);
	f->subject = xstrdup("Raise lr to 3e-4 \033[31m\xc3\xa9");
	f->fix = xstrdup("git deepops push --data-only && git push");
	f = verdict_add(r, REASON_CODE_CHANGED, "train.py changed during the run");
	f->commit = xstrdup(COMMIT);
	r->why = xstrdup("rule \"main\" asks R2/T0 (.deepops/policy:3)");
	r->override =
		xstrdup("git push -o deepops.override=\"<reason>\" (alice@example.org, logged)");
	verdict_add_ref(v, "refs/heads/topic", COMMIT, COMMIT);
}

static void test_text(void)
{
	static const char want[] =
		"deepops: push to refs/heads/main refused (1 of 3 commits)\n"
		"  [E-DATA-INCOMPLETE]\n"
		"  4f2a91c  Raise lr to 3e-4 ?[31m?\n"
		"    data: data/train (sha256:9f2c...) is recorded but 1 of its 3 shards\n"
		"      is not on the remote\n"
		"    fix:  git deepops push --data-only && git push\n"
		"    code: train.py changed during the run [E-CODE-CHANGED]\n"
		"    fix:  Run again without editing meanwhile.\n"
		"  why: rule \"main\" asks R2/T0 (.deepops/policy:3)\n"
		"  override: git push -o deepops.override=\"<reason>\" (alice@example.org,\n"
		"    logged)\n";
	struct buf out = BUF_INIT, web = BUF_INIT;
	struct verdict v;
	size_t lines = 0, prefixed = 0;

	verdict_init(&v);
	fill(&v);
	ok(verdict_refused(&v), "refused");
	verdict_text(&v, "", &out);
	is_str(out.p, want, "the whole text; nothing about the accepted ref");
	verdict_text(&v, "GL-HOOK-ERR: ", &web);
	for (const char *p = web.p; *p; p = strchr(p, '\n') + 1, lines++)
		prefixed += str_startswith(p, "GL-HOOK-ERR: ", NULL);
	ok(lines == 11 && prefixed == lines, "a web interface gets its prefix on every line");
	verdict_release(&v);
	buf_release(&out);
	buf_release(&web);
}

static void test_many(void)
{
	struct buf out = BUF_INIT;
	struct verdict v;
	struct verdict_ref *r;
	char word[200];
	size_t widest = 0;

	verdict_init(&v);
	r = verdict_add_ref(&v, "refs/heads/main", COMMIT, COMMIT);
	r->state = VERDICT_WARNED;
	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	verdict_add(r, REASON_EXEC_NORECORD, "%s", word)->fix =
		xstrfmt("git deepops run -o %s", word);
	for (int i = 1; i < 150; i++)
		verdict_add(r, REASON_EXEC_NORECORD, "metrics-%d.json", i);
	verdict_text(&v, "", &out);
	ok(strstr(out.p, "refs/heads/main would be refused"), "a warning says so");
	ok(strstr(out.p, "  and 145 more\n"), "the rest is counted");
	for (const char *p = out.p; *p; p += strcspn(p, "\n") + 1)
		widest = MAX(widest, strcspn(p, "\n"));
	ok(widest == VERDICT_COLUMNS, "a long word is broken where the line ends");
	ok(strstr(out.p, "fix:  Make it with git deepops run -o PATH"),
	   "a command is not: the general mend stands for it");
	ok(!verdict_refused(&v), "a warning refuses nothing");
	verdict_release(&v);
	buf_release(&out);
}

/* Two records that lack the same thing, and another thing with the same mend. */
static void test_repeated(void)
{
	static const char want[] = "deepops: push to refs/heads/main refused [E-DATA-INCOMPLETE]\n"
				   "  4f2a91c  \n"
				   "    data: train\n"
				   "    data: val\n"
				   "    fix:  git deepops push --data-only\n";
	static const char *const names[] = {"train", "train", "val"};
	struct buf out = BUF_INIT;
	struct verdict_ref *r;
	struct verdict v;

	verdict_init(&v);
	r = verdict_add_ref(&v, "refs/heads/main", COMMIT, COMMIT);
	r->state = VERDICT_REFUSED;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct verdict_finding *f = verdict_add(r, REASON_DATA_INCOMPLETE, "%s", names[i]);

		f->commit = xstrdup(COMMIT);
		f->fix = xstrdup("git deepops push --data-only");
	}
	verdict_text(&v, "", &out);
	is_str(out.p, want, "the same is said once, and one mend for all");
	verdict_release(&v);
	buf_release(&out);
}

static void test_json(void)
{
	struct err e = ERR_INIT;
	struct buf out = BUF_INIT;
	struct verdict v;
	struct json *j;
	const struct json *ref, *finding;

	verdict_init(&v);
	fill(&v);
	verdict_json(&v, &out);
	ok(json_parse(&j, out.p, out.len, 100000, &e) == 0, "well-formed: %s", e.msg);
	is_str(json_get_str(j, "verdict"), "refused", "verdict");
	ok(json_len(json_get(j, "refs")) == 2, "every ref");
	ref = json_at(json_get(j, "refs"), 0);
	is_str(json_get_str(ref, "verdict"), "refused", "of a ref");
	finding = json_at(json_get(ref, "findings"), 0);
	is_str(json_get_str(finding, "code"), "E-DATA-INCOMPLETE", "code");
	is_str(json_get_str(finding, "commit"), COMMIT, "full commit id");
	json_unref(j);
	verdict_release(&v);
	buf_release(&out);
}

static void test_reasons(void)
{
	size_t bad = 0;

	for (size_t i = 0; i < REASON_COUNT; i++) {
		const struct reason_info *r = reason_info((enum reason)i);

		if (!r->code || !r->leg || !r->summary || !r->text || !r->mend ||
		    reason_find(r->code) != r || strncmp(r->code, "E-", 2) != 0 ||
		    strlen(r->summary) > 60) {
			printf("# reason %zu: %s\n", i, r->code ? r->code : "missing");
			bad++;
		}
	}
	ok(!bad, "every reason has one code and its texts");
	ok(!reason_find("E-NONE"), "an unknown code");
}

int main(void)
{
	test_text();
	test_many();
	test_repeated();
	test_json();
	test_reasons();
	return done_testing();
}
