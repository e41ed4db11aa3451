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
	(CHUNK_MAX_BYTES + 4 * KIB)  /* raw fallback: never much larger than plain */
#define NODE_MAX_ENTRIES 4096        /* a full node is about half a chunk */
#define NODE_MAX_BYTES (512 * KIB)   /* 128 bytes an entry; longer names make smaller nodes */
#define RECIPE_ENTRY_BYTES 36        /* id and length */
#define RECIPE_MAX_BYTES (1 * MIB)   /* a recipe is itself a chunk, see recipe.h */
#define PACK_TARGET_BYTES (32 * MIB) /* a file count that file systems bear, a copy that is quick */
#define PACK_MAX_BYTES (64 * MIB)    /* a reader may hold one whole; twice the target */
#define PACK_MAX_ENTRIES 65536       /* PACK_TARGET_BYTES of files of 512 bytes */
#define SEGMENT_MAX_ENTRIES 64000000 /* 4 TiB of 64 KiB chunks in one segment */

/* Trees and paths: what is walked recursively, and what Linux opens. */
#define TREE_MAX_DEPTH 128 /* bounds our stack; deeper than any data set met */
/* git's own trees nest as deep as paths are long: each level takes two bytes of one. */
#define GIT_TREE_MAX_DEPTH 2048
#define TREE_MAX_UNITS 200000 /* directories in one walk: ten can name each other 10^10 times */
#define TREE_MAX_EMPTY_DIRS 1000000 /* of a dataset: nothing else says how many there are */
#define PATH_MAX_BYTES 4096         /* the kernel's PATH_MAX */
#define NAME_MAX_BYTES 255          /* the kernel's NAME_MAX */

/* Pointers: gitformat-deepops-pointer(5). */
#define POINTER_MAX_BYTES (256 * KIB) /* git shows and merges it as text */
#define POINTER_MAX_SHARDS 4096       /* what one NODES question can ask for */
#define POINTER_SPLIT_SHARDS 256      /* at the first split */

/* Protocol: gitprotocol-deepops(5). */
#define FRAME_MAX_BYTES                                                                            \
	(1 * MIB + 64 * KIB)            /* a chunk as stored, or a batch of keys, and its head */
#define BATCH_MAX_IDS 4096              /* keys of one question: 132 KiB */
#define BATCH_MAX_INFLIGHT 8            /* unanswered batches: 1 MiB of ids a round trip */
#define WINDOW_BYTES (64 * MIB)         /* unacknowledged upload: 0.5 s at 1 Gbit/s */
#define WIRE_STRING_MAX_BYTES (4 * KIB) /* a path, or a message for people */
#define WIRE_NOISE_MAX_BYTES (4 * KIB)  /* shell start-up output before HELLO */
#define HELLO_MAX_CAPS 64               /* room for what later versions announce */
#define COMMIT_MAX_BYTES (16 * MIB)     /* one COMMIT message over all its frames */
#define COMMIT_MAX_ROOTS 65536          /* splits, shards and files of one COMMIT */
#define COMMIT_MAX_ROUNDS 512 /* COMMITs of a session that lack something; a tree needs 256 */
/* Proving a recipe hashes all that it names: what a session may ask for, and for each byte it sent. */
#define SESSION_HASH_BYTES (64 * GIB)
#define SESSION_HASH_PER_BYTE 64
#define SESSION_HASH_ENTRY_BYTES                                                                   \
	(16 *                                                                                      \
	 KIB) /* of a chunk at least: to load one of a byte takes time, too; no chunker cuts smaller */
#define SESSION_LOAD_BYTES                                                                         \
	(8 * KIB)                /* of a node or recipe that is read because something names it */
#define SESSION_SPLIT_PER_BYTE 4 /* of a node read for the id of a split: it is parsed, too */

/* Records and journals: gitformat-deepops-record(5). */
#define RECORD_MAX_BYTES (64 * KIB)    /* the hook reads hundreds of them in a push */
#define RECORD_SPILL_BYTES (32 * KIB)  /* lists move to files of the journal tree beyond this */
#define RECORD_BEFORE_BYTES (35 * KIB) /* before the command ran, without the lists */
/* Room for what it brings about: with RECORD_BEFORE_BYTES and fields of fixed size they fit. */
#define RECORD_METRICS_BYTES (12 * KIB)
#define RECORD_CHANGED_BYTES (5 * KIB)
#define RECORD_DIFF_BYTES (3 * KIB)
#define RECORD_NOTICES_BYTES (4 * KIB)
#define RECORD_OUTSIDE_BYTES (3 * KIB)
#define RECORD_MAX_ITEMS 100  /* of a list in the record itself; longer ones spill */
#define RECORD_MAX_LIST 10000 /* of any list in a pushed record: the server finds runs by them */
#define JSON_MAX_DEPTH 32     /* bounds the parser's stack and ours */
#define JSON_MAX_BYTES (16 * MIB) /* user files such as metrics.json */

/* Text files in git-config syntax: policy, .deepops/config, pointers; people write them. */
#define CONF_MAX_BYTES (256 * KIB)
#define CONF_MAX_LINE_BYTES (32 * KIB) /* the longest path fits, every byte of it escaped */

/* A push, as the hook judges it within seconds: git-deepops-server(1). */
#define PUSH_MAX_REFS 10000
#define PUSH_MAX_COMMITS 10000
#define PUSH_MAX_RECORDS 500
#define PUSH_MAX_REASON_BYTES 4096 /* of an override: it has to fit in a record, quoted */

#endif
