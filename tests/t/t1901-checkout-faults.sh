#!/bin/sh
test_description='checkout when system calls fail or the process is killed in them'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/../fault/sweep.sh"

test_expect_success 'two versions: files that change, come, go, and trade places with directories' '
	git init -q repo &&
	(
		cd repo && mkdir -p data/sub data/turns/into &&
		for i in 1 2 3 4; do echo "old $i" >data/f$i && echo "old $i" >data/sub/g$i || return 1; done &&
		test_seq 40000 >data/long && echo 1 >data/turns/into/file && ln -s f1 data/link && echo 1 >data/same &&
		git deepops track -q data && git commit -q -m old && git tag old && cp -a data ../old &&
		for i in 1 2 3; do echo "new $i" >data/f$i && echo "new $i" >data/sub/g$i || return 1; done &&
		rm -r data/sub/g4 data/turns data/f4 data/link && test_seq 41000 >data/long && echo 2 >data/turns && ln -s f2 data/link &&
		mkdir -p data/f4/deep data/come && echo 2 >data/f4/deep/file && echo 2 >data/come/new && chmod +x data/same &&
		git deepops track -q data && git commit -q -m new && cp -a data ../new &&
		git checkout -q old && git deepops checkout -q && diff -r ../old data &&
		echo "of the user" >data/untracked && git checkout -q -
	) &&
	mv repo start && echo "of the user" >new/untracked
'

# What is there is whole, old or new, and what is the user's stays; no rubbish after an error;
# the same command again goes on to the end.
cat >check <<\END
cd repo
test "$(cat data/untracked)" = "of the user"
(cd data && find . ! -type d ! -name ".tmp-*" ! -name untracked) >../names
while read -r name; do
	for v in old new; do
		if test -L "data/$name"; then
			test "$(readlink "data/$name")" = "$(readlink "../$v/$name")" && continue 2
		elif test -f "../$v/$name"; then
			cmp -s "data/$name" "../$v/$name" && continue 2
		fi
	done
	echo "neither old nor new: $name"
	exit 1
done <../names
if test "$fault_status" -eq 128; then
	test -z "$(find . -name ".tmp-*")"
fi
git deepops checkout -q
diff -r ../new data
test -x data/same
test -z "$(find . -name ".tmp-*")"
git deepops status >../status
grep "^modified  *data (1 added)" ../status
END

sweep_checkout () {
	fault_sweep git-deepops "$1" "rm -rf repo && cp -a start repo" \
		"cd repo && git-deepops checkout -q" ". ./check"
}

test_expect_success 'no space' '
	sweep_checkout "open:%:28 write:%:28 pwrite:%:28 mkdir:%:28"
'

test_expect_success 'a bad disk' '
	sweep_checkout "close:%:5 rename:%:5 unlink:%:5"
'

test_expect_success 'short writes' '
	sweep_checkout "write:%:short pwrite:%:short"
'

test_expect_success 'killed in the middle' '
	sweep_checkout "open:%:kill write:%:kill mkdir:%:kill rename:%:kill unlink:%:kill"
'

test_done
