#!/bin/sh
test_description='run when system calls fail or the supervisor is killed in them'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/../fault/sweep.sh"

test_expect_success 'a repository with data and a command to run' '
	git init start &&
	(
		cd start &&
		git deepops init &&
		mkdir data &&
		echo 1 >data/a &&
		echo 2 >data/b &&
		git deepops track data &&
		cat >sum.sh <<-\END &&
		echo started >../started
		cat data/a data/b >sum
		echo done
		END
		git add -A &&
		git commit -m one &&
		echo "# not committed" >>sum.sh
	)
'

# What ended with 0 is recorded; what was recorded is whole; after recover nothing is left
# of a run that died, but a record if its command had begun; the same run again succeeds.
cat >check <<\END
runs () {
	git-deepops runs -n 0 --csv --columns run | sed 1d
}
cd repo
rm -f .git/index.lock
before=$(runs | wc -l)
test "$fault_status" -ne 0 || test "$before" -eq 1
# The command of a run whose supervisor was killed goes on, and is not recovered before it ends.
for i in 1 2 3 4 5 6 7 8 9; do
	git-deepops recover
	test -n "$(ls .git/deepops/spool 2>/dev/null)" || break
	sleep 0.$i
done
after=$(runs | wc -l)
test "$after" -le 1
test "$fault_status" -ne 137 || test ! -e ../started || test "$after" -eq 1
test -z "$(ls .git/deepops/spool 2>/dev/null)"
test -z "$(git for-each-ref refs/deepops/spool)"
git-deepops run -i data -o sum -- sh sum.sh
test "$(runs | wc -l)" -eq $((after + 1))
for run in $(runs); do
	git-deepops show "$run" >/dev/null
done
git-deepops fsck
git fsck --strict
END

sweep_run () {
	fault_sweep git-deepops "$1" "rm -rf repo started && cp -a start repo" \
		"cd repo && git-deepops run -i data -o sum -- sh sum.sh" ". ./check"
}

test_expect_success 'no space, a bad disk' '
	sweep_run "open:%:28 write:%:28 fsync:%+:5 rename:%:28"
'

test_expect_success 'killed in the middle' '
	sweep_run "write:%:kill fsync:%:kill rename:%:kill"
'

test_done
