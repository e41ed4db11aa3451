#!/bin/sh
test_description='help, manual pages, dispatch table and tests name the same commands and options'
. "${0%/*}/test-lib.sh"

docs=$TOP_DIR/git-deepops/docs

# The table of main.c, one name a line; hidden commands are for drivers, not for people.
table () {
	sed -n 's/^	{"\([a-z0-9-]*\)", cmd_.*/\1/p' "$TOP_DIR/git-deepops/main.c"
}
visible () {
	git deepops --git-completion-helper | tr ' ' '\n'
}

# A section of a page: section TITLE FILE
section () {
	awk -v title="== $1" '
		/^== / { on = ($0 == title); next }
		on { print }
	' "$2"
}

# The lines of a SYNOPSIS without AsciiDoc's markup.
synopsis () {
	section SYNOPSIS "$1" |
		sed -e '/^\[.*\]$/{/^\[verse\]$/d;/^\[listing/d;/^\[source/d;}' -e '/^____*$/d' \
			-e '/^-----*$/d' -e '/^\.\.\.\.*$/d' -e '/^$/d' \
			-e 's/ +$//' -e "s/[*_\`']//g"
}

usage_lines () {
	git deepops "$1" -h | sed -n -e 's/^usage: //p' -e 's/^   or: //p' | sed "s/[*_\`']//g"
}

# The options of -h, one a line, as people write them: "-n" and "--dry-run".
options () {
	git deepops "$1" -h | sed -n 's/^    \(-[^ ].*\)$/\1/p' | awk '
		{
			for (i = 1; i <= NF && $i ~ /^(-|<)/; i++) {
				sub(/,$/, "", $i)
				sub(/\[no-\]/, "", $i)
				if ($i ~ /^-/)
					print $i
			}
		}'
}

test_expect_success 'the dispatch table is sorted and complete' '
	table >names &&
	test_file_not_empty names &&
	LC_ALL=C sort -u names >sorted &&
	test_cmp sorted names &&
	{
		ls "$TOP_DIR/git-deepops/cmd" | sed -n "s/\.c$//p" | tr _ - &&
		echo help
	} | LC_ALL=C sort >files &&
	# A command over several files shares its first word: run.c, run_exec.c.
	for f in $(cat files)
	do
		grep -qx "$f" names || grep -qx "${f%%-*}" names || echo "$f"
	done >unlisted &&
	test_must_be_empty unlisted
'

test_expect_success 'every command has a page, whose SYNOPSIS is what -h prints' '
	for name in $(visible)
	do
		page=$docs/git-deepops-$name.1.adoc
		test -f "$page" || { echo "no page: $name"; continue; }
		usage_lines "$name" >usage
		synopsis "$page" >page-synopsis
		cmp -s usage page-synopsis || {
			echo "SYNOPSIS and -h of $name differ:"
			diff -u usage page-synopsis
		}
	done >wrong &&
	test_must_be_empty wrong
'

test_expect_success 'every option of -h stands in OPTIONS, the common ones in git-deepops(1)' '
	section OPTIONS "$docs/git-deepops.1.adoc" | grep "::$" >common &&
	for name in $(visible)
	do
		page=$docs/git-deepops-$name.1.adoc
		test -f "$page" || continue
		section OPTIONS "$page" | grep "::$" | cat - common | tr -d "*_" |
			sed "s/\[no-\]//g" >terms
		for o in $(options "$name")
		do
			grep -qE -e "(^|[ ,[])$o([], =<:[]|\$)" terms ||
			echo "$name: $o is not in OPTIONS"
		done
	done >wrong &&
	test_must_be_empty wrong
'

test_expect_success 'every option in OPTIONS is one that the command takes' '
	for name in $(visible)
	do
		page=$docs/git-deepops-$name.1.adoc
		{ options "$name"; git deepops "$name" -h | grep -o -e "-[-a-z]*"; } >taken
		section OPTIONS "$page" | grep "^[*].*::$" | tr -d "*_" | sed "s/\[no-\]//g" |
			grep -oE -e "(^|[ ,])--?[a-zA-Z0-9][a-z0-9-]*" | tr -d " ," |
			grep -vxF -e -h -e --help >terms
		for o in $(cat terms)
		do
			grep -qxF -e "$o" taken || echo "$name: $o"
		done
	done >wrong &&
	test_must_be_empty wrong
'

test_expect_success 'what the code asks of configuration and environment stands in git-deepops(1)' '
	(
		cd "$TOP_DIR" &&
		grep -rhoE "\"deepops\.[A-Za-z]+\"" git-deepops server hooks --include="*.c" | tr -d \" &&
		grep -rhoE "\"\.deepops[A-Za-z]*\"" git-deepops --include="*.c" |
			sed "s/.*\.\(.*\)\"/remote.<name>.\1/" &&
		grep -rhoE "(getenv\(\"|\")(DEEPOPS_|GL_|GITEA_)[A-Z_]*[\"=]" git-deepops server hooks \
			--include="*.c" | sed "s/getenv(//" | tr -d "\"="
	) | sort -u >asked &&
	test_file_not_empty asked &&
	{
		section ENVIRONMENT "$docs/git-deepops.1.adoc" &&
		section CONFIGURATION "$docs/git-deepops.1.adoc"
	} >told &&
	for name in $(cat asked)
	do
		grep -qF "\`$name\`" told || echo "$name"
	done >wrong &&
	test_must_be_empty wrong
'

test_expect_success 'every key of a policy and of .deepops/config has its place' '
	(
		cd "$TOP_DIR" &&
		sed -n "/^} keys\[\] = {/,/^};/s/^	{\"\([a-zA-Z]*\)\", .*/policy \1/p" git-deepops/lib/policy/rules.c &&
		sed -n "/^} known\[\] = {/,/^};/s/^	{\"\([a-z]*\)\", \"\([a-zA-Z]*\)\", .*/config \1.\2/p" \
			git-deepops/lib/repo/settings.c
	) >keys &&
	test_grep "^policy overrideBy" keys && test_grep "^config metric.best" keys &&
	while read -r page key
	do
		grep -qE "^\`$key\`( \(list\))?::" "$docs/gitformat-deepops-$page.5.adoc" || echo "$page: $key"
	done <keys >wrong &&
	test_must_be_empty wrong
'

test_expect_success 'every page that a page names is there' '
	grep -oE "[*](git-deepops|gitformat-deepops|gitprotocol-deepops)[a-z0-9-]*[*]\([157]\)" -h "$docs"/*.adoc |
		sort -u | sed "s/[*]\(.*\)[*](\(.\))/\1.\2.adoc/" >named &&
	test_file_not_empty named &&
	for page in $(cat named)
	do
		test -f "$docs/$page" || echo "$page"
	done >wrong &&
	test_must_be_empty wrong
'

test_expect_success 'every page has the sections readers look for' '
	for page in "$docs"/git-deepops-*.1.adoc
	do
		for title in NAME SYNOPSIS DESCRIPTION OPTIONS "EXIT STATUS" "SEE ALSO"
		do
			grep -qx "== $title" "$page" || echo "${page##*/}: no $title"
		done
	done >wrong &&
	test_must_be_empty wrong
'

test_expect_success 'no page describes a command that is not there' '
	for page in "$docs"/git-deepops-*.1.adoc
	do
		name=${page##*/git-deepops-}
		name=${name%.1.adoc}
		case $name in
		serve | pre-receive | post-receive) continue ;;
		esac
		table | grep -qx -e "$name" || echo "$name"
	done >wrong &&
	test_must_be_empty wrong
'

test_expect_success 'the overview lists every command, and no other' '
	for name in $(visible)
	do
		grep -qF "*git-deepops-$name*(1)::" "$docs/git-deepops.1.adoc" ||
		echo "$name"
	done >wrong &&
	sed -n "s/^\*git-deepops-\([a-z0-9-]*\)\*(1)::\$/\1/p" "$docs/git-deepops.1.adoc" >listed &&
	visible >visible &&
	{ grep -vxF -f visible listed >>wrong || :; } &&
	test_must_be_empty wrong
'

test_expect_success 'every command is named by a test' '
	for name in $(visible)
	do
		grep -qE "deepops $name( |\$|\"|\))" "$TESTS_DIR"/t[0-9]*.sh || echo "$name"
	done >wrong &&
	test_must_be_empty wrong
'

test_expect_success 'git deepops version and help answer outside a repository' '
	mkdir -p outside &&
	(
		cd outside &&
		git deepops version >../version &&
		git deepops help >../help &&
		git deepops help version >../help-version
	) &&
	test_grep "git-deepops" version &&
	test_grep "^usage: git deepops" help &&
	test_grep "^usage: git deepops version" help-version
'

test_expect_success 'every code that git deepops explain lists can be explained' '
	git deepops explain >codes &&
	test_file_not_empty codes &&
	for code in $(sed "s/ .*//" codes)
	do
		git deepops explain "$code" >text &&
		grep -q "^What to do: " text || echo "$code"
	done >wrong &&
	test_must_be_empty wrong &&
	git deepops explain "[e-data-incomplete]" >got &&
	git deepops explain E-DATA-INCOMPLETE >want &&
	test_cmp want got &&
	git deepops explain --json | "$TEST_PYTHON" -m json.tool >json &&
	test_grep "E-DATA-INCOMPLETE" json &&
	test_expect_code 128 git deepops explain E-NO-SUCH 2>err &&
	test_grep "E-NO-SUCH" err
'

test_expect_success 'an unknown command or option is named, exit 129' '
	test_expect_code 129 git deepops frobnicate 2>err &&
	test_grep "frobnicate" err &&
	test_grep "^hint: git deepops help" err &&
	for typo in trak:track stauts:status chekcout:checkout lss:ls frob: hokk: "$(printf "%0500d" 0):"
	do
		test_expect_code 129 git deepops "${typo%%:*}" 2>err &&
		if test -n "${typo#*:}"
		then
			test_grep "^hint: git deepops ${typo#*:} is the most similar" err
		else
			test_grep "^hint: git deepops help" err
		fi || return 1
	done &&
	test_expect_code 129 git deepops version --frobnicate 2>err &&
	test_grep -e "--frobnicate" err
'

test_expect_success ASCIIDOCTOR 'every page is well-formed' '
	for page in "$docs"/*.adoc
	do
		asciidoctor -b manpage --failure-level=WARN -o /dev/null "$page" || echo "$page"
	done >wrong 2>&1 &&
	test_must_be_empty wrong
'

test_expect_success ASCIIDOCTOR,GROFF 'every page fits on a terminal of 80 columns and reads as meant' '
	# What AsciiDoc makes of "<=", "->", "--", and of quotes that it takes for none.
	printf "\342\207\220\n\342\206\222\n\342\200\224\n\140\n" >made &&
	for page in "$docs"/*.adoc
	do
		asciidoctor -b manpage -o page.man "$page" &&
		groff -k -t -ww -mandoc -Tutf8 -rLL=78n -P -cbou page.man >text 2>said
		grep -nF -f made text >>said
		test ! -s said || { echo "${page##*/}:" && cat said; }
	done >wrong &&
	test_must_be_empty wrong
'

test_done
