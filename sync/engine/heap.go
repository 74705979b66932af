package engine

import "container/heap"

// itemHeap is a heap of bundles that also gives up others than the first.
type itemHeap struct {
	list   []*outItem
	before func(a, b *outItem) bool
}

func (h *itemHeap) top() *outItem {
	if len(h.list) == 0 {
		return nil
	}
	return h.list[0]
}

func (h *itemHeap) push(it *outItem)   { heap.Push((*heapOrder)(h), it) }
func (h *itemHeap) remove(it *outItem) { heap.Remove((*heapOrder)(h), it.pos) }

type heapOrder itemHeap

func (h *heapOrder) Len() int           { return len(h.list) }
func (h *heapOrder) Less(i, j int) bool { return h.before(h.list[i], h.list[j]) }

func (h *heapOrder) Swap(i, j int) {
	h.list[i], h.list[j] = h.list[j], h.list[i]
	h.list[i].pos, h.list[j].pos = i, j
}

func (h *heapOrder) Push(x any) {
	it := x.(*outItem)
	it.pos = len(h.list)
	h.list = append(h.list, it)
}

func (h *heapOrder) Pop() any {
	n := len(h.list) - 1
	it := h.list[n]
	h.list[n] = nil
	h.list = h.list[:n]
	return it
}
