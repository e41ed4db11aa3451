#!/bin/sh
test_description='tags, merges of many, shallow clones, odd policies: each judged as any other push'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-policy.sh"

reset () {
	git -C work checkout -q -f main && git -C work reset -q --hard origin/main
}

test_expect_success 'a server and a clone with a result' '
	policy_server srv.git &&
	policy_rule "ref = refs/tags/**" &&
	policy_clone srv.git work &&
	policy_run work 5 &&
	policy_push work main
'

test_expect_success 'a tag is judged by the commit that it names, through other tags' '
	git -C work tag -m good v1 && git -C work tag -m outer v1-outer v1 &&
	policy_push work v1 v1-outer &&
	policy_invent 91 &&
	git -C work tag light && git -C work tag -m annotated v2 && git -C work tag -m outer v2-outer v2 &&
	for tag in light v2 v2-outer; do
		policy_refused work E-EXEC-NORECORD $tag || return 1
	done &&
	git -C work tag -m tree tree "HEAD^{tree}" &&
	policy_refused work E-REF-OBJECT tree &&
	policy_refused work E-REF-OBJECT "main^{tree}:refs/tags/t" &&
	reset
'

test_expect_success 'a merge of many does not bring in what none of its parents may' '
	for b in a b c; do
		(cd work && git checkout -q -b $b main && test_commit $b) || return 1
	done &&
	echo "{\"acc\": 0.92}" >work/metrics.json && policy_commit work "invented on c" &&
	(
		cd work && git checkout -q main && git merge -q -m octopus a b c &&
		test "$(git rev-list --parents -1 HEAD | wc -w)" = 4
	) &&
	for how in tip every first-parent; do
		policy_rule "require = $how" && policy_refused work E-EXEC-NORECORD main || return 1
	done &&
	git -C work checkout -q c && git -C work reset -q --hard HEAD~1 && reset &&
	(cd work && git merge -q -m octopus a b c) &&
	policy_push work main && git -C work branch -q -D a b c &&
	policy_rule "ref = refs/tags/**"
'

test_expect_success 'from a shallow clone' '
	git clone -q --depth 1 "file://$TRASH/srv.git" shallow 2>/dev/null &&
	git -C shallow remote set-url origin "$TRASH/srv.git" &&
	(cd shallow && git deepops init >/dev/null) &&
	echo "{\"acc\": 0.93}" >shallow/metrics.json && policy_commit shallow invented &&
	policy_refused shallow E-EXEC-NORECORD main &&
	git -C shallow reset -q --hard HEAD~1 &&
	policy_run shallow 6 && policy_push shallow main &&
	git -C work pull -q origin main
'

test_expect_success 'a history of its own, pushed over and beside the branch' '
	git -C work checkout -q --orphan alone && policy_invent 94 &&
	policy_refused work E-REF-REWIND +alone:main &&
	policy_rule "rewind = allow" "ref = refs/tags/**" &&
	policy_refused work E-EXEC-NORECORD +alone:main &&
	policy_refused work E-EXEC-NORECORD alone:refs/tags/alone &&
	(cd work && git merge -q -s ours --allow-unrelated-histories -m join main) &&
	policy_refused work E-EXEC-NORECORD alone:main &&
	reset
'

test_expect_success 'what may be rewound is compared all the same' '
	policy_rule "rewind = allow" &&
	good=$(cat work/metrics.json) &&
	policy_invent 95 && git -C work branch -f bad && echo "$good" >work/metrics.json &&
	policy_commit work "right again" && policy_push work main &&
	policy_refused work E-EXEC-NORECORD +bad:main &&
	policy_push work +main~2:main && policy_push work main &&
	git -C work branch -q -D bad && reset
'

test_expect_success 'a policy that is no plain text does not get in' '
	mkdir -p work/.deepops &&
	printf "\357\273\277" >bom && cat floor >>bom &&
	"$TEST_PYTHON" -c "
t = open(\"floor\").read()
open(\"utf16\", \"wb\").write(t.encode(\"utf-16\"))
open(\"nul\", \"wb\").write(t.encode() + b\"\\0[rule]\")
open(\"big\", \"w\").write(t + \"; long\\n\" * 40000)
open(\"cont\", \"w\").write(t.replace(\"enforce\", \"\\\\\\\\\\n\\toff\"))
open(\"twice\", \"w\").write(t + t)
open(\"case\", \"w\").write(t.replace(\"[rule\", \"[Rule\"))
" &&
	for f in bom utf16 nul big cont twice case; do
		cp $f work/.deepops/policy && policy_commit work "$f" &&
		policy_refused work E-POLICY-MALFORMED main && reset || { echo "$f"; return 1; }
	done &&
	mkdir -p work/.deepops && rm -f work/.deepops/policy && ln -s ../floor work/.deepops/policy &&
	policy_commit work link && policy_refused work E-POLICY-MALFORMED main &&
	test_grep "is not a file" work.said && reset
'

test_expect_success 'results that patterns take back, in directories and at any depth' '
	policy_rule "results = out/" "results = **/deep/*.bin" "results = *.npz" "results = !tmp.npz" &&
	mkdir -p work/out/x work/a/deep work/deep/er &&
	for f in out/x/any a/deep/w.bin deep/w.bin b.npz a/b.npz; do
		echo fake >work/$f && policy_commit work "$f" &&
		policy_refused work E-EXEC-NORECORD main && reset && git -C work clean -q -fd &&
		mkdir -p work/out/x work/a/deep work/deep/er || { echo "$f"; return 1; }
	done &&
	for f in tmp.npz a/tmp.npz deep/er/w.bin out.bin; do echo free >work/$f || return 1; done &&
	policy_commit work free && policy_push work main
'

test_expect_success 'more refs than a push may bring' '
	"$TEST_PYTHON" -c "
for i in range(10001):
    print(\"0\" * 40, \"1\" * 40, \"refs/heads/%d\" % i)
" >line &&
	test_expect_code 1 sh -c "cd srv.git && GIT_DIR=. git-deepops-pre-receive <../line" 2>err &&
	test_grep -F "[E-LIMIT-REFS]" err
'

test_done
