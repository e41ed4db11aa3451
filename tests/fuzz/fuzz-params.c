/* SPDX-License-Identifier: MIT */
/* fuzz-params.c - parameters and metrics out of files that users write, in every form */
#include "base/err.h"
#include "fuzz.h"
#include "run/metrics.h"
#include "run/params.h"

static void params(const char *name, const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	struct buf json = BUF_INIT;
	struct params p;

	params_init(&p);
	if (params_parse(&p, name, data, size, &e) < 0)
		fuzz_check(e.msg[0] != '\0', "a refusal without a reason");
	for (size_t i = 0; i < p.values.n; i++)
		fuzz_check(p.values.v[i].name[0] && p.values.v[i].value[0], "an empty text");
	params_json(&p, &json);
	fuzz_check(params_strings(&p, json.p, json.len, &e) == 0, "no JSON was written");
	params_release(&p);
	buf_release(&json);
}

static void metrics(const char *name, const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	struct metrics m;

	metrics_init(&m);
	if (metrics_parse(&m, name, data, size, &e) < 0)
		fuzz_check(e.msg[0] != '\0', "a refusal without a reason");
	metrics_release(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	params("p.json", data, size);
	params("p.yaml", data, size);
	params("p.toml", data, size);
	metrics("m.json", data, size);
	metrics("m.jsonl", data, size);
	metrics("m.csv", data, size);
	return 0;
}
