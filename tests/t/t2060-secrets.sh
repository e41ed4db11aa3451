#!/bin/sh
test_description='git deepops run: no secret gets into a record, by whatever way'
. "${0%/*}/test-lib.sh"

newest () {
	git deepops runs --csv --columns run -n 1 | sed -n 2p
}

# Everything that the newest journal entry holds, and what git says of it.
everything () {
	ref=$(git for-each-ref --format='%(refname)' refs/deepops/log) &&
	git cat-file commit "$ref" &&
	git ls-tree -r "$ref" | while read -r mode type id path
	do
		test "$type" = blob || continue
		echo "$path" && git cat-file blob "$id" || return 1
	done
}

# In two parts, so that nobody takes this script for a leak.
token=ghp_abcdefghijklmnopqrst && token=${token}uvwxyz0123456789
jwt=eyJhbGciOiJIUzI1NiJ9. && jwt=${jwt}eyJzdWIiOiJ4In0.abcdefghijklmnop

test_expect_success 'set up' '
	git init repo &&
	(
		cd repo && test_commit one &&
		echo "train: lr 1" >notes.txt && git add -A && git commit -qm notes
	)
'

test_expect_success 'what --secret names is in no part of the record' '
	(
		cd repo &&
		SLURM_JWT=$jwt TF_CONFIG=correcthorsebattery TORCH_HOME=/x/correcthorsebattery/y \
		NOTE="a correcthorsebattery b" \
		git deepops run --no-data --secret SLURM_JWT --secret TF_CONFIG --env NOTE \
			-S pw=correcthorsebattery -S "t=a $jwt" --title "with correcthorsebattery" \
			--tag "x-correcthorsebattery" -m m.json -- sh -c "
			echo correcthorsebattery $jwt; echo Y29ycmVjdGhvcnNlYmF0dGVyeQ==
			echo \"{\\\"acc-correcthorsebattery\\\": 1}\" >m.json
			echo \"{\\\"loss-correcthorsebattery\\\": 1}\" >>\$DEEPOPS_METRICS
			cp \$DEEPOPS_PARAMS ../params" 2>err &&
		everything >../all &&
		test_grep ! correcthorse ../all &&
		test_grep ! Y29ycmVjdGhvcnNl ../all &&
		test_grep ! "$jwt" ../all &&
		test_grep "\"secrets\":\[\"SLURM_JWT\",\"TF_CONFIG\"\]" ../all &&
		test_grep "/x/\*\*\*TF_CONFIG\*\*\*/y" ../all &&
		test_grep "loss-\*\*\*" ../all &&
		test_grep "correcthorsebattery" ../params &&
		rm m.json
	)
'

test_expect_success 'the list of variables has whole names' '
	(
		cd repo &&
		SLURM_JWT=one-secret TF_VAR_db=two-secret CUDA_X=three SLURM_JOB_ID=17 LC_ALL=C \
			git deepops run --no-data -- true &&
		git deepops show --raw $(newest) >../record &&
		test_grep ! "one-secret" ../record && test_grep ! "two-secret" ../record &&
		test_grep ! three ../record &&
		test_grep "SLURM_JOB_ID.,.value.:.17" ../record &&
		test_grep SLURM_JWT ../record
	)
'

test_expect_success 'the page names the variables that the code allows' '
	list=$TOP_DIR/git-deepops/lib/machine/capture_env.c &&
	sed -n "/allowed\[\] = {/,/^};/s/^	\"\(.*\)\",/\1/p" "$list" >code &&
	test_line_count -gt 200 code &&
	LC_ALL=C sort -u code >sorted && test_cmp sorted code &&
	sed -n "/^== RECORDED VARIABLES/,/^== FILES/p" \
		"$TOP_DIR/git-deepops/docs/git-deepops-run.1.adoc" |
		grep -o "\`[A-Z0-9_]*\`" | tr -d "\`" | LC_ALL=C sort >page &&
	test_cmp code page
'

test_expect_success 'a rerun takes the value from the environment and masks it again' '
	(
		cd repo &&
		export PW=hunter22-again &&
		git deepops run --no-data --secret PW -S pw=$PW -o out -- \
			sh -c "test \$1 = \$PW && echo using \$1; cp \$DEEPOPS_PARAMS ../p; date +%s >out" x $PW &&
		run=$(newest) &&
		git deepops logs $run >../log && echo "using ***" >../want && test_cmp ../want ../log &&
		PW=hunter22-other git deepops rerun $run >../out 2>&1 || : &&
		test_grep "using hunter22-other" ../out &&
		everything >../all && test_grep ! hunter22 ../all &&
		test_grep "using \*\*\*" ../all &&
		unset PW &&
		test_expect_code 128 git deepops rerun $run >../out 2>&1 &&
		test_grep "secret PW, which is not in the environment" ../out &&
		test_grep "hint:.*export PW" ../out && test_grep "verdict: not-executed" ../out &&
		rm -f out
	)
'

test_expect_success 'secrets by name or shape are refused before anything runs' '
	(
		cd repo &&
		while IFS="|" read -r what args
		do
			rm -f ran &&
			eval "test_expect_code 128 git deepops run --no-data $args" 2>../err </dev/null &&
			test_grep "holds what looks like $what" ../err &&
			test_grep "hint:.*--secret" ../err &&
			test_path_is_missing ran || exit 1
		done <<-END
		a password|-- sh -c ": >ran" x --password hunter2
		a key|-- sh -c ": >ran" x --api-key=abcd
		a key|-- sh -c ": >ran" x --wandb-key 0123456789abcdef0123456789abcdef01234567
		a password in a URL|-- sh -c ": >ran" x postgresql://u:pw@h/db
		a token|-- sh -c ": >ran" x "https://h/x?private_token=abcd"
		a password|-- sh -c "curl --password hunter2 https://h; : >ran"
		a key|-S aws_secret_access_key=abcd -- sh -c ": >ran"
		a JSON web token|-S x=$jwt -- sh -c ": >ran"
		a GitHub token|--title "with $token" -- sh -c ": >ran"
		a GitHub token|--tag $token -- sh -c ": >ran"
		a GitHub token|-o out/$token/x -- sh -c ": >ran"
		END
		printf "db:\n  password: hunter2\n" >p.yaml &&
		test_expect_code 128 git deepops run --no-data -p p.yaml -- true 2>../err &&
		test_grep "parameter db.password holds" ../err && rm p.yaml &&
		MY_PASSWORD=hunter2 test_expect_code 128 \
			git deepops run --no-data --env MY_PASSWORD -- true 2>../err &&
		test_grep "variable MY_PASSWORD holds" ../err
	)
'

test_expect_success 'words of language models are no secrets' '
	(
		cd repo &&
		TOKENIZERS_PARALLELISM=true git deepops run --no-data --env TOKENIZERS_PARALLELISM \
			-S max_tokens=512 -S pad_token="<pad>" -S key=image -S use_auth_token=true -- \
			true --mask-token MASK --sort-key name --author Alice --password-file /run/pw
	)
'

test_expect_success 'a file or a path that holds the value refuses the run' '
	(
		cd repo &&
		export PW=hunter22-again &&
		echo "pw=$PW" >.env &&
		test_expect_code 128 git deepops run --no-data --secret PW -- true 2>../err &&
		test_grep "\.env holds the value of a --secret" ../err && rm .env &&
		test_expect_code 128 git deepops run --no-data --secret PW -o "x-$PW" -- true 2>../err &&
		test_grep "x-\*\*\*.* holds the value of a --secret" ../err &&
		PW=abc && test_expect_code 128 git deepops run --no-data --secret PW -- true 2>../err &&
		test_grep "shorter than 4 bytes" ../err && test_grep "hint:.*leave --secret" ../err
	)
'

test_expect_success 'keys that the command prints are masked before the journal has them' '
	(
		cd repo &&
		export A=ghp_abcdefghijklmnopqrst B=uvwxyz0123456789 C=eyJhbGciOiJIUzI1NiJ9 &&
		export D=eyJzdWIiOiJ4In0.abcdefghijklmnop E=hunter2 &&
		git deepops run --no-data -m m.json -o cfg -- sh -c "
			echo \"token \$A\$B end\"; echo https://me:\$E@h/x >&2
			echo \"{\\\"\$A\$B\\\": 1}\" >m.json
			echo \"{\\\"x-\$C.\$D\\\": 2}\" >>\$DEEPOPS_METRICS
			echo \"key: \$A\$B\" >cfg" >../out 2>../err &&
		test_grep "token $token end" ../out &&
		everything >../all &&
		test_grep ! "$token" ../all && test_grep ! "$jwt" ../all && test_grep ! hunter2 ../all &&
		test_grep "token \*\*\* end" ../all &&
		test_grep "https://me:\*\*\*@h/x" ../all &&
		test_grep "\"notices\":" ../all &&
		test_grep "stdout: 1 keys that the command wrote are masked" ../err &&
		test_grep "output cfg .*it holds what looks like a GitHub token" ../err &&
		git deepops logs $(newest) >../log && test_grep "token \*\*\* end" ../log &&
		rm -f m.json cfg
	)
'

test_done
