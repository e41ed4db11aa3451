#!/bin/sh
test_description='gc and drop: what anything names, or is about to name, is never removed'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-data.sh"
. "$TESTS_DIR/lib-stop.sh"

# Is all of the dataset in the local store?
whole () {
	rm -rf data && git deepops checkout -q data && diff -r "$1" data
}

test_expect_success 'set up: a version that is tracked, unnamed again, and in no store but ours' '
	new_pair one && cd one && make_data 1 && cp -r data ../v1 && git deepops track -q data && git add -A && git commit -qm v1 &&
	git push -q origin main && test_bytes 400000 7 >data/c && cp -r data ../v2 && git deepops track -q data && cp data.deepops ../v2.deepops &&
	git reset -q --hard && git deepops checkout -q --force data && git deepops gc >out && test_grep "until the grace period" out && rm out
'

test_expect_success 'what is tracked while gc is at work stays' '
	cd one && begin gc-looked git deepops gc --grace 0 &&
	cp ../v2/c data/c && git deepops track -q data && git commit -qm v2 &&
	go_on && git deepops fsck --deep && whole ../v2 &&
	git reset -q --hard HEAD~ && git reflog expire --expire=now --all && git deepops checkout -q --force data
'

test_expect_success 'gc waits for who found something here and names it only now' '
	cd one && cp ../v2/c data/c && begin track-committed git deepops track data &&
	test_expect_code 128 git deepops gc --grace 0 2>../err && test_grep "store in use" ../err && test_grep "^hint: try again" ../err &&
	go_on && git deepops gc --grace 0 && whole ../v2 && git reset -q --hard && git deepops checkout -q --force data
'

test_expect_success 'what is stored again begins a new grace period' '
	cd one && git deepops gc >../out && test_grep "until the grace period" ../out &&
	cp ../v2/c data/c && DEEPOPS_TEST_CLOCK_OFFSET=1123200 git deepops track -q data && git reset -q --hard &&
	git deepops checkout -q --force data && DEEPOPS_TEST_CLOCK_OFFSET=1296000 git deepops gc >../out &&
	test_grep ! "^removed .* no pointer" ../out && cp ../v2.deepops data.deepops && whole ../v2 &&
	git reset -q --hard && git deepops checkout -q --force data &&
	DEEPOPS_TEST_CLOCK_OFFSET=2592000 git deepops gc >../out && test_grep "^removed .* no pointer names" ../out
'

test_expect_success 'the same of a file that is known to be unchanged' '
	cd one && cp ../v2/c data/c && git deepops track -q data && git reset -q --hard && git deepops gc >../out &&
	test_grep "until the grace period" ../out &&
	DEEPOPS_TEST_CLOCK_OFFSET=1123200 git deepops track -q --force data && git reset -q --hard &&
	DEEPOPS_TEST_CLOCK_OFFSET=1296000 git deepops gc >../out && test_grep ! "^removed .* no pointer" ../out &&
	git deepops checkout -q --force data && DEEPOPS_TEST_CLOCK_OFFSET=2592000 git deepops gc >../out && test_grep "^removed" ../out
'

test_expect_success 'what a run reads stays while it goes on' '
	cd one && git deepops gc --grace 0 && test_bytes 300000 9 >in.bin && echo /in.bin >>.git/info/exclude &&
	begin run-ended git deepops run -i in.bin -o out.txt -- sh -c "wc -c <in.bin >out.txt" &&
	rm -f ../out && git deepops gc --grace 0 >../out && test_grep ! "^removed .* no pointer" ../out && go_on &&
	git add out.txt && git commit -qm out && git deepops gc --grace 0 && git push -q origin main
'

test_expect_success 'and while it waits to be recovered' '
	cd one && test_bytes 300000 10 >in.bin &&
	test_expect_code 137 env DEEPOPS_KILL_AT=run-ended git deepops run -i in.bin -o out.txt -- sh -c "cksum <in.bin >out.txt" &&
	git deepops gc --grace 0 >../out && test_grep ! "^removed .* no pointer" ../out &&
	git deepops recover && git add out.txt && git commit -qm recovered && git push -q origin main
'

test_expect_success 'what a later version wrote stops gc' '
	cd one && log=$(git for-each-ref --format="%(refname)" refs/deepops/log | head -n 1) && tip=$(git rev-parse $log) &&
	blob=$(git cat-file blob $log:record.json | sed "s,\"deepops.run/1\",\"deepops.run/2\"," | git hash-object -w --stdin) &&
	tree=$(git ls-tree $log | sed "s,[0-9a-f]\{40\}\(	record.json\),$blob\1," | git mktree) &&
	git update-ref $log $(git commit-tree -p $tip -m later $tree) &&
	test_expect_code 128 git deepops gc --grace 0 2>../err && test_grep "of a later version" ../err && test_grep "^hint: update" ../err &&
	git update-ref $log $tip && git deepops gc --grace 0 &&
	sed "s/version = 1/version = 2/" data.deepops >later.deepops && git add later.deepops && git commit -qm later &&
	test_expect_code 128 git deepops gc --grace 0 2>../err && test_grep "later.deepops is of a later version" ../err &&
	git reset -q --hard HEAD~ && git reflog expire --expire=now --all && git deepops gc --grace 0
'

test_expect_success 'an entry that is malformed does not, and what its tree names stays' '
	cd one && blob=$(echo "{}" | git hash-object -w --stdin) && test_bytes 300000 11 >in.bin &&
	git deepops run -i in.bin -o out.txt -- sh -c "cksum <in.bin >out.txt" && tip=$(git rev-parse $log) &&
	tree=$(git ls-tree $log | sed "s,[0-9a-f]\{40\}\(	record.json\),$blob\1," | git mktree) &&
	git update-ref $log $(git commit-tree -p $tip~ -m bad $tree) && git deepops gc --grace 0 >../out && test_grep ! "^removed .* no pointer" ../out &&
	git update-ref $log $tip && git add out.txt && git commit -qm out && git push -q origin main
'

test_expect_success 'nothing is removed where others push to' '
	before=$(find one.git/deepops/packs -type f | sort) &&
	test_expect_code 128 git -C one.git deepops gc --grace 0 2>err && test_grep "others push to" err &&
	git -C one.git worktree add -q -b side ../side main && cd side &&
	test_expect_code 128 git deepops gc --grace 0 2>../err && test_grep "others push to" ../err &&
	git deepops checkout -q data && test_expect_code 128 git deepops drop --force data 2>../err && test_grep "others push to" ../err &&
	diff -r ../v1 data && cd .. && test "$before" = "$(find one.git/deepops/packs -type f | sort)" &&
	git -C one.git worktree remove --force ../side && git -C one.git branch -q -D side
'

test_expect_success 'drop leaves what versions that are nowhere else share' '
	cd one && git checkout -q -b other && cp -r ../v2/c data/c && git deepops track -q data && git commit -qm v2 &&
	git checkout -q main && git deepops checkout -q data && git -C ../one.git deepops server index . &&
	git deepops drop data && git checkout -q other && whole ../v2 &&
	git checkout -q main && git deepops fetch -q && git deepops checkout -q data && git deepops drop --force data && git checkout -q other && whole ../v2 &&
	git checkout -q main && git deepops fetch -q && git deepops checkout -q data && git worktree add -q ../tree other &&
	git branch -q -m other elsewhere && git deepops drop data && git -C ../tree deepops checkout -q && diff -r ../v2 ../tree/data &&
	git deepops fetch -q && git deepops checkout -q data
'

test_expect_success 'within its limit the cache keeps what the work tree uses' '
	new_pair two && cd two && mkdir data && test_bytes 600000 1 >data/f && git deepops track -q data && git add -A && git commit -qm one &&
	test_bytes 600000 2 >data/f && cp -r data ../used && git deepops track -q data && git commit -qam two && git push -q origin main &&
	git -C ../two.git deepops server index . && git config deepops.cacheLimit 700k && git deepops gc >../out &&
	test_grep "removed .* that the remote has" ../out && git remote set-url origin "$TRASH/nowhere.git" && whole ../used &&
	git checkout -q HEAD~ && test_must_fail git deepops checkout --force data && git checkout -q main &&
	git deepops checkout -q --force data && git remote set-url origin "$TRASH/two.git"
'

test_expect_success 'drop rests on bytes that the server read again, and says what is damaged' '
	cd two && pack=$(find ../two.git/deepops/packs -type f -size +100k | head -n 1) && chmod u+w "$pack" &&
	size=$(stat -c %s "$pack") && for at in 3 5 7; do printf "\377\376\375" | dd of="$pack" bs=1 seek=$((size * at / 10)) conv=notrunc status=none || exit 1; done &&
	test_expect_code 1 git deepops drop data 2>../err && test_grep "data is not safe on origin: damaged there" ../err &&
	test_grep "^hint: git deepops push --data-only" ../err && diff -r ../used data &&
	git deepops push --data-only && git deepops drop data && git deepops fetch -q && whole ../used
'

test_done
