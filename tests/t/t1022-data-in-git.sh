#!/bin/sh
test_description='git does not take the data in: not on another branch, after a reset, by a lost line'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-data.sh"

test_expect_success 'a server that warns, a clone with data behind a commit without' '
	new_pair pair >/dev/null && git deepops server install pair.git >/dev/null &&
	cd pair && test_commit plain && git branch before &&
	track_and_commit 1 && git push -q origin main before && git status --porcelain >../out &&
	test_grep ! data ../out
'

# untouched: git would take none of the data in.
untouched () {
	git status --porcelain -uall >"$TRASH/status" && test_grep ! "data/" "$TRASH/status" &&
	git add -A && git diff --cached --name-only >"$TRASH/staged" &&
	test_grep ! "^$1/" "$TRASH/staged" && test_path_is_file "$1/a"
}

test_expect_success 'a branch from before track: said, and git leaves the data alone' '
	(
		cd pair && git switch -q before 2>../err &&
		test_grep "hint: the data of data is still here, and this commit has no pointer of it" ../err &&
		untouched data && git switch -q main && git deepops status | grep "^clean *data"
	)
'

test_expect_success 'reset --hard, stash, revert, a template: the same' '
	(
		cd pair &&
		make_data 3 other && git deepops track -q other && git reset -q --hard && untouched other &&
		git deepops track -q other && git stash -q && untouched other && git stash pop -q &&
		git commit -q -m other && git revert --no-edit HEAD >/dev/null && untouched other &&
		git reset -q --hard HEAD~2 && untouched other && rm -r other &&
		echo "*.pyc" >.gitignore && untouched data && git deepops status >../out 2>&1 &&
		test_grep "warning: .data. is not ignored by git in other clones" ../out &&
		git deepops doctor --offline >../out; test_grep "does not ignore it in other clones" ../out &&
		git deepops track -q data && git diff HEAD --stat -- .gitignore >../out && test_grep gitignore ../out &&
		git deepops status 2>../err && test_must_be_empty ../err && git reset -q --hard
	)
'

test_expect_success 'a clone gets the lines by checkout and by pull' '
	for how in checkout pull; do
		rm -rf there && git clone -q pair.git there && (
			cd there && git deepops init >/dev/null && git deepops fetch -q &&
			git deepops $how -q && grep "^/data$" .git/info/exclude &&
			git switch -q before 2>/dev/null && untouched data
		) || return 1
	done
'

test_expect_success 'a clone from before that: switching puts the line there' '
	(
		cd there && git switch -q main && : >.git/info/exclude &&
		git switch -q before 2>../err && test_grep "still here" ../err && untouched data && git switch -q main
	)
'

test_expect_success 'git mv of the directory around it: checkout is enough' '
	(
		cd pair && mkdir exp1 && make_data 5 exp1/data && git deepops track -q exp1/data && git commit -q -m exp &&
		git mv exp1 exp2 && git deepops status >../out 2>&1 && test_grep "exp2/data. is not ignored" ../out &&
		git deepops checkout -q 2>/dev/null && untouched exp2/data &&
		git deepops track -q exp2/data && git deepops status 2>../err >../out && test_must_be_empty ../err &&
		git commit -q -m moved && git push -q origin main
	)
'

test_expect_success 'untrack takes both lines away' '
	(
		cd pair && make_data 6 gone && git deepops track -q gone && grep "^/gone$" .git/info/exclude &&
		git deepops untrack -q gone && test_grep ! "^/gone$" .git/info/exclude && test_grep ! "^/gone$" .gitignore &&
		git status --porcelain >../out && test_grep "?? gone/" ../out && rm -r gone
	)
'

test_expect_success 'git add -f: status, doctor and the push say so' '
	(
		cd pair && git add -f data/a && git deepops status >../out 2>../err && grep "^clean *data" ../out &&
		test_grep "data of .data. is in git.s index, too, such as .data/a." ../err &&
		test_grep "hint: git rm -r -q --cached -- data " ../err &&
		test_expect_code 1 git deepops status --exit-code 2>/dev/null &&
		git deepops status --json | grep "\"in_git\": *true" &&
		git commit -q -m taken &&
		test_must_fail git push origin main 2>../err &&
		test_grep "puts data of .data. into git itself, such as .data/a" ../err &&
		test_grep "hint: git rm -r -q --cached -- data " ../err &&
		git rm -q --cached data/a && git commit -q -m hidden && test_must_fail git push origin main 2>../err &&
		test_grep "puts data of .data. into git itself" ../err &&
		git reset -q --soft HEAD~2 && git diff --cached --exit-code && git push -q origin main
	)
'

test_expect_success 'the server finds it, by whatever way it came' '
	(
		cd pair && git switch -q -c odd main 2>/dev/null &&
		git add -f data/a && git commit -q -m file && git push --no-verify origin odd:main 2>../err &&
		test_grep "E-DATA-PLAIN" ../err && test_grep "data of data is in git itself, such as data/a" ../err &&
		test_grep "fix:  git rm -r -q --cached -- data" ../err &&
		git push -q -f --no-verify origin main 2>/dev/null && git reset -q --hard main && git deepops checkout -q &&
		git switch -q -c late before 2>/dev/null && git add -f data/a && git commit -q -m first &&
		git push -q --no-verify origin late:main -f 2>../err && test_grep ! E-DATA-PLAIN ../err &&
		git show main:data.deepops >data.deepops && git add data.deepops && git commit -q -m second &&
		test_must_fail git push origin late 2>../err && test_grep "into git itself" ../err &&
		git push --no-verify origin late:main 2>../err && test_grep "E-DATA-PLAIN" ../err &&
		git rm -q -f --cached data/a data.deepops && cp ../pair.git/HEAD f && echo f >f.deepops &&
		git add -f f f.deepops && git commit -q -m "a file, and no pointer behind it" &&
		git push --no-verify origin late:main 2>../err && test_grep "such as f *$" ../err
	)
'

test_expect_success 'an enforcing one refuses it' '
	git -C pair checkout -q -f main && git -C pair push -q -f --no-verify origin main 2>err &&
	printf "[rule \"main\"]\n\tref = refs/heads/main\n\tmode = enforce\n" >pair.git/deepops/policy &&
	(
		cd pair &&
		git switch -q -c again main 2>/dev/null && git add -f data/b && git commit -q -m file &&
		test_must_fail git push --no-verify origin again:main 2>../err && test_grep "E-DATA-PLAIN" ../err
	)
'

test_done
