package devidp

import "slices"

// capped is a table with a bound: when it is full, the value that was put
// longest ago makes room.
type capped[V any] struct {
	limit  int
	key    func(V) string
	values map[string]V
	order  []string
}

func newCapped[V any](limit int, key func(V) string) *capped[V] {
	return &capped[V]{limit: limit, key: key, values: make(map[string]V)}
}

func (c *capped[V]) get(key string) (V, bool) {
	v, ok := c.values[key]
	return v, ok
}

// put adds v, or replaces the value with its key, as the youngest.
func (c *capped[V]) put(v V) {
	key := c.key(v)
	c.remove(key)
	if len(c.order) == c.limit {
		c.remove(c.order[0])
	}
	c.values[key] = v
	c.order = append(c.order, key)
}

func (c *capped[V]) remove(key string) {
	if i := slices.Index(c.order, key); i >= 0 {
		c.order = slices.Delete(c.order, i, i+1)
		delete(c.values, key)
	}
}

// removeIf removes every value that match picks.
func (c *capped[V]) removeIf(match func(V) bool) {
	for _, key := range slices.Clone(c.order) {
		if match(c.values[key]) {
			c.remove(key)
		}
	}
}

// list is every value, oldest first.
func (c *capped[V]) list() []V {
	list := make([]V, len(c.order))
	for i, key := range c.order {
		list[i] = c.values[key]
	}
	return list
}
