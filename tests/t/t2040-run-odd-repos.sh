#!/bin/sh
test_description='what ran is on the server, from every kind of work tree'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-data.sh"

# runs_and_pushes DIR SERVER: record a run, push, and name the entry on the server.
runs_and_pushes () {
	git -C "$1" deepops run -q --no-data -- true &&
	git -C "$1" push -q origin HEAD:refs/heads/main &&
	git -C "$2" fsck --no-dangling &&
	entry=$(git -C "$2" for-each-ref --format="%(objectname)" refs/deepops/log) &&
	test -n "$entry"
}

# code SERVER PATH: the content that ran, from the server.
code () {
	git -C "$1" cat-file blob "$entry:code/$2"
}

# record SERVER PYTHON-EXPRESSION over the record r
record () {
	git -C "$1" cat-file blob "$entry:record.json" |
		python3 -c "import json, sys; r = json.load(sys.stdin); sys.exit(0 if $2 else str(r[\"code\"]))"
}

test_expect_success 'assume-unchanged hides no edit' '
	new_pair assumed &&
	(cd assumed && test_commit a && git update-index --assume-unchanged a.t && echo edited >a.t) &&
	runs_and_pushes assumed assumed.git &&
	test "$(code assumed.git a.t)" = edited &&
	git -C assumed ls-files -v a.t | grep -q "^h" &&
	record assumed.git "r[\"code\"][\"dirty\"] is True"
'

test_expect_success 'neither core.checkStat, core.trustctime nor a file system monitor hides an edit' '
	new_pair stat &&
	(cd stat && echo aaaa >f && echo 1 >g && touch -d 2020-01-01 f && git add f g && git commit -q -m f &&
	 git config core.trustctime false && git config core.checkStat minimal &&
	 printf "#!/bin/sh\nprintf \"token\\\\0\"\n" >.git/hooks/monitor && chmod +x .git/hooks/monitor &&
	 git config core.fsmonitor .git/hooks/monitor && git update-index --fsmonitor && git status &&
	 echo bbbb >new && touch -d 2020-01-01 new && mv new f && echo 2 >g &&
	 git status --porcelain -uno >../status && test_must_be_empty ../status) &&
	runs_and_pushes stat stat.git &&
	test "$(code stat.git f)" = bbbb && test "$(code stat.git g)" = 2
'

test_expect_success 'a partial clone' '
	new_pair whole && git -C whole.git config uploadpack.allowFilter true &&
	(cd whole && mkdir in out && test_commit in in/f && test_commit out out/g && git push -q origin main) &&
	git clone -q --filter=blob:none --sparse "file://$TRASH/whole.git" part &&
	(cd part && git sparse-checkout set in && git deepops init && echo edit >in/f) &&
	runs_and_pushes part whole.git &&
	test "$(code whole.git in/f)" = edit && test "$(code whole.git out/g)" = out
'

test_expect_success 'a sparse checkout: absent files as in the index, present ones as they are' '
	new_pair sparse &&
	(cd sparse && mkdir in out && test_commit in in/f && test_commit out out/f && test_commit two out/g &&
	 git sparse-checkout set --cone --sparse-index in && mkdir -p out && echo here >out/f) &&
	runs_and_pushes sparse sparse.git &&
	test "$(code sparse.git out/f)" = here &&
	test "$(code sparse.git out/g)" = two
'

test_expect_success 'a split index' '
	new_pair split &&
	(cd split && test_commit a && test_commit b && git update-index --split-index && echo x >b.t &&
	 git add b.t && echo y >a.t) &&
	runs_and_pushes split split.git &&
	test "$(code split.git a.t)" = y && test "$(code split.git b.t)" = x
'

test_expect_success 'a clean filter: the bytes on disk are named by their hash' '
	new_pair filtered &&
	(cd filtered && git config filter.up.clean "tr a-z A-Z" && echo "*.up filter=up" >>.gitattributes &&
	 echo lower >x.up && git add -A && git commit -q -m x) &&
	runs_and_pushes filtered filtered.git &&
	test "$(code filtered.git x.up)" = LOWER &&
	sum=$(sha256sum <filtered/x.up | cut -d" " -f1) &&
	record filtered.git "[f for f in r[\"code\"][\"filtered\"] if f[\"path\"] == \"x.up\" and \"$sum\" in str(f)]"
'

test_expect_success 'autocrlf: a script with CRLF is not what git stores' '
	new_pair crlf &&
	(cd crlf && git config core.autocrlf input && printf "echo\r\n" >s.sh && git add -A 2>/dev/null &&
	 git commit -q -m s) &&
	runs_and_pushes crlf crlf.git &&
	record crlf.git "[f[\"path\"] for f in r[\"code\"][\"filtered\"]] == [\"s.sh\"]"
'

test_expect_success 'what git-lfs would keep elsewhere goes with the data' '
	new_pair lfs &&
	(cd lfs && git config filter.lfs.clean "sha256sum" && echo "*.bin filter=lfs" >>.gitattributes &&
	 test_bytes 5000 1 >m.bin && git add -A && git commit -q -m m) &&
	runs_and_pushes lfs lfs.git &&
	test_must_fail git -C lfs.git cat-file -e "$entry:code/m.bin" &&
	git -C lfs.git cat-file -e "$entry:large/0" &&
	record lfs.git "[f[\"path\"] for f in r[\"code\"][\"large\"]] == [\"m.bin\"]"
'

test_expect_success 'a submodule, dirty, and a nested repository that nobody registered' '
	git init -q lib && (cd lib && test_commit l) &&
	new_pair outer &&
	(cd outer && git submodule --quiet add "$TRASH/lib" lib && git commit -q -m sub &&
	 echo dirty >lib/l.t && git init -q wild && cd wild && test_commit w && echo new >untracked) &&
	runs_and_pushes outer outer.git &&
	git -C outer.git cat-file blob "$entry:modules/0/l.t" >l && test "$(cat l)" = dirty &&
	git -C outer.git cat-file blob "$entry:modules/1/untracked" >u && test "$(cat u)" = new &&
	record outer.git "[m.get(\"dirty\") for m in r[\"code\"][\"modules\"]] == [True, True]" &&
	test "$(git -C outer status --porcelain lib/.git wild/.git)" = ""
'

test_expect_success 'a shallow clone stays shallow, and its push drags no history' '
	new_pair deep &&
	(cd deep && for i in 1 2 3 4; do test_commit c$i || exit 1; done && git push -q origin main) &&
	git clone -q --depth 1 "file://$TRASH/deep.git" shallow && git -C shallow deepops init &&
	echo edit >>shallow/c4.t &&
	runs_and_pushes shallow deep.git &&
	code deep.git c4.t | grep -q edit &&
	test "$(git -C deep.git rev-list --count "$entry")" = 1 &&
	test_path_is_file shallow/.git/shallow
'

test_expect_success 'a journal takes nothing along but what ran: no history, no branch, no tag' '
	new_pair private &&
	(cd private && git config push.followTags true && test_commit a && git push -q origin main &&
	 test_commit secret && git rm -q secret.t && git commit -q -m gone &&
	 git tag -a -m t private && git checkout -q -b side && echo side >a.t && git commit -qam side &&
	 git deepops run -q --no-data -- true && git push -q origin main~2:refs/heads/main) &&
	entry=$(git -C private.git for-each-ref --format="%(objectname)" refs/deepops/log) &&
	test "$(code private.git a.t)" = side &&
	git -C private.git for-each-ref --format="%(refname)" refs/heads refs/tags >got &&
	echo refs/heads/main >want && test_cmp want got &&
	for rev in secret secret:secret.t side; do
		test_must_fail git -C private.git cat-file -e "$(git -C private rev-parse $rev)" || return 1
	done
'

test_expect_success 'a copied .git goes on as a writer of its own, with a fork record' '
	new_pair copied && (cd copied && test_commit a && git deepops run -q --no-data --title before -- true &&
	git push -q origin main) &&
	cp -a copied copied2 &&
	for i in copied copied2; do
		git -C $i deepops run -q --no-data --title "of $i" -- true && git -C $i deepops push || return 1
	done &&
	git -C copied.git for-each-ref --format="%(refname)" refs/deepops/log >refs && test_line_count = 2 refs &&
	git -C copied fetch -q && git -C copied deepops runs --csv --columns title | sort >got &&
	printf "%s\n" before "of copied" "of copied2" title >want && test_cmp want got &&
	for ref in $(cat refs); do git -C copied.git log --format=%s $ref; done | grep -c "^fork" >got &&
	echo 1 >want && test_cmp want got
'

test_expect_success 'a linked work tree shares the journal' '
	new_pair trees && (cd trees && test_commit a && git worktree add -q ../trees2 &&
	git deepops run -q --no-data -- true) &&
	echo other >trees2/only-here &&
	runs_and_pushes trees2 trees.git &&
	test "$(code trees.git only-here)" = other &&
	test "$(git -C trees.git rev-list --count "$entry")" = 2
'

test_expect_success 'files that come and go while the capture looks do not refuse the run' '
	new_pair edited && mkdir bin &&
	cat >bin/git <<-END &&
	#!/bin/sh
	"$(command -v git)" "\$@"
	rc=\$?
	case " \$* " in
	*" status "*) rm -f "$TRASH/edited/.f.swp" "$TRASH/edited/g.t" ;;
	esac
	exit \$rc
	END
	chmod +x bin/git &&
	(cd edited && test_commit f && test_commit g && echo x >.f.swp && echo edit >f.t && echo edit >g.t &&
	 PATH="$TRASH/bin:$PATH" git-deepops run -q --no-data -- true) &&
	git -C edited push -q origin main &&
	entry=$(git -C edited.git for-each-ref --format="%(objectname)" refs/deepops/log) &&
	git -C edited.git ls-tree --name-only "$entry:code" >listed &&
	test_grep "^f\.t" listed && test_grep ! swp listed && test_grep ! "^g\.t" listed
'

test_expect_success 'six runners at once: no conflict, no record lost' '
	new_pair six && (cd six && test_commit a && git push -q origin main) &&
	for i in 1 2 3 4 5 6; do
		git clone -q six.git six$i && git -C six$i deepops init || return 1
	done &&
	for i in 1 2 3 4 5 6; do
		(cd six$i && git-deepops run -q --no-data -- true && git push -q origin main && echo >../pushed$i) &
	done &&
	wait &&
	for i in 1 2 3 4 5 6; do
		test_path_is_file pushed$i || return 1
	done &&
	git -C six fetch -q && git -C six deepops runs --csv --columns run >got && test_line_count = 7 got
'

test_expect_success 'names with blanks, newlines, dashes and no UTF-8' '
	new_pair names &&
	(cd names && test_commit a && odd=$(printf "n\nl x") && bytes=$(printf "\377\376") &&
	 echo 1 >"$odd" && echo 2 >"-n" && echo 3 >"$bytes") &&
	runs_and_pushes names names.git &&
	test "$(code names.git "$(printf "n\nl x")")" = 1 &&
	test "$(code names.git -n)" = 2 &&
	test "$(code names.git "$(printf "\377\376")")" = 3
'

test_expect_success 'after git gc on both sides the code of a run is still there' '
	git -C names reset -q --hard && git -C names clean -qfd &&
	git -C names -c gc.pruneExpire=now gc -q && git -C names.git -c gc.pruneExpire=now gc -q &&
	test "$(code names.git -n)" = 2
'

test_done
