/* SPDX-License-Identifier: MIT */
/* u-opt.c - option tables: values, refusals, help, completion; see base/opt.h */
#include "base/opt.h"
#include "tap.h"

static const char *const usage[] = {"git deepops x [options] [--] PATH...", "git deepops x -l",
				    NULL};

static char command[] = "x";

struct parsed {
	bool dry_run;
	int verbose, color;
	uint64_t jobs, limit;
	const char *name;
	struct strvec in;
	int argc;
	char *argv[32];
	struct buf text;
};

/* Parse a blank-separated command line; *line is cut up. */
static int parse(struct parsed *p, char *line, enum opt_flags flags, struct err *e)
{
	struct opt opts[] = {OPT_BOOL("dry-run", 'n', &p->dry_run, "show what would be done"),
			     OPT_COUNT("verbose", 'v', &p->verbose, "say more"),
			     OPT_TRI("color", 0, &p->color, "use colours"),
			     OPT_U64("jobs", 'j', &p->jobs, "n", "threads"),
			     OPT_SIZE("limit", 0, &p->limit, "bytes", "stop after that much"),
			     OPT_STR("name", 0, &p->name, "name", "call it that"),
			     OPT_LIST("input", 'i', &p->in, "path", "what it reads"),
			     OPT_END};

	*p = (struct parsed){.text = BUF_INIT, .in = STRVEC_INIT, .color = -1};
	p->argv[p->argc++] = command;
	for (char *save = NULL, *w = strtok_r(line, " ", &save); w; w = strtok_r(NULL, " ", &save))
		p->argv[p->argc++] = w;
	return opt_parse(&p->argc, p->argv, opts, usage, flags, &p->text, e);
}

static void done(struct parsed *p)
{
	strvec_release(&p->in);
	buf_release(&p->text);
}

static void test_good(void)
{
	struct err e = ERR_INIT;
	struct parsed p;
	char a[] = "one -nv --jobs=4 --limit 2k -i a -ib --input=c --name x --name y two -- -n";
	char b[] = "-n --no-dry-run -v -v --no-verbose -j8 -";
	char c[] = "-n cmd -n --foo";
	char d[] = "-n -- cmd -n";
	char f[] = "--no-color";

	ok(parse(&p, a, 0, &e) == 0, "parses %s", e.msg);
	ok(p.dry_run && p.verbose == 1 && p.jobs == 4 && p.limit == 2048, "values");
	ok(p.in.nr == 3 && !strcmp(p.in.v[0], "a") && !strcmp(p.in.v[1], "b") &&
		   !strcmp(p.in.v[2], "c"),
	   "a list");
	is_str(p.name, "y", "the last one wins");
	ok(p.color == -1, "a switch that was not given");
	ok(p.argc == 4 && !strcmp(p.argv[1], "one") && !strcmp(p.argv[2], "two") &&
		   !strcmp(p.argv[3], "-n") && !p.argv[4],
	   "operands in order");
	done(&p);
	ok(parse(&p, b, 0, &e) == 0 && !p.dry_run && !p.verbose && p.jobs == 8, "no- and -j8");
	ok(p.argc == 2 && !strcmp(p.argv[1], "-"), "a lone dash is an operand");
	done(&p);
	ok(parse(&p, c, OPT_STOP_AT_OPERAND, &e) == 0 && p.dry_run && p.argc == 4 &&
		   !strcmp(p.argv[3], "--foo"),
	   "the first operand ends options");
	done(&p);
	ok(parse(&p, d, OPT_KEEP_DASHDASH, &e) == 0 && p.argc == 4 && !strcmp(p.argv[1], "--"),
	   "-- is kept");
	done(&p);
	ok(parse(&p, f, 0, &e) == 0 && p.color == 0, "--no-color");
	done(&p);
}

static void bad(const char *line, const char *want)
{
	struct err e = ERR_INIT;
	struct parsed p;
	char words[128];

	snprintf(words, sizeof(words), "%s", line);
	ok(parse(&p, words, 0, &e) == ERR_USAGE, "refused: %s", line);
	is_str(e.msg, want, line);
	done(&p);
}

static void test_bad(void)
{
	bad("--foo", "unknown option `--foo'");
	bad("--dry", "unknown option `--dry'");
	bad("--foo=bar", "unknown option `--foo'");
	bad("-x", "unknown option `-x'");
	bad("-nx", "unknown option `-x'");
	bad("--name", "option `--name' requires a value");
	bad("-j", "option `-j' requires a value");
	bad("--dry-run=yes", "option `--dry-run' takes no value");
	bad("--no-jobs", "unknown option `--no-jobs'");
}

static void test_numbers(void)
{
	static const char *const lines[] = {"--jobs=-1", "--jobs=x",   "--jobs=",          "-j 1x",
					    "--limit=q", "--limit=1z", "--limit 99999999T"};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct err e = ERR_INIT;
		struct parsed p;
		char words[128];

		snprintf(words, sizeof(words), "%s", lines[i]);
		ok(parse(&p, words, 0, &e) == ERR_USAGE && strstr(e.msg, "option `-"),
		   "refused: %s: %s", lines[i], e.msg);
		done(&p);
	}
}

static void test_text(void)
{
	struct err e = ERR_INIT;
	struct parsed p;
	char a[] = "one -nh", b[] = "--help --foo", c[] = "--git-completion-helper";

	ok(parse(&p, a, 0, &e) == OPT_HELP_WANTED, "-h");
	is_str(p.text.p,
	       "usage: git deepops x [options] [--] PATH...\n"
	       "   or: git deepops x -l\n"
	       "\n"
	       "    -n, --[no-]dry-run    show what would be done\n"
	       "    -v, --verbose         say more\n"
	       "    --[no-]color          use colours\n"
	       "    -j, --jobs <n>        threads\n"
	       "    --limit <bytes>       stop after that much\n"
	       "    --name <name>         call it that\n"
	       "    -i, --input <path>    what it reads\n",
	       "help");
	done(&p);
	ok(parse(&p, b, 0, &e) == OPT_HELP_WANTED, "--help before a bad option");
	done(&p);
	ok(parse(&p, c, 0, &e) == OPT_COMPLETION_WANTED, "completion");
	is_str(p.text.p,
	       "--dry-run --no-dry-run --verbose --color --no-color --jobs= --limit= --name= "
	       "--input=\n",
	       "what it offers");
	done(&p);
}

int main(void)
{
	test_good();
	test_bad();
	test_numbers();
	test_text();
	return done_testing();
}
