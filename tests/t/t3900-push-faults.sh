#!/bin/sh
test_description='push and fetch when system calls fail on either side'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/../fault/sweep.sh"

test_expect_success 'a repository with data that no remote has' '
	git init --bare start.git &&
	git clone start.git start &&
	(
		cd start &&
		git deepops init &&
		git remote set-url origin ../one.git &&
		mkdir -p data/sub &&
		echo one >data/1 &&
		echo two >data/sub/2 &&
		test_seq 40000 >data/long &&
		git deepops track data &&
		git add -A &&
		git commit -m data
	)
'

# The same push again succeeds, and what arrived is all there, whoever asks.
cat >check <<\END
cd repo
rm -f .git/index.lock
git deepops push origin main
git deepops fsck
cd ..
rm -rf other
git clone -q one.git other
cd other
git deepops init
git deepops pull
diff -r data ../start/data
END

sweep_push () {
	fault_sweep "$1" "$2" "rm -rf one.git repo && cp -a start.git one.git && cp -a start repo" \
		"cd repo && git-deepops push origin main" ". ./check"
}

test_expect_success 'the client: no space, a bad disk' '
	sweep_push git-deepops "open:%:28 close:%:5"
'

test_expect_success 'the client: the connection breaks, or takes little at a time' '
	sweep_push git-deepops "write:%:32 write:%:short write:%:kill"
'

test_expect_success 'the server: no space, a bad disk' '
	sweep_push git-deepops-serve "open:%:28 write:%:28 fsync:%:5 rename:%:28 pwrite:%:5"
'

test_expect_success 'the server is killed in the middle' '
	sweep_push git-deepops-serve "fsync:%:kill rename:%:kill pwrite:%:kill"
'

# Fetch: never wrong bytes in the work tree; the same command again brings the rest.
cat >check-fetch <<\END
cd other
for f in 1 sub/2 long; do
	test ! -e data/$f || cmp data/$f ../start/data/$f
done
rm -f .git/index.lock
git deepops pull
diff -r data ../start/data
git deepops fsck
END

test_expect_success 'fetch and checkout, on the side that fetches' '
	rm -rf one.git repo other &&
	cp -a start.git one.git &&
	cp -a start repo &&
	git -C repo deepops push origin main &&
	git clone one.git empty &&
	git -C empty deepops init &&
	fault_sweep git-deepops "open:%:28 write:%:28 fsync:%:5 rename:%:28 rename:%:kill" \
		"rm -rf other && cp -a empty other" "cd other && git-deepops pull" ". ./check-fetch"
'

test_done
