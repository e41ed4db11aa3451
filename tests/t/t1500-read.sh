#!/bin/sh
test_description='ls, cat, du, sha256sums, fsck read a dataset without materialising it'
. "${0%/*}/test-lib.sh"

test_expect_success 'two versions of a dataset' '
	git init -q repo && cd repo && git deepops init && cd .. &&
	(
		cd repo &&
		mkdir -p data/a "data/b c" &&
		echo one >data/a/one && printf "#!/bin/sh\n" >data/a/run && chmod +x data/a/run &&
		ln -s one data/a/link && test_bytes 900000 3 >"data/b c/big.bin" &&
		printf "x" >"data/b c/$(printf "new\nline\\\\")" &&
		git deepops track data && git commit -q -m one &&
		echo two >data/a/one && git deepops track data && git commit -q -am two
	)
'

test_expect_success 'ls lists names, one level or all' '
	(
		cd repo &&
		printf "a/\nb c/\n" >want && git deepops ls data >got && test_cmp want got &&
		git deepops ls -r data/a >got && test_line_count = 3 got &&
		git deepops ls -l data/a >got && test_grep "^100755 sha256:.* a/run" got &&
		git deepops ls --json -r data | "$TEST_PYTHON" -c "
import json,sys
d=json.load(sys.stdin)
assert d[\"version\"]==1 and len(d[\"entries\"])==5, d
"
	)
'

test_expect_success 'cat at a revision' '
	(
		cd repo && echo one >want && git deepops cat HEAD~1:data/a/one >got && test_cmp want got &&
		git deepops cat "data/b c/big.bin" | cmp - "data/b c/big.bin" &&
		test_expect_code 128 git deepops cat data/a 2>err && test_grep "is a directory" err
	)
'

test_expect_success 'du counts bytes and files' '
	(cd repo && git deepops du data/a >got && test_grep "^[0-9]*	3	data/a$" got && git deepops du -H &&
		git deepops du "data/b c/$(printf "new\nline\\")" >got && printf "%s\n" "1	1	\"data/b c/new\\nline\\\\\"" >want &&
		test_cmp want got &&
		git deepops du -z "data/b c/$(printf "new\nline\\")" >got && printf "1\t1\tdata/b c/new\nline\\\\\0" >want &&
		cmp want got)
'

test_expect_success 'sha256sum -c accepts the listing' '
	(cd repo && git deepops sha256sums data >sums && test_line_count = 4 sums && sha256sum -c sums)
'

test_expect_success 'a path where nothing is tracked is named' '
	(
		cd repo &&
		for c in ls cat du sha256sums
		do
			test_expect_code 128 git deepops $c nowhere 2>err &&
			test_grep "^fatal: nowhere: " err && test_grep "^hint: " err || exit 1
		done
	)
'

test_expect_success 'fsck: sound, then one byte anywhere in any pack' '
	(
		cd repo && git deepops fsck --deep && git deepops fsck --quick &&
		for p in $(find .git/deepops/packs -name "*.pack")
		do
			size=$(wc -c <$p) && cp -f $p saved && chmod u+w $p || exit 1
			for at in 30 $((size / 2)) $((size - 40))
			do
				perl -e "open F,q(+<),\$ARGV[0]; seek F,\$ARGV[1],0; read F,\$b,1; seek F,\$ARGV[1],0; print F chr(255-ord \$b)" $p $at &&
				test_expect_code 1 git deepops fsck >out && test_grep "^damaged: " out || exit 1
				cat saved >$p
			done
		done &&
		git deepops fsck
	)
'

test_expect_success 'the damaged chunk of a file is named with its path' '
	(
		cd repo &&
		p=$(ls -S $(find .git/deepops/packs -name "*.pack") | head -1) && chmod u+w $p &&
		perl -e "open F,q(+<),\$ARGV[0]; seek F,400000,0; print F \"damage\"" $p &&
		test_expect_code 1 git deepops fsck >out && test_grep "data/b c/big.bin" out &&
		test_expect_code 1 git deepops fsck --json >json && test_grep "big.bin" json
	)
'

test_expect_success '--repair gives it up and track stores it again' '
	(
		cd repo && test_expect_code 1 git deepops fsck --repair && touch "data/b c/big.bin" &&
		git deepops track data && git deepops cat "data/b c/big.bin" | cmp - "data/b c/big.bin"
	)
'

test_done
