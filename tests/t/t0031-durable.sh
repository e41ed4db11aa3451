#!/bin/sh
test_description='data before pointers: what a step relies on is synced before it'
. "${0%/*}/test-lib.sh"

# Run a command, and write down what PROGRAM does: traced PROGRAM COMMAND...
traced () {
	traced_=$1 &&
	shift &&
	rm -f "$TRASH/trace" &&
	LD_PRELOAD="$FAULT_LIB" GIT_TEST_FSYNC=1 DEEPOPS_FSYNC="${with_fsync-1}" \
		ASAN_OPTIONS="verify_asan_link_order=0:$ASAN_OPTIONS" \
		DEEPOPS_FAULT_IN="$traced_" DEEPOPS_FAULT_TRACE="$TRASH/trace" "$@" &&
	test_file_not_empty "$TRASH/trace"
}

# Was all in order? durable STORE POINT...
durable () {
	durable_=$1 &&
	shift &&
	"$TESTS_DIR/../fault/durable" "$TRASH/trace" "$TRASH/$durable_" "$@"
}

test_expect_success 'track: packs and segments, the catalogue, then the pointer' '
	git init --bare one.git &&
	git clone one.git repo &&
	(
		cd repo &&
		git deepops init &&
		mkdir data &&
		test_seq 40000 >data/long &&
		echo 1 >data/a &&
		traced git-deepops git-deepops track data
	) &&
	durable repo/.git/deepops "/catalogue\.db$" "/data\.deepops$"
'

test_expect_success 'track of a new version, in a store that is there' '
	(
		cd repo &&
		echo 2 >data/b &&
		traced git-deepops git-deepops track data &&
		git add -A &&
		test_tick &&
		git commit -qm data
	) &&
	durable repo/.git/deepops "/catalogue\.db$" "/data\.deepops$" &&
	cp trace good
'

test_expect_success 'push: the server has all on disk before its catalogue says so' '
	(
		cd repo &&
		traced git-deepops-serve git-deepops push origin main
	) &&
	durable one.git/deepops "/catalogue\.db$"
'

test_expect_success 'fetch: the same in a clone' '
	git clone one.git other &&
	(
		cd other &&
		git deepops init &&
		traced git-deepops git-deepops fetch
	) &&
	durable other/.git/deepops "/catalogue\.db$"
'

test_expect_success 'run: what a record names, then its journal' '
	(
		cd repo &&
		traced git-deepops git-deepops run -i data -o out -- sh -c "cat data/* >out"
	) &&
	durable repo/.git/deepops "/catalogue\.db$" "/refs/deepops/log/"
'

test_expect_success 'the check sees that nothing was synced, or one thing not' '
	(
		cd repo &&
		echo 3 >data/c &&
		with_fsync=0 &&
		traced git-deepops git-deepops track data
	) &&
	test_expect_code 1 durable repo/.git/deepops "/catalogue\.db$" >out &&
	test_grep "packs/.*: its content is not synced before .*/catalogue.db" out &&
	test_grep "segments/.*: its content is not synced before .*/catalogue.db" out &&
	for one in "packs/..$" "incoming/.*/0$" "catalogue\.db$" "segments$" "segments/.tmp-.*"
	do
		sed "\\,^sync .*/$one,d" good >trace &&
		test_expect_code 1 durable repo/.git/deepops "/catalogue\.db$" >out &&
		test_grep "is not synced before" out || return 1
	done &&
	sed "/^unlink .*catalogue\.db-journal$/,\$ { /^sync .*\.git\/deepops$/d; }" good >trace &&
	test_expect_code 1 durable repo/.git/deepops "/data\.deepops$" >out &&
	test_grep "catalogue.db-journal: its removal is not synced before .*/data.deepops" out &&
	cp good trace &&
	test_expect_code 1 durable repo/.git/deepops /no-such-point >out &&
	test_grep "never reached" out
'

test_done
