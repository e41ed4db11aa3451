#!/bin/sh
test_description='notes of runs are there at once, and say what became of the run'
. "${0%/*}/test-lib.sh"

note () {
	git notes --ref=deepops show "${1-HEAD}"
}

test_expect_success 'the commit of a result shows its run at once' '
	git init -q repo && cd repo && git deepops init 2>../err &&
	echo 1 >seed && printf "%s\n" "echo \"{\\\"acc\\\": 0.\$(cat seed)}\" >metrics.json" >train.sh &&
	git add -A && test_tick && git commit -q -m base && test_must_fail note &&
	git deepops run --no-data -m metrics.json -- sh train.sh &&
	note >../note1 && test_line_count = 1 ../note1 && test_grep " ok train.sh acc=0.1 .*code=clean" ../note1 &&
	git add -A && test_tick && git commit -q -m result 2>../err && test_must_be_empty ../err &&
	note >../note2 && test_grep " ok train.sh acc=0.1 .*code=clean" ../note2
'

test_expect_success 'a commit that only got another message keeps it, also of a dirty run' '
	cd repo && echo 2 >seed && git deepops run --no-data -o out2.txt -- sh -c "cp seed out2.txt" && rm -f out2.txt &&
	note >../before && test_grep "code=dirty" ../before && old=$(git rev-parse HEAD) &&
	test_tick && git commit -q --amend -m "another message" && test "$(git rev-parse HEAD)" != $old &&
	note >../after && sed "s/ t=[^ ]*//" ../before >../want && sed "s/ t=[^ ]*//" ../after >../have && test_cmp ../want ../have &&
	git checkout -q seed
'

test_expect_success 'an empty commit is nobody'\''s experiment' '
	cd repo && git commit -q --allow-empty -m empty && test_must_fail note
'

test_expect_success 'show of a commit: one run whole, of several a line each, of none what to do' '
	cd repo && git deepops show HEAD~2 >../page && test_grep "^run  *[0-9a-f]" ../page && test_grep "^metric  *acc=0.1" ../page &&
	git deepops show HEAD~1 >../lines && test_line_count = 2 ../lines && test_grep "^[0-9a-f]\{12\} ok train.sh" ../lines &&
	test_expect_code 128 git deepops show --json HEAD~1 2>../err && test_grep "2 runs stand behind .HEAD~1." ../err &&
	test_expect_code 128 git deepops show HEAD 2>../err &&
	test_grep "no recorded run stands behind commit $(git rev-parse HEAD | cut -c1-12)" ../err &&
	test_grep "^hint: git deepops run" ../err &&
	test_expect_code 128 git deepops show nothing 2>../err && test_grep "not a run" ../err
'

test_expect_success 'a rerun looks like one' '
	cd repo && run=$(git deepops show HEAD~2 | sed -n "s/^run  *//p") && rec=$(git deepops show HEAD~2 | sed -n "s/^record  *sha256://p") &&
	git deepops rerun $run && git deepops notes rebuild && note HEAD~2 >../notes &&
	test_grep "rerun=$(echo $rec | cut -c1-12):identical" ../notes
'

test_expect_success 'what is retracted says so, at once and after a rebuild' '
	cd repo && GIT_AUTHOR_NAME=Mallory git deepops retract -m "wrong seed" $run && note HEAD~2 >../now &&
	test_grep "^Deepops-Run: $(echo $run | cut -c1-12) retracted train.sh" ../now &&
	test_grep ! "$(echo $run | cut -c1-12) ok" ../now &&
	git deepops notes rebuild && note HEAD~2 >../again && test_cmp ../now ../again &&
	git deepops show $run >../page && test_grep "^retracted  *by Mallory <author@example.org>, journal $(cat .git/deepops/writer)" ../page
'

test_done
