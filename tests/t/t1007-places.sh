#!/bin/sh
test_description='track and checkout where git repositories are odd: worktrees, sparse, detached, unborn, submodules, filters'
. "${0%/*}/test-lib.sh"

# works: a round trip in the current directory, which is in some repository.
works () {
	mkdir -p "$1/a" "$1/b" && echo "one of $1" >"$1/a/1" && seq 1 50000 >"$1/b/large" &&
	git deepops track -q "$1" && git deepops status --exit-code "$1" && git commit -q -m "track $1" &&
	cp -a "$1" "$TRASH/copy.$$" && rm -r "$1" && git deepops checkout -q "$1" && diff -r "$TRASH/copy.$$" "$1" &&
	rm -r "$TRASH/copy.$$" && git status --porcelain -- "$1" >"$TRASH/out" && test_must_be_empty "$TRASH/out" &&
	git deepops ls "$1" >/dev/null && git deepops diff --exit-code
}

test_expect_success 'an unborn branch' '
	git init -q repo && cd repo && mkdir d && echo 1 >d/1 && git deepops track -q d && git deepops status --exit-code &&
	git deepops diff >../out && printf "A\td/1\n" >../want && test_cmp ../want ../out && git commit -q -m first && works unborn
'

test_expect_success 'a detached HEAD' '
	cd repo && git checkout -q --detach && works detached && git checkout -q -B main
'

test_expect_success 'a linked worktree shares the store and nothing else' '
	cd repo && git worktree add -q ../linked && cd ../linked && git deepops status >../out && test_grep "^missing  *d " ../out &&
	git deepops checkout -q && git deepops status --exit-code && works in-linked &&
	test_path_is_missing .git/deepops && echo 2 >d/2 && git deepops status >../out && test_grep "^modified  *d " ../out &&
	git -C ../repo deepops status --exit-code d
'

test_expect_success 'from a subdirectory' '
	cd repo && mkdir -p sub/dir && cd sub/dir && works here && test_path_is_file here.deepops && grep -x /sub/dir/here ../../.gitignore &&
	git deepops status . >../../../out && test_line_count = 1 ../../../out
'

test_expect_success 'GIT_DIR and GIT_WORK_TREE' '
	cd repo && (GIT_DIR=$PWD/.git && GIT_WORK_TREE=$PWD && export GIT_DIR GIT_WORK_TREE && cd sub && works by-env)
'

test_expect_success 'a sparse checkout: pointers outside of the cone are left alone' '
	git clone -q repo sparse && cd sparse && cp -a ../repo/.git/deepops .git/ && git sparse-checkout set --cone keep &&
	mkdir -p keep && works keep/data && git deepops status >../out && test_grep ! "sub/dir" ../out &&
	git deepops checkout -q && test_path_is_missing sub/dir && works outside-of-cone-root &&
	mkdir -p not/in/cone && works not/in/cone/data
'

test_expect_success 'a submodule, and its superproject' '
	git init -q super && cd super && test_commit one && git submodule -q add ../repo module && git commit -q -m module &&
	works data && (cd module && works in-module) && test_expect_code 128 git deepops track module 2>../err && test_grep "module" ../err
'

test_expect_success 'a shallow clone' '
	git clone -q --depth 1 "file://$PWD/repo" shallow && cd shallow && works data
'

test_expect_success 'a clean filter and autocrlf' '
	git init -q filtered && cd filtered && git config filter.upper.clean "tr a-z A-Z" && git config filter.upper.smudge cat &&
	printf "* filter=upper\n.git* -filter\n" >.gitattributes && git config core.autocrlf input && git add -A && git commit -q -m attrs &&
	works data && git show HEAD:data.deepops >../out && test_grep "^\[deepops\]$" ../out
'

test_expect_success 'a nested repository that git does not know' '
	cd repo && git init -q nested && echo 1 >nested/f && works beside && (cd nested && works data) &&
	git deepops status >../out && test_grep ! nested ../out
'

test_expect_success 'assume-unchanged and skip-worktree pointers' '
	cd repo && git update-index --assume-unchanged d.deepops && echo 9 >d/9 && git deepops track -q d && git deepops status --exit-code d &&
	git update-index --no-assume-unchanged d.deepops && git update-index --skip-worktree beside.deepops && rm beside.deepops &&
	git deepops status -q && git update-index --no-skip-worktree beside.deepops && git checkout -q beside.deepops
'

test_expect_success 'a bare repository has no data to track' '
	git clone -q --bare repo bare.git && cd bare.git && test_expect_code 128 git deepops track x 2>../err && test_grep "bare" ../err
'

test_expect_success 'a SHA-256 repository is refused by name' '
	git init -q --object-format=sha256 sha256 && cd sha256 && mkdir d && echo 1 >d/1 &&
	test_expect_code 128 git deepops track d 2>../err && test_grep -i "sha-\?256" ../err
'

test_done
