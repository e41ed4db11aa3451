/* SPDX-License-Identifier: MIT */
/* triple_machine.c - M1 to M3: where it ran; see triple_internal.h */
#include "base/num.h"
#include "base/xalloc.h"
#include "machine/capture.h"
#include "policy/triple_internal.h"

/* M2: each package has a version and a digest. */
static void packages(struct triple_pass *p, const struct buf *text)
{
	size_t n = 0;

	for (const char *at = text->p; *at;) {
		size_t len = strcspn(at, "\n");
		const char *eq = memchr(at, '=', len);

		if (eq && str_startswith(at, "os.pkg.", NULL)) {
			const char *digest = memrchr(at, ' ', len);
			size_t left = digest ? len - (size_t)(digest + 1 - at) : 0;

			n++;
			if (!digest || digest < eq || !left ||
			    (left == 4 && !strncmp(digest + 1, "none", 4))) {
				triple_add(p, REASON_MACHINE_PACKAGE, "%.*s has no digest",
					   (int)MIN((size_t)(eq - at) - 7, 100), at + 7);
				return;
			}
		}
		at += len + (at[len] ? 1 : 0);
	}
	if (!n)
		triple_add(p, REASON_MACHINE_PACKAGE, "the capture names no package");
}

static bool has_value(const struct buf *text, const char *key)
{
	struct buf value = BUF_INIT;
	bool found = capture_value(text->p, text->len, key, &value) == 1 && value.len;

	buf_release(&value);
	return found;
}

static uint64_t gpu_count(const struct buf *text)
{
	struct buf value = BUF_INIT;
	uint64_t n = 0;

	if (capture_value(text->p, text->len, "gpu.count", &value) != 1 ||
	    num_parse_u64(value.p, 0, UINT32_MAX, &n, NULL) < 0)
		n = 0;
	buf_release(&value);
	return n;
}

static bool want(struct triple_pass *p, const struct buf *text, const char *key)
{
	if (has_value(text, key))
		return true;
	triple_add(p, REASON_MACHINE_HARDWARE, "the capture lacks %s", key);
	return false;
}

/* M3 */
static void hardware(struct triple_pass *p, const struct buf *text)
{
	static const char *const always[] = {"kernel.machine", "kernel.release", "cpu.flags"};
	uint64_t gpus = gpu_count(text);
	struct buf count = BUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(always); i++)
		want(p, text, always[i]);
	if (gpus)
		want(p, text, "gpu.driver");
	if (capture_value(text->p, text->len, "gpu.count", &count) == 1 &&
	    !strcmp(count.p, "unknown"))
		triple_add(p, REASON_MACHINE_HARDWARE, "the capture could not tell the GPUs");
	buf_release(&count);
	for (uint64_t i = 0; i < gpus; i++) {
		char key[32];

		snprintf(key, sizeof(key), "gpu.%02" PRIu64 ".model", i);
		if (!want(p, text, key))
			break; /* the first is enough to be told of, and the count is only claimed */
	}
}

static void capture(struct triple_pass *p, const struct buf *text)
{
	struct err why = ERR_INIT;
	struct chunkid id;

	chunkid_of(&id, text->p, text->len);
	if (strcmp(p->rec->machine_capture, chunkid_text(&id).s) != 0) {
		triple_add(p, REASON_MACHINE_MISSING, "the stored capture is %s, not %.19s",
			   chunkid_short(&id).s, p->rec->machine_capture);
	} else if (capture_check(text->p, text->len, &why) < 0) {
		triple_add(p, REASON_MACHINE_CAPTURE, "%s", why.msg);
	} else {
		packages(p, text);
		hardware(p, text);
	}
}

int triple_machine(struct triple_pass *p, struct err *e)
{
	struct buf text = BUF_INIT;
	int rc;

	/* A journal entry has no place for a spec yet, so one that is named can't be shown. */
	if (p->rec->machine_spec)
		triple_add(p, REASON_MACHINE_SPEC, "spec %.19s is not in the journal",
			   p->rec->machine_spec);
	if (!p->rec->machine_capture) {
		triple_add(p, REASON_MACHINE_MISSING, "run %.12s has no machine capture",
			   p->rec->run);
		return 0;
	}
	rc = journal_file(p->ctx->repo, p->j, "machine", CAPTURE_MAX_BYTES, &text, e);
	if (rc == 0)
		triple_add(p, REASON_MACHINE_MISSING, "the journal entry lacks the capture %.19s",
			   p->rec->machine_capture);
	else if (rc == 1)
		capture(p, &text);
	buf_release(&text);
	return rc < 0 ? rc : 0;
}
