/* SPDX-License-Identifier: MIT */
/*
 * opt.h - command line options from one table
 *
 * The table drives parsing, -h, man page check and completion.
 *
 *	struct opt opts[] = {
 *		OPT_BOOL("dry-run", 'n', &dry_run, "show what would be done"),
 *		OPT_SIZE("limit", 0, &bytes, "bytes", "stop after that much"),
 *		OPT_END
 *	};
 *	rc = opt_parse(&argc, argv, opts, usage, 0, &text, e);	argv is left with the operands
 *
 * No abbreviations.  `--name value`, `--name=value`, `-x value`, `-xvalue`, bundled booleans
 * `-nv`; `--no-name` for booleans; `--` ends options.  The destination's type is
 * checked by the compiler.  Sizes take k, M, G (powers of 1024).
 */
#ifndef BASE_OPT_H
#define BASE_OPT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/strvec.h"

enum opt_type {
	OPT_T_END,
	OPT_T_BOOL,  /* bool */
	OPT_T_COUNT, /* int, ++ each time, --no- resets: -v -v, -q */
	OPT_T_TRI,   /* int, 1 or by --no- 0: set to -1 before to see whether it was given */
	OPT_T_U64,
	OPT_T_SIZE,
	OPT_T_STR,  /* const char *, last one wins, points into argv */
	OPT_T_LIST, /* struct strvec, appended */
};

struct opt {
	enum opt_type type;
	const char *name; /* long name without dashes */
	char letter;      /* 0: none */
	void *dest;
	const char *arg; /* placeholder shown in help; NULL for booleans */
	const char *help;
};

#define OPT_BOOL(n, c, d, h)                                                                       \
	{                                                                                          \
		OPT_T_BOOL, n, c, 0 ? (bool *)0 : (d), 0, h                                        \
	}
#define OPT_COUNT(n, c, d, h)                                                                      \
	{                                                                                          \
		OPT_T_COUNT, n, c, 0 ? (int *)0 : (d), 0, h                                        \
	}
#define OPT_TRI(n, c, d, h)                                                                        \
	{                                                                                          \
		OPT_T_TRI, n, c, 0 ? (int *)0 : (d), 0, h                                          \
	}
#define OPT_U64(n, c, d, a, h)                                                                     \
	{                                                                                          \
		OPT_T_U64, n, c, 0 ? (uint64_t *)0 : (d), a, h                                     \
	}
#define OPT_SIZE(n, c, d, a, h)                                                                    \
	{                                                                                          \
		OPT_T_SIZE, n, c, 0 ? (uint64_t *)0 : (d), a, h                                    \
	}
#define OPT_STR(n, c, d, a, h)                                                                     \
	{                                                                                          \
		OPT_T_STR, n, c, 0 ? (const char **)0 : (d), a, h                                  \
	}
#define OPT_LIST(n, c, d, a, h)                                                                    \
	{                                                                                          \
		OPT_T_LIST, n, c, 0 ? (struct strvec *)0 : (d), a, h                               \
	}
#define OPT_END                                                                                    \
	{                                                                                          \
		OPT_T_END, 0, 0, 0, 0, 0                                                           \
	}

enum opt_flags {
	OPT_STOP_AT_OPERAND = 1 << 0, /* `run -- cmd`, `git`-like: first operand ends options */
	OPT_KEEP_DASHDASH = 1 << 1,   /* leave "--" among the operands */
};

#define OPT_HELP_WANTED 1       /* -h or --help: usage is already in *help_out */
#define OPT_COMPLETION_WANTED 2 /* --git-completion-helper */

/*
 * Parse argv[1..].  On 0, argv[1..argc) are the operands in order.  Returns
 * OPT_HELP_WANTED / OPT_COMPLETION_WANTED with the text in `text`, or ERR_USAGE
 * that names the option ("unknown option `--foo'").
 * `usage` are the SYNOPSIS lines, NULL-terminated: "git deepops track [options] [--] PATH...".
 */
int opt_parse(int *argc, char **argv, const struct opt *opts, const char *const *usage,
	      enum opt_flags flags, struct buf *text, struct err *e) MUST_CHECK;

#endif
