#!/bin/sh
test_description='runs on datasets: inputs pinned, outputs brought up to date, notes, machine'
. "${0%/*}/test-lib.sh"

record () {
	git deepops show --raw "${1:-$(git deepops runs --csv --columns run -n 1 | sed -n 2p)}"
}

field () {
	perl -MJSON::PP -0777 -ne "\$r = decode_json(\$_); \$v = $2; print qq{\$v\n}" "$1"
}

journal () {
	git for-each-ref --format='%(refname)' refs/deepops/log
}

inputs='join q{ }, map { qq{$_->{role}:$_->{path}} } @{$r->{inputs}}'

test_expect_success 'set up two datasets and a model' '
	git init repo &&
	(
		cd repo &&
		mkdir -p data/train data/val &&
		for i in 1 2 3 4 5; do echo $i >data/train/$i && echo v$i >data/val/$i; done &&
		printf untrained >model.bin &&
		echo "cat data/train/* >model.bin; echo {\\\"acc\\\": 0.5} >metrics.json" >train.sh &&
		git deepops track data/train data/val model.bin &&
		git add . && test_tick && git commit -qm one
	)
'

test_expect_success 'a declared input is pinned by its dataset id, the others are tracked' '
	(
		cd repo &&
		git deepops run -i data/train -o model.bin -m metrics.json -- sh train.sh 2>../err &&
		record >../record &&
		field ../record "$inputs" >../got &&
		echo "input:data/train tracked:data/val tracked:model.bin" >../want && test_cmp ../want ../got &&
		git cat-file blob "$(journal):inputs/0" >../got &&
		test_cmp data/train.deepops ../got &&
		field ../record "\$r->{code}{dirty} ? 1 : 0" >../got &&
		echo 0 >../want && test_cmp ../want ../got &&
		test_grep "level R2" ../err
	)
'

test_expect_success 'a tracked output gets its pointer, nothing is staged' '
	(
		cd repo &&
		git status --porcelain >../got &&
		printf " M model.bin.deepops\n?? metrics.json\n" >../want && test_cmp ../want ../got &&
		git deepops status model.bin >../got &&
		test_grep ! modified ../got &&
		field ../record "(grep { \$_->{path} eq q{model.bin} } @{\$r->{outputs}})[0]{blob}" >../got &&
		git hash-object --no-filters model.bin.deepops >../want && test_cmp ../want ../got &&
		field ../record "(grep { \$_->{path} eq q{model.bin} } @{\$r->{outputs}})[0]{id}" >../got &&
		echo "sha256:$(sha256sum <model.bin | cut -d" " -f1)" >../want && test_cmp ../want ../got
	)
'

test_expect_success 'the commit that brings the results in shows the run' '
	(
		cd repo &&
		git config notes.displayRef refs/notes/deepops &&
		git add . && test_tick && git commit -qm results &&
		git deepops notes rebuild &&
		git log -1 >../got &&
		test_grep "Deepops-Run: [0-9a-f]\{12\} ok train.sh acc=0.5 .*code=clean data=train@" ../got &&
		echo "# changed" >>train.sh && echo "{\"acc\": 0.6}" >metrics.json &&
		cp metrics.json m2 && git deepops run -i data/train -m metrics.json -- cp m2 metrics.json &&
		rm m2 && git checkout -q train.sh && echo "# other" >>train.sh &&
		git add . && test_tick && git commit -qm stale &&
		git deepops notes rebuild &&
		git log -1 >../got &&
		test_grep "code=stale-code" ../got
	)
'

test_expect_success 'a modified input is pinned as it is, not as its pointer says' '
	(
		cd repo &&
		cp data/train.deepops ../before &&
		echo changed >data/train/3 &&
		git deepops run -i data/train -- true &&
		test_cmp ../before data/train.deepops &&
		record >../record &&
		git cat-file blob "$(journal):code/data/train.deepops" >../got &&
		! cmp -s ../before ../got &&
		git cat-file blob "$(journal):inputs/0" >../pin && test_cmp ../pin ../got &&
		field ../record "\$r->{code}{dirty} ? 1 : 0" >../got &&
		echo 1 >../want && test_cmp ../want ../got &&
		git deepops status data/train >../got && test_grep "^modified" ../got &&
		test_expect_code 128 git deepops checkout data/train && test "$(cat data/train/3)" = changed &&
		git deepops track data/train && test_cmp ../pin data/train.deepops &&
		git add . && test_tick && git commit -qm changed
	)
'

test_expect_success 'data that changes under the run is named' '
	(
		cd repo &&
		git deepops run -i data/train -- sh -c "sleep 0.05; echo later >data/train/4" 2>../err &&
		test_grep "level R1" ../err &&
		record >../record &&
		field ../record "join q{ }, @{\$r->{closure}{changed}}" >../got &&
		echo data/train >../want && test_cmp ../want ../got &&
		git deepops checkout --force -- data/train
	)
'

test_expect_success 'an input that is not here is refused with the way to get it' '
	(
		cd repo &&
		rm -r data/val &&
		test_expect_code 128 git deepops run -i data/val -- true 2>../err &&
		test_grep "input data/val: not in the work tree" ../err &&
		test_grep "hint: git deepops fetch" ../err &&
		git deepops run -i data/train -- true &&
		git deepops checkout -- data/val
	)
'

test_expect_success 'a directory of datasets stands for all of them' '
	(
		cd repo/data &&
		git deepops run -i . -- true &&
		record >../../record &&
		field ../../record "$inputs" >../../got &&
		echo "input:data/train input:data/val tracked:model.bin" >../../want &&
		test_cmp ../../want ../../got
	)
'

test_expect_success 'a rerun gets its data from the store, and leaves ours alone' '
	(
		cd repo &&
		git deepops run -i data/train -o sum.txt -- sh -c "cat data/train/* | cksum >sum.txt" &&
		run=$(git deepops runs --csv --columns run -n 1 | sed -n 2p) &&
		rm -r data/train &&
		git deepops rerun --exit-code $run >../out &&
		test_grep "^verdict: identical" ../out &&
		test_path_is_missing data/train &&
		git deepops checkout -- data/train
	)
'

test_expect_success 'an untracked directory can be an output' '
	(
		cd repo &&
		echo "/outdir/" >>.git/info/exclude &&
		git deepops run --no-data -o outdir -- sh -c "mkdir -p outdir/a && echo x >outdir/a/b" &&
		record >../record &&
		field ../record "\$r->{outputs}[0]{files}" >../got &&
		echo 1 >../want && test_cmp ../want ../got &&
		git cat-file blob "$(journal):outputs/0" >../got && test_grep "kind = tree" ../got &&
		git deepops rerun --exit-code $(git deepops runs --csv --columns run -n 1 | sed -n 2p) >../out &&
		test_grep "^verdict: identical" ../out
	)
'

test_expect_success 'notes rebuild restores what was deleted, foreign lines stay' '
	(
		cd repo &&
		git log -1 --format=%N --notes=deepops >../want &&
		git update-ref -d refs/notes/deepops &&
		rm .git/deepops/runs.db &&
		git deepops notes rebuild &&
		git log -1 --format=%N --notes=deepops >../got && test_cmp ../want ../got &&
		git notes --ref=deepops append -m "by hand" &&
		git deepops notes rebuild &&
		git log -1 --format=%N --notes=deepops >../got && test_grep "by hand" ../got &&
		test_expect_code 129 git deepops notes frobnicate
	)
'

test_expect_success 'git deepops machine capture prints what runs record' '
	(
		cd repo &&
		git deepops machine capture >../capture &&
		LC_ALL=C sort -c ../capture &&
		test_grep "^kernel.release=$(uname -r)" ../capture &&
		test_grep "^os.pkg.dpkg.libc6:.* sha256:[0-9a-f]\{64\}$" ../capture &&
		git deepops machine capture --json | perl -MJSON::PP -0777 -ne "print decode_json(\$_)->{id}, qq{\n}" >../got &&
		echo "sha256:$(sha256sum <../capture | cut -d" " -f1)" >../want && test_cmp ../want ../got &&
		record >../record &&
		field ../record "\$r->{machine}{capture}" >../got && test_cmp ../want ../got &&
		test_expect_code 129 git deepops machine frobnicate
	)
'

test_need CC "command -v cc" "a C compiler"

test_expect_success CC 'GPUs are asked through NVML, else nvidia-smi' '
	mkdir -p nvml smi &&
	cat >nvml/fake.c <<-\END &&
	#include <stdio.h>
	int nvmlInit_v2(void) { return 0; }
	int nvmlShutdown(void) { return 0; }
	int nvmlSystemGetDriverVersion(char *s, unsigned n) { snprintf(s, n, "550.54.15"); return 0; }
	int nvmlSystemGetCudaDriverVersion(int *v) { *v = 12040; return 0; }
	int nvmlDeviceGetCount_v2(unsigned *n) { *n = 2; return 0; }
	int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **d) { *d = (void *)(long)(i + 1); return 0; }
	int nvmlDeviceGetName(void *d, char *s, unsigned n) { (void)d; snprintf(s, n, "NVIDIA A100-SXM4-80GB"); return 0; }
	int nvmlDeviceGetMemoryInfo(void *d, unsigned long long *m) { (void)d; m[0] = 85899345920ull; m[1] = m[2] = 0; return 0; }
	END
	cc -shared -fPIC -o nvml/libnvidia-ml.so.1 nvml/fake.c &&
	LD_LIBRARY_PATH=$TRASH/nvml git-deepops machine capture >got &&
	test_grep "^gpu.count=2$" got &&
	test_grep "^gpu.01.model=NVIDIA A100-SXM4-80GB$" got &&
	test_grep "^gpu.01.memory=85899345920$" got &&
	test_grep "^gpu.driver=550.54.15$" got &&
	test_grep "^gpu.cuda=12.4$" got &&
	LD_LIBRARY_PATH=$TRASH/nvml git-deepops machine capture --json >got &&
	test_grep "\"class\": \"a100x2\"" got &&
	printf "#!/bin/sh\necho \"Tesla T4, 15360, 535.1\"\n" >smi/nvidia-smi && chmod +x smi/nvidia-smi &&
	PATH=$TRASH/smi:$PATH git-deepops machine capture >got &&
	test_grep "^gpu.00.model=Tesla T4$" got &&
	test_grep "^gpu.00.memory=16106127360$" got
'

test_expect_success 'a dataset that is an output must be whole, and is warned about when its pointer has moved on' '
	git init -q moved &&
	(
		cd moved && mkdir data && echo 1 >data/1 && echo 2 >data/2 && git deepops track -q data && git commit -qm one &&
		rm -r data && git deepops checkout -q -I 1 &&
		test_expect_code 128 git deepops run -o data -- sh -c "echo 3 >data/3" 2>../err && test_grep "^fatal: only a part of the output data" ../err &&
		test_path_is_missing data/3 && git deepops checkout -q && git checkout -q -b other && echo 4 >data/4 && git deepops track -q data &&
		git commit -qm four && git checkout -q - && git deepops run -o data -- sh -c "echo 3 >data/3" 2>../err &&
		test_grep "^warning: data: its pointer has moved on" ../err && git deepops ls data >../out && test_grep "^4$" ../out
	)
'

test_done
