#!/bin/sh
test_description='git deepops status and diff: states, counts, formats; the stat cache is never believed too much'
. "${0%/*}/test-lib.sh"

json () {
	"$TEST_PYTHON" -c "import json,sys; d=json.load(sys.stdin); assert d['version']==1; $1"
}

test_expect_success 'setup' '
	git init -q repo && cd repo &&
	mkdir -p data/a data/b && for i in 1 2 3 4 5; do echo $i >data/a/$i && echo b$i >data/b/$i; done &&
	echo single >file &&
	git deepops status >../out 2>../err && test_must_be_empty ../out && test_grep "no datasets" ../err &&
	git deepops track -q data file && git commit -q -m one &&
	printf "clean        data\nclean        file\n" >../want &&
	git deepops status >../out && test_cmp ../want ../out &&
	git deepops status --exit-code
'

test_expect_success 'modified, with counts' '
	cd repo &&
	echo changed >data/a/1 && rm data/b/2 && echo n >data/new && echo other >file &&
	cat >../want <<-\END &&
	modified     data (1 added, 1 removed, 1 changed)
	modified     file (1 changed)
	END
	git deepops status >../out && test_cmp ../want ../out &&
	test_expect_code 1 git deepops status --exit-code >../out &&
	git deepops status --json >../out && json "
x, y = d[\"datasets\"]
assert x == {\"path\": \"data\", \"state\": \"modified\", \"added\": 1, \"removed\": 1, \"changed\": 1, \"bytes\": 10}, x
assert y[\"state\"] == \"modified\" and y[\"changed\"] == 1" <../out &&
	printf "modified data\0modified file\0" >../want && git deepops status -z >../out && test_cmp_bin ../want ../out
'

test_expect_success 'diff says which files' '
	cd repo &&
	printf "M\tdata/a/1\nD\tdata/b/2\nA\tdata/new\nM\tfile\n" >../want &&
	git deepops diff >../out && test_cmp ../want ../out &&
	git deepops diff --name-status HEAD >../out && test_cmp ../want ../out &&
	git deepops diff -z HEAD -- data/a >../out && printf "M\0data/a/1\0" >../want && test_cmp_bin ../want ../out &&
	git deepops diff --stat data >../out &&
	test_grep "^data: 1 added, 1 removed, 1 changed, 0 renamed; 10 bytes" ../out &&
	test_expect_code 1 git deepops diff --exit-code >/dev/null &&
	git deepops diff --exit-code -- data/b/1 &&
	git deepops diff --json data >../out && json "
x = d[\"datasets\"][0]
assert [c[\"status\"] for c in x[\"changes\"]] == [\"M\", \"D\", \"A\"], x
assert x[\"changes\"][0][\"old\"].startswith(\"sha256:\") and x[\"changes\"][0][\"new_bytes\"] == 8" <../out
'

test_expect_success 'diff between revisions, renames included' '
	cd repo &&
	mv data/b/3 data/a/moved && git deepops track -q data file && git commit -q -m two &&
	printf "M\tdata/a/1\nR\tdata/b/3\tdata/a/moved\nD\tdata/b/2\nA\tdata/new\nM\tfile\n" >../want &&
	git deepops diff HEAD~1..HEAD >../out && test_cmp ../want ../out &&
	git deepops diff HEAD~1.. >../out && test_cmp ../want ../out &&
	git deepops diff HEAD~1 >../out && test_cmp ../want ../out &&
	git deepops diff HEAD..HEAD --exit-code &&
	git deepops diff --exit-code &&
	git deepops untrack -q file && git commit -q -m three &&
	printf "D\tfile\n" >../want && git deepops diff HEAD~1..HEAD >../out && test_cmp ../want ../out &&
	test_expect_code 128 git deepops diff no-such..HEAD 2>../err && test_grep no-such ../err &&
	test_expect_code 128 git deepops diff no-such 2>../err && test_grep "no dataset at .no-such" ../err &&
	test_expect_code 129 git deepops diff --stat --json 2>../err &&
	test_expect_code 129 git deepops diff --stat --md 2>../err
'

test_expect_success 'diff as Markdown: a table a review can show, names are no markup' '
	git init -q md && cd md && mkdir data && echo one >data/1 && echo x >data/gone && echo m >data/old &&
	git deepops track -q data && git commit -q -m one &&
	echo three >data/1 && rm data/gone && mv data/old "data/a|b*" &&
	git deepops diff --md >../out && cat >../want <<-\END &&
	**data**: 0 added, 1 removed, 1 changed, 1 renamed; 6 bytes of new content

	| | file | size |
	| --- | --- | ---: |
	| M | 1 | 4 bytes → 6 bytes |
	| R | old → a\|b\* | 2 bytes |
	| D | gone | 2 bytes |

	END
	test_cmp ../want ../out &&
	i=0 && while test $i -lt 105; do echo $i >data/n$i && i=$((i + 1)) || return 1; done &&
	git deepops diff --md >../out && test_grep "^| | and 8 more | |$" ../out &&
	test "$(grep -c "^| [A-Z] " ../out)" = 100
'

test_expect_success 'git diff shows files through the text conversion' '
	cd repo && git deepops init >/dev/null 2>&1 &&
	git diff HEAD~2 HEAD~1 -- data.deepops >../out &&
	test_grep "^+100644 .* a/moved$" ../out && test_grep "^-100644 .* b/2$" ../out
'

test_expect_success 'missing and partial' '
	cd repo &&
	mv data ../away && git deepops status >../out && test_grep "^missing  *data (10 absent)" ../out &&
	git deepops diff >../out 2>../err && test_must_be_empty ../out && test_grep "not in the work tree" ../err &&
	git deepops checkout -q -I "a/*" data && test_path_is_missing data/b &&
	git deepops status >../out && test_grep "^partial  *data (4 absent)" ../out &&
	test_expect_code 128 git deepops track data 2>../err && test_grep "only a part" ../err &&
	git deepops checkout -q && git deepops status --exit-code &&
	rm data/b/1 && git deepops status >../out && test_grep "^modified  *data (1 removed)" ../out &&
	git deepops checkout -q -X new data && git deepops status --exit-code
'

test_expect_success 'new pointer: the work tree is as it was, the pointer is not' '
	cd repo &&
	git checkout -q HEAD~2 && git deepops status >../out && test_grep "^new pointer  *data" ../out &&
	echo mine >data/a/5 && git deepops status >../out && test_grep "^modified  *data" ../out &&
	test_expect_code 128 git deepops checkout data 2>../err && test_grep "^hint: commit them on a branch" ../err &&
	echo 5 >data/a/5 && git deepops status >../out && test_grep "^new pointer  *data" ../out &&
	git deepops checkout -q data && git deepops status data >../out && test_grep "^clean  *data" ../out &&
	git checkout -q main && git deepops checkout -q data
'

test_expect_success 'data of an older version is not recorded over a pointer that has moved on' '
	cd repo && cp -a data ../newer && git checkout -q HEAD~2 && cp data.deepops ../pointer && git deepops fsck &&
	test_expect_code 128 git deepops track data 2>../err && test_grep "^fatal: .data.deepops. has changed since" ../err &&
	test_grep "^hint: git deepops checkout data" ../err && test_cmp ../pointer data.deepops &&
	echo mine >data/a/mine && test_expect_code 128 git deepops track -q data 2>../err && test_cmp ../pointer data.deepops &&
	git deepops track -q --force data && git deepops status --exit-code data && rm data/a/mine &&
	diff -r ../newer data && git deepops track -q data && git reset -q --hard main && git deepops status --exit-code
'

test_expect_success 'an edit that keeps size and times is seen where the kernel lets it be' '
	cd repo &&
	for i in 1 2 3 4 5 6 7 8 9 10
	do
		printf "aaaa" >data/racy && git deepops track -q data && printf "bbbb" >data/racy &&
		test_expect_code 1 git deepops status --exit-code data >/dev/null || exit 1
	done &&
	printf "cccc" >data/racy && touch -d "2020-01-01" data/racy && git deepops track -q data &&
	printf "dddd" >data/racy && touch -d "2020-01-01" data/racy &&
	test_expect_code 1 git deepops status --exit-code data >/dev/null
'

test_expect_success 'a broken state.db is set aside' '
	cd repo && git deepops track -q data &&
	test_bytes 100000 9 >.git/deepops/state.db &&
	git deepops status --exit-code &&
	test_path_is_file .git/deepops/state.db.broken &&
	git deepops status --exit-code &&
	printf "SQLite format 3\0garbage" >.git/deepops/state.db && git deepops status --exit-code &&
	"$TEST_PYTHON" - <<-\END &&
	import sqlite3
	db = sqlite3.connect(".git/deepops/state.db")
	row = db.execute("select rowid, data from stat_v1").fetchone()
	bad = bytearray(row[1]); bad[40] ^= 1
	db.execute("update stat_v1 set data = ? where rowid = ?", (bytes(bad), row[0]))
	db.commit()
	END
	git deepops status --exit-code
'

test_expect_success 'no file is read again that has not changed' '
	cd repo && sleep 0.05 && git deepops status -q && git deepops status -q &&
	# A process under strace cannot be searched for leaks.
	ASAN_OPTIONS=detect_leaks=0 strace -f -o ../trace -e trace=openat git deepops status --exit-code &&
	test_grep ! "O_NOFOLLOW.*O_NONBLOCK" ../trace
'

test_expect_success 'malformed pointers are named' '
	cd repo && cp data.deepops ../keep &&
	printf "\r\n" >>data.deepops && test_expect_code 128 git deepops status 2>../err &&
	test_grep "fatal: data.deepops" ../err && test_grep "^hint: git checkout -- .data.deepops." ../err &&
	{ echo "<<<<<<< HEAD" && cat ../keep; } >data.deepops &&
	test_expect_code 128 git deepops status 2>../err && test_grep "merge conflicts" ../err &&
	cp ../keep data.deepops && git deepops status --exit-code
'

test_expect_success 'a pointer that is in the index and not in the work tree is not passed over in silence' '
	cd repo && rm data.deepops && git deepops status >../out 2>../err && test_must_be_empty ../out &&
	test_grep "^warning: .data.deepops. is not in the work tree" ../err && test_grep "^hint: git checkout -- .data.deepops." ../err &&
	git deepops checkout 2>../err && test_grep "^warning: .data.deepops. is not" ../err &&
	test_expect_code 128 git deepops checkout data 2>../err && test_grep "^fatal: .data.deepops. is not" ../err &&
	git checkout -- data.deepops && git deepops status --exit-code
'

test_done
