#!/bin/sh
test_description='attributes that change pointers, hooks written over, names like pointers, foreign owners'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-data.sh"

test_expect_success 'git log does not warn before the first run; an older configuration is mended' '
	new_pair pair >/dev/null && cd pair && track_and_commit 1 && git log 2>../err && test_must_be_empty ../err &&
	git config notes.displayRef refs/notes/deepops && git log 2>../err && test_file_not_empty ../err &&
	{ git deepops doctor --offline >../out; :; } && test_grep "git log does not show runs" ../out &&
	git deepops init >/dev/null && test "$(git config --get-all notes.displayRef)" = "refs/notes/deepops*" &&
	git log 2>../err && test_must_be_empty ../err
'

test_expect_success 'a file in a dataset that is called like a pointer means itself' '
	(
		cd pair && mkdir in && echo y >in/x && printf in >in/x.deepops && printf solo >in/s.deepops &&
		git deepops track -q in && git commit -q -m in &&
		for prefix in "" HEAD: ; do
			test "$(git deepops cat ${prefix}in/x.deepops)" = in && test "$(git deepops cat ${prefix}in/x)" = y &&
			test "$(git deepops cat ${prefix}in/s.deepops)" = solo &&
			test "$(git deepops ls ${prefix}in/s.deepops)" = s.deepops &&
			test "$(git deepops du ${prefix}in/s.deepops | cut -f1,2 | tr "\t" " ")" = "4 1" &&
			git deepops sha256sums ${prefix}in/s.deepops >../out && test_grep "s.deepops" ../out &&
			test "$(git deepops ls ${prefix}in.deepops | wc -l)" = 3 || exit 1
		done &&
		test_expect_code 128 git deepops cat in/no.deepops 2>../err && test_grep "no.deepops" ../err
	)
'

# spoilt DIR LINE WHAT: LINE in DIR/.gitattributes is warned about, doctor has the same, the mend mends it.
spoilt () {
	(
		cd pair && git reset -q --hard && mkdir -p "$1/d" && echo 1 >"$1/d/1" && echo "$2" >>"$1/.gitattributes" &&
		git deepops track "$1/d" >../out 2>../err &&
		test_grep "warning: git changes the bytes of .$1/d.deepops. by its attribute $3" ../err &&
		{ git deepops doctor --offline >../out; :; } && test_grep "$1/d.deepops: .*attribute $3" ../out &&
		sed -n "s/^hint: \(echo .*\) (and look into .*/\1/p" ../err >../mend && test_line_count = 1 ../mend &&
		sh ../mend && git deepops track "$1/d" 2>../err && test_must_be_empty ../err &&
		{ git deepops doctor --offline >../out; :; } && test_grep ! "attribute $3" ../out &&
		git add -A . && git commit -q -m "$3" && rm -rf ../there && git clone -q . ../there && cd ../there &&
		git show "HEAD:$1/d.deepops" | cmp - "$1/d.deepops" && git deepops status >../out 2>&1 && test_grep "missing *$1/d" ../out
	)
}

test_expect_success 'attributes that would spoil a pointer: said by track and doctor, with what mends it' '
	spoilt crlf "* text=auto eol=crlf" text=auto &&
	git -C pair config filter.up.clean "tr a-z A-Z" && git -C pair config filter.up.smudge cat &&
	spoilt filter "** filter=up" filter=up &&
	spoilt enc "* working-tree-encoding=latin1" working-tree-encoding=latin1 &&
	spoilt "odd" "*.deepops text" text=set
'

test_expect_success 'a pointer that came with CRLF: the message says line endings' '
	(
		cd pair && sed "s/\$/\r/" data.deepops >../crlf && cp ../crlf data.deepops &&
		test_expect_code 128 git deepops status 2>../err && test_grep "hint: its line endings are CRLF" ../err &&
		git checkout -q -- data.deepops
	)
'

test_expect_success 'a hook written over again and again: put back each time, none is lost' '
	(
		cd pair &&
		for version in 1 2 2 3; do
			printf "#!/bin/sh\necho $version >>\"%s\"\n" "$TRASH/ran" >.git/hooks/pre-push && chmod +x .git/hooks/pre-push &&
			cp .git/hooks/pre-push .git/hooks/post-merge &&
			git deepops init >/dev/null && grep git-deepops .git/hooks/pre-push >/dev/null &&
			grep git-deepops .git/hooks/post-merge >/dev/null || exit 1
		done &&
		ls .git/hooks/pre-push.d >../out && printf "50-previous\n51-previous\n52-previous\n" >../want && test_cmp ../want ../out &&
		git push -q origin main && printf "1\n2\n3\n" >../want && test_cmp ../want ../ran &&
		for i in 3 4 5 6 7 8 9; do echo $i >.git/hooks/pre-push.d/5$i-previous; done &&
		printf "#!/bin/sh\necho more\n" >.git/hooks/pre-push && chmod +x .git/hooks/pre-push &&
		test_expect_code 128 git deepops init 2>../err && test_grep "remove those that nobody needs" ../err
	)
'

test_expect_success 'a dataset of a submodule is no input, and no circle of hints' '
	git init -q module && (cd module && make_data 9 && git deepops track -q data && git commit -q -m m) &&
	(
		cd pair && git reset -q --hard && git submodule --quiet add ../module sub 2>/dev/null && mkdir -p sub/data &&
		test_expect_code 128 git deepops run -i sub/data -- true 2>../err &&
		test_grep "lies in another repository, .sub." ../err && test_grep ! "git deepops track" ../err && git reset -q --hard
	)
'

test_need ROOT 'test "$(id -u)" -eq 0' root

test_expect_success ROOT 'the repository of somebody else: the hint names what git takes' '
	cp -r pair "for eign" && chown -R 12345 "for eign" && test_when_finished "rm -rf \"for eign\"" &&
	cp -r pair.git bare.git && chown -R 12345 bare.git && mkdir "for eign/below" &&
	for dir in "for eign" "for eign/below" bare.git; do
		test_expect_code 128 git -C "$dir" deepops status 2>err && sed -n "s/^hint: //p" err >mend &&
		test_expect_code 128 sh -c "cd \"$dir\" && git-deepops fsck" 2>err && sed -n "s/^hint: //p" err >mend &&
		test_grep "safe.directory .$TRASH/" mend && sh ./mend && git -C "$dir" deepops fsck &&
		git config --global --unset-all safe.directory || return 1
	done
'

test_done
