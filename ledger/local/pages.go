package local

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
)

// bbolt trusts the pages of its file. A damaged page makes it panic, read beyond
// the file, loop, or allocate a page that is in use. The pages are therefore
// checked before bbolt opens the file. Each page that the newest meta page reaches
// must exist, have its own id, be reached once and not be on the free list. The
// chain verifies the contents of the pages.

// The page layout of bbolt, format version 2, in the byte order of the machine.
const (
	pageHeader  = 16 // id, flags, count, overflow
	elementSize = 16 // of branches: offset, key size, id; of leaves: flags, offset, key size, value size

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagFreelist = 0x10

	leafIsBucket = 0x01
	bucketHeader = 16 // root page, sequence

	boltMagic   = 0xED0CDAED
	boltVersion = 2
	metaSize    = 64
	noFreelist  = ^uint64(0)
	maxDepth    = 64
)

// checkPages verifies the structure of a bbolt file. The file must not be written
// meanwhile.
func checkPages(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	c, metas, err := newPageChecker(f)
	if err == nil {
		err = c.check(metas[0])
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", errPages, path, err)
	}
	return nil
}

// errPages means that the structure of the file is damaged.
var errPages = errors.New("damaged pages")

type pageChecker struct {
	r        io.ReaderAt
	size     uint64
	pageSize uint64
	high     uint64   // pages in use have smaller ids
	seen     []uint64 // bitmap by id; several goroutines set its bits

	// visit is called in order for the elements of the named bucket only; nil checks
	// the structure alone.
	only  []byte
	visit func(k, v []byte) error
}

// newPageChecker also returns the readable meta pages, newest first. There is at
// least one.
func newPageChecker(f *os.File) (*pageChecker, []boltMeta, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	c := &pageChecker{r: f, size: uint64(info.Size())}
	metas := c.metas()
	if len(metas) == 0 {
		return nil, nil, errors.New("no readable meta page")
	}
	return c, metas, nil
}

type boltMeta struct {
	pageSize             uint32
	root, freelist, high uint64
	txid                 uint64
}

type boltPage struct {
	id       uint64
	flags    uint16
	count    uint16
	overflow uint32
}

// check visits every page that a meta page reaches.
func (c *pageChecker) check(m boltMeta) error {
	if err := c.trees(m); err != nil {
		return err
	}
	if m.freelist == noFreelist {
		return errors.New("the free list is missing")
	}
	return c.freelist(m.freelist)
}

func (c *pageChecker) trees(m boltMeta) error {
	c.pageSize, c.high = uint64(m.pageSize), m.high
	if c.high < 3 || c.high > c.size/c.pageSize {
		return fmt.Errorf("the file has %d bytes, which is less than %d pages", c.size, c.high)
	}
	c.seen = make([]uint64, c.high/64+1)
	return c.tree(m.root, true, 0)
}

// metas finds the meta pages. The first one has the page size. If the first one is
// torn, metas searches for the second one at every page size.
func (c *pageChecker) metas() []boltMeta {
	if first, ok := c.meta(0); ok {
		second, ok := c.meta(uint64(first.pageSize))
		switch {
		case !ok:
			return []boltMeta{first}
		case second.txid > first.txid:
			return []boltMeta{second, first}
		}
		return []boltMeta{first, second}
	}
	for at := uint64(1 << 10); at <= 1<<24; at *= 2 {
		if second, ok := c.meta(at); ok && uint64(second.pageSize) == at {
			return []boltMeta{second}
		}
	}
	return nil
}

func (c *pageChecker) meta(at uint64) (boltMeta, bool) {
	var b [pageHeader + metaSize]byte
	if _, err := c.r.ReadAt(b[:], int64(at)); err != nil {
		return boltMeta{}, false
	}
	e, body := binary.NativeEndian, b[pageHeader:]
	sum := fnv.New64a()
	sum.Write(body[:metaSize-8])
	m := boltMeta{
		pageSize: e.Uint32(body[8:]),
		root:     e.Uint64(body[16:]),
		freelist: e.Uint64(body[32:]),
		high:     e.Uint64(body[40:]),
		txid:     e.Uint64(body[48:]),
	}
	sound := e.Uint32(body) == boltMagic && e.Uint32(body[4:]) == boltVersion && e.Uint64(body[56:]) == sum.Sum64()
	return m, sound && m.pageSize >= 1<<10 && m.pageSize <= 1<<24
}

// page reads the header of a page and marks it and its overflow as used.
func (c *pageChecker) page(id uint64) (boltPage, error) {
	var b [pageHeader]byte
	if id < 2 || id >= c.high {
		return boltPage{}, fmt.Errorf("page %d does not exist", id)
	}
	if _, err := c.r.ReadAt(b[:], int64(id*c.pageSize)); err != nil {
		return boltPage{}, fmt.Errorf("reading page %d: %w", id, err)
	}
	e := binary.NativeEndian
	p := boltPage{e.Uint64(b[:]), e.Uint16(b[8:]), e.Uint16(b[10:]), e.Uint32(b[12:])}
	if p.id != id {
		return p, fmt.Errorf("page %d says it is page %d", id, p.id)
	}
	for n := range uint64(p.overflow) + 1 {
		if err := c.mark(id + n); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (c *pageChecker) mark(id uint64) error {
	if id < 2 || id >= c.high {
		return fmt.Errorf("page %d does not exist", id)
	}
	bit := uint64(1) << (id % 64)
	if atomic.OrUint64(&c.seen[id/64], bit)&bit != 0 {
		return fmt.Errorf("page %d is used twice", id)
	}
	return nil
}

// body reads a whole page without its header.
func (c *pageChecker) body(p boltPage) ([]byte, error) {
	b := make([]byte, (uint64(p.overflow)+1)*c.pageSize-pageHeader)
	if _, err := c.r.ReadAt(b, int64(p.id*c.pageSize+pageHeader)); err != nil {
		return nil, fmt.Errorf("reading page %d: %w", p.id, err)
	}
	return b, nil
}

// tree visits the pages below id. The leaves of the root tree hold the buckets.
func (c *pageChecker) tree(id uint64, root bool, depth int) error {
	p, err := c.page(id)
	switch {
	case err != nil:
		return err
	case depth > maxDepth:
		return errors.New("the tree is too deep")
	case p.flags == flagLeaf && !root && c.visit == nil:
		return nil
	}
	body, err := c.body(p)
	if err != nil {
		return err
	}
	switch {
	case p.flags == flagBranch:
		return c.branch(p, body, root, depth)
	case p.flags == flagLeaf && root:
		return elements(body, int(p.count), c.bucket)
	case p.flags == flagLeaf:
		return elements(body, int(p.count), c.element)
	}
	return fmt.Errorf("page %d has flags %#x", id, p.flags)
}

func (c *pageChecker) branch(p boltPage, body []byte, root bool, depth int) error {
	if int(p.count)*elementSize > len(body) {
		return fmt.Errorf("page %d has %d elements", p.id, p.count)
	}
	child := func(i int) error {
		return c.tree(binary.NativeEndian.Uint64(body[i*elementSize+8:]), root, depth+1)
	}
	if c.visit == nil && depth == 0 {
		return onAllCores(int(p.count), child)
	}
	for i := range int(p.count) {
		if err := child(i); err != nil {
			return err
		}
	}
	return nil
}

// onAllCores calls fn with 0 to n-1 until one call fails.
func onAllCores(n int, fn func(int) error) error {
	var wg sync.WaitGroup
	var next atomic.Int64
	var failed atomic.Pointer[error]
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && failed.Load() == nil; i = next.Add(1) - 1 {
				if err := fn(int(i)); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// elements calls visit for each element of a leaf.
func elements(body []byte, count int, visit func(flags uint32, k, v []byte) error) error {
	e := binary.NativeEndian
	for i := range count {
		if (i+1)*elementSize > len(body) {
			return fmt.Errorf("a leaf of %d bytes has %d elements", len(body), count)
		}
		b := body[i*elementSize:]
		at, keySize, valueSize := uint64(e.Uint32(b[4:])), uint64(e.Uint32(b[8:])), uint64(e.Uint32(b[12:]))
		if at+keySize+valueSize > uint64(len(b)) {
			return errors.New("an element lies outside its page")
		}
		k, v := b[at:at+keySize], b[at+keySize:at+keySize+valueSize]
		if err := visit(e.Uint32(b), k, v); err != nil {
			return err
		}
	}
	return nil
}

func (c *pageChecker) element(_ uint32, k, v []byte) error { return c.visit(k, v) }

// bucket visits the tree of a bucket. A small bucket has no pages of its own: its
// page is within the value.
func (c *pageChecker) bucket(flags uint32, name, v []byte) error {
	if flags&leafIsBucket == 0 || c.only != nil && !bytes.Equal(name, c.only) {
		return nil
	}
	if len(v) < bucketHeader {
		return fmt.Errorf("the bucket %q is truncated", name)
	}
	if id := binary.NativeEndian.Uint64(v); id != 0 {
		return c.tree(id, false, 0)
	}
	inline := v[bucketHeader:]
	if len(inline) < pageHeader {
		return fmt.Errorf("the bucket %q is truncated", name)
	}
	if c.visit == nil {
		return nil
	}
	return elements(inline[pageHeader:], int(binary.NativeEndian.Uint16(inline[10:])), c.element)
}

// freelist checks that the free list has no page in use.
func (c *pageChecker) freelist(id uint64) error {
	p, err := c.page(id)
	if err != nil {
		return err
	}
	if p.flags != flagFreelist {
		return fmt.Errorf("page %d should be the free list, has flags %#x", id, p.flags)
	}
	body, err := c.body(p)
	if err != nil {
		return err
	}
	count := uint64(p.count)
	if count == 0xFFFF {
		count, body = binary.NativeEndian.Uint64(body), body[8:]
	}
	if count > uint64(len(body))/8 {
		return fmt.Errorf("the free list of %d pages has %d", len(body)/8, count)
	}
	for i := range count {
		if err := c.mark(binary.NativeEndian.Uint64(body[i*8:])); err != nil {
			return fmt.Errorf("the free list: %w", err)
		}
	}
	return nil
}
