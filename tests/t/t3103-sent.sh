#!/bin/sh
test_description='what was sent is remembered of a store, never of a name: no older version stays behind'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-data.sh"
. "$TESTS_DIR/lib-sent.sh"

# Nothing to send is said by nothing at all.
says_nothing () {
	git -C "$1" deepops push --data-only 2>err && test_must_be_empty err
}

test_expect_success 'a clone with three versions, never pushed' '
	three_versions
'

test_expect_success '--no-verify first: a plain push with nothing new for git makes all of it good' '
	again && git -C one push -q --no-verify origin main &&
	git -C one push origin main 2>err && test_grep "deepops: sent 3 datasets" err &&
	all_there one.git 1 2 3 && says_nothing one
'

test_expect_success '--no-verify first: so does push --data-only' '
	again && git -C one push -q --no-verify origin main &&
	git -C one deepops push --data-only && all_there one.git 1 2 3
'

test_expect_success '--no-verify first: so does a push of one more commit' '
	again && git -C one push -q --no-verify origin main && (cd one && version 4) &&
	git -C one push -q origin main && all_there one.git 1 2 3 4
'

test_expect_success '--no-verify in between, more than once' '
	again && git -C one push -q origin main~2:refs/heads/main && git -C one push -q --no-verify origin main~1:refs/heads/main &&
	git -C one push -q origin main && all_there one.git 1 2 3 &&
	(cd one && version 4 && git push -q --no-verify origin main && version 5) &&
	git -C one push -q origin main && all_there one.git 1 2 3 4 5
'

test_expect_success 'work before init, the branch was pushed by git alone' '
	again && rm one/.git/hooks/pre-push && git -C one push -q origin main &&
	git -C one deepops init && git -C one push -q origin main && all_there one.git 1 2 3
'

test_expect_success 'the hook was missing for a while' '
	again && git -C one push -q origin main~2:refs/heads/main && mv one/.git/hooks/pre-push hook &&
	git -C one push -q origin main && (cd one && version 4) && git -C one push -q origin main &&
	mv hook one/.git/hooks/pre-push && (cd one && version 5) && git -C one push -q origin main &&
	all_there one.git 1 2 3 4 5
'

test_expect_success 'push --mirror first, to a place that took no data then' '
	again && git init -q --bare two.git && git -C one remote add two "$TRASH/two.git" &&
	git -C one push -q --mirror two && test_path_is_missing two.git/deepops &&
	git -C one config remote.two.deepops true && git -C one push -q two main &&
	all_there two.git 1 2 3
'

test_expect_success 'a remote made with --mirror=push takes data and records' '
	again && rm -rf two.git && git init -q --bare two.git &&
	git -C one remote add --mirror=push two "$TRASH/two.git" && git -C one config remote.two.deepops true &&
	(cd one && git deepops run -q --no-data -- true) &&
	test_expect_code 1 git -C one push two 2>err && test_grep "^hint: the journal is there now" err &&
	all_there two.git 1 2 3 &&
	git -C two.git for-each-ref refs/deepops/log >journals && test_line_count = 1 journals
'

test_expect_success 'git remote set-url: the new server gets all of it, records too' '
	again && (cd one && git deepops run -q -i data -- true) && git -C one push -q origin main &&
	rm -rf two.git && git init -q --bare two.git && git -C one remote set-url origin "$TRASH/two.git" &&
	git -C one push -q origin main && all_there two.git 1 2 3 &&
	git -C one.git for-each-ref refs/deepops/log >want && test_line_count = 1 want &&
	git -C two.git for-each-ref refs/deepops/log >got && test_cmp want got
'

test_expect_success 'and back again, where only what is new goes' '
	git -C one remote set-url origin "$TRASH/one.git" && (cd one && version 4) &&
	git -C one push origin main 2>err && test_grep "sent 1 dataset " err && all_there one.git 1 2 3 4
'

test_expect_success 'a run without data: its record goes to the new server as well' '
	new_pair bare && (cd bare && test_commit a && git deepops run -q --no-data -- true && git push -q origin main) &&
	git init -q --bare bare2.git && git -C bare remote set-url origin "$TRASH/bare2.git" &&
	git -C bare push -q origin main && git -C bare.git for-each-ref refs/deepops/log >want &&
	test_line_count = 1 want && git -C bare2.git for-each-ref refs/deepops/log >got && test_cmp want got
'

test_expect_success 'a server put back to an older state of its store' '
	again && git -C one push -q origin main~2:refs/heads/main && cp -r one.git/deepops backup &&
	git -C one push -q origin main && rm -rf one.git/deepops && mv backup one.git/deepops &&
	(cd one && version 4) && git -C one push -q origin main 2>err && test_grep "lacks data that it had" err &&
	all_there one.git 1 2 3 4
'

test_expect_success 'one that was put back, and used by others since: its generation went on' '
	again && git -C one push -q origin main~2:refs/heads/main && cp -r one.git/deepops backup &&
	git -C one push -q origin main && says_nothing one &&
	rm -rf one.git/deepops && mv backup one.git/deepops &&
	git clone -q one.git other && test_when_finished "rm -rf other" && git -C other deepops init &&
	(
		cd other && git checkout -q --orphan other && git rm -q -r -f . && for n in 1 2 3 4 5 6 7 8; do
			echo $n >b && git deepops track -q b && git add -A && git commit -q -m $n &&
			git push -q origin HEAD:refs/heads/other || return 1
		done
	) &&
	git -C one.git update-ref -d refs/heads/other &&
	(cd one && version 4) && git -C one push -q origin main 2>err && test_grep "lacks data that it had" err &&
	all_there one.git 1 2 3 4
'

test_expect_success 'a copy of a server has its uuid, and is asked for itself' '
	again && git -C one push -q origin main~2:refs/heads/main &&
	git -C one deepops push --data-only origin main~2 &&
	rm -rf two.git && cp -r one.git two.git &&
	git -C one push -q origin main && git -C one remote set-url origin "$TRASH/two.git" &&
	git -C one push -q --no-verify origin main && git -C one push -q origin main &&
	all_there two.git 1 2 3
'

test_expect_success 'a push that failed is not remembered as pushed' '
	again && git -C one push -q origin main~2:refs/heads/main &&
	git -C one deepops push --data-only origin main~2 &&
	for point in push-before-session push-chunk push-node push-before-commit
	do
		(cd one && test_expect_code 137 env DEEPOPS_KILL_AT=$point git-deepops push --data-only) || return 1
	done &&
	git -C one config remote.origin.deepopsServe "'"'$TESTS_DIR/helper/relay'"' --cut-up 200 git-deepops-serve" &&
	cp -r one/.git/deepops/sent before &&
	test_expect_code 128 git -C one deepops push --data-only && diff -r before one/.git/deepops/sent &&
	git -C one config --unset remote.origin.deepopsServe &&
	git -C one push -q origin main && all_there one.git 1 2 3
'

test_expect_success 'push --all asks about every version of every ref, whatever is remembered' '
	again && git -C one push -q origin main && git -C one branch side main~1 &&
	(cd one && git checkout -q side && version 9 && git checkout -q main) &&
	rm -rf one.git/deepops/packs/* one.git/deepops/segments/* one.git/deepops/catalogue.db &&
	rm -rf one.git/deepops && git -C one deepops push --all --data-only 2>err &&
	test_grep "of 4 datasets" err && git -C one push -q --no-verify origin side && all_there one.git 1 2 3 9
'

test_expect_success 'what is nowhere is counted and named, and the exit status says so' '
	again && rm -rf one/.git/deepops && git -C one deepops track -q data &&
	test_expect_code 1 git -C one deepops push --data-only 2>err &&
	test_grep "^warning: 2 older dataset versions are neither here nor on the remote" err &&
	test_grep "(data.deepops, ...)" err &&
	test_expect_code 1 git -C one deepops push --data-only 2>err && test_grep "^warning: 2 older" err &&
	test_expect_code 1 git -C one deepops push --all --data-only 2>err && test_grep "^warning: 2 older" err
'

test_expect_success 'the hook says it too, and lets an honest push pass' '
	git -C one push origin main 2>err && test_grep "^warning: 2 older dataset versions" err &&
	git -C one.git rev-parse main >got && git -C one rev-parse main >want && test_cmp want got
'

test_expect_success 'a tag whose data is nowhere stops no push, a branch does, with the reason' '
	git -C one push -q origin main~1:refs/tags/old 2>err && test_grep "^warning: 2 older" err &&
	test_expect_code 1 git -C one push origin main~2:refs/heads/old 2>err &&
	test_grep "neither here nor on the remote" err && test_grep "^hint: " err
'

test_expect_success 'what comes back is sent by a later push' '
	(cd one && echo "version 2" >data/a && git deepops track -q data && version 4) &&
	git -C one push origin main 2>err &&
	test_grep "^warning: 1 older dataset version is" err && test_grep "sent 2 datasets" err
'

test_done
