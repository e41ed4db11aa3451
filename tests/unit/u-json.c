/* SPDX-License-Identifier: MIT */
/* u-json.c - canonical bytes and what is refused; see base/json.h */
#include <math.h>

#include "base/json.h"
#include "base/limits.h"
#include "tap.h"

/* Golden bytes: never to be regenerated. */
static const char golden[] =
	"{\"a_1\":-9007199254740991,\"arr\":[1,\"two\",false],"
	"\"b\":{\"x\":\"tab\\t quote\\\" back\\\\ nul\\u0001 del\x7f / \xc3\xa9\"},"
	"\"z\":true}\n";

static struct json *example(void)
{
	struct json *j = json_mkobj(), *b = json_mkobj(), *arr = json_mkarr();

	json_push(arr, json_mkint(1));
	json_push(arr, json_mkstr("two"));
	json_push(arr, json_mkbool(false));
	json_put_bool(j, "z", true);
	json_put_str(b, "x", "tab\t quote\" back\\ nul\001 del\x7f / \xc3\xa9");
	json_put_str(b, "left_out", NULL);
	json_put(j, "b", b);
	json_put(j, "arr", arr);
	json_put_int(j, "a_1", -INT64_C(9007199254740991));
	json_put_int(j, "gone", 1);
	json_del(j, "gone");
	return j;
}

static void test_canonical(void)
{
	struct err e = ERR_INIT;
	struct buf out = BUF_INIT;
	struct json *j = example(), *back;

	ok(json_canonical(j, &out, &e) == 0, "canonical");
	is_str(out.p, golden, "golden bytes");
	ok(json_parse_canonical(&back, golden, strlen(golden), 1000, &e) == 0, "reads back: %s",
	   e.msg);
	buf_reset(&out);
	ok(json_canonical(back, &out, &e) == 0 && !strcmp(out.p, golden), "round trip");
	is_str(json_get_str(json_get(back, "b"), "x"),
	       "tab\t quote\" back\\ nul\001 del\x7f / \xc3\xa9", "string");
	ok(json_int(json_get(back, "a_1")) == -INT64_C(9007199254740991), "integer");
	json_unref(back);
	json_unref(j);
	buf_release(&out);
}

static void test_refused(void)
{
	static const char *const texts[] = {
		"{\"a\":1}",                   /* no LF */
		"{\"a\":1}\n\n",               /* two */
		"{\"a\": 1}\n",                /* blank */
		"{\"b\":1,\"a\":1}\n",         /* order */
		"{\"a\":1,\"a\":1}\n",         /* duplicate */
		"{\"A\":1}\n",                 /* key */
		"{\"\":1}\n",                  /* empty key */
		"{\"a\":null}\n",              /* null */
		"{\"a\":1.5}\n",               /* real */
		"{\"a\":1e2}\n",               /* real by spelling */
		"{\"a\":-0}\n",                /* another spelling of 0 */
		"{\"a\":9007199254740992}\n",  /* 2^53 */
		"{\"a\":-9007199254740992}\n", /* -2^53 */
		"{\"a\":9223372036854775808}\n",
		"{\"a\":\"\\u00e9\"}\n", /* escape where none is needed */
		"{\"a\":\"\\/\"}\n",
		"{\"a\":\"\\u001f\"}\n", /* lower case hex */
		"{\"a\":\"\\u000A\"}\n", /* has a short form */
		"{\"a\":\"\xff\"}\n",    /* not UTF-8 */
		"{\"a\":\"\xed\xa0\x80\"}\n",
		"{\"a\":1}\n{\"a\":1}\n",
		"",
	};
	struct err e;
	struct json *j;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		err_clear(&e);
		ok(json_parse_canonical(&j, texts[i], strlen(texts[i]), 1000, &e) < 0 && !j,
		   "refused %zu: %s", i, e.msg);
	}
	ok(json_parse(&j, golden, strlen(golden), 10, &e) == ERR_LIMIT, "size cap: %s", e.msg);
}

static void test_depth(void)
{
	struct err e = ERR_INIT;
	struct buf deep = BUF_INIT;
	struct json *j;

	for (int i = 0; i < JSON_MAX_DEPTH - 1; i++)
		buf_addch(&deep, '[');
	buf_addch(&deep, '1');
	for (int i = 0; i < JSON_MAX_DEPTH - 1; i++)
		buf_addch(&deep, ']');
	buf_addch(&deep, '\n');
	ok(json_parse_canonical(&j, deep.p, deep.len, 1000, &e) == 0, "deepest: %s", e.msg);
	json_unref(j);
	buf_setlen(&deep, deep.len - 1);
	buf_addstr(&deep, "]\n");
	deep.p[0] = '[';
	{
		struct buf deeper = BUF_INIT;

		buf_addch(&deeper, '[');
		buf_addbuf(&deeper, &deep);
		ok(json_parse(&j, deeper.p, deeper.len, 1000, &e) < 0, "deeper: %s", e.msg);
		buf_release(&deeper);
	}
	buf_release(&deep);
}

static void test_user_json(void)
{
	static const char text[] =
		"{\"b\": 1.5, \"a\": [1, null], \"n\": {\"x\": \"y\"}, \"t\": true}";
	struct err e = ERR_INIT;
	struct buf out = BUF_INIT;
	const struct json *v;
	struct json *j;
	void *it = NULL;
	char order[8] = "";

	ok(json_parse(&j, text, strlen(text), 1000, &e) == 0, "any JSON");
	for (const char *k; (k = json_each(j, &it, &v)) != NULL;)
		order[strlen(order)] = k[0];
	is_str(order, "bant", "members in insertion order");
	ok(json_kind(json_get(j, "b")) == JSON_KIND_REAL, "real");
	ok(json_kind(json_at(json_get(j, "a"), 1)) == JSON_KIND_NULL, "null");
	ok(json_len(json_get(j, "a")) == 2 && json_kind(json_get(j, "t")) == JSON_KIND_BOOL,
	   "length, bool");
	ok(!json_get(NULL, "x") && !json_get_str(j, "b"), "absent and other kinds");
	json_text(j, false, &out);
	is_str(out.p, "{\"b\":1.5,\"a\":[1,null],\"n\":{\"x\":\"y\"},\"t\":true}\n", "one line");
	ok(json_canonical(j, &out, &e) < 0, "no canonical form: %s", e.msg);
	json_unref(j);
	ok(json_parse(&j, "{\"a\":1,\"a\":2}", 13, 100, &e) == ERR_INPUT && strstr(e.msg, "line 1"),
	   "duplicates have a place: %s", e.msg);
	j = json_mkstr("a\xff\xc3\xa9\xed\xa0\x80");
	is_str(json_str(j), "a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
	       "bytes that are no UTF-8 are replaced");
	json_unref(j);
	j = json_mkobj();
	json_put_str(j, "caf\xe9", "x");
	is_str(json_get_str(j, "caf\xef\xbf\xbd"), "x", "in keys too");
	json_unref(j);
	buf_release(&out);
}

static void number(double v, const char *want)
{
	struct buf out = BUF_INIT;

	json_number_text(v, &out);
	is_str(out.p, want, want);
	buf_release(&out);
}

int main(void)
{
	test_canonical();
	test_refused();
	test_depth();
	test_user_json();
	number(0.1, "0.1");
	number(1.0 / 3, "0.3333333333333333");
	number(0.1 + 0.2, "0.30000000000000004");
	number(3, "3");
	number(1e300, "1e+300");
	number((double)NAN, "nan");
	number(-(double)INFINITY, "-inf");
	return done_testing();
}
