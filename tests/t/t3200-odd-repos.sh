#!/bin/sh
test_description='track, checkout, push and fetch in repositories that are not plain'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-data.sh"

# The whole way: change, track, push, and back in a fresh clone.
goes_round () {
	(
		cd "$1" && make_data "$2" && git deepops track data && git add -A --sparse . &&
		git commit -q -m "data $2" && git push -q origin HEAD:main
	) &&
	rm -rf back && git clone -q -b main "$1.git" back && git -C back deepops init &&
	(cd back && git deepops pull -q) && diff -r "$1/data" back/data &&
	git -C "$1" deepops status --exit-code
}

test_expect_success 'plain, to compare with' '
	new_pair plain && goes_round plain 1 && goes_round plain 2
'

test_expect_success 'a clean filter on everything' '
	new_pair filtered &&
	git -C filtered config filter.up.clean "tr a-z A-Z" &&
	git -C filtered config filter.up.smudge "tr A-Z a-z" &&
	echo "*.txt filter=up" >>filtered/.gitattributes &&
	echo text >filtered/x.txt &&
	goes_round filtered 3
'

test_expect_success 'autocrlf: pointers keep their bytes' '
	new_pair crlf && git -C crlf config core.autocrlf true &&
	goes_round crlf 4 &&
	rm crlf/data.deepops && git -C crlf checkout -q data.deepops &&
	test_must_fail grep -q "$(printf "\r")" crlf/data.deepops &&
	git -C crlf deepops status --exit-code
'

test_expect_success 'a nested repository that nobody registered' '
	new_pair nested && git init -q nested/inner && (cd nested/inner && test_commit inner) &&
	echo /inner/ >>nested/.git/info/exclude &&
	goes_round nested 5
'

test_expect_success 'a nested repository inside the dataset is refused, by name' '
	new_pair inside &&
	(
		cd inside && make_data 6 && git init -q data/sub &&
		test_expect_code 128 git deepops track data 2>../err
	) &&
	test_grep "\.git" err
'

test_expect_success 'assume-unchanged and skip-worktree' '
	new_pair assumed &&
	(cd assumed && test_commit a && test_commit b && git update-index --assume-unchanged a.t &&
	 git update-index --skip-worktree b.t && echo changed >a.t) &&
	goes_round assumed 7
'

test_expect_success 'a sparse checkout' '
	new_pair sparse &&
	(cd sparse && mkdir in out && test_commit in in/f && test_commit out out/f &&
	 git sparse-checkout set --cone --sparse-index in) &&
	goes_round sparse 8
'

test_expect_success 'a split index' '
	new_pair split && (cd split && test_commit a && git update-index --split-index) &&
	goes_round split 9
'

test_expect_success 'an index of version 4 with an untracked cache' '
	new_pair four &&
	(cd four && test_commit a && git update-index --index-version 4 &&
	 git update-index --force-untracked-cache) &&
	goes_round four 10
'

test_expect_success 'a work tree configuration of its own' '
	new_pair wtconf && git -C wtconf config extensions.worktreeConfig true &&
	git -C wtconf config core.repositoryformatversion 1 &&
	git -C wtconf config --worktree deepops.cacheLimit 5g &&
	goes_round wtconf 11
'

test_expect_success 'a partial clone' '
	git -C plain.git config uploadpack.allowFilter true &&
	git clone -q --filter=blob:none "file://$TRASH/plain.git" partial && git -C partial deepops init &&
	(cd partial && git deepops fetch && git deepops checkout && make_data 12 &&
	 git deepops track data && git commit -q -a -m partial && git push -q origin main) &&
	git clone -q plain.git after && git -C after deepops init && (cd after && git deepops pull -q) &&
	diff -r partial/data after/data
'

test_expect_success 'a repository whose git directory is elsewhere' '
	git init -q --bare sep.git && git clone -q --separate-git-dir=sep-gitdir sep.git sep 2>/dev/null &&
	git -C sep deepops init && goes_round sep 13 &&
	test_path_is_dir sep-gitdir/deepops
'

test_expect_success 'a path to the repository with blanks, quotes and a newline' '
	name=$(printf "od\"d \\\\ na'"'"'me\nx") &&
	new_pair "$name" && goes_round "$name" 14
'

test_expect_success 'through a symbolic link to the work tree' '
	ln -s plain via && (cd via && git deepops pull -q && make_data 15 && git deepops track "$TRASH/via/data" &&
	git commit -q -a -m via && git push -q origin main)
'

test_expect_success 'SHA-256 and reftable repositories are refused in one line' '
	git init -q --object-format=sha256 sha256 &&
	git init -q reftable && git -C reftable config core.repositoryformatversion 1 &&
	git -C reftable config extensions.refstorage reftable &&
	for repo in sha256 reftable
	do
		for cmd in init status "track x" push fetch
		do
			(cd $repo && test_expect_code 128 git-deepops $cmd) 2>err &&
			test_line_count = 1 err &&
			test_grep -i "is a $repo repository\|is a SHA-256 repository" err || return 1
		done
	done
'

test_done
