package devidp

import "slices"

// capped is a table with a limit. At the limit, put removes the value that was
// put first.
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

// put adds v as the youngest value. It replaces a value with the same key.
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

// removeIf removes every value for which match is true.
func (c *capped[V]) removeIf(match func(V) bool) {
	for _, key := range slices.Clone(c.order) {
		if match(c.values[key]) {
			c.remove(key)
		}
	}
}

// list returns every value, the oldest first.
func (c *capped[V]) list() []V {
	list := make([]V, len(c.order))
	for i, key := range c.order {
		list[i] = c.values[key]
	}
	return list
}
