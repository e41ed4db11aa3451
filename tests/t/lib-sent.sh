# shellcheck shell=sh
# lib-sent.sh - one dataset in several versions, and whether all of them arrived
#
#	. "${0%/*}/test-lib.sh"
#	. "$TESTS_DIR/lib-data.sh"
#	. "$TESTS_DIR/lib-sent.sh"
#
#	three_versions && again &&		one.git, empty, and its clone one with versions 1 to 3
#	git -C one push origin main &&
#	all_there one.git 1 2 3

# version N: one more version of data, committed.
version () {
	mkdir -p data && echo "version $1" >data/a && git deepops track -q data &&
	git add -A && git commit -q -m "version $1"
}

# start: a clone with three versions, never pushed.
three_versions () {
	new_pair start && (cd start && for n in 1 2 3; do version $n || return 1; done)
}

# again: the same clone and an empty server at one.git, whatever was done before.
again () {
	rm -rf one.git one && git init -q --bare one.git && cp -r start one &&
	git -C one remote set-url origin "$TRASH/one.git"
}

# all_there SERVER N...: a fresh clone reads every version that its history names, and it is those.
all_there () {
	rm -rf there && git clone -q --no-checkout "$1" there && git -C there deepops init && shift &&
	(
		cd there && git deepops fetch --all 2>err && test_grep ! "not on the remote" err &&
		for commit in $(git rev-list --branches --remotes)
		do
			git deepops cat "$commit:data/a" || exit 1
		done | sort -u >got &&
		for n; do echo "version $n"; done | sort >want && test_cmp want got
	)
}
