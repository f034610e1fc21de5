package archive

import (
	"slices"
	"sync"
)

// cache keeps the objects that were read last, bounded by their content. The zero cache is empty.
type cache struct {
	mu    sync.Mutex
	items []cached // least recently used first: there are few
	size  int
}

type cached struct {
	name  string
	lines map[string]line
	size  int
}

func (c *cache) get(name string) (map[string]line, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.index(name)
	if i < 0 {
		return nil, false
	}
	item := c.items[i]
	c.items = append(slices.Delete(c.items, i, i+1), item)
	return item.lines, true
}

func (c *cache) put(name string, lines map[string]line) {
	item := cached{name: name, lines: lines}
	for _, l := range lines {
		item.size += len(l.Details) + len(l.Metadata) + len(l.ID)
	}
	if item.size > cacheBytes {
		return
	}
	c.forget(name)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.items = append(c.items, item)
	c.size += item.size
	for c.size > cacheBytes {
		c.size -= c.items[0].size
		c.items = slices.Delete(c.items, 0, 1)
	}
}

func (c *cache) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := c.index(name); i >= 0 {
		c.size -= c.items[i].size
		c.items = slices.Delete(c.items, i, i+1)
	}
}

func (c *cache) index(name string) int {
	return slices.IndexFunc(c.items, func(item cached) bool { return item.name == name })
}
