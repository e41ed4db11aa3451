#!/bin/sh
test_description='bad input: one line that names it, perhaps a hint, exit 128 or 129, from every command'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/../fault/sweep.sh"

commands=$(git deepops --git-completion-helper)

# one_line COMMAND...: exactly one line of stderr begins with "fatal: ", others with "hint: ".
one_line () {
	test "$(grep -c "^fatal: " "$TRASH/err")" = 1 && test "$(grep -cv "^fatal: \|^hint: " "$TRASH/err")" = 0 || {
		echo "of: $*" && cat "$TRASH/err" && return 1
	}
}

# refused CODE PATTERN COMMAND...
refused () {
	want_code=$1 want=$2
	shift 2
	test_expect_code "$want_code" "$@" >"$TRASH/out" 2>"$TRASH/err" </dev/null && one_line "$@" && test_grep "^fatal: .*$want" "$TRASH/err"
}

# What a command wants to be called at all: enough operands for it to look at its repository.
operands () {
	case $1 in
	cat | drop | du | ls | sha256sums | status | track | untrack | fetch) echo data ;;
	logs | rerun | retract | show) echo abcd ;;
	run) echo true ;;
	notes) echo rebuild ;;
	esac
}

test_expect_success 'a repository to be bad in' '
	git init -q --bare server.git && git init -q repo && mkdir repo/data && echo 1 >repo/data/1 &&
	(cd repo && test_commit one && git remote add origin ../server.git && git deepops init && git deepops track data && git add -A && git commit -q -m data)
'

test_expect_success 'an unknown command, and an unknown flag of every command' '
	refused 129 "frobnicate" git deepops frobnicate && test_grep "^hint: " err &&
	cd repo &&
	for c in $commands
	do
		refused 129 "frob" git deepops $c --frob || return 1
	done
'

test_expect_success 'not a repository: every command that needs one' '
	mkdir -p nothing && cd nothing &&
	for c in $commands
	do
		case $c in
		explain | help | version | machine | policy | server) continue ;;
		esac
		refused 128 "not a git repository" git deepops $c $(operands $c) || return 1
	done &&
	refused 128 "not a git repository" git deepops server doctor "$TRASH/nothing" &&
	refused 128 "not a git repository" git-deepops-serve "$TRASH/nothing"
'

test_expect_success 'a SHA-256 repository: every command that needs one' '
	git init -q --object-format=sha256 sha256 && cd sha256 &&
	for c in $commands
	do
		case $c in
		explain | help | version | machine | policy | server) continue ;;
		esac
		refused 128 "SHA-256 repository" git deepops $c $(operands $c) || return 1
	done
'

test_expect_success 'a path that is missing: every command that takes one' '
	cd repo &&
	for c in cat checkout diff drop du fetch ls sha256sums status track untrack "run -i" \
		"policy lint" "check --policy" "server doctor" "server install"
	do
		last=$(test "$c" != "run -i" || echo true)
		refused 128 "missing" git deepops $c missing $last || return 1
	done
'

test_expect_success 'a run that is missing, or none' '
	cd repo &&
	for c in logs rerun retract show
	do
		refused 128 "no run .abcd" git deepops $c abcd && refused 128 "zzzz" git deepops $c zzzz || return 1
	done
'

test_expect_success 'a malformed record is named by who asks for it' '
	cd repo && git deepops run -q --no-data -- true &&
	ref=$(git for-each-ref --format="%(refname)" refs/deepops/log) && id=$(printf "{\"run\":1}" | sha256sum | cut -c1-16) &&
	blob=$(printf "{\"run\":1}" | git hash-object -w --stdin) &&
	tree=$(printf "100644 blob %s\trecord.json\n" $blob | git mktree) &&
	git update-ref $ref $(git commit-tree -m bad -p $ref $tree) &&
	for c in logs rerun show
	do
		refused 128 "record" git deepops $c $id || return 1
	done &&
	git deepops runs >out && test_line_count = 1 out && git deepops run -q --no-data -- true &&
	git deepops runs >out && test_line_count = 2 out
'

test_expect_success 'an unreadable file: nothing is recorded' '
	cd repo && git status -s >../before && mkdir closed && echo 1 >closed/f && chmod 0 closed/f && git rev-parse HEAD refs/deepops/log/* >../refs &&
	refused 128 "closed/f: .*Permission denied" test_unprivileged git deepops track closed &&
	echo 2 >>data/1 && chmod 0 data/1 &&
	refused 128 "data/1: .*Permission denied" test_unprivileged git deepops run -i data -- true &&
	refused 128 "data/1: .*Permission denied" test_unprivileged git deepops track data &&
	chmod u+rw data/1 closed/f && git deepops checkout -f && rm -r closed &&
	git rev-parse HEAD refs/deepops/log/* >../got && test_cmp ../refs ../got && git status -s >../after && test_cmp ../before ../after
'

# full CALL COMMAND...: that call fails with ENOSPC from now on.
full () {
	call=$1
	shift
	# A sanitizer wants to be loaded first, and can't.
	test_expect_code 128 env LD_PRELOAD="$FAULT_LIB" DEEPOPS_FAULT="$call:1+:28" \
		ASAN_OPTIONS="verify_asan_link_order=0:$ASAN_OPTIONS" git-deepops "$@" >../out 2>../err &&
	test_grep "^fatal: .*No space left on device" ../err
}

test_expect_success 'no space: track, run and checkout say so, and do it when there is some' '
	cd repo && test_bytes 200000 1 >data/new &&
	full write track data && git deepops track data && git commit -q -m new &&
	full write run -i data -- true && git deepops run -q -i data -- true &&
	rm data/new && full pwrite checkout && git deepops checkout && test_path_is_file data/new
'

test_done
