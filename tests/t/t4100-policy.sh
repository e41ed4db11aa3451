#!/bin/sh
test_description='git deepops policy: lint and explain'
. "${0%/*}/test-lib.sh"

test_expect_success 'lint is silent about a good policy' '
	cat >good <<-\END &&
	[rule "main"]
		ref = refs/heads/main
		mode = enforce
		results = metrics.json
		results = models/**/*.deepops
	END
	git deepops policy lint good >out &&
	test_must_be_empty out
'

test_expect_success 'lint names what does not do what it seems to' '
	sed "s,/\*\*/\*,/**," good >half &&
	test_expect_code 1 git deepops policy lint half >out &&
	test_grep "half:1: rule \"main\": results = models/\*\*.deepops: .* nested files are missed" out
'

test_expect_success 'a malformed policy is named with its line' '
	sed "s/mode/Mode/" good >bad &&
	test_expect_code 128 git deepops policy lint bad 2>err &&
	test_grep "^fatal: bad:3: unknown key Mode" err &&
	test_expect_code 128 git deepops policy lint absent 2>err && test_grep absent err
'

test_expect_success 'explain says which rule governs a ref' '
	git deepops policy explain --policy good refs/heads/main refs/heads/x >out &&
	test_grep "^refs/heads/main: rule \"main\"" out &&
	test_grep "^refs/heads/x: no rule" out &&
	test_grep "  results *metrics.json" out
'

test_expect_success 'without a file it is the work tree'\''s, from any directory' '
	git init -q repo && mkdir -p repo/.deepops repo/sub && cp good repo/.deepops/policy &&
	(cd repo/sub && git deepops policy lint && git deepops policy explain >../../out) &&
	test_grep "rule \"main\"" out &&
	rm repo/.deepops/policy &&
	(cd repo && test_expect_code 128 git deepops policy lint 2>../err) &&
	test_grep "^hint: without a policy" err
'

test_expect_success 'the example of the manual page is well-formed' '
	awk "/^----\$/ { on = !on; next } on" "$TOP_DIR/git-deepops/docs/gitformat-deepops-policy.5.adoc" >page &&
	test_grep "rule \"main\"" page &&
	git deepops policy explain --policy page >out &&
	git deepops policy lint page
'

test_expect_success 'the manual page has every key, and no other' '
	page=$TOP_DIR/git-deepops/docs/gitformat-deepops-policy.5.adoc &&
	sed -n "s/^\`\([a-zA-Z]*\)\`\( (list)\)*::\$/\1/p" "$page" | sort >documented &&
	sed -n "s/^	{\"\([a-zA-Z]*\)\", .*, \(true\|false\)},\$/\1/p" \
		"$TOP_DIR/git-deepops/lib/policy/rules.c" | sort >known &&
	test_line_count = 17 known &&
	test_cmp known documented
'

test_done
