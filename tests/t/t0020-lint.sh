#!/bin/sh
test_description='the checks of make lint can fail: each finds a fault planted in a small tree'
. "${0%/*}/test-lib.sh"

# A tree in which all is well: one small module, and one that uses it.
test_expect_success 'a tree to plant faults in' '
	mkdir -p tree/tests tree/git-deepops/lib/base tree/git-deepops/lib/chunk tree/server \
		tree/hooks tree/git-deepops/cmd &&
	cp -R "$TOP_DIR/tests/lint" tree/tests/ &&
	cp "$TOP_DIR/git-deepops/lib/base/banned.h" tree/git-deepops/lib/base/ &&
	cat >tree/git-deepops/lib/base/one.h <<-\END &&
	#ifndef BASE_ONE_H
	#define BASE_ONE_H
	int one_get(void);
	#endif
	END
	cat >tree/git-deepops/lib/base/one.c <<-\END &&
	#include "base/one.h"

	int one_get(void)
	{
		return 1;
	}
	END
	cat >tree/git-deepops/lib/chunk/two.c <<-\END &&
	#include "base/one.h"

	/* Never printf() here. */
	int two_get(void);
	int two_get(void)
	{
		return one_get() + 1;
	}
	END
	echo "int main(void) { return 0; }" | tee tree/hooks/pre.c >tree/server/main.c &&
	for check in layers headers banned lengths
	do
		tree/tests/lint/run "$check" || return 1
	done
'

# Put a file with stdin as its content into the tree, for one check only; the check must fail
# and say WORDS: planted CHECK FILE WORDS
planted () {
	mkdir -p "$(dirname "tree/$2")" &&
	cat >"tree/$2" &&
	test_expect_code 1 tree/tests/lint/run "$1" >out 2>&1
	planted_rc=$?
	rm "tree/$2"
	test "$planted_rc" -eq 0 && test_grep "$3" out && test_grep "not ok - $1" out
}

test_expect_success 'layers: a layer above, the commands, a detour, a new layer' '
	echo "#include \"chunk/two.h\"" | planted layers git-deepops/lib/base/x.c "not below base" &&
	echo "# include <chunk/two.h>" | planted layers git-deepops/lib/base/x.h "not below base" &&
	echo "#include \"cmd.h\"" | planted layers git-deepops/lib/base/x.c "without its layer" &&
	echo "#include \"base/../chunk/two.h\"" |
		planted layers git-deepops/lib/base/x.c "leads out" &&
	echo "#include \"repo/repo.h\"" | planted layers server/x.c "not below server" &&
	echo "#include \"base/one.h\"" | planted layers git-deepops/lib/misc/x.c "the table lacks" &&
	rmdir tree/git-deepops/lib/misc
'

test_expect_success 'layers: every row of the table is as designed' '
	sed -n "/^table=/,/^.\$/s/^\([a-z][a-z]*\)  *\([a-z ]*\)\$/\1: \2/p" \
		"$TOP_DIR/tests/lint/layers" >got &&
	below="base chunk store repo data machine run policy" &&
	cat >want <<-END &&
	base: base
	chunk: base chunk
	wire: base wire
	repo: base repo
	transport: base wire transport
	store: base chunk wire transport store
	data: base chunk store repo data
	machine: base chunk store repo data machine
	run: base chunk store repo data machine run
	policy: $below
	sync: base chunk wire transport store repo data machine run policy sync
	review: base chunk wire transport store repo data machine run policy review
	server: base chunk wire transport store
	END
	test_cmp want got
'

test_expect_success 'layers: a foreign library is seen by its module alone' '
	echo "#include <git2.h>" | planted layers git-deepops/cmd/x.c "seen outside" &&
	echo "#include <sqlite3.h>" | planted layers git-deepops/lib/base/dbx.c "seen outside" &&
	echo "#include \"jansson.h\"" | planted layers git-deepops/lib/base/x.h "seen outside" &&
	echo "#include <openssl/evp.h>" | planted layers tests/unit/u-x.c "seen outside" &&
	echo "#include <archive_entry.h>" | planted layers git-deepops/lib/chunk/x.c "seen outside"
'

test_expect_success 'headers: one that needs another before it' '
	echo "uint64_t x_get(void);" | planted headers git-deepops/lib/base/x.h "x.h"
'

test_expect_success 'banned: calls that have a home, and words that have none' '
	echo "void x(void) { exit(1); }" | planted banned git-deepops/lib/chunk/x.c "exit" &&
	echo "void x(void) { fork(); }" | planted banned git-deepops/cmd/x.c "fork" &&
	echo "void x(void) { fexecve(1, 0, 0); }" | planted banned server/x.c "fexecve" &&
	echo "void x(void) { printf(\"\"); }" | planted banned git-deepops/lib/chunk/x.c "printf" &&
	echo "void x(void) { fputs(\"\", stderr); }" |
		planted banned git-deepops/lib/chunk/x.h "fputs" &&
	echo "void *x(void) { return malloc(1); }" | planted banned server/x.c "malloc" &&
	echo "int x(void) { return rand(); }" | planted banned git-deepops/lib/base/x.c "rand" &&
	echo "int x = strtol(s, 0, 0);" | planted banned git-deepops/lib/base/x.c "strtol" &&
	echo "int x = time(0);" | planted banned git-deepops/lib/base/x.c "time" &&
	echo "/* FIX""ME */" | planted banned git-deepops/cmd/x.c "nowhere"
'

# With clang a fortified stdio.h makes macros of some of them.
test_expect_success 'the compilers refuse what is poisoned' '
	for call in "strcpy(a, b)" "strcat(a, b)" "sprintf(a, b)" "strtok(a, b)" "atoi(a)" \
		"gets(a)" "gmtime(0)" "localtime(0)" "system(a)" "mktemp(a)" "alloca(1)" "ctime(0)"
	do
		printf "void x(char *a, char *b);\nvoid x(char *a, char *b) { (void)%s; (void)b; }\n" \
			"$call" >call.c &&
		for compiler in ${CC:-cc} clang
		do
			command -v "$compiler" >/dev/null || continue
			test_must_fail "$compiler" -std=c11 -D_GNU_SOURCE -Werror -O2 \
				-D_FORTIFY_SOURCE=2 -fsyntax-only \
				-include "$TOP_DIR/git-deepops/lib/base/banned.h" call.c 2>err &&
			test_grep "call.c.*poison\|error: .*ctime_is_banned" err || return 1
		done
	done
'

test_expect_success 'lengths: a long file, a long function, too many of middling length' '
	seq -f "/* %g */" 801 | planted lengths server/x.c "801 lines, 800 allowed" &&
	{ echo "void x(void)" && echo "{" && seq -f "	f(%g);" 121 && echo "}"; } |
		planted lengths server/x.c "x has 121 lines" &&
	for i in 1 2 3 4
	do
		echo "void x$i(void)" && echo "{" && seq -f "	f(%g);" 21 && echo "}"
	done | planted lengths server/x.c "half of the functions" &&
	{ echo "void x(void)" && echo "{" && seq -f "	f(%g);" 61 && echo "}"; } |
		planted lengths server/x.c "nine of ten"
'

test_expect_success 'symbols: a name without its module, a hook that exports, no build at all' '
	B=$TRASH/objects && export B &&
	test_expect_code 1 tree/tests/lint/run symbols >out 2>&1 &&
	test_grep "build first" out &&
	compile () {
		mkdir -p "objects/obj/$(dirname "$1")" &&
		cat >code.c &&
		${CC:-cc} -c -o "objects/obj/$1" code.c
	} &&
	echo "int pack_a; int pack_write_b;" | compile git-deepops/lib/store/pack_write.o &&
	echo "int cmd_x;" | compile git-deepops/cmd/x.o &&
	echo "int main(void) { return 0; }" | compile hooks/pre.o &&
	tree/tests/lint/run symbols &&
	echo "int pack_a; int packer;" | compile git-deepops/lib/store/pack.o &&
	test_expect_code 1 tree/tests/lint/run symbols >out 2>&1 &&
	test_grep "pack.o: packer" out &&
	test_grep ! "pack_a" out &&
	rm objects/obj/git-deepops/lib/store/pack.o &&
	echo "int helper;" | compile git-deepops/cmd/x.o &&
	echo "int pre_x;" | compile hooks/pre.o &&
	test_expect_code 1 tree/tests/lint/run symbols >out 2>&1 &&
	test_grep "x.o: helper" out &&
	test_grep "pre.o: pre_x" out
'

test_done
