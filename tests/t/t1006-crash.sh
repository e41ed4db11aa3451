#!/bin/sh
test_description='kill -9 at any named point of track: the same command again succeeds, with the same pointer'
. "${0%/*}/test-lib.sh"

points=$(cat "$TOP_DIR"/git-deepops/cmd/*.c "$TOP_DIR"/git-deepops/lib/*/*.c |
	grep -o 'killpoint("track-[^"]*"' | sed 's/.*"\(.*\)"/\1/' | sort -u)

change () {
	seq 1 "$1" >data/a/text && test_bytes 400000 "$1" >data/b/large && echo "$1" >data/b/small
}

test_expect_success 'there are at least ten points' '
	echo "$points" >list && test_line_count -ge 10 list
'

test_expect_success 'what each version should become' '
	git init -q want && cd want && mkdir -p data/a data/b &&
	for v in 1 2; do change $v && git deepops track -q data && cp data.deepops ../want-$v || exit 1; done
'

# sweep NAME: kill a first track, and then an update, at each point.
for point in $points
do
	test_expect_success "killed at $point" '
		git init -q $point && cd $point && mkdir -p data/a data/b && change 1 &&
		(DEEPOPS_KILL_AT=$point && export DEEPOPS_KILL_AT && test_expect_code 137 git deepops track data) &&
		{
			test_path_is_missing data.deepops || test_cmp ../want-1 data.deepops
		} &&
		git deepops fsck --deep &&
		git deepops track -q data && test_cmp ../want-1 data.deepops &&
		git deepops status --exit-code && git deepops fsck --deep &&
		git ls-files >../out && test_line_count = 3 ../out && test_line_count = 1 .gitignore &&
		test_line_count = 1 .gitattributes && git commit -q -m one && change 2 &&
		(DEEPOPS_KILL_AT=$point && export DEEPOPS_KILL_AT && test_expect_code 137 git deepops track data) &&
		{
			cmp -s ../want-1 data.deepops || test_cmp ../want-2 data.deepops
		} &&
		git deepops track -q data && test_cmp ../want-2 data.deepops && git diff --exit-code &&
		mv data ../away-$point && git deepops checkout -q && diff -r ../away-$point data &&
		git deepops fsck --deep && find . -name ".tmp-*" >../out && test_must_be_empty ../out
	'
done

test_expect_success 'ended by a signal: no temporary file stays' '
	git init -q signal && cd signal && mkdir data && test_bytes 30000000 4 >data/large &&
	{ git deepops track data & } && child=$! && sleep 0.1 && { kill -TERM $child || :; } && { wait $child || :; } &&
	git deepops track -q data && find . -name ".tmp-*" >../out && test_must_be_empty ../out && git deepops fsck --deep
'

test_done
