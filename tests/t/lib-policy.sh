# shellcheck shell=sh
# lib-policy.sh - servers that enforce, clones, and experiments in them
#
#	. "${0%/*}/test-lib.sh"
#	. "$TESTS_DIR/lib-policy.sh"
#
#	policy_server srv.git floor &&		bare, floor policy from the file "floor"
#	policy_clone srv.git work &&		init, with train.sh, seed and in.txt committed
#	policy_run work 5 &&			seed 5: run, commit metrics.json
#	policy_push work main			all of it, as people do

# What most tests enforce: results need records, on main.
policy_floor () {
	cat <<\END
[rule "main"]
	ref = refs/heads/main
	mode = enforce
	results = metrics.json
END
}

# policy_server DIR [FLOOR-FILE]
policy_server () {
	git init -q --bare "$1" &&
	if test -n "${2-}"; then
		git deepops server install --policy "$2" "$1" >/dev/null
	else
		git deepops server install "$1" >/dev/null
	fi
}

# A repository with one commit that can be trained; not pushed.
policy_clone () {
	git clone -q "$1" "$2" 2>/dev/null &&
	(
		cd "$2" &&
		git deepops init >/dev/null &&
		echo data >in.txt &&
		echo 1 >seed &&
		cat >train.sh <<-\END &&
		echo "{\"acc\": 0.$(cat seed)}" >metrics.json
		END
		test_tick &&
		git add -A &&
		git commit -q -m base
	)
}

# policy_train DIR SEED: commit the seed, run; the result is not committed.
policy_train () {
	(
		cd "$1" &&
		echo "$2" >seed &&
		test_tick &&
		git commit -q -am "seed $2" &&
		git deepops run -i in.txt -m metrics.json -- sh train.sh
	)
}

# policy_commit DIR MESSAGE: commit everything there is.
policy_commit () {
	(
		cd "$1" &&
		test_tick &&
		git add -A &&
		git commit -q -m "$2"
	)
}

# policy_rule LINE...: srv.git gets the floor with these lines more in its rule.
policy_rule () {
	policy_floor >floor && printf '\t%s\n' "$@" >>floor &&
	git deepops server install --policy floor srv.git >out
}

# policy_invent DIGITS: in the clone `work`, commit a result that no run wrote.
policy_invent () {
	echo "{\"acc\": 0.$1}" >work/metrics.json &&
	policy_commit work "invented $1"
}

policy_run () {
	policy_train "$1" "$2" && policy_commit "$1" "results of seed $2"
}

# policy_push DIR REF...: what the server says is in DIR.said
policy_push () {
	policy_dir_=$1 &&
	shift &&
	git -C "$policy_dir_" push origin "$@" >"$policy_dir_.said" 2>&1
}

# The same past our own client hook: nothing but what is named.
policy_push_only () {
	policy_dir_=$1 &&
	shift &&
	git -C "$policy_dir_" push --no-verify origin "$@" >"$policy_dir_.said" 2>&1
}

# policy_refused DIR CODE REF...: a push that must fail with this code, and leave no trace.
policy_refused () {
	policy_dir_=$1 policy_code_=$2 &&
	shift 2 &&
	policy_srv_=$(git -C "$policy_dir_" config remote.origin.url) &&
	git --git-dir="$policy_srv_" for-each-ref "refs/heads" "refs/tags" >refs.before &&
	test_must_fail git -C "$policy_dir_" push origin "$@" >"$policy_dir_.said" 2>&1 &&
	test_grep -F "[$policy_code_]" "$policy_dir_.said" &&
	git --git-dir="$policy_srv_" for-each-ref "refs/heads" "refs/tags" >refs.after &&
	test_cmp refs.before refs.after &&
	git --git-dir="$policy_srv_" fsck --strict >fsck.said 2>&1 &&
	test_grep ! -E "^(error|missing|broken)" fsck.said
}

# Wait until post-receive has caught up: index takes its lock.
policy_settle () {
	git deepops server index "$1" >/dev/null
}

# The journal that a clone writes.
policy_journal () {
	echo "refs/deepops/log/$(cat "$1/.git/deepops/writer")"
}

# policy_forge DIR WRITER SED...: a journal of one entry, the tip of the clone's own with its
# record edited; each further argument PATH=FILE replaces a file of the entry, PATH= removes it.
policy_forge () {
	(
		cd "$1" &&
		writer=$2 edit=$3 &&
		shift 3 &&
		run=$(printf "%s" "$writer $edit $*" | sha256sum | cut -c1-16) &&
		tip=$(git rev-parse --verify "refs/deepops/log/$(cat .git/deepops/writer)") &&
		GIT_INDEX_FILE=$TEST_ROOT/forge.index &&
		export GIT_INDEX_FILE &&
		git read-tree "$tip^{tree}" &&
		for part; do
			if test -n "${part#*=}"; then
				blob=$(git hash-object -w "${part#*=}") &&
				git update-index --add --cacheinfo "100644,$blob,${part%%=*}"
			else
				git rm -q -r --cached "${part%%=*}"
			fi || exit 1
		done &&
		git cat-file blob "$tip:record.json" |
			sed -e "s/\"writer\":\"[0-9a-f]*\"/\"writer\":\"$writer\"/" \
				-e "s/\"run\":\"................/\"run\":\"$run/" \
				-e 's/"prev":"[^"]*",//' -e 's/"seq":[0-9]*/"seq":1/' -e "$edit" \
				>"$TEST_ROOT/forged.json" &&
		blob=$(git hash-object -w "$TEST_ROOT/forged.json") &&
		git update-index --add --cacheinfo "100644,$blob,record.json" &&
		tree=$(git write-tree) &&
		commit=$(git commit-tree "$tree" -m forged) &&
		git update-ref "refs/deepops/log/$writer" "$commit"
	)
}
