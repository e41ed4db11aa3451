#!/bin/sh
test_description='.deepopsignore: what lies beside the data and is no part of it; disks that are mounted there'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-data.sh"

test_expect_success 'a disk with its lost+found, and what systems and tools leave' '
	new_pair pair >/dev/null && git deepops server install pair.git >/dev/null && cd pair && make_data 1 && git deepops track -q data && git commit -q -m clean &&
	git deepops track -n data | sed "s/.* //" >../id &&
	mkdir -p data/lost+found data/py/__pycache__ data/sub && echo 1 >data/lost+found/1 && echo x >data/.DS_Store && echo x >data/sub/.DS_Store &&
	echo p >data/py/m.py && echo c >data/py/__pycache__/m.pyc && git init -q data/sub/nested && chmod 0 data/lost+found
'

test_expect_success 'without a rule: refused by name, and the hint leaves it out' '
	(
		cd pair && test_expect_code 128 test_unprivileged git deepops track data 2>../err &&
		test_grep "data/lost+found.*Permission denied" ../err &&
		sed -n "s/^hint: .*to leave it out of the dataset: //p" ../err >../mend && sh ../mend &&
		echo /data/lost+found >../want && test_cmp ../want .deepopsignore &&
		test_expect_code 128 test_unprivileged git deepops track data 2>../err &&
		test_grep "data/sub/nested/.git. is named as git.s own directory" ../err &&
		sed -n "s/^hint: .*to leave it out of the dataset: //p" ../err >../mend && sh ../mend && test_line_count = 2 .deepopsignore &&
		mkfifo data/pipe && test_expect_code 128 test_unprivileged git deepops track data 2>../err &&
		sed -n "s/^hint: .*to leave it out of the dataset: //p" ../err >../mend && sh ../mend && test_line_count = 3 .deepopsignore &&
		test_unprivileged git deepops track data
	)
'

test_expect_success 'a file of somebody else names its owner' '
	(
		cd pair && echo 1 >data/theirs && chmod 0 data/theirs && { chown 1 data/theirs 2>/dev/null || :; } &&
		test_expect_code 128 test_unprivileged git deepops track data 2>../err && test_grep "data/theirs.*Permission denied" ../err &&
		{ test "$(id -u)" -ne 0 || test_grep "hint: it belongs to daemon (mode 0000); " ../err; } && rm -f data/theirs
	)
'

test_expect_success 'patterns as those of .gitignore: the id is that of the data alone' '
	(
		cd pair && printf "# systems\n\n.DS_Store  \n__pycache__/\n*.tmp\n!/data/keep.tmp\n" >>.deepopsignore &&
		echo t >data/t.tmp && rm -r data/py/m.py && rm data/.DS_Store && mkdir -p data/py/__pycache__ &&
		test_unprivileged git deepops track data && git deepops ls -r data >../out &&
		printf "a\nb\npy/\nsub/nested/\n" >../want && test_cmp ../want ../out &&
		rmdir data/py/__pycache__ 2>/dev/null || rm -r data/py && rm -rf data/sub && test_unprivileged git deepops track data &&
		test_unprivileged git deepops track -n data | sed "s/.* //" | cmp - ../id &&
		echo k >data/keep.tmp && test_unprivileged git deepops track data && git deepops ls data >../out && test_grep keep.tmp ../out &&
		git add .deepopsignore && git commit -q -m rules && git push -q origin main &&
		echo x >data/.DS_Store && test_unprivileged git deepops status >../out && test_grep "^clean *data" ../out &&
		test_unprivileged git deepops diff >../out && test_must_be_empty ../out
	)
'

test_expect_success 'checkout leaves alone what is left out, also with --force' '
	(
		cd pair && rm data/a && echo changed >data/b && test_unprivileged git deepops checkout -q -f &&
		test "$(cat data/.DS_Store)" = x && test "$(cat data/t.tmp)" = t && test_path_is_dir data/lost+found &&
		test_unprivileged git deepops status >../out && test_grep "^clean *data" ../out
	)
'

test_expect_success 'a file that a version holds is written whatever the rules say now' '
	(
		cd pair && echo "/data/a" >>.deepopsignore && git rm -q --cached .deepopsignore && rm data/a &&
		test_unprivileged git deepops checkout -q -f && test_path_is_file data/a &&
		echo mine >data/a && test_expect_code 128 test_unprivileged git deepops checkout 2>../err && test_grep "data/a" ../err &&
		git checkout -q -f main && test_unprivileged git deepops checkout -q -f
	)
'

test_expect_success 'a clone leaves out the same' '
	git clone -q pair.git there && (
		cd there && git deepops init >/dev/null && git deepops pull -q && echo x >data/.DS_Store && mkdir data/lost+found &&
		git deepops status >../out && test_grep "^clean *data" ../out && git deepops track data >../out && test_grep "^unchanged" ../out
	)
'

test_expect_success 'drop does not take away what nobody else has' '
	(
		cd there && test_expect_code 1 git deepops drop data 2>../err && test_grep "changes that are recorded nowhere" ../err &&
		rm -r data/.DS_Store data/lost+found && git deepops drop -q data && test_path_is_missing data
	)
'

test_expect_success 'a dataset that is left out as a whole' '
	(
		cd there && mkdir other && echo 1 >other/1 && echo "other/" >>.deepopsignore &&
		test_expect_code 128 git deepops track other 2>../err && test_grep "all of .other. is left out by .deepopsignore" ../err
	)
'

test_need MOUNT 'test "$(id -u)" -eq 0 && unshare -m true' 'root and mount namespaces'

# In a namespace of its own: what is mounted is gone with it.
cat >mounted <<\END
set -e
git init -q m
cd m
git deepops init >/dev/null 2>&1
mkdir -p data/disk elsewhere
echo own >data/own
mount -t tmpfs none data/disk
echo far >data/disk/far
mkdir data/disk/dir
echo 2 >data/disk/dir/2
git deepops track data
git commit -q -m one
git deepops status | grep "^clean *data"
echo 3 >data/disk/far
rm -r data/disk/dir
git deepops track -q data
git commit -q -m two
git checkout -q HEAD~1 2>/dev/null
git deepops checkout -q
test "$(cat data/disk/far)" = far
test "$(cat data/disk/dir/2)" = 2
mv data/own .
rm -r data/disk/*
cp own data/own
git deepops track -q -f data
git deepops checkout -q
git rm -q -f --cached data.deepops
rm data.deepops
# A root that is a mount point, as where a large disk stands in for a directory.
mkdir big
mount -t tmpfs none big
echo b >big/b
git deepops track -q big
git commit -q -m big
git deepops status | grep "^clean *big"
echo c >big/b
git deepops checkout -q -f
test "$(cat big/b)" = b
git deepops drop -q --force big
test ! -e big/b
# Nothing can be written there.
mount -t tmpfs none big
echo b >big/b
git deepops track -q -f big
mount -o remount,ro big
rm -rf .git/deepops/state.db
git deepops status | grep "^clean *big"
git commit -q --allow-empty -m ro
git deepops checkout -q
END

test_expect_success MOUNT 'disks that are mounted in a dataset, and as one' '
	unshare -m sh -x ./mounted
'

test_done
