#!/bin/sh
test_description='--json prints what the manual pages say: one document, version 1, these keys'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-policy.sh"

# shape COMMAND FILE...: the files against the shape in the command's page
shape () {
	page=$TOP_DIR/git-deepops/docs/git-deepops-$1.1.adoc && shift &&
	"$TEST_PYTHON" "$TESTS_DIR/helper/json-shape" "$page" "$@"
}

test_expect_success 'a repository with something of everything' '
	policy_floor >floor && printf "\toverride = option\n" >>floor &&
	policy_server srv.git floor &&
	policy_clone srv.git work &&
	(
		cd work &&
		mkdir data && for i in 1 2 3 4
		do
			test_bytes 2000 $i >data/$i || exit
		done &&
		chmod +x data/2 && ln -s 1 data/link && mkdir data/dir && echo x >data/dir/x &&
		mkdir other && echo y >other/y &&
		git deepops track data other &&
		git add . && git commit -q -m data &&
		git deepops run -i data -S lr=0.1 -m metrics.json --title one --tag t -- sh train.sh &&
		test_expect_code 137 git deepops run --no-data -- sh -c "kill -9 \$\$"
	)
'

test_expect_success 'status, diff' '
	(
		cd work &&
		git deepops status --json >../status.clean &&
		git add -f data/2 && git deepops status --json >../status.staged && git rm -q --cached data/2 &&
		mv data/1 data/moved && rm data/3 && echo changed >data/4 && echo new >data/new &&
		git deepops status --json >../status.json &&
		git deepops diff --json >../diff.json
	) &&
	shape status status.clean status.staged status.json &&
	shape diff diff.json
'

test_expect_success 'ls, du' '
	(
		cd work &&
		git deepops ls --json data >../ls.json &&
		git deepops du --json >../du.json
	) &&
	shape ls ls.json &&
	shape du du.json
'

test_expect_success 'runs, and show, which is the record' '
	(
		cd work &&
		git deepops retract "$(git deepops runs --where signal=9 --columns run | tr -d " ")" &&
		git deepops runs --json >../runs.json &&
		run=$(git deepops runs --where exit=0 | cut -d" " -f1) &&
		git deepops show --json $run >../show.json &&
		git deepops show --raw $run >../record
	) &&
	shape runs runs.json &&
	"$TEST_PYTHON" -c "
import json
assert json.load(open(\"show.json\")) == json.load(open(\"record\"))"
'

test_expect_success 'remote, doctor' '
	(
		cd work &&
		git deepops remote --json >../remote.json &&
		git -c remote.bad.url="ssh://-x/y" -c remote.bad.deepops=true \
			deepops remote --json >../remote.bad &&
		git deepops doctor --json >../doctor.json &&
		rm .git/hooks/pre-push &&
		{ git deepops doctor --json >../doctor.broken || :; }
	) &&
	shape remote remote.json remote.bad &&
	shape doctor doctor.json doctor.broken
'

test_expect_success 'check' '
	(
		cd work &&
		git checkout -q . && git deepops run -m metrics.json -- sh -c "echo {\\\"acc\\\": 0.9} >metrics.json" &&
		git add metrics.json && git commit -q -m invented &&
		test_expect_code 1 git deepops check --json --policy ../floor >../check.json
	) &&
	shape check check.json
'

test_expect_success 'fsck' '
	(
		cd work &&
		git deepops fsck --json >../fsck.json &&
		pack=$(ls -S .git/deepops/packs/*/*.pack | tail -n 1) && chmod u+w "$pack" &&
		printf XXXX | dd of="$pack" bs=1 seek=90 conv=notrunc 2>/dev/null &&
		test_expect_code 1 git deepops fsck --json >../fsck.bad
	) &&
	shape fsck fsck.json fsck.bad
'

test_expect_success 'machine, explain, version, server doctor' '
	git deepops machine capture --json >machine.json &&
	shape machine machine.json &&
	git deepops explain --json >explain.json &&
	shape explain explain.json &&
	git deepops version --json >version.json &&
	shape version version.json &&
	git deepops server doctor --json srv.git >server.json &&
	chmod -x srv.git/hooks/pre-receive &&
	{ git deepops server doctor --json srv.git >server.broken || :; } &&
	shape server server.json server.broken
'

test_expect_success 'every command with --json is asked here' '
	for name in $(git deepops --git-completion-helper)
	do
		git deepops $name -h | grep -q -e --json -e "-.no-.json" || continue
		grep -qE "deepops (server )?$name( [a-z]+)? .*--json|deepops $name --json" \
			"$TESTS_DIR/t0014-json.sh" || echo $name
	done >unasked &&
	test_must_be_empty unasked
'

test_done
