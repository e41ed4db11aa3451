/* SPDX-License-Identifier: MIT */
/*
 * limits.h - every maximum that input from outside is held to
 *
 * One place, so that a reader can see what an attacker can make us allocate.
 * Each says its unit in its name and its reason beside it.  Formats name the
 * same figures in their man pages.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#include <stdint.h>

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* Content: gitformat-deepops-store(5). */
#define CHUNK_MAX_BYTES (1 * MIB) /* plain length of any chunk; bounds decoder memory */
#define CHUNK_MAX_STORED_BYTES                                                                     \
	(CHUNK_MAX_BYTES + 4 * KIB) /* raw fallback: never much larger than plain */
#define NODE_MAX_ENTRIES 4096       /* a full node is about half a chunk */
#define NODE_MAX_BYTES (512 * KIB)
#define RECIPE_ENTRY_BYTES 36      /* id and length */
#define RECIPE_MAX_BYTES (1 * MIB) /* a recipe node is itself a chunk, see recipe.h */
#define PACK_TARGET_BYTES (32 * MIB)
#define PACK_MAX_BYTES (64 * MIB)
#define PACK_MAX_ENTRIES 65536
#define SEGMENT_MAX_ENTRIES 64000000 /* 4 TiB of 64 KiB chunks in one segment */

/* Trees and paths. */
#define TREE_MAX_DEPTH 128
#define PATH_MAX_BYTES 4096
#define NAME_MAX_BYTES 255

/* Pointers: gitformat-deepops-pointer(5). */
#define POINTER_MAX_BYTES (256 * KIB)
#define POINTER_MAX_SHARDS 4096
#define POINTER_SPLIT_SHARDS 256 /* at the first split */

/* Protocol: gitprotocol-deepops(5). */
#define FRAME_MAX_BYTES (1 * MIB + 64 * KIB)
#define BATCH_MAX_IDS 4096
#define WINDOW_BYTES (64 * MIB) /* unacknowledged upload */
#define WIRE_STRING_MAX_BYTES (4 * KIB)
#define WIRE_NOISE_MAX_BYTES (4 * KIB) /* shell start-up output before HELLO */
#define BATCH_MAX_INFLIGHT 8           /* unanswered batches: 1 MiB of ids a round trip */
#define HELLO_MAX_CAPS 64
#define COMMIT_MAX_BYTES (16 * MIB) /* one COMMIT message over all its frames */
#define COMMIT_MAX_ROOTS 65536      /* splits, shards and files of one COMMIT */
#define COMMIT_MAX_ROUNDS 512       /* COMMITs of a session that lack something; a tree needs 256 */
/* Proving a recipe hashes all that it names: what a session may ask for, and for each byte it sent. */
#define SESSION_HASH_BYTES (64 * GIB)
#define SESSION_HASH_PER_BYTE 64

/* Records and journals: gitformat-deepops-record(5). */
#define RECORD_MAX_BYTES (64 * KIB)
#define RECORD_SPILL_BYTES (32 * KIB)  /* lists move to files of the journal tree beyond this */
#define RECORD_BEFORE_BYTES (42 * KIB) /* before the command ran, without the lists */
/* Room for what it brings about: with RECORD_BEFORE_BYTES and fields of fixed size they fit. */
#define RECORD_METRICS_BYTES (12 * KIB)
#define RECORD_CHANGED_BYTES (5 * KIB)
#define RECORD_DIFF_BYTES (3 * KIB)
#define RECORD_MAX_ITEMS 100
#define JSON_MAX_DEPTH 32
#define JSON_MAX_BYTES (16 * MIB) /* user files such as metrics.json */

/* Text files in git-config syntax: policy, .deepops/config, pointers. */
#define CONF_MAX_BYTES (256 * KIB)
#define CONF_MAX_LINE_BYTES (32 * KIB)

/* A push, as the hook judges it: git-deepops-server(1). */
#define PUSH_MAX_REFS 10000
#define PUSH_MAX_COMMITS 10000
#define PUSH_MAX_RECORDS 500
#define PUSH_MAX_REASON_BYTES 4096 /* of an override: it has to fit in a record, quoted */

#endif
