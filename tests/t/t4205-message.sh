#!/bin/sh
test_description='the message of a refusal: from check, as JSON, in a web interface'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-policy.sh"

test_expect_success 'a server and a clone with a result' '
	policy_floor >floor &&
	policy_server srv.git floor &&
	policy_clone srv.git work &&
	policy_run work 5 &&
	policy_push work main
'

test_expect_success 'the same verdict from git deepops check' '
	echo "{\"acc\": 0.98}" >work/metrics.json &&
	policy_commit work invented &&
	policy_refused work E-EXEC-NORECORD main &&
	sed -n "s/^remote: //p" work.said | sed "s/ *$//" >server &&
	(
		cd work &&
		test_expect_code 1 git deepops check --policy ../srv.git/deepops/policy >../check &&
		test_expect_code 1 git deepops check --json --policy ../floor >../check.json
	) &&
	sed "s/(the server.s policy:1)/(POLICY)/" server >want &&
	sed -e "s/(\.\.\/srv.git\/deepops\/policy:1)/(POLICY)/" check >got &&
	sed -e "s/^  why: .*/  why/" -e "/^    (.*POLICY)/d" want >want.text &&
	sed -e "s/^  why: .*/  why/" -e "/^    (.*POLICY)/d" got >got.text &&
	test_cmp want.text got.text &&
	test_grep "\"code\":\"E-EXEC-NORECORD\"" check.json &&
	(cd work && git deepops check --range origin/main..HEAD~1 --policy ../floor >../ok) &&
	test_grep "nothing to refuse" ok &&
	git -C work reset -q --hard origin/main
'

test_expect_success 'JSON for tools' '
	echo "{\"acc\": 0.97}" >work/metrics.json &&
	policy_commit work invented &&
	test_must_fail git -C work push -o deepops.format=json origin main >out 2>&1 &&
	sed -n "s/^remote: \({.*\)/\1/p" out >json &&
	"$TEST_PYTHON" -c "
import json, sys
d = json.load(open(\"json\"))
assert d[\"version\"] == 1 and d[\"verdict\"] == \"refused\", d
f = d[\"refs\"][0][\"findings\"][0]
assert f[\"code\"] == \"E-EXEC-NORECORD\" and len(f[\"commit\"]) == 40, f
" &&
	git -C work reset -q --hard origin/main
'

test_expect_success 'names of any bytes, as text and as JSON' '
	sed "s/= metrics.json/= *.json/" floor >wide && git deepops server install --policy wide srv.git >out &&
	odd=$(printf "a\377 b\n\033[31m; rm -rf x.json") &&
	long=$(printf "%0200d" 0)/m.json && mkdir -p "work/${long%/*}" &&
	echo 1 >"work/$odd" && echo 2 >"work/$long" && echo 3 >"work/m 2.json" &&
	policy_commit work "$(printf "Gr\374\337e \033[31m %0100d" 0)" &&
	test_must_fail git -C work push -o deepops.format=json origin main 2>&1 |
		sed -n "s/^remote: \({.*\)/\1/p" >json &&
	"$TEST_PYTHON" -c "
import json
f = json.load(open(\"json\", encoding=\"utf-8\"))[\"refs\"][0][\"findings\"]
assert len(f) == 3 and all(x[\"code\"] == \"E-EXEC-NORECORD\" and x[\"text\"] and x[\"subject\"] for x in f), f
" &&
	policy_refused work E-EXEC-NORECORD main &&
	test_grep "fix:  git deepops run -o .m 2.json. -- CMD" work.said &&
	sed -n "s/^remote: //p" work.said | sed "s/ *$//" >text &&
	! grep -n "^.\{73,\}" text && LC_ALL=C test_grep ! "[^ -~]" text &&
	git deepops server install --policy floor srv.git >out &&
	git -C work reset -q --hard origin/main
'

test_expect_success 'a web interface gets its prefix' '
	echo "{\"acc\": 0.96}" >work/metrics.json &&
	policy_commit work invented &&
	test_must_fail env GL_PROTOCOL=web git -C work push origin main >out 2>&1 &&
	test_grep "^remote: GL-HOOK-ERR: deepops: push to refs/heads/main refused" out &&
	git -C work reset -q --hard origin/main
'

test_done
