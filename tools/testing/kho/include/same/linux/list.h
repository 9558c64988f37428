/* SPDX-License-Identifier: GPL-2.0-only */
/* Doubly linked lists, as far as they are used. */
#ifndef _KHO_TEST_LIST_H
#define _KHO_TEST_LIST_H

#include <linux/types.h>

#define LIST_HEAD(name)		struct list_head name = { &(name), &(name) }

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

static inline void list_add_tail(struct list_head *entry, struct list_head *head)
{
	entry->next = head;
	entry->prev = head->prev;
	head->prev->next = entry;
	head->prev = entry;
}

static inline void list_add(struct list_head *entry, struct list_head *head)
{
	list_add_tail(entry, head->next);
}

static inline void list_del(struct list_head *entry)
{
	entry->next->prev = entry->prev;
	entry->prev->next = entry->next;
	entry->next = entry->prev = NULL;
}

static inline bool list_empty(const struct list_head *head)
{
	return head->next == head;
}

#define list_entry(ptr, like, member) \
	container_of(ptr, __typeof__(*(like)), member)

#define list_for_each_entry(pos, head, member)				\
	for (pos = list_entry((head)->next, pos, member);		\
	     &pos->member != (head);					\
	     pos = list_entry(pos->member.next, pos, member))

#define list_for_each_entry_safe(pos, tmp, head, member)		\
	for (pos = list_entry((head)->next, pos, member),		\
	     tmp = list_entry(pos->member.next, pos, member);		\
	     &pos->member != (head);					\
	     pos = tmp, tmp = list_entry(tmp->member.next, tmp, member))

#endif
