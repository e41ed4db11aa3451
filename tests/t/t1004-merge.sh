#!/bin/sh
test_description='pointers merge: by plain git without our driver, and entry by entry with it'
. "${0%/*}/test-lib.sh"

# A repository with one dataset of shards a to f, on main; no init: git knows no driver of ours.
make_repo () {
	git init -q "$1" && cd "$1" &&
	for d in a b c d e f; do mkdir -p data/$d && echo 1 >data/$d/1 && echo 2 >data/$d/2 || return 1; done &&
	git deepops track -q data && git commit -q -m base && git tag base
}

# side NAME COMMANDS: a branch from base whose data was changed by the commands.
side () {
	git checkout -q -f base && git deepops checkout -q -f && find data -type d -empty -delete &&
	git deepops checkout -q -f && git checkout -q -b "$1" &&
	(cd data && eval "$2") && git deepops track -q data && git commit -q -m "$1"
}

# merge TITLE OURS THEIRS: both sides, then plain git merge of theirs into ours.
merge () {
	n=$((${n-0} + 1)) && side ours$n "$1" && side theirs$n "$2" && git checkout -q -f ours$n && git merge -q theirs$n >../merge-out 2>&1
}

# clean OURS THEIRS: it merges, and the result is what both changes give together.
clean () {
	merge "$1" "$2" && git deepops checkout -q -f && git deepops status --exit-code &&
	cp data.deepops ../merged && side both$n "$1; $2" && test_cmp data.deepops ../merged
}

conflict () {
	if merge "$1" "$2"; then echo "no conflict: $1 | $2"; return 1; fi &&
	grep "<<<<<<<" data.deepops >/dev/null && test_expect_code 128 git deepops status 2>../err &&
	test_grep "merge conflicts" ../err && git merge --abort
}

test_expect_success 'setup' '
	(make_repo plain)
'

test_expect_success 'plain git: different shards changed, also next to each other' '
	cd plain &&
	clean "echo x >a/1" "echo y >f/1" &&
	clean "echo x >b/1" "echo y >c/1" &&
	clean "echo x >a/1; echo x >c/1; echo x >e/1" "echo y >b/1; echo y >d/1; echo y >f/1"
'

test_expect_success 'plain git: changed next to deleted' '
	cd plain && clean "echo x >b/1" "rm -r c" && clean "rm -r b" "echo y >c/1"
'

test_expect_success 'plain git: changed next to added' '
	cd plain && clean "echo x >b/1" "mkdir ba; echo n >ba/1" && clean "mkdir bz; echo n >bz/1" "echo y >c/1"
'

test_expect_success 'plain git: at both ends' '
	cd plain && clean "mkdir A; echo n >A/1" "echo y >a/1" && clean "rm -r a" "echo y >b/1; mkdir g; echo n >g/1" &&
	clean "rm -r f" "echo y >e/1" && clean "echo x >f/1" "mkdir g; echo n >g/1"
'

test_expect_success 'plain git: adds and deletes at different places' '
	cd plain && clean "mkdir ba; echo n >ba/1" "mkdir ca; echo m >ca/1" && clean "rm -r b" "rm -r d" &&
	clean "rm -r b" "mkdir da; echo n >da/1"
'

test_expect_success 'plain git: the same change on both sides' '
	cd plain && clean "echo x >b/1" "echo x >b/1" && clean "rm -rf c" "rm -rf c"
'

test_expect_success 'plain git: conflicts where it must be, and said so' '
	cd plain && conflict "echo x >b/1" "echo y >b/2" &&
	conflict "mkdir ba; echo n >ba/1" "mkdir bb; echo m >bb/1" &&
	conflict "mkdir ba; echo n >ba/1" "rm -r b" &&
	conflict "rm -r b" "rm -r c" &&
	conflict "rm -r b" "echo y >b/1"
'

test_expect_success 'the hint for such a pointer merges it' '
	(make_repo late) && cd late && if merge "echo x >b/1" "echo y >b/2"; then false; fi &&
	test_expect_code 128 git deepops status 2>../err &&
	test_grep "^hint: .*git deepops init && git checkout --merge -- .data.deepops." ../err &&
	git deepops init && git checkout --merge -- data.deepops && git deepops checkout && git deepops track data &&
	git ls-files -u >../out && test_must_be_empty ../out && git commit -q -m merged && test "$(cat data/b/1 data/b/2)" = "x
y"
'

test_expect_success 'with the driver all of these merge' '
	(make_repo driven) && cd driven && git deepops init >/dev/null 2>&1 && git add -A && git commit -q -m init && git tag -f base &&
	clean "echo x >b/1" "echo y >b/2" && same_shard=$n &&
	clean "mkdir ba; echo n >ba/1" "mkdir bb; echo m >bb/1" &&
	clean "mkdir ba; echo n >ba/1" "rm -r b" &&
	clean "rm -r b" "rm -r c" &&
	clean "mkdir b/deep; echo 1 >b/deep/1; rm a/1" "echo 3 >b/3; chmod +x a/2" &&
	clean "mv a/1 b/moved" "echo other >c/1"
'

test_expect_success 'content from one side, mode from the other' '
	cd driven && clean "echo x >b/1" "chmod +x b/1" && git checkout -q -f both$n && git deepops checkout -q -f &&
	test -x data/b/1 && test "$(cat data/b/1)" = x
'

test_expect_success 'true conflicts are listed per path; ours stays, valid' '
	cd driven &&
	if merge "echo x >b/1; echo x >c/1; echo only >d/ours" "echo y >b/1; rm c/1; echo only >d/theirs"; then false; fi &&
	test_grep "data.deepops: both sides changed b/1" ../merge-out && test_grep "data.deepops: both sides changed c/1" ../merge-out &&
	git ls-files -u >../out && test_file_not_empty ../out &&
	git deepops checkout -q && test "$(cat data/b/1 data/c/1 data/d/ours data/d/theirs)" = "x
x
only
only" && echo settled >data/b/1 && git deepops track -q data && git ls-files -u >../out && test_must_be_empty ../out &&
	git commit -q -m merged && git deepops status --exit-code
'

test_expect_success 'a file dataset: one side changed, or both' '
	cd driven && git checkout -q -f base && echo 1 >single && git deepops track -q single && git commit -q -m single &&
	git checkout -q -b s1 && echo 2 >single && git deepops track -q single && git commit -q -m s1 &&
	git checkout -q -b s2 HEAD~1 && git deepops checkout -q && chmod +x single && git deepops track -q single && git commit -q -m s2 &&
	git merge -q s1 && git deepops checkout -q && test "$(cat single)" = 2 && test -x single &&
	git checkout -q -b s3 s1 && git deepops checkout -q && echo 3 >single && git deepops track -q single && git commit -q -m s3 &&
	git checkout -q -b s4 s1 && git deepops checkout -q && echo 4 >single && git deepops track -q single && git commit -q -m s4 &&
	test_must_fail git merge s3 >../out 2>&1 && test_grep "both sides changed the file" ../out &&
	git deepops checkout -q && test "$(cat single)" = 4 && git merge --abort
'

test_expect_success 'both sides track the same path anew' '
	cd driven && git checkout -q -f base && git checkout -q -b n1 && mkdir fresh && echo 1 >fresh/1 && git deepops track -q fresh && git commit -q -m n1 &&
	git checkout -q -b n2 base && rm fresh/1 && echo 2 >fresh/2 && git deepops track -q fresh && git commit -q -m n2 &&
	git merge -q n1 && git deepops checkout -q && test "$(cat fresh/1 fresh/2)" = "1
2"
'

test_expect_success 'nodes that are not here: a conflict with the mend, not a broken merge' '
	git clone -q driven clone && cd clone && git deepops init >/dev/null 2>&1 &&
	git checkout -q -b o1 origin/ours$same_shard~1 && git config deepops.remote "$TRASH/nowhere" &&
	test_must_fail git merge origin/theirs$same_shard >../out 2>&1 && git ls-files -u >../unmerged && test_file_not_empty ../unmerged &&
	test_grep "^fatal: data.deepops: .*nowhere" ../out && test_grep "^hint: .*git checkout --merge -- data.deepops" ../out
'

test_expect_success 'the mend: merged again once the remote answers, which is asked for the nodes alone' '
	cd clone && git config --unset deepops.remote && git checkout --merge -- data.deepops &&
	git show :2:data.deepops >../ours && ! test_cmp ../ours data.deepops && git add data.deepops && git commit -q -m merged &&
	git deepops fetch >../out 2>&1 && test_grep "^fetched [1-9]" ../out && git deepops checkout -q &&
	test "$(cat data/b/1 data/b/2)" = "x
y"
'

test_expect_success 'textconv and merge-driver want what git gives them' '
	cd driven && test_expect_code 129 git deepops merge-driver a 2>../err && test_expect_code 129 git deepops textconv 2>../err &&
	git deepops textconv data.deepops >../out && test_grep "^100644 [0-9a-f]* 2 a/1$" ../out &&
	echo nonsense >../n && git deepops textconv ../n >../out && test_cmp ../n ../out
'

test_done
