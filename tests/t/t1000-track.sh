#!/bin/sh
test_description='git deepops track and untrack: pointers, ignore lines, refusals'
. "${0%/*}/test-lib.sh"

test_expect_success 'a directory and a file' '
	git init -q repo &&
	(
		cd repo &&
		mkdir -p data/train data/test models &&
		test_bytes 300000 1 >data/train/big &&
		echo small >data/test/small &&
		echo top >data/top &&
		test_bytes 5000 2 >models/w.bin &&
		git deepops track data models/w.bin >out &&
		grep "^tracked data: 3 files" out &&
		grep "^tracked models/w.bin: 1 file" out
	)
'

test_expect_success 'the pointer is what its page says' '
	(
		cd repo &&
		git config -f data.deepops --get-regexp "^shard" >sections &&
		test_line_count = 12 sections &&
		test "$(git config -f data.deepops shard.train.bytes)" = 300000 &&
		test "$(git config -f data.deepops shard./.files)" = 1 &&
		test "$(git config -f models/w.bin.deepops content.id)" = \
			"sha256:$(sha256sum <models/w.bin | cut -c1-64)"
	)
'

test_expect_success 'pointers, .gitignore and .gitattributes are staged, data is ignored' '
	(
		cd repo &&
		git status --porcelain -uall >status &&
		cat >want <<-\END &&
		A  .gitattributes
		A  .gitignore
		A  data.deepops
		A  models/w.bin.deepops
		END
		grep -v "^??" status >staged &&
		test_cmp want staged &&
		printf "/data\n/models/w.bin\n" >want &&
		test_cmp want .gitignore &&
		git check-attr -a data.deepops >../attr && grep "text: unset" ../attr && grep "filter: unset" ../attr && grep "merge: deepops" ../attr &&
		git commit -q -m one
	)
'

test_expect_success 'again: nothing changes' '
	(
		cd repo &&
		git deepops track data models/w.bin >out &&
		test "$(grep -c ^unchanged out)" = 2 &&
		git diff --cached --exit-code &&
		test_line_count = 2 .gitignore &&
		test_line_count = 1 .gitattributes
	)
'

test_expect_success 'a change changes the section it is in, and only that' '
	(
		cd repo &&
		echo new >data/test/new &&
		git deepops track data.deepops >out &&
		grep "^tracked data: 4 files" out &&
		git diff --cached -U0 >diff &&
		test "$(git diff --cached --numstat | cut -f1,2 | tr "\t" " ")" = "3 3" &&
		git commit -q -m two
	)
'

test_expect_success 'from a subdirectory, by absolute path, and with a trailing slash' '
	(
		cd repo/models &&
		git deepops track ../data/ "$TRASH/repo/models/w.bin" w.bin >out &&
		test "$(grep -c ^unchanged out)" = 2
	)
'

test_expect_success 'a dry run writes nothing' '
	(
		cd repo &&
		mkdir more && echo 1 >more/1 &&
		git deepops track -n more data >out &&
		grep "^would track more: 1 file" out &&
		test_path_is_missing more.deepops &&
		test_line_count = 2 .gitignore
	)
'

test_expect_success 'the split stays, until --reshard' '
	(
		cd repo &&
		git deepops track -q more &&
		test "$(git config -f more.deepops --get-regexp "^shard.*kind" | wc -l)" = 1 &&
		mkdir more/a more/b && echo a >more/a/f && echo b >more/b/f &&
		git deepops track -q more &&
		test "$(git config -f more.deepops --get-regexp "^shard.*kind" | wc -l)" = 1 &&
		git deepops track -n more | sed "s/.* //" >before &&
		git deepops track -q --reshard more &&
		test "$(git config -f more.deepops --get-regexp "^shard.*kind" | wc -l)" = 3 &&
		git deepops track -n more | sed "s/.* //" >after &&
		test_cmp before after &&
		rm -r more/a more/b more/1 &&
		git deepops track -q more &&
		git config -f more.deepops --get-regexp "^shard" >left &&
		test_line_count = 4 left &&
		grep "^shard./.files 0$" left
	)
'

# refuse MESSAGE-PATTERN PATH: exit 128, one line naming it, nothing written.
refuse () {
	git status --porcelain >../before &&
	test_expect_code 128 git deepops track -- "$2" >../out 2>../err &&
	test_must_be_empty ../out &&
	grep "^fatal: " ../err >../fatal && test_line_count = 1 ../fatal &&
	test_grep "$1" ../err &&
	git status --porcelain >../after && test_cmp ../before ../after
}

test_expect_success 'bad paths are refused by name' '
	(
		cd repo &&
		refuse "no-such" no-such &&
		refuse "whole work tree" . &&
		refuse "outside" ../elsewhere &&
		refuse "outside" /etc &&
		refuse "lies in dataset .data." data/test &&
		mkdir -p up/in && echo 1 >up/in/1 && git deepops track -q up/in &&
		refuse "dataset .up/in. lies in" up &&
		refuse "reserved" .gitmodules && mkdir -p .deepops && echo 1 >.deepops/config && refuse "reserved" .deepops/config &&
		mkdir "$(printf "a\nb")" && refuse "control byte" "$(printf "a\nb")" &&
		ln -s data link && refuse "symbolic link" link &&
		mkdir -p under && ln -s ../data under/link && refuse "behind a symbolic link" under/link/test
	)
'

test_expect_success 'what cannot be data is refused by name' '
	(
		cd repo &&
		mkdir odd && mkfifo odd/pipe && refuse "odd/pipe.*FIFO" odd && rm odd/pipe &&
		perl -MIO::Socket::UNIX -e "IO::Socket::UNIX->new(Local => q(odd/sock), Listen => 1)" &&
		refuse "odd/sock.*socket" odd && rm odd/sock &&
		git init -q odd/nested && refuse "odd/nested/.git" odd && rm -rf odd/nested &&
		ln -s /dev/null odd/fine && git deepops track -q odd
	)
'

test_expect_success 'an unreadable file: nothing is recorded' '
	(
		cd repo &&
		mkdir secret && echo 1 >secret/a && echo 2 >secret/b && chmod 0 secret/b &&
		test_expect_code 128 test_unprivileged git deepops track secret 2>err &&
		test_grep "secret/b.*Permission denied" err &&
		test_path_is_missing secret.deepops &&
		test_grep ! secret .gitignore &&
		chmod 644 secret/b && chmod 0 secret &&
		test_expect_code 128 test_unprivileged git deepops track secret 2>err &&
		test_grep "secret.*Permission denied" err &&
		chmod 755 secret && git deepops track -q secret
	)
'

test_expect_success 'a file that changes while it is read is reported, not recorded' '
	(
		cd repo &&
		mkdir moving && test_seq 3000000 >moving/file &&
		{ (while echo x >>moving/file; do :; done) & } &&
		writer=$! &&
		test_when_finished "kill $writer 2>/dev/null || :" &&
		test_expect_code 128 git deepops track moving 2>err &&
		kill $writer &&
		test_grep "moving/file.*changed while it was read" err &&
		test_path_is_missing moving.deepops
	)
'

test_expect_success 'files that git itself versions must leave it first' '
	(
		cd repo &&
		mkdir -p code/x && echo 1 >code/x/1 && git add code && git commit -q -m code &&
		refuse "git itself versions 1 file of .code." code &&
		git rm -r -q --cached -- code &&
		git deepops track -q code && git commit -q -m "code is data" &&
		git deepops status code | grep ^clean
	)
'

test_expect_success 'a branch with files there is warned about' '
	(
		cd repo &&
		git checkout -q -b other && mkdir shared && echo 1 >shared/1 &&
		git add shared && git commit -q -m shared && git checkout -q main &&
		mkdir shared && echo 2 >shared/2 &&
		git deepops track shared 2>err &&
		test_grep "warning: refs/heads/other has files at .shared." err
	)
'

test_expect_success 'what .gitignore takes in again is warned about' '
	(
		cd repo &&
		mkdir sub && echo "!kept" >sub/.gitignore && mkdir sub/kept && echo 1 >sub/kept/1 &&
		git deepops track sub/kept 2>err &&
		test_grep "warning: .sub/kept. is not ignored" err
	)
'

test_expect_success 'names that .gitignore has to escape' '
	(
		cd repo &&
		for n in "st*r" "wh?t" "br[a]cket" "back\\slash" "!bang" "#hash" "trail  " "-dash" " lead"
		do
			mkdir "./$n" && echo 1 >"./$n/1" || exit 1
		done &&
		git deepops track -q -- "st*r" "wh?t" "br[a]cket" "back\\slash" "!bang" "#hash" "trail  " \
			-dash " lead" 2>err &&
		test_must_be_empty err &&
		mkdir star && echo 1 >star/1 &&
		git status --porcelain -uall -- star >out && test_line_count = 1 out &&
		git status --porcelain -uall -- ":(literal)st*r" ":(literal)back\\slash" "trail  " >out &&
		test_must_be_empty out
	)
'

test_expect_success 'untrack keeps the data and forgets the rest' '
	(
		cd repo &&
		git deepops untrack "trail  " -- -dash >out &&
		test_path_is_file "trail  /1" && test_path_is_file ./-dash/1 &&
		test_path_is_missing "trail  .deepops" &&
		git ls-files "trail*" >out && test_must_be_empty out &&
		test_grep ! trail .gitignore &&
		test_expect_code 128 git deepops untrack "trail  " 2>err &&
		test_grep "no dataset at" err &&
		git deepops track -q "trail  "
	)
'

test_expect_success 'untrack says where data is not here to be kept' '
	(
		cd repo &&
		mkdir -p far/a far/b && echo 1 >far/a/1 && echo 2 >far/b/2 &&
		git deepops track -q far && git commit -q -m far -- far.deepops && rm -r far &&
		git deepops untrack far >out 2>err && test_grep "^no longer tracked: far" out &&
		test_grep "^warning: nothing of .far. is in the work tree" err &&
		git checkout -q HEAD -- far.deepops && git deepops checkout -q far/a 2>err &&
		git deepops untrack far 2>err >out && test_grep "^warning: only a part of .far." err &&
		eval "$(sed -n "s/^hint: \(.*\) brings back.*/\1/p" err)" && test_path_is_file far/b/2 &&
		git deepops untrack far 2>err && test_must_be_empty err
	)
'

test_expect_success 'usage errors exit 129' '
	(
		cd repo &&
		test_expect_code 129 git deepops track 2>err &&
		test_expect_code 129 git deepops track --no-such 2>err &&
		test_grep "no-such" err &&
		test_expect_code 129 git deepops untrack 2>err
	) &&
	mkdir nowhere && cd nowhere &&
	test_expect_code 128 git deepops track x 2>err &&
	test_grep "not a git repository" err
'

test_done
