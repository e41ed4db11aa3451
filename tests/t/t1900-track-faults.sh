#!/bin/sh
test_description='track when system calls fail or the process is killed in them'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/../fault/sweep.sh"

test_expect_success 'a repository to start from, and what tracking it gives' '
	git init start &&
	(
		cd start &&
		git commit --allow-empty -m one &&
		git deepops init &&
		mkdir -p data/sub &&
		for i in 1 2 3 4
		do
			echo "file $i" >data/f$i &&
			cp data/f$i data/sub/g$i || return 1
		done &&
		test_seq 40000 >data/long
	) &&
	cp -a start done &&
	git -C done deepops track data
'

# Whole or not there; no rubbish after an error; fsck has no complaint; the same command
# again succeeds, and gives what it gives without a fault.
cat >check <<\END
cd repo
if test "$fault_status" -eq 0; then
	git ls-files --error-unmatch data.deepops
fi
if test -e data.deepops; then
	cmp data.deepops ../done/data.deepops
fi
if test "$fault_status" -eq 128; then
	test -z "$(find . -name ".tmp-*" -o -name "*.lock")"
fi
rm -f .git/index.lock
git deepops fsck
git deepops track data
cmp data.deepops ../done/data.deepops
git diff --cached --name-only >staged
git -C ../done diff --cached --name-only | cmp - staged
git deepops fsck
END

sweep_track () {
	fault_sweep git-deepops "$1" "rm -rf repo && cp -a start repo" \
		"cd repo && git-deepops track data" ". ./check"
}

test_expect_success 'no space' '
	sweep_track "open:%:28 write:%:28 pwrite:%:28 mkdir:%:28"
'

test_expect_success 'a bad disk' '
	sweep_track "fsync:%:5 fdatasync:%:5 close:%:5 rename:%:5"
'

test_expect_success 'short writes' '
	sweep_track "write:%:short pwrite:%:short"
'

test_expect_success 'killed in the middle' '
	sweep_track "open:%:kill write:%:kill fsync:%:kill rename:%:kill unlink:%:kill"
'

test_done
