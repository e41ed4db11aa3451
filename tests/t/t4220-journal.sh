#!/bin/sh
test_description='journals only grow, by well-formed records; levels never stop them'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-policy.sh"

w2=00000000000000aa

test_expect_success 'a server with three records' '
	policy_floor >floor &&
	policy_server srv.git floor &&
	policy_clone srv.git work &&
	policy_run work 2 && policy_run work 3 && policy_run work 4 &&
	policy_push work main &&
	policy_settle srv.git &&
	journal=$(policy_journal work) &&
	test "$(git -C srv.git rev-list --count "$journal")" = 3
'

test_expect_success 'deleting a journal is refused' '
	policy_refused work E-RECORD-REWIND ":$journal" &&
	git -C srv.git rev-parse -q --verify "$journal"
'

test_expect_success 'rewinding a journal is refused' '
	policy_refused work E-RECORD-REWIND "+$journal~1:$journal" &&
	test "$(git -C srv.git rev-list --count "$journal")" = 3
'

test_expect_success 'a journal rewritten from the start is refused' '
	policy_forge work $w2 "" &&
	policy_refused work E-RECORD-CHAIN "+refs/deepops/log/$w2:$journal" &&
	git -C work update-ref -d refs/deepops/log/$w2
'

test_expect_success 'a record that is not canonical, has an unknown key or is cut is refused' '
	for edit in "s/^{/{ /" "s/^{/{\"zzz\":1,/" "s/\"kind\":\"run\"/\"kind\":\"walk\"/" \
		"s/.\$//" "s/\"seq\":1/\"seq\":1.5/"
	do
		policy_forge work $w2 "$edit" &&
		policy_refused work E-RECORD-MALFORMED "refs/deepops/log/$w2" || return 1
	done &&
	git -C work update-ref refs/deepops/log/$w2 "$(
		cd work && git commit-tree -m empty $(git mktree </dev/null))" &&
	policy_refused work E-RECORD-MALFORMED "refs/deepops/log/$w2" &&
	test_grep "has no record.json" work.said
'

test_expect_success 'a wrong writer, seq or prev is refused' '
	policy_forge work $w2 "" &&
	policy_refused work E-RECORD-CHAIN "refs/deepops/log/$w2:refs/deepops/log/00000000000000bb" &&
	test_grep "in the journal of" work.said &&
	policy_forge work $w2 "s/\"seq\":1/\"seq\":2/" &&
	policy_refused work E-RECORD-MALFORMED "refs/deepops/log/$w2" &&
	prev=sha256:$(printf "%064d" 0) &&
	policy_forge work $w2 "s/\"seq\":1/\"seq\":2/; s/\"recipe\":/\"prev\":\"$prev\",&/" &&
	policy_refused work E-RECORD-CHAIN "refs/deepops/log/$w2" &&
	test_grep "begins a journal" work.said &&
	policy_refused work E-RECORD-CHAIN "$journal:refs/deepops/log/$w2" &&
	git -C work update-ref -d refs/deepops/log/$w2
'

test_expect_success 'a commit with two parents is no journal'\''s' '
	tip=$(git -C work rev-parse "$journal") &&
	two=$(cd work && git commit-tree -p "$tip" -p main -m two "$tip^{tree}") &&
	policy_refused work E-RECORD-MALFORMED "$two:$journal" &&
	test_grep "one parent" work.said &&
	policy_refused work E-RECORD-MALFORMED "main:refs/deepops/log/$w2"
'

test_expect_success 'a well-formed record of a low level is taken, and stops nothing after it' '
	(cd work && test_tick && echo 5 >seed && git commit -q -am low &&
		git deepops run --no-data -- sh -c "exit 1" || :) &&
	policy_push_only work "$journal" &&
	policy_settle srv.git &&
	test "$(git -C srv.git rev-list --count "$journal")" = 4 &&
	policy_forge work $w2 "" machine= &&
	policy_push_only work "refs/deepops/log/$w2" &&
	policy_refused work E-DATA-NONE main &&
	(
		cd work &&
		git deepops retract $(sed -n "s/.*fix:  git deepops retract \([0-9a-f]*\) .*/\1/p" \
			../work.said | sort -u)
	) &&
	policy_run work 6 &&
	policy_push work main &&
	policy_settle srv.git &&
	test "$(git -C srv.git rev-list --count "$journal")" = 7
'

test_expect_success 'records stand before the branch they speak of, and are found at once' '
	policy_run work 7 &&
	policy_push_only work "$journal" &&
	(cd work && git deepops push --data-only) &&
	policy_push_only work main
'

test_expect_success 'journal and branch in one push, when nothing in the branch needs the journal' '
	(cd work && test_commit harmless && test_expect_code 1 git deepops run -i in.txt -- sh -c "exit 1") &&
	(cd work && git deepops push --data-only) &&
	policy_push_only work "$journal" main &&
	policy_run work 8 &&
	policy_push work main
'

test_expect_success 'a journal of a copied repository goes on under another name' '
	cp -r work copy &&
	policy_run work 9 && policy_push work main &&
	git -C copy pull -q --no-rebase origin main &&
	policy_run copy 10 && policy_push copy main &&
	policy_settle srv.git &&
	git -C srv.git for-each-ref refs/deepops/log >refs &&
	test_line_count = 3 refs
'

test_expect_success 'the server appends to a journal of its own, which takes no pushes' '
	echo "$w2" >srv.git/deepops/writer.save &&
	if test -f srv.git/deepops/writer; then own=$(cat srv.git/deepops/writer); else
		own=00000000000000cc && echo $own >srv.git/deepops/writer; fi &&
	policy_forge work "$own" "" &&
	policy_refused work E-REF-RESERVED "refs/deepops/log/$own" &&
	test_grep "the server.s own" work.said
'

test_expect_success 'too many records in one push are refused' '
	git -C work update-ref -d "refs/deepops/log/$own" &&
	(
		cd work &&
		policy_tip=$(git rev-parse refs/deepops/log/$w2) &&
		"$TEST_PYTHON" - "$policy_tip" <<-\END
		import hashlib, re, subprocess, sys
		def git(*a, data=None):
		    return subprocess.run(("git",) + a, input=data, stdout=subprocess.PIPE, check=True).stdout
		tip = sys.argv[1]
		rec = git("cat-file", "blob", tip + ":record.json")
		out = []
		for n in range(2, 5604):
		    prev = "sha256:" + hashlib.sha256(rec).hexdigest()
		    rec = re.sub(rb"\"prev\":\"[^\"]*\",", b"", rec)
		    rec = rec.replace(b"\"recipe\":", b"\"prev\":\"" + prev.encode() + b"\",\"recipe\":", 1)
		    rec = re.sub(rb"\"seq\":\d+", b"\"seq\":%d" % n, rec)
		    out.append(b"commit refs/heads/many\n")
		    out.append(b"committer a <a@b> %d +0000\ndata 1\nx\n" % (1700000000 + n))
		    if n == 2:
		        out.append(b"from " + tip.encode() + b"\n")
		    out.append(b"M 100644 inline record.json\ndata %d\n" % len(rec) + rec + b"\n")
		git("fast-import", "--quiet", data=b"".join(out))
		END
	) &&
	policy_refused work E-LIMIT-RECORDS "refs/heads/many~5101:refs/deepops/log/$w2" &&
	policy_push_only work "refs/heads/many~5102:refs/deepops/log/$w2" &&
	policy_push_only work "refs/heads/many~5101:refs/deepops/log/$w2"
'

test_expect_success 'an index that is far behind refuses, naming the mend' '
	git -C work pull -q --ff-only origin main && policy_run work 11 && (cd work && git deepops push --data-only) &&
	policy_push_only work "$(policy_journal work)" && policy_settle srv.git &&
	git -C srv.git fetch -q ../work "refs/heads/many:refs/deepops/log/$w2" &&
	test_must_fail git -C work push --no-verify origin main 2>err &&
	test_grep -F "[E-INDEX-BEHIND]" err && test_grep "git deepops server index" err &&
	policy_push_only work main:refs/heads/other &&
	policy_settle srv.git &&
	policy_push_only work main
'

test_done
