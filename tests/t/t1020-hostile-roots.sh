#!/bin/sh
test_description='pointers of roots that no dataset may have: refused wherever they are met'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-data.sh"

# A pointer of what looks like a .git, with hooks and a configuration that run programs.
test_expect_success 'a repository that attacks whoever clones it' '
	new_pair honest >/dev/null &&
	(
		cd honest &&
		mkdir -p evil/hooks good &&
		printf "#!/bin/sh\ntouch \"%s\"\n" "$TRASH/PWNED" >evil/hooks/reference-transaction &&
		cp evil/hooks/reference-transaction evil/hooks/post-index-change &&
		chmod +x evil/hooks/* &&
		printf "[core]\n\tfsmonitor = touch \"%s\"\n" "$TRASH/PWNED" >evil/config &&
		mkdir evil/objects evil/refs && echo "ref: refs/heads/main" >evil/HEAD &&
		echo good >good/g &&
		git deepops track -q evil good && git commit -q -m data && git push -q origin main &&
		cp evil.deepops ../pointer &&
		git ls-tree HEAD >../good-tree
	) &&
	git -C honest hash-object -w ../pointer >blob
'

# plant NAME: in honest, the commit "bad" holds the pointer as NAME.
plant () {
	(
		cd honest && git checkout -q -f main &&
		GIT_INDEX_FILE=.git/planted && export GIT_INDEX_FILE && rm -f .git/planted &&
		git read-tree main &&
		git update-index --add --cacheinfo "100644,$(cat ../blob),$1" &&
		git update-ref refs/heads/bad "$(git commit-tree -p main -m bad "$(git write-tree)")"
	)
}

# The server has hooks that would refuse it; what is tried here is a server without them.
test_expect_success 'pull, checkout, status, fetch and run refuse each of them, by name' '
	test_when_finished "rm -rf victim bare.git" &&
	git clone -q --bare honest.git bare.git && cp -r honest.git/deepops bare.git/ &&
	for name in .git.deepops .GIT.deepops sub/.git.deepops sub/.Git.deepops "git~1.deepops" \
		"sub/git~1.deepops" ".git .deepops" \
		"$(printf ".g\342\200\214it.deepops")" .gitmodules.deepops ".deepops/policy.deepops" \
		.DEEPOPS/config.deepops "$(printf "a\033[31mb.deepops")" x.deepops.deepops
	do
		plant "$name" && rm -rf victim PWNED &&
		git -C honest push -q -f --no-verify ../bare.git bad:main &&
		git clone -q bare.git victim 2>clone.err &&
		(
			cd victim && git deepops init >/dev/null &&
			for command in "pull -q" checkout status fetch du diff "run --no-data -- true" \
				"checkout --force" "drop --force ." "checkout HEAD" "ls HEAD:good"
			do
				test_expect_code 128 git deepops $command >../out 2>../err &&
				test_grep "^fatal: .*cannot be a pointer" ../err &&
				test_grep ! "$(printf "\033")" ../err || exit 1
			done &&
			test_path_is_file .git/HEAD && git fsck &&
			test_path_is_missing sub/.git && test_path_is_missing .GIT &&
			git status && git fetch -q
		) &&
		test_path_is_missing PWNED || { echo "at $name"; return 1; }
	done
'

test_expect_success 'the hint takes it out, and the rest works again' '
	plant .git.deepops && rm -rf victim &&
	git clone -q -b bad honest victim && cd victim && git deepops init >/dev/null &&
	git remote set-url origin "$TRASH/honest.git" &&
	test_expect_code 128 git deepops status 2>err &&
	test_grep "^hint: git rm -f --cached -- .git.deepops " err &&
	git rm -q -f --cached -- .git.deepops && rm .git.deepops &&
	git deepops status >out 2>&1 && git reset -q --hard HEAD^ && git deepops pull -q origin main && test_cmp ../honest/good/g good/g
'

test_expect_success 'a server refuses it on any ref, whatever the policy; clients do not send it' '
	git deepops server install honest.git >/dev/null &&
	for name in .git.deepops sub/.GIT.deepops "git~1.deepops"
	do
		plant "$name" &&
		for ref in refs/heads/main refs/heads/any refs/tags/t refs/else/where
		do
			test_must_fail git -C honest push --no-verify -f -o deepops.override=please origin "bad:$ref" 2>err &&
			test_grep "E-DATA-NAME" err &&
			test_grep "fix:  git rm --cached -- " err || return 1
		done &&
		test_must_fail git -C honest push origin bad:any 2>err &&
		test_grep "cannot be a pointer" err || return 1
	done &&
	git -C honest ls-remote --heads --tags origin >out && test_line_count = 1 out
'

test_expect_success 'also in a commit that a later one hides, and behind a merge' '
	plant sub/.git.deepops &&
	(
		cd honest &&
		git update-ref refs/heads/later "$(git commit-tree -p bad -m gone main^{tree})" &&
		git update-ref refs/heads/merge "$(git commit-tree -p main -p bad -m gone main^{tree})"
	) &&
	for branch in later merge
	do
		test_must_fail git -C honest push --no-verify origin $branch 2>err &&
		test_grep "E-DATA-NAME" err || return 1
	done &&
	test_must_fail git -C honest push --no-verify origin "+bad^:refs/heads/any" bad:other later:one-more 2>err &&
	test_grep "refs/heads/other refused" err && test_grep "refs/heads/one-more refused" err &&
	test_grep ! "refs/heads/any refused" err
'

test_expect_success 'paths that git itself cannot check out: refused when they are read from a commit' '
	(
		cd honest && blob=$(cat ../blob) && git checkout -q -f main &&
		inner=$(printf "100644 blob %s\tx.deepops\n" $blob | git mktree) &&
		dotgit=$(printf "040000 tree %s\t.git\n" $inner | git mktree) &&
		tree=$( { cat ../good-tree; printf "040000 tree %s\ta\n" $dotgit; } | git mktree) &&
		git update-ref refs/heads/raw "$(git commit-tree -p main -m raw $tree)" &&
		for command in "checkout raw" "diff main..raw" "ls raw:good" "cat raw:good/g"
		do
			test_expect_code 128 git deepops $command 2>../err &&
			test_grep "a/.git/x.deepops.* cannot be a pointer" ../err || exit 1
		done &&
		test_must_fail git push --no-verify origin raw:any 2>../err && test_grep E-DATA-NAME ../err
	)
'

test_expect_success 'history that held one blocks nothing' '
	(
		plant .git.deepops && cd honest &&
		git update-ref refs/heads/later "$(git commit-tree -p bad -m gone main^{tree})" &&
		git checkout -q later && git deepops status && git deepops fetch --all && git deepops gc &&
		git deepops push --data-only && git deepops diff main..later &&
		git deepops run --no-data -- true
	)
'

test_expect_success 'what such a tree could hold is no name in a dataset either' '
	(
		cd honest && git checkout -q -f main &&
		for n in .GIT "git~1" ".git." "a\\.git" "$(printf ".gi\357\273\277t")"; do
			rm -rf odd && mkdir odd && echo 1 >"odd/$n" &&
			test_expect_code 128 git deepops track odd 2>../err && test_grep "odd/" ../err || exit 1
		done &&
		for root in .GIT/x "git~1" sub/.Git .gitmodules .DEEPOPS/x; do
			test_expect_code 128 git deepops track "$root" 2>../err || exit 1
		done
	)
'

test_done
