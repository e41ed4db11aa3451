/* SPDX-License-Identifier: MIT */
/*
 * capture_gpu.c - NVIDIA devices through NVML, else nvidia-smi; see capture.h
 *
 * NVML is loaded at run time and used by its documented ABI (NVML API
 * Reference, r535): the driver brings the library, so we cannot link it.
 */
#include <ctype.h>
#include <dlfcn.h>

#include "base/limits.h"
#include "base/num.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/xalloc.h"
#include "machine/capture_internal.h"

#define NVML_OK 0
#define NVML_TEXT_BYTES 96
#define GPU_MAX_COUNT 64 /* per host; the largest today hold 16 */

struct nvml_memory { /* nvmlMemory_t */
	unsigned long long total, free, used;
};

struct nvml {
	void *lib;
	int (*init)(void);
	int (*shutdown)(void);
	int (*driver)(char *out, unsigned int len);
	int (*cuda)(int *version);
	int (*count)(unsigned int *n);
	int (*handle)(unsigned int i, void **device);
	int (*name)(void *device, char *out, unsigned int len);
	int (*memory)(void *device, struct nvml_memory *out);
};

/* ISO C has no cast from void * to a function pointer; POSIX says the bytes are the same. */
static bool load(void *lib, const char *name, void *slot)
{
	void *p = dlsym(lib, name);

	memcpy(slot, &p, sizeof(p));
	return p != NULL;
}

static bool nvml_open(struct nvml *n)
{
	n->lib = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!n->lib)
		return false;
	if (load(n->lib, "nvmlInit_v2", &n->init) && load(n->lib, "nvmlShutdown", &n->shutdown) &&
	    load(n->lib, "nvmlSystemGetDriverVersion", &n->driver) &&
	    load(n->lib, "nvmlSystemGetCudaDriverVersion", &n->cuda) &&
	    load(n->lib, "nvmlDeviceGetCount_v2", &n->count) &&
	    load(n->lib, "nvmlDeviceGetHandleByIndex_v2", &n->handle) &&
	    load(n->lib, "nvmlDeviceGetName", &n->name) &&
	    load(n->lib, "nvmlDeviceGetMemoryInfo", &n->memory) && n->init() == NVML_OK)
		return true;
	dlclose(n->lib);
	return false;
}

/* "NVIDIA A100-SXM4-80GB" -> "a100": what people call it. */
static void device_word(const char *model, unsigned int count, char *out, size_t n)
{
	static const char *const vendor[] = {"NVIDIA ", "Tesla ", "GeForce "};
	struct buf word = BUF_INIT;
	const char *rest;

	for (size_t i = 0; i < ARRAY_SIZE(vendor); i++)
		if (str_startswith(model, vendor[i], &rest))
			model = rest;
	for (; *model && *model != '-' && word.len < 24; model++)
		if (isalnum((unsigned char)*model))
			buf_addch(&word, tolower((unsigned char)*model));
	snprintf(out, n, "%sx%u", word.len ? word.p : "gpu", count);
	buf_release(&word);
}

static void add_device(struct capture_lines *l, unsigned int i, const char *model,
		       unsigned long long bytes)
{
	char key[32];

	snprintf(key, sizeof(key), "gpu.%02u.model", i);
	capture_add(l, key, model);
	snprintf(key, sizeof(key), "gpu.%02u.memory", i);
	capture_addf(l, key, "%llu", bytes);
}

/* Not 0: nobody could tell. */
static void unknown_count(struct capture_lines *l, const char *why)
{
	capture_add(l, "gpu.count", "unknown");
	strvec_pushf(&l->absent, "GPU: %s", why);
}

static void nvml_devices(struct capture_lines *l, const struct nvml *n, char *device, size_t len)
{
	char text[NVML_TEXT_BYTES] = "", first[NVML_TEXT_BYTES] = "";
	unsigned int count = 0;
	int cuda = 0;

	if (n->count(&count) == NVML_OK) {
		count = MIN(count, GPU_MAX_COUNT);
		capture_addf(l, "gpu.count", "%u", count);
	} else {
		count = 0;
		unknown_count(l, "NVML does not tell how many there are");
	}
	if (n->driver(text, sizeof(text)) == NVML_OK)
		capture_add(l, "gpu.driver", text);
	if (n->cuda(&cuda) == NVML_OK)
		capture_addf(l, "gpu.cuda", "%d.%d", cuda / 1000, cuda % 1000 / 10);
	for (unsigned int i = 0; i < count; i++) {
		struct nvml_memory m = {0};
		void *dev = NULL;

		text[0] = '\0';
		if (n->handle(i, &dev) != NVML_OK)
			continue;
		if (n->name(dev, text, sizeof(text)) != NVML_OK)
			text[0] = '\0';
		if (n->memory(dev, &m) != NVML_OK)
			m.total = 0;
		add_device(l, i, text, m.total);
		if (i == 0)
			memcpy(first, text, sizeof(first));
	}
	if (count)
		device_word(first, count, device, len);
}

/* "name, MiB, driver" a line. */
static bool smi_line(struct capture_lines *l, unsigned int i, char *line, struct buf *first)
{
	char *memory = strstr(line, ", "), *driver = memory ? strstr(memory + 2, ", ") : NULL;
	uint64_t mib;

	if (!driver)
		return false;
	*memory = *driver = '\0';
	if (num_parse_u64(memory + 2, 0, UINT64_C(1) << 40, &mib, NULL) < 0)
		mib = 0;
	add_device(l, i, line, (unsigned long long)mib << 20);
	if (i == 0) {
		buf_addstr(first, line);
		capture_add(l, "gpu.driver", driver + 2);
	}
	return true;
}

/* A driver that is broken may let the program hang. */
#define SMI_SECONDS "5"
#define EXIT_NOT_FOUND 127 /* of timeout(1) */

static void smi_devices(struct capture_lines *l, char *device, size_t len)
{
	struct proc p = PROC_INIT;
	struct buf program = BUF_INIT, out = BUF_INIT, first = BUF_INIT;
	unsigned int n = 0;
	bool good, none;
	int rc;

	/* By ourselves: where a directory of PATH may not be entered, timeout takes that for a failure. */
	if (!path_in_path(&program, "nvidia-smi")) {
		capture_add(l, "gpu.count", "0");
		buf_release(&program);
		return;
	}
	strvec_pushl(&p.args, "timeout", "-k", "1", SMI_SECONDS, program.p,
		     "--query-gpu=name,memory.total,driver_version",
		     "--format=csv,noheader,nounits", NULL);
	p.err = PROC_NULL;
	rc = proc_capture(&p, NULL, 64 * KIB, &out, NULL);
	good = rc == 0;
	none = rc == EXIT_NOT_FOUND || rc == ERR_NOTFOUND ||
	       (rc >= 0 && strstr(out.p, "No devices were found"));
	for (char *at = out.p; good && at && *at && n < GPU_MAX_COUNT;) {
		char *eol = strchr(at, '\n');

		if (eol)
			*eol = '\0';
		if (smi_line(l, n, at, &first))
			n++;
		at = eol ? eol + 1 : NULL;
	}
	if (n || none)
		capture_addf(l, "gpu.count", "%u", n);
	else
		unknown_count(l, good ? "nvidia-smi names no device" : "nvidia-smi fails or hangs");
	if (n)
		device_word(first.p, n, device, len);
	buf_release(&first);
	buf_release(&out);
	buf_release(&program);
	proc_release(&p);
}

void capture_gpu(struct capture_lines *l, char *device, size_t len)
{
	struct nvml n;

	if (nvml_open(&n)) {
		nvml_devices(l, &n, device, len);
		n.shutdown();
		dlclose(n.lib);
	} else {
		smi_devices(l, device, len);
	}
}
