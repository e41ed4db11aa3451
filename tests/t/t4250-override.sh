#!/bin/sh
test_description='overrides and signed pushes: who, why, and where it is kept'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-policy.sh"

# push with a reason, as somebody (or nobody)
override () {
	test_must_fail env ${2:+"DEEPOPS_USER=$2" DEEPOPS_ROLE=push} \
		git -C work push -o "deepops.override=$1" origin main >work.said 2>&1
}

test_expect_success 'a server and a clone' '
	policy_server srv.git &&
	policy_rule "override = option" "overrideBy = alice@example.org" &&
	policy_clone srv.git work &&
	policy_push work main
'

test_expect_success 'the refusal says how to override, and for whom' '
	policy_invent 91 &&
	policy_refused work E-EXEC-NORECORD main &&
	test_grep "override: git push -o deepops.override=\"<reason>\"" work.said &&
	test_grep "alice@example.org" work.said
'

test_expect_success 'not by somebody the server does not know, or the rule does not name' '
	override "in a hurry" &&
	test_grep "the server does not know who pushes" work.said &&
	override "in a hurry" bob@example.org &&
	test_grep "bob@example.org may not override" work.said &&
	test_grep -F "[E-OVERRIDE-DENIED]" work.said
'

test_expect_success 'a name that anybody can set is none: not without the role, nor of a forge that is not there' '
	for name in DEEPOPS_USER GL_USER GL_USERNAME GITEA_PUSHER_NAME
	do
		test_must_fail env $name=alice@example.org \
			git -C work push -o "deepops.override=in a hurry" origin main >work.said 2>&1 &&
		test_grep "the server does not know who pushes" work.said || return 1
	done
'

test_expect_success 'of a forge that the server is told to trust it is one' '
	git -C srv.git config deepops.trustForge true && test_when_finished "git -C srv.git config --unset deepops.trustForge" &&
	for name in GL_USER GL_USERNAME GITEA_PUSHER_NAME
	do
		test_must_fail env $name=bob@example.org git -C work push -o "deepops.override=x" origin main >work.said 2>&1 &&
		test_grep "bob@example.org may not override" work.said || return 1
	done &&
	git deepops server doctor srv.git >out && test_grep "^ok *overrides: by the names that the forge gives" out
'

test_expect_success 'doctor and lint say what an override rests on' '
	test_file_not_empty srv.git/deepops/policy &&
	git deepops policy lint srv.git/deepops/policy 2>err && test_grep "^warning: override = option trusts the name" err &&
	: >keys && git deepops server doctor --keys keys srv.git >out && test_grep "overrides: warning: no keys in keys" out &&
	ssh-keygen -q -t ed25519 -N "" -f lone && git deepops server authorize srv.git alice push <lone.pub >keys &&
	git deepops server doctor --keys keys srv.git >out && test_grep "overrides: 1 keys in keys, each with its user" out &&
	{ echo "# a comment" && cat lone.pub; } >>keys && git deepops server doctor --keys keys srv.git >out &&
	test_grep "overrides: warning: 1 of 2 keys in keys have no forced command" out &&
	chmod g+w srv.git && git deepops server doctor --keys keys srv.git >out && chmod g-w srv.git &&
	test_grep "access: warning: others may write to .*core.hooksPath" out
'

test_expect_success 'not with a reason that no record could hold' '
	override "$(printf "%05000d" 1)" alice@example.org &&
	test_grep "a reason has at most 4096 bytes" work.said
'

test_expect_success 'by whom it names, and the server keeps the reason' '
	DEEPOPS_USER=alice@example.org DEEPOPS_ROLE=push \
		git -C work push -o "deepops.override=cluster down, T-42" origin main >work.said 2>&1 &&
	test_grep "accepted by override" work.said &&
	test_grep "override: cluster down, T-42 (by alice@example.org, logged)" work.said &&
	policy_settle srv.git &&
	git -C srv.git cat-file blob "refs/deepops/log/$(cat srv.git/deepops/writer):record.json" >rec &&
	test_grep "\"kind\":\"override\"" rec &&
	test_grep "cluster down, T-42" rec &&
	test_grep "E-EXEC-NORECORD" rec &&
	test_grep "alice@example.org" rec &&
	test_grep "$(git -C work rev-parse main)" rec &&
	git -C srv.git notes --ref=deepops show main >note &&
	test_grep "^Deepops-Override: [0-9a-f]* ref=refs/heads/main by=alice@example.org reason=cluster%20down,%20T-42 rec=" note
'

# records_of_server: how many it has written
records_of_server () {
	git -C srv.git rev-list --count "refs/deepops/log/$(cat srv.git/deepops/writer)"
}

test_expect_success 'it is on disk before the push passes, whatever becomes of post-receive' '
	chmod -x srv.git/hooks/post-receive &&
	test_when_finished "chmod +x srv.git/hooks/post-receive" &&
	policy_invent 911 && n=$(records_of_server) &&
	DEEPOPS_USER=alice@example.org DEEPOPS_ROLE=push git -C work push -o "deepops.override=no post-receive" origin main &&
	test "$(records_of_server)" = $n &&
	test_grep "no post-receive" srv.git/deepops/overrides/*.json &&
	git deepops server index srv.git && test "$(records_of_server)" = $((n + 1)) &&
	git -C srv.git cat-file blob "refs/deepops/log/$(cat srv.git/deepops/writer):record.json" >rec &&
	test_grep "no post-receive" rec &&
	git deepops server index srv.git && test "$(records_of_server)" = $((n + 1)) &&
	ls srv.git/deepops/overrides >left && test_must_be_empty left
'

test_expect_success 'findings without end, full of control bytes, fit into it' '
	(
		cd work && name=$(printf "\001%.0s" $(test_seq 240)) &&
		dir=$name/$name/$name/$name/$name/$name/$name/$name/$name/$name/$name/$name/$name/$name &&
		for i in $(test_seq 12); do mkdir -p "$dir/$i" && echo $i >"$dir/$i/metrics.json" || exit 1; done &&
		git add -A && test_tick && git commit -q -m control
	) &&
	n=$(records_of_server) && policy_rule "override = option" "overrideBy = alice@example.org" \
		"results = **/metrics.json" &&
	reason=$(printf "%04096d" 1) &&
	DEEPOPS_USER=alice@example.org DEEPOPS_ROLE=push git -C work push -o "deepops.override=$reason" origin main &&
	policy_settle srv.git && test "$(records_of_server)" = $((n + 1)) &&
	git -C srv.git cat-file blob "refs/deepops/log/$(cat srv.git/deepops/writer):record.json" >rec &&
	test_grep "and 2 more" rec && test_grep ! "$(printf "\001")" rec &&
	git -C work rm -q -r --cached . && git -C work reset -q --hard HEAD~1 &&
	DEEPOPS_USER=alice@example.org DEEPOPS_ROLE=push git -C srv.git update-ref refs/heads/main "$(git -C work rev-parse HEAD)" &&
	git -C work fetch -q &&
	policy_rule "override = option" "overrideBy = alice@example.org"
'

test_expect_success 'what can not be recorded is refused, and a refused push leaves nothing' '
	policy_invent 912 && n=$(records_of_server) &&
	rmdir srv.git/deepops/overrides && echo >srv.git/deepops/overrides &&
	override "nowhere" alice@example.org &&
	test_grep -F "[E-OVERRIDE-DENIED]" work.said && test_grep "be recorded" work.said &&
	rm srv.git/deepops/overrides &&
	test_must_fail env DEEPOPS_USER=alice@example.org DEEPOPS_ROLE=push git -C work push -o deepops.override=half origin \
		main HEAD:refs/heads/HEAD &&
	test_path_is_missing srv.git/deepops/overrides &&
	policy_settle srv.git && test "$(records_of_server)" = $n &&
	git -C work reset -q --hard origin/main
'

test_expect_success 'a push that git refused after the hook leaves no record' '
	policy_invent 913 && n=$(records_of_server) &&
	git -C work push -q --no-verify origin HEAD~1:refs/heads/zz && old=$(git -C srv.git rev-parse main) &&
	printf "%s\n" "#!/bin/sh" "exit 1" >srv.git/hooks/update && chmod +x srv.git/hooks/update &&
	override "then refused" alice@example.org && rm srv.git/hooks/update &&
	test "$(git -C srv.git rev-parse main)" = "$old" &&
	git -C work reset -q --hard origin/main && policy_settle srv.git
'

test_expect_success 'an override that was not needed leaves no record' '
	n=$(records_of_server) && (cd work && test_commit harmless) &&
	DEEPOPS_USER=alice@example.org DEEPOPS_ROLE=push git -C work push -o deepops.override=why origin main &&
	policy_settle srv.git && test "$(records_of_server)" = "$n"
'

test_expect_success 'a rule without override allows none' '
	policy_rule &&
	policy_invent 92 &&
	override "in a hurry" alice@example.org &&
	test_grep "allows no override" work.said &&
	git -C work reset -q --hard origin/main
'

test_expect_success 'what is not a rule'\''s business can'\''t be overridden' '
	policy_rule "override = option" &&
	test_must_fail env DEEPOPS_USER=x DEEPOPS_ROLE=push git -C work push -o deepops.override=x origin \
		main:refs/heads/HEAD 2>err &&
	test_grep -F "[E-REF-NAME]" err &&
	policy_rule "override = option" "level = R3" &&
	(cd work && test_commit more) &&
	policy_refused work E-POLICY-UNSUPPORTED main
'

test_expect_success 'signed pushes are asked for, and recognised' '
	ssh-keygen -q -t ed25519 -N "" -C "" -f key &&
	echo "alice@example.org $(cat key.pub)" >allowed &&
	git -C srv.git config gpg.format ssh &&
	git -C srv.git config gpg.ssh.allowedSignersFile "$TRASH/allowed" &&
	git -C work config gpg.format ssh &&
	git -C work config user.signingKey "$TRASH/key" &&
	policy_rule "signed = push" &&
	policy_refused work E-PUSH-UNSIGNED main &&
	git -C work push --signed origin main
'

test_expect_success 'a signed override names its signer and keeps the certificate' '
	policy_rule "override = signed" "overrideBy = alice@example.org" &&
	policy_invent 93 &&
	override "unsigned" alice@example.org &&
	test_grep "has to be signed" work.said &&
	git -C work push --signed -o deepops.override=signed origin main >work.said 2>&1 &&
	test_grep "by alice@example.org, logged" work.said &&
	policy_settle srv.git &&
	git -C srv.git ls-tree "refs/deepops/log/$(cat srv.git/deepops/writer)" >entry &&
	test_grep certificate entry
'

test_done
