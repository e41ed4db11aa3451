#!/bin/sh
test_description='what users of git do by habit, and what they get wrong, in one clone'
. "${0%/*}/test-lib.sh"

# fails CODE PATTERN COMMAND...: one line that matches, perhaps a hint, and this exit code.
fails () {
	want_code=$1 want_line=$2
	shift 2
	test_expect_code "$want_code" git deepops "$@" >out 2>err &&
	test_grep "^fatal: .*$want_line" err && test "$(grep -vc "^hint: " err)" = 1
}

test_expect_success 'set up' '
	git init -q --bare server.git && git init -q repo &&
	(
		cd repo && git remote add origin ../server.git && git deepops init && mkdir -p data/in &&
		echo 1 >data/a && echo 2 >data/in/b && git deepops track data && git add -A && git commit -q -m one &&
		echo 3 >data/c && git deepops track data && git commit -q -a -m two && git push -q origin HEAD:main
	)
'

test_expect_success 'a clone where init was not run: whoever adds something is told, nobody else' '
	git clone -q -b main server.git new &&
	(
		cd new && git deepops pull 2>err && test_grep "^hint: git push will not send .* git deepops init$" err &&
		git deepops status >out 2>err && test_must_be_empty err &&
		echo 4 >data/d && git deepops track data >out 2>err && test_grep "^hint: git push will not send" err &&
		git deepops run -i data -- true 2>err && test_grep "^hint: git push will not send" err &&
		: "the server has data already: it takes this, too" &&
		git add -A && git commit -q -m more && git deepops push origin HEAD:more 2>err && test_grep "git deepops init" err &&
		git deepops init && git deepops track data 2>err && test_must_be_empty err
	)
'

test_expect_success 'nor is anybody who pushes nowhere' '
	git init -q alone && (cd alone && echo 1 >f && git deepops track f 2>err && test_must_be_empty err)
'

test_expect_success 'a pointer moved by git: its data would be taken by git add, which is said until it is mended' '
	(
		cd repo && git mv data.deepops moved.deepops && mv data moved &&
		git deepops status >out 2>err && test_grep "^warning: .moved. is not ignored by git" err &&
		rm -r moved && git deepops checkout 2>err && test_grep "^warning: .moved. is not ignored by git" err &&
		git deepops track moved 2>err && test_must_be_empty err && git add -A && git ls-files >out &&
		test_grep ! "^moved/" out && git deepops status >out 2>err && test_must_be_empty err &&
		git reset -q --hard && git deepops checkout -f && git clean -q -f -d -x moved
	)
'

test_expect_success 'diff A B is diff A..B' '
	(
		cd repo && git deepops diff HEAD~1..HEAD >want && git deepops diff HEAD~1 HEAD >got && test_cmp want got &&
		git deepops diff HEAD~1 HEAD -- data/c >got && test_cmp want got && test_file_not_empty got &&
		git deepops diff HEAD~1 HEAD data/in >got && test_must_be_empty got &&
		: "what lies in the work tree is a path" && git branch data && echo x >data/c &&
		git deepops diff HEAD data >got && echo "M	data/c" >want && test_cmp want got && git deepops checkout -f &&
		git branch -D data && fails 129 "before --" diff HEAD HEAD~1 HEAD -- data
	)
'

test_expect_success 'a dataset that is one file is listed by its name; JSON ends in one newline' '
	(
		cd repo && mkdir -p sub && echo 1 >sub/one && git deepops track sub/one && git deepops ls sub/one >got &&
		echo one >want && test_cmp want got && git deepops ls --json sub/one >got && test_grep "\"path\": \"one\"" got &&
		test "$(tail -n 1 got)" = "}" && git deepops ls --json data >got && test "$(tail -n 1 got)" = "}"
	)
'

test_expect_success 'a part of a dataset is not untracked, and is named' '
	(cd repo && fails 128 ".data/in. is a part of dataset .data." untrack data/in && test_grep "^hint: git deepops untrack data " err)
'

test_expect_success 'a path of another repository is not tracked from here' '
	(
		cd repo && git init -q inner && (cd inner && test_commit inner && mkdir d && echo 1 >d/1) &&
		fails 128 ".inner/d. lies in another repository, .inner." track inner/d && test_path_is_missing inner/d.deepops &&
		test_grep "^hint: cd inner && git deepops track d$" err &&
		git add inner 2>/dev/null && fails 128 ".inner. is a submodule" track inner && git reset -q && rm -rf inner
	)
'

test_expect_success 'a name that is too long, and a symbolic link, say what is wrong with them' '
	(
		cd repo && long=$(printf "%0250d" 0) && echo 1 >$long && fails 128 "too long" track $long && rm $long &&
		ln -s data link && fails 128 "symbolic link, which cannot be a dataset" track link && test_file_not_empty err
	)
'

test_expect_success 'a spoilt pointer: the line, and how to get the last good one back' '
	(
		cd repo && echo >>data.deepops &&
		for c in "status" "track data" "checkout" "ls data" "run -i data -- true"
		do
			fails 128 "data.deepops:" $c && test_grep "^hint: git checkout -- .data.deepops. " err || return 1
		done &&
		test_expect_code 1 git deepops doctor >out && test_grep -A1 "^broken *data: data.deepops:" out &&
		test_grep "mend: git checkout -- .data.deepops." out &&
		git commit -q -a -m spoilt && fails 128 "commit [0-9a-f]*: data.deepops:" ls HEAD:data &&
		git reset -q --hard HEAD~1 && git deepops status
	)
'

test_expect_success 'a path that names nothing: the same words everywhere' '
	(
		cd repo &&
		for c in status checkout\ -- untrack drop fetch ls du sha256sums cat
		do
			fails 128 "nothing-here" $c nothing-here || return 1
		done
	)
'

test_expect_success 'a malformed policy: no mark in the text of the mend' '
	(
		cd repo && printf "[rule \"x\"]\n\tmode = maybe\n" >../policy &&
		test_expect_code 1 git deepops check --policy ../policy >out && test_grep "policy:2: mode = maybe" out &&
		test_grep ! "?" out
	)
'

test_expect_success 'a large output that git add would take: how to keep it out, until it is' '
	(
		cd repo && run () { git deepops run --no-data -o model -o small -- sh -c "head -c 2000000 /dev/zero >model; echo 1 >small" 2>err; } &&
		run && test_grep "^hint: git deepops track model keeps that output out of git$" err && test_grep ! "track small" err &&
		git deepops track model && run && test_grep ! "keeps that output" err &&
		git deepops untrack model && git add model && run && test_grep ! "keeps that output" err
	)
'

test_expect_success 'a run that was taken back is marked wherever it is listed, and no other' '
	(
		cd repo && run=$(git deepops runs | sed -n "2s/ .*//p") && git deepops retract -m wrong $run &&
		git deepops runs >out && test_grep "^$run .*ok, retracted " out && test "$(grep -c retracted out)" = 1 &&
		git deepops show $run >out && test_grep "^retracted " out && git deepops runs --json >json &&
		test "$(grep -c "\"id\":\"$run.*\"retracted\":true" json)" = 1 && test "$(grep -c "\"retracted\"" json)" = 1 &&
		other=$(git deepops runs | sed -n "1s/ .*//p") && git deepops show $other >out && test_grep ! retracted out
	)
'

test_expect_success 'a rerun that compares nothing says why' '
	(
		cd repo && git deepops run --no-data -q -- true && git deepops rerun "$(git deepops runs | sed -n "1s/ .*//p")" >out &&
		test_grep "^nothing to compare: the run declared no outputs" out && test "$(tail -n 1 out)" = "verdict: not-comparable"
	)
'

test_expect_success 'names in JSON: as they are where they are clean UTF-8, else quoted, in every command' '
	git init -q names && cd names && bad=$(printf "n\377") && mkdir data "$bad" && for d in data "$bad"; do echo 1 >"$d/u$(printf "\303\274")" && echo 2 >"$d/$bad" || return 1; done &&
	git deepops track -q data "$bad" && git commit -q -m one && rm data/* "$bad"/* && echo x >data/keep &&
	git deepops ls --json HEAD:data >ls.json && git deepops diff --json >diff.json && git deepops status --json >status.json &&
	git deepops du --json >du.json && git deepops fsck --json >fsck.json &&
	"$TEST_PYTHON" - <<-\END
	import json
	docs = {n: open(n + ".json", encoding="utf-8", errors="strict").read() for n in ("ls", "diff", "status", "du", "fsck")}
	assert all(t.endswith("}\n") and not t.endswith("\n\n") for t in docs.values())
	docs = {n: json.loads(t) for n, t in docs.items()}
	assert [x["path"] for x in docs["ls"]["entries"]] == ["\"n\\377\"", "u\u00fc"], docs["ls"]
	assert [x["path"] for x in docs["status"]["datasets"]] == ["data", "\"n\\377\""], docs["status"]
	assert [x["path"] for x in docs["du"]["entries"]] == ["data", "\"n\\377\""], docs["du"]
	d = docs["diff"]["datasets"][0]
	assert [x["path"] for x in d["changes"]] == ["keep", "\"n\\377\"", "u\u00fc"], d
	END
'

test_expect_success 'a directory that takes no new file is named, not the file that nobody asked for' '
	git init -q shut && cd shut && mkdir -p in/data && echo 1 >in/data/f && chmod a-w in && test_when_finished "chmod u+w $TRASH/shut/in" &&
	test_expect_code 128 test_unprivileged git deepops track in/data 2>../err && test_grep "in: Permission denied" ../err && test_grep ! "tmp-" ../err
'

test_done
