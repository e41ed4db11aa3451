#!/bin/sh
test_description='the power fails: what was acknowledged is there, and the rest can be done again'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-data.sh"

# A part of the states here; `make check-faults` tries each of them.
step=${POWER_STEP:-151}

# lose_power NAME CHECK COMMAND [SIDE...]: in world/, of which `start` is a copy.
lose_power () {
	lose_name_=$1 lose_check_=$2 lose_command_=$3 &&
	shift 3 &&
	rm -rf world trace state state.failed &&
	cp -a start world &&
	(
		cd world &&
		LD_PRELOAD="$FAULT_LIB" GIT_TEST_FSYNC=1 DEEPOPS_FSYNC=1 DEEPOPS_FAULT_DATA=1 \
			ASAN_OPTIONS="verify_asan_link_order=0:$ASAN_OPTIONS" \
			DEEPOPS_FAULT_TRACE="$TRASH/trace" sh -ec "$lose_command_"
	) &&
	"$TESTS_DIR/../fault/powerloss" -s "$step" -f "${POWER_FIRST:-0}" \
		trace world start "$lose_check_" "$@" >"$lose_name_.out"
	lose_status_=$?
	cat "$lose_name_.out"
	test "$lose_status_" -eq 0 &&
	# A run that tried nothing shows nothing.
	test_grep -E "^[1-9][0-9]* states, 0 failed" "$lose_name_.out"
}

# What was on its way may lie about: it is said, then taken in or given up.
cat >sound <<\END
git deepops fsck || {
	git deepops fsck --repair || :
	git deepops fsck
}
END

# At the end everything was acknowledged, whatever the disk forgot.
cat >over <<\END
over () {
	test "$lost_at" = "$lost_last"
}
END

cat >check-track <<\END
. "$TRASH/over"
cd repo
rm -f .git/index.lock
. "$TRASH/sound"
if over || test -s data.deepops; then
	git add -f data.deepops
	mv data data.there
	git deepops checkout data
	diff -r data data.there
	rm -rf data.there
fi
git deepops track data
git deepops fsck
git fsck --no-dangling
test "$(git deepops status)" = "clean        data"
END

test_expect_success 'track' '
	mkdir start &&
	git init -q --bare start/srv.git &&
	git clone -q start/srv.git start/repo 2>/dev/null &&
	git -C start/repo remote set-url origin ../srv.git &&
	(
		cd start/repo &&
		git deepops init &&
		git commit -q --allow-empty -m one &&
		make_data 1
	) &&
	lose_power track check-track "cd repo && git-deepops track data"
'

cat >check-run <<\END
. "$TRASH/over"
cd repo
git deepops recover
. "$TRASH/sound"
git fsck --no-dangling
git deepops runs -n 0 --csv >runs.csv
if over; then
	test "$(wc -l <runs.csv)" -eq 2
fi
# Whatever there is can be sent: the data and the code of each run are whole.
git deepops push origin main
rm -rf ../there
git clone -q ../srv.git ../there
cd ../there
git deepops init
git deepops pull
git deepops fsck
git deepops runs -n 0 --csv | cmp - ../repo/runs.csv
if over; then
	git deepops rerun "$(git deepops runs -n 0 --json | sed -n 's/.*"id":"\([0-9a-f]*\)".*/\1/p')"
fi
END

test_expect_success 'run' '
	(
		cd start/repo &&
		echo "cat data/* >out && echo {\\\"acc\\\":1} >m.json" >train.sh &&
		git deepops track -q data &&
		git add -A && git commit -q -m data &&
		echo "# changed" >>train.sh
	) &&
	lose_power run check-run "cd repo && git-deepops run -i data -o out -m m.json -- sh train.sh"
'

# The first push that comes after makes all good, wherever the power failed; a server that has a
# branch has its data.
cat >check-push <<\END
# Locks that git left are the administrator's, as git says when it meets them.
find srv.git repo/.git -name "*.lock" ! -path "*/deepops/*" -delete
find srv.git/refs repo/.git/refs -name "*.lock" -delete
cd srv.git
. "$TRASH/sound"
cd ..
# What no ref names is as git left it on its way in.
git -C srv.git rev-list --objects --all >/dev/null
arrive () {
	rm -rf there
	git clone -q --no-local -b main srv.git there
	cd there
	git deepops init
	git deepops fetch
	git deepops checkout
	diff -r data ../repo/data
	cd ..
}
if git -C srv.git rev-parse -q --verify refs/heads/main >tip && cmp tip tip.want; then
	arrive
fi
cd repo
git push origin main
cd ..
arrive
END

test_expect_success 'push' '
	(
		cd start/repo &&
		git deepops run -q -i data -o out -m m.json -- sh train.sh &&
		git add -A && git commit -q -m results &&
		git rev-parse main >../tip.want
	) &&
	git deepops server install start/srv.git &&
	lose_power push check-push "cd repo && git push origin main" srv.git repo
'

# What is named is there, or on the server.
cat >check-gc <<\END
cd repo
. "$TRASH/sound"
for version in HEAD HEAD~1; do
	git deepops fetch --all
	git deepops checkout "$version" -- data
	cat data/a data/b | cmp - "../want.$version"
done
END

test_expect_success 'gc' '
	(
		cd start/repo &&
		git push -q origin main &&
		cat data/a data/b >../want.HEAD~1 &&
		track_and_commit 2 &&
		cat data/a data/b >../want.HEAD &&
		git config deepops.cacheLimit 0
	) &&
	lose_power gc check-gc "cd repo && git-deepops gc --grace 0"
'

test_done
