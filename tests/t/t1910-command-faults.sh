#!/bin/sh
test_description='every command that writes, when system calls fail or it is killed in them'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-data.sh"
# shellcheck source=tests/fault/sweep.sh
. "$TESTS_DIR/../fault/sweep.sh"

errors="open:%:28 write:%:28 pwrite:%:28 mkdir:%:28 fsync:%:5 fdatasync:%:5 rename:%:5"
kills="open:%:kill write:%:kill fsync:%:kill rename:%:kill unlink:%:kill"

# A server, and a clone with two versions of its data: one is there, one is only here.  A run is
# recorded, and a clean clone looks on.
test_expect_success 'a world to start from' '
	mkdir start &&
	git init -q --bare start/srv.git &&
	git deepops server install start/srv.git &&
	git clone -q start/srv.git start/repo 2>/dev/null &&
	git -C start/repo remote set-url origin ../srv.git &&
	(
		cd start/repo &&
		git deepops init &&
		track_and_commit 1 &&
		git push -q origin main &&
		cp -a data ../data.1 &&
		track_and_commit 2 &&
		cp -a data ../data.2 &&
		git deepops run -q -i data -o out -- sh -c "cat data/* >out"
	)
'

# sweep COMMAND CHECK [FAULTS]: in a copy of that world.
sweep () {
	sweep_before_=$fault_hits FAULT_MAY_MISS=t &&
	fault_sweep git-deepops "${3-$errors $kills}" \
		"rm -rf world && cp -a start world" "cd world/repo && $1" "cd world/repo
rm -f .git/index.lock
$2" &&
	test "$fault_hits" -ge $((sweep_before_ + 5))
}

# Both versions of the data come to a clone, the run is recorded once, all is sound.
cat >whole <<\END
git deepops fsck
git fsck --no-dangling
git deepops fetch
git deepops checkout
diff -r data ../data.2
git push -q origin main
rm -rf ../there
git clone -q ../srv.git ../there
cd ../there
git deepops init
git deepops pull
diff -r data ../data.2
git deepops fetch --all
git deepops checkout HEAD~1 -- data
diff -r data ../data.1
test "$(git deepops runs -n 0 --csv --columns run | sed 1d | wc -l)" -eq "${runs-1}"
cd ../repo
END

test_expect_success 'gc' '
	sweep "git-deepops gc --grace 0" "git deepops gc --grace 0; . ../../whole"
'

test_expect_success 'drop' '
	git -C start/repo push -q origin main &&
	sweep "git-deepops drop data" "git deepops drop data; . ../../whole"
'

test_expect_success 'untrack: the data stays' '
	sweep "git-deepops untrack data" "
		git ls-files --error-unmatch data.deepops && git deepops untrack data
		diff -r data ../data.2
		test -z \"\$(git ls-files data.deepops)\"
		test ! -e data.deepops
	"
'

test_expect_success 'retract' '
	run=$(git -C start/repo deepops runs -n 0 --csv --columns run | sed 1d) &&
	sweep "git-deepops retract $run -m wrong" "
		test \"\$fault_status\" -eq 0 || git deepops retract $run -m wrong || git deepops show $run | grep -i retract
		git deepops show $run | grep -i retract
		. ../../whole
	"
'

test_expect_success 'init, in a clone that was not set up' '
	rm -rf plain && git clone -q start/srv.git plain &&
	FAULT_MAY_MISS=t &&
	fault_sweep git-deepops "$errors $kills" "rm -rf world && cp -a plain world" \
		"cd world && git-deepops init" "
			cd world
			rm -f .git/index.lock .git/config.lock
			git deepops init
			git deepops pull
			test \"\$(git deepops status)\" = \"clean        data\"
		"
'

test_expect_success 'notes rebuild' '
	sweep "git-deepops notes rebuild" "git deepops notes rebuild; git log -1 --notes=deepops | grep Deepops-Run; . ../../whole"
'

test_expect_success 'server install' '
	FAULT_MAY_MISS=t &&
	fault_sweep git-deepops "$errors $kills" "rm -rf world.git && git init -q --bare world.git" \
		"git-deepops server install world.git" "
			rm -f world.git/config.lock
			git deepops server install world.git
			git deepops server doctor world.git
			test \"\$fault_status\" -ne 128 || test -z \"\$(find world.git -name .tmp-\\*)\"
		"
'

test_done
