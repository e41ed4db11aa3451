#!/bin/sh
test_description='git deepops checkout: local changes are never lost, nothing leaves the directory'
. "${0%/*}/test-lib.sh"

test_expect_success 'setup: two versions' '
	git init -q repo && cd repo &&
	mkdir -p data/a data/b data/gone && for i in 1 2 3 4; do echo $i >data/a/$i && echo b$i >data/b/$i; done &&
	echo g >data/gone/g && test_bytes 20000000 7 >data/large && echo x >single &&
	git deepops track -q data single && git commit -q -m one && git tag one &&
	echo two >data/a/1 && rm -r data/gone data/b/4 && echo new >data/b/new && mkdir data/empty &&
	printf "edited" | dd of=data/large bs=1 seek=9000000 conv=notrunc 2>/dev/null &&
	echo y >single &&
	git deepops track -q data single && git commit -q -m two && git tag two &&
	cp -a data ../two
'

test_expect_success 'back and forth with git and without' '
	cd repo &&
	git checkout -q one && git deepops checkout >../out && test_grep "^data: wrote 4 files" ../out &&
	git deepops status --exit-code && test "$(cat single)" = x && test "$(cat data/gone/g)" = g &&
	test_path_is_missing data/b/new && test_path_is_missing data/empty &&
	git checkout -q two && git deepops checkout -q && git deepops status --exit-code && diff -r ../two data &&
	git deepops checkout -q one -- data && git diff --cached --name-only >../out &&
	echo data.deepops >../want && test_cmp ../want ../out && test "$(cat single)" = y &&
	git deepops checkout -q HEAD && git diff --cached --exit-code && diff -r ../two data
'

test_expect_success 'of a large file only what differs is read from the store' '
	cd repo &&
	# A process under strace cannot be searched for leaks.
	ASAN_OPTIONS=detect_leaks=0 strace -f -y -o ../trace -e trace=pread64 \
		git deepops checkout -q one -- data/large &&
	test "$(grep -c "/packs/" ../trace)" -lt 30 && test "$(grep -c "/large>" ../trace)" -gt 200 &&
	git deepops checkout -q two -- data/large && cmp ../two/large data/large
'

test_expect_success 'local changes stop it before anything is touched' '
	cd repo &&
	echo mine >data/a/1 && echo mine >data/b/3 && echo mine >data/b/4 && echo keep >data/mine &&
	cp -a data ../before &&
	test_expect_code 128 git deepops checkout one 2>../err >../out && test_must_be_empty ../out &&
	test_grep "local changes in .data. would be lost" ../err && test_grep "^	data/a/1$" ../err &&
	test_grep "^	data/b/4$" ../err && test_grep "^hint: .*--force" ../err &&
	diff -r ../before data && test "$(cat single)" = y && git diff --exit-code &&
	test_expect_code 128 git deepops checkout -n one 2>../err && diff -r ../before data &&
	rm -r ../before
'

test_expect_success 'one blocked dataset stops the others too' '
	cd repo && rm data/b/4 && echo mine >single && git deepops checkout -q -f two data &&
	test_expect_code 128 git deepops checkout one 2>../err && test_grep "^	single$" ../err &&
	test_path_is_missing data/gone && rm single && git deepops checkout -q
'

test_expect_success 'by force, but files that no version knows stay' '
	cd repo && echo mine >data/a/1 && echo keep >data/mine &&
	git deepops checkout -q --force one && test "$(cat data/a/1)" = 1 && test "$(cat data/mine)" = keep &&
	rm data/mine && git deepops status --exit-code && git deepops checkout -q two
'

test_expect_success 'files and directories trade places' '
	git init -q trade && cd trade && mkdir -p d/x/y && echo 1 >d/x/y/1 && echo f >d/f &&
	git deepops track -q d && git commit -q -m one &&
	rm -r d/x && echo now-a-file >d/x && rm d/f && mkdir d/f && echo 2 >d/f/2 &&
	git deepops track -q d && git commit -q -m two &&
	git deepops checkout -q HEAD~1 && test "$(cat d/x/y/1 d/f)" = "1
f" && git deepops status --exit-code &&
	echo mine >d/x/y/mine && test_expect_code 128 git deepops checkout HEAD 2>../err &&
	test_grep "^	d/x/y/mine$" ../err && rm d/x/y/mine && git deepops checkout -q HEAD && git deepops status --exit-code
'

test_expect_success 'parts of a dataset' '
	cd repo && rm -r data/a data/b/1 &&
	git deepops checkout -q data/b/1 && test_path_is_file data/b/1 && test_path_is_missing data/a &&
	(cd data && git deepops checkout -q a/2) && test_path_is_file data/a/2 && test_path_is_missing data/a/1 &&
	git deepops checkout -q -I "a/*" -X "*3" data && test_path_is_file data/a/1 && test_path_is_missing data/a/3 &&
	git deepops checkout -q && git deepops status --exit-code
'

test_expect_success 'what is not here is said before anything is touched' '
	git clone -q repo clone && cd clone && test_expect_code 128 git deepops checkout 2>../err &&
	test_grep "^fatal: .*not in the local store" ../err && test_grep "^hint: .*git deepops fetch" ../err &&
	test_path_is_missing data && test_path_is_missing single
'

test_expect_success 'with the chunks lost, the work tree stays as it is' '
	cd repo && mv .git/deepops ../kept && test_expect_code 128 git deepops checkout one 2>../err &&
	test_grep "git deepops fetch" ../err && diff -r ../two data &&
	git deepops track -q data && git deepops status --exit-code && git diff --exit-code &&
	git deepops fsck && rm -rf .git/deepops && mv ../kept .git/deepops
'

test_expect_success 'a symbolic link in the way is not followed' '
	mkdir outside && echo precious >outside/1 &&
	cd repo && rm -r data/b && ln -s ../../outside data/b &&
	test_expect_code 128 git deepops checkout 2>../err && test "$(cat ../outside/1)" = precious &&
	git deepops checkout -q --force && test "$(cat ../outside/1)" = precious && test ! -h data/b &&
	git deepops status --exit-code &&
	mv data ../moved && ln -s ../outside data && test_expect_code 128 git deepops checkout 2>../err &&
	test_grep "symbolic link" ../err && rm data && mv ../moved data &&
	test "$(ls ../outside)" = 1
'

test_expect_success 'a tampered node cannot name a path outside' '
	cd repo && cp data.deepops ../keep &&
	sed "s/\"a\"/\"..\/..\/outside\"/" ../keep >data.deepops &&
	test_expect_code 128 git deepops checkout 2>../err && test_grep "data.deepops" ../err &&
	cp ../keep data.deepops
'

test_expect_success 'an interrupted checkout is finished by the next' '
	cd repo && git checkout -q one && for at in removed dirs-made file-written:1 file-written:3
	do
		(DEEPOPS_KILL_AT=checkout-$at && export DEEPOPS_KILL_AT && test_expect_code 137 git deepops checkout) || exit 1
	done &&
	git deepops checkout -q && git deepops status data --exit-code &&
	find data -name ".tmp-*" >../out && test_must_be_empty ../out && git deepops diff --exit-code
'

test_expect_success 'with state.db lost, HEAD is what local changes are told by' '
	cd repo && git deepops checkout -q && rm .git/deepops/state.db &&
	git deepops checkout -q two && diff -r ../two data &&
	rm .git/deepops/state.db && git checkout -q -f two && echo mine >data/a/1 &&
	test_expect_code 128 git deepops checkout one 2>../err && test "$(cat data/a/1)" = mine
'

test_expect_success 'blocks are shared where the file system can, and only then' '
	cd repo && git deepops checkout -q -f two && mkdir data/stays && cp data/large data/stays/twin && cp data/large data/copy &&
	git deepops track -q data && rm data/copy &&
	git deepops checkout -q --link=copy && cmp data/large data/copy && rm data/copy &&
	git deepops checkout -q --link=auto && cmp data/large data/copy && rm data/copy &&
	if cp --reflink=always data/large ../reflinked 2>/dev/null
	then
		git deepops checkout -q --link=reflink && cmp data/large data/copy
	else
		test_expect_code 128 git deepops checkout --link=reflink 2>../err && test_grep "cannot share blocks" ../err &&
		rm data/large && test_expect_code 128 git deepops checkout --link=reflink 2>../err && test_grep "cannot share blocks" ../err && git deepops checkout -q
	fi &&
	test_expect_code 129 git deepops checkout --link=soft 2>../err
'

test_expect_success 'wrong operands' '
	cd repo && test_expect_code 128 git deepops checkout nowhere 2>../err && test_grep "neither a revision nor a dataset" ../err &&
	test_expect_code 128 git deepops checkout one -- nowhere 2>../err && test_grep "no dataset at .nowhere" ../err &&
	test_expect_code 128 git deepops checkout nope -- data 2>../err && test_grep nope ../err
'

test_expect_success 'a checkout that was cut off is no version to record, nor to run on' '
	git init -q cut && cd cut && mkdir data && for i in 1 2 3 4 5 6 7 8; do echo $i >data/$i || return 1; done &&
	git deepops track -q data && git add -A && git commit -q -m one && git clone -q . ../cut2 && cp -r .git/deepops ../cut2/.git/ &&
	rm ../cut2/.git/deepops/state.db && cd ../cut2 &&
	cut_off () {
		test_expect_code 137 env DEEPOPS_KILL_AT=checkout-file-written:3 git-deepops checkout &&
		test_expect_code 128 git deepops track data 2>../err && test_grep "only a part of .data." ../err &&
		test_grep "^hint: git deepops checkout data" ../err &&
		test_expect_code 128 git deepops run -i data -- true 2>../err && test_grep "^fatal: input data: its last checkout was cut off" ../err &&
		test_grep "^hint: git deepops checkout -- .data." ../err && git deepops checkout && git deepops status --exit-code &&
		git deepops track data >../out && test_grep "^unchanged" ../out && git deepops run -q -i data -- true
	} &&
	: "the first one, one after git clean, and one that goes on to another version" &&
	cut_off && git clean -q -f -d -x && cut_off &&
	(cd ../cut && for i in 1 2 3 4 5 6 7 8; do echo new >>data/$i || exit 1; done && git deepops track -q data && git commit -q -a -m two && cp -rf .git/deepops/packs .git/deepops/segments .git/deepops/catalogue.db ../cut2/.git/deepops/) &&
	git pull -q && git deepops run -i data -- true 2>../err && test_grep "^warning: data: its pointer has moved on" ../err && cut_off &&
	test "$(cat data/8)" = "8
new"
'

test_expect_success 'of many files that stand in the way some are named, and how many there are' '
	cd cut2 && mkdir -p many && for i in $(test_seq 30); do echo $i >many/$i || return 1; done && git deepops track -q many &&
	git commit -q -m many && for i in $(test_seq 30); do echo x >>many/$i || return 1; done &&
	test_expect_code 128 git deepops checkout HEAD -- many 2>../err && test_grep "^fatal: 30 local changes" ../err &&
	test "$(grep -c "^	many/" ../err)" = 20 && git deepops checkout -q --force many
'

test_expect_success 'a changed file that the new version lacks is not removed: neither file, link nor mode' '
	rm -rf lacks && git init -q lacks && (
		cd lacks && mkdir -p d/sub && echo same >d/same && echo 1 >d/edited && echo 2 >d/sub/run && ln -s same d/link &&
		git deepops track -q d && git commit -q -m full &&
		rm -r d/edited d/sub d/link && git deepops track -q d && git commit -q -m less &&
		git checkout -q HEAD~1 && git deepops checkout -q &&
		echo precious >d/edited && chmod +x d/sub/run && ln -sfn elsewhere d/link &&
		git checkout -q main 2>/dev/null &&
		test_expect_code 128 git deepops checkout 2>../err &&
		test_grep "d/edited" ../err && test_grep "d/sub/run" ../err && test_grep "d/link" ../err &&
		test "$(cat d/edited)" = precious && test -x d/sub/run && test "$(readlink d/link)" = elsewhere &&
		test_expect_code 128 git deepops checkout -n 2>../err &&
		git deepops checkout -q -f && ls d >../out && echo same >../want && test_cmp ../want ../out
	)
'

test_done
