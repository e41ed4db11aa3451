#!/bin/sh
test_description='a second reader, written from the manual pages alone, agrees on every format'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-policy.sh"

reads () {
	"$TEST_PYTHON" "$TOP_DIR/tests/vectors/independent.py" "$@"
}

test_expect_success 'golden vectors: what it accepts and what it refuses' '
	reads vectors >out &&
	test_grep " vectors, 0 wrong" out
'

# The newest run is 0, the oldest -1.
run_id () {
	git deepops runs --json | "$TEST_PYTHON" -c "
import json, sys
print(json.load(sys.stdin)[\"runs\"][$1][\"id\"])"
}

# Large and small, text and noise, odd names, an empty directory, a link; a submodule, a file too
# large for git, a dirty tree; a failed run, a rerun, a retraction; more inputs than a record holds.
test_expect_success 'a clone with all there is, and its server' '
	policy_server srv.git &&
	policy_clone srv.git work &&
	git init -q lib && (cd lib && test_commit lib) &&
	(
		cd work &&
		mkdir -p data/a data/b "data/c d" data/none &&
		test_bytes 300000 1 >data/a/noise &&
		test_seq 60000 >data/b/numbers &&
		: >"data/c d/$(printf "\377\n")" &&
		ln -s a/noise data/link &&
		mkdir data/many && (cd data/many && seq 4200 | xargs touch) &&
		test_bytes 700000 2 >one.bin &&
		git deepops track data one.bin &&
		git submodule --quiet add "$TRASH/lib" lib &&
		echo "lr: 3e-4" >params.yaml &&
		printf "%s\n" "echo \"{\\\"acc\\\":0.5}\" >metrics.json" \
			"echo out; head -c 100000 /dev/zero" "mkdir -p models && cp one.bin models/m" >train.sh &&
		git add . && git commit -q -m data && echo "# more" >>train.sh &&
		test_bytes 6000000 3 >large &&
		git deepops run -i data -i one.bin -p params.yaml -S "a b=c" -m metrics.json -o models \
			--title "T \"1\"" -- sh train.sh >../log &&
		mkdir sub &&
		test_expect_code 3 git -C sub deepops run --no-data -- sh -c "echo err >&2; exit 3" &&
		git deepops rerun "$(run_id -1)" >../rerun &&
		set -- && for i in $(seq 101)
		do
			echo $i >in.$i && set -- "$@" -i in.$i || exit
		done &&
		git deepops run "$@" -- true &&
		git deepops retract -m "too many" "$(run_id 0)" &&
		git add -A && git commit -q -m result
	) &&
	policy_push work main &&
	policy_settle srv.git
'

test_expect_success 'pointers, journals, notes' '
	reads git work >out &&
	test_grep "^work: " out &&
	reads git srv.git >out &&
	test_grep " 5 records" out &&
	test_grep ! " 0 pointers" out &&
	test_grep ! " 0 notes" out
'

test_expect_success 'stores: format file, catalogue, segments, packs, recipes, cuts, roots' '
	reads store work/.git/deepops srv.git/deepops >out &&
	test_grep ! "/deepops: 0 packs" out &&
	test_grep "srv.git/deepops:.* [1-9][0-9]* roots" out
'

test_expect_success 'what is damaged is named' '
	cp -r srv.git/deepops damaged && chmod -R u+w damaged &&
	pack=$(ls -S damaged/packs/*/*.pack | head -n 1) &&
	printf X | dd of="$pack" bs=1 seek=200 conv=notrunc 2>/dev/null &&
	test_must_fail "$TEST_PYTHON" "$TOP_DIR/tests/vectors/independent.py" store damaged >out &&
	test_grep "^damaged: " out
'

test_expect_success 'contrib/reader.py gets the files out of the server'\''s store' '
	"$TEST_PYTHON" "$TOP_DIR/contrib/reader.py" srv.git/deepops work/data.deepops data &&
	diff -r --no-dereference work/data data &&
	"$TEST_PYTHON" "$TOP_DIR/contrib/reader.py" srv.git/deepops work/one.bin.deepops one &&
	cmp work/one.bin one/one.bin
'

test_done
