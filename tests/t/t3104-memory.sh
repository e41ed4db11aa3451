#!/bin/sh
test_description='what is remembered of a store: cut connections, damaged files, stores that lie about who they are'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-data.sh"
. "$TESTS_DIR/lib-sent.sh"

relayed () {
	git -C one config remote.origin.deepopsServe "'$TESTS_DIR/helper/relay' $* git-deepops-serve"
}

direct () {
	git -C one config --unset-all remote.origin.deepopsServe
}

# Versions 1 is there and remembered, 2 and 3 are here alone.
first_pushed () {
	again && git -C one push -q origin main~2:refs/heads/main && git -C one deepops push --data-only origin main~2
}

test_expect_success 'a clone with three versions' '
	three_versions && first_pushed && ls one/.git/deepops/sent >names && test_grep "^[0-9a-f]\{32\}-[0-9a-f]\{16\}$" names
'

test_expect_success 'cut anywhere, either way, once or twice: the next push makes all of it good' '
	for cut in "--cut-up 50" "--cut-up 200" "--cut-up 400" "--cut-up 700" "--cut-down 10" "--cut-down 120" "--cut-down 160"
	do
		first_pushed && relayed $cut && test_must_fail git -C one push -q origin main &&
		test_must_fail git -C one deepops push --data-only && direct &&
		git -C one push -q origin main && all_there one.git 1 2 3 || { echo "$cut"; return 1; }
	done
'

test_expect_success 'a fetch that was cut brings the rest of all versions with the next' '
	for at in 100 400 700
	do
		rm -rf two && git clone -q one.git two && git -C two deepops init && git -C two deepops remote check &&
		git -C two config remote.origin.deepopsServe "'"'$TESTS_DIR/helper/relay'"' --cut-down $at git-deepops-serve" &&
		test_must_fail git -C two deepops fetch --all &&
		git -C two config --unset remote.origin.deepopsServe && git -C two deepops fetch --all &&
		git -C two deepops cat HEAD~2:data/a && git -C two deepops cat HEAD:data/a || return 1
	done
'

# claim FILE: it says that the tip is there, and no longer hashes to what it says.
claim () {
	sed "s/^commit .*/commit $(git -C one rev-parse main)/" "$1"
}

test_expect_success 'a file that is cut off, edited, of another version or no file says nothing' '
	for damage in "head -c 100" "head -c 0" "sed \$d" claim "sed s/sent.1/sent.2/" "sed s/c//" "sed p" garbage directory
	do
		first_pushed && file=$(ls one/.git/deepops/sent/*-*[0-9a-f] | grep -v journal) &&
		case $damage in
		garbage) test_bytes 5000 1 >"$file" ;;
		directory) rm "$file" && mkdir "$file" ;;
		*) $damage "$file" >damaged && cat damaged >"$file" ;;
		esac &&
		git -C one push -q --no-verify origin main &&
		git -C one push -q origin main && all_there one.git 1 2 3 || { echo "$damage"; return 1; }
	done
'

test_expect_success 'files of before, by the name of a remote, say nothing' '
	again && mkdir -p one/.git/deepops/pushed && git -C one rev-parse main | sed "s/^/commit /" >one/.git/deepops/pushed/origin &&
	git -C one push -q origin main && all_there one.git 1 2 3
'

test_expect_success 'what cannot be remembered stops no push' '
	first_pushed && rm -rf one/.git/deepops/sent && : >one/.git/deepops/sent &&
	git -C one push origin main 2>err && test_grep "^warning: what was sent is not remembered" err && all_there one.git 1 2 3
'

test_expect_success 'two weeks later everything is asked about again' '
	first_pushed && git -C one push -q origin main && rm -rf backup && cp -r one.git/deepops backup &&
	DEEPOPS_TEST_CLOCK_OFFSET=1300000000 && test_when_finished "unset DEEPOPS_TEST_CLOCK_OFFSET" &&
	export DEEPOPS_TEST_CLOCK_OFFSET && git -C one deepops push --data-only && file=$(grep -l "^since" one/.git/deepops/sent/*-*) &&
	grep -h "^since" $file | cut -d" " -f2 | sort -n | tail -1 >since && test "$(cat since)" -gt $(($(date +%s) + 1200000))
'

test_expect_success 'another uuid at every connection: all is asked, nothing is lost, and the files stay few' '
	again && relayed --uuid random &&
	for n in 4 5 6
	do
		(cd one && version $n && git push -q origin main) || return 1
	done &&
	for n in $(seq 100); do : >one/.git/deepops/sent/$n || return 1; done &&
	for n in 7 8; do (cd one && version $n && git push -q origin main) || return 1; done &&
	ls one/.git/deepops/sent >names && test_line_count -le 64 names &&
	direct && git -C one push -q origin main && all_there one.git 1 2 3 4 5 6 7 8
'

test_expect_success 'a uuid is a name of hex digits, whatever its bytes' '
	again && relayed --uuid 2e2e2f2e2e2f2e2e2f2e2e2f6576696c && git -C one deepops push --data-only &&
	test_path_is_file one/.git/deepops/sent/2e2e2f2e2e2f2e2e2f2e2e2f6576696c-*
'

test_expect_success 'a store that says it is another one takes nothing away from that one' '
	first_pushed && git init -q --bare liar.git && git -C one remote add liar "$TRASH/liar.git" && git -C one config remote.liar.deepops true &&
	uuid=$(ls one/.git/deepops/sent | sed -n "s/^\([0-9a-f]\{32\}\)-.*/\1/p" | head -1) && test -n "$uuid" &&
	git -C one config remote.liar.deepopsServe "'"'$TESTS_DIR/helper/relay'"' --uuid $uuid git-deepops-serve" &&
	git -C one push -q liar main && git -C one push -q origin main && all_there one.git 1 2 3 && all_there liar.git 1 2 3
'

test_expect_success 'pushes to two stores at once, and twice to one' '
	for round in 1 2 3
	do
		again && rm -rf b.git && git init -q --bare b.git && git -C one remote add b "$TRASH/b.git" && git -C one config remote.b.deepops true &&
		{
			git -C one deepops push --data-only origin & p1=$!
			git -C one deepops push --data-only b & p2=$!
			git -C one deepops push --data-only origin & p3=$!
			wait $p1 && wait $p2 && wait $p3
		} && git -C one push -q origin main && git -C one push -q b main && all_there one.git 1 2 3 && all_there b.git 1 2 3 || return 1
	done
'

test_expect_success 'a history that was shallow is looked at again when it is not' '
	again && git -C one push -q origin main && git clone -q --depth 1 "file://$TRASH/one.git" shallow &&
	git -C shallow deepops init && git -C shallow deepops pull -q && rm -rf b.git && git init -q --bare b.git &&
	git -C shallow remote add b "$TRASH/b.git" && git -C shallow config remote.b.deepops true &&
	git -C shallow deepops push --data-only b && git -C shallow deepops push --data-only b &&
	git -C shallow fetch -q --unshallow origin && git -C shallow deepops fetch -q --all &&
	git -C shallow push -q b main && all_there b.git 1 2 3
'

test_done
