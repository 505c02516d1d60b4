/* Intrusive doubly linked list. A `struct list` is the head and also the member in each element. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_add_after(struct list *at, struct list *e)
{
    e->next = at->next;
    e->prev = at;
    at->next->prev = e;
    at->next = e;
}

static inline void list_push_front(struct list *head, struct list *e)
{
    list_add_after(head, e);
}

static inline void list_push_back(struct list *head, struct list *e)
{
    list_add_after(head->prev, e);
}

/* Leaves e as an empty list, so that removing twice is harmless. */
static inline void list_remove(struct list *e)
{
    e->prev->next = e->next;
    e->next->prev = e->prev;
    list_init(e);
}

#define LIST_OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))
#define LIST_FIRST(head, type, member)                                                             \
    (list_empty(head) ? NULL : LIST_OF((head)->next, type, member))
/* Not safe against removal of the current element; LIST_EACH_SAFE is, through `tmp`. */
#define LIST_EACH(it, head, member)                                                                \
    for ((it) = LIST_OF((head)->next, __typeof__(*(it)), member); &(it)->member != (head);         \
         (it) = LIST_OF((it)->member.next, __typeof__(*(it)), member))
#define LIST_EACH_SAFE(it, tmp, head, member)                                                      \
    for ((it) = LIST_OF((head)->next, __typeof__(*(it)), member),                                  \
        (tmp) = LIST_OF((it)->member.next, __typeof__(*(it)), member);                             \
         &(it)->member != (head);                                                                  \
         (it) = (tmp), (tmp) = LIST_OF((it)->member.next, __typeof__(*(it)), member))

#endif
