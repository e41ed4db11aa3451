/* SPDX-License-Identifier: MIT */
/*
 * node_internal.h - what node.c and node_walk.c share: text of entries, where parts are cut
 */
#ifndef CHUNK_NODE_INTERNAL_H
#define CHUNK_NODE_INTERNAL_H

#include "chunk/node.h"

#define NODE_HEADER "deepops-node 1\n"
#define NODE_HEADER_BYTES 15
#define NODE_PART_MODULUS 1024
/* Heights of parts above one another; each divides by about 1,024, or at worst by 2. */
#define NODE_MAX_HEIGHT 24

/* Append the line of an entry. */
void node_add_line(struct buf *out, const struct node_entry *entry);

/* What a node holds so far, in the list at one height. */
struct node_fill {
	size_t entries;
	size_t bytes; /* of text, with the header */
};

#define NODE_FILL_INIT                                                                             \
	{                                                                                          \
		0, NODE_HEADER_BYTES                                                               \
	}

/* Add an entry with a line of line_len bytes; true if it begins a new node at this height. */
bool node_fill_add(struct node_fill *fill, unsigned int height, const struct node_entry *entry,
		   size_t line_len);
/* Would everything counted in `all` fit in one node? */
bool node_fill_fits(const struct node_fill *all);

#endif
