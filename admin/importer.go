package admin

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

func (a *api) registerImport() {
	httpapi.Add(a.http, writingMany(httpapi.Operation{
		ID: "import", Method: http.MethodPost, Path: "/v1/revocations/import", Tag: "Revocations", Status: http.StatusOK,
		Summary: "Revoke many, one NDJSON line each",
		Details: "Each line is the body of a revocation, up to 64 KiB; wait has no effect. Chunks of up to 1000 lines, fewer where " +
			"they are long, become durable together; then their outcomes are sent, one line each, in order: once the line behind the chunk, " +
			"or the end of the body, has come. A line that is refused does not affect the others. Targets that may hit " +
			"more than one account are refused. Read the answer while sending. Where the caller would not be let in any more, the import ends with a line that says why. With an Idempotency-Key, what broke off goes on with the same " +
			"lines; Idempotent-Replayed: true says that the first chunk had been written before. Where another body comes under the key, nothing is " +
			"written from the chunk on that differs: that is 422 idempotency-key-reused for the call, or for each line where the answer had begun.",
		Takes: &httpapi.Streamed{Media: lineTypes, Example: exampleRequest},
		Gives: &httpapi.Streamed{Media: lineTypes[:1], Example: exampleImported, Header: "Idempotent-Replayed", Value: "true"},
	}), a.importLines)
}

var exampleImported = imported{Line: 1, Status: 201, ID: "rev_7.1042.0", Position: "7.1042"}

const (
	// readWithin is how long a caller may take to send the next line.
	readWithin = 60 * time.Second
	// maxLine is the longest line of an import, in bytes.
	maxLine = 64 << 10
	// chunkLines is how many lines become durable together at most.
	chunkLines = 1000
	// chunkResults is how many outcomes wait for their chunk at most.
	chunkResults = 2 * chunkLines
	// chunkBytes is how large their encoding may be. It bounds how long another
	// caller's sign-out waits behind a chunk. Only a record that is larger by
	// itself, by its list of exempt clients, makes a larger one.
	chunkBytes = 256 << 10
)

// lineTypes are the names that lines of JSON go by. Answers have the first. No
// page can send them to another site without asking.
var lineTypes = []string{"application/x-ndjson", "application/ndjson", "application/jsonl"}

// imported is the outcome of one line.
type imported struct {
	Line     int      `json:"line" doc:"Counted from 1, blank lines included"`
	Status   int      `json:"status" example:"201"`
	ID       string   `json:"id,omitempty" example:"rev_7.1042.0"`
	Position string   `json:"position,omitempty" example:"7.1042"`
	Problem  *Problem `json:"problem,omitempty"`
}

// importLines takes NDJSON of revocation requests, makes them durable in chunks
// and answers each line in order, chunk by chunk. Wide targets are refused:
// nobody can confirm a preview for a line among thousands.
func (a *api) importLines(c *httpapi.Call, _ *struct{}) (*httpapi.Stream, *Problem) {
	key, p := a.idempotency(c, nil)
	if p != nil {
		return nil, p
	}
	if !a.Memory.imports.Enter(c.Caller, importsAtOnce) {
		return nil, httpapi.TooMany.Because("a caller may run %d imports at once: wait for the end of one", importsAtOnce).RetryAfter(5)
	}
	if !key.IsZero() && !a.Memory.begin(key.Key) {
		a.Memory.imports.Leave(c.Caller)
		return nil, inProgress.Because("wait for its answer, or retry later").RetryAfter(1)
	}
	return httpapi.StreamOf(func() {
		defer a.Memory.imports.Leave(c.Caller)
		if !key.IsZero() {
			defer a.Memory.end(key.Key)
		}
		a.importer(c, key).run()
	}), nil
}

type importer struct {
	*api
	call    *httpapi.Call
	decode  func(line []byte) (revocationRequest, *Problem)
	lines   *bufio.Reader
	control *http.ResponseController
	key     ledger.Idempotency // of the import; zero: none

	line, chunk int
	results     []imported
	records     []revocation.Record
	bytes       int // of the records' encoding, from above
	scratch     []byte
	request     hash.Hash // over the lines of the chunk that hold records
	begun       bool      // the answer has
	broken      *Problem  // of a chunk before: the rest is not tried

	mu    sync.Mutex // orders the end and the deadline of the next line
	ended *Problem   // the caller would not be let in any more
}

func (a *api) importer(c *httpapi.Call, key ledger.Idempotency) *importer {
	control := http.NewResponseController(c.Writer)
	// HTTP/1 servers otherwise read the whole body before the first answer;
	// HTTP/2 ones don't, and don't know the call.
	_ = control.EnableFullDuplex()
	return &importer{
		api: a, call: c, key: key, control: control, request: sha256.New(),
		decode: httpapi.Decoder[revocationRequest](a.http), lines: bufio.NewReaderSize(c.Request.Body, maxLine),
	}
}

func (i *importer) run() {
	defer i.watch()()
	for {
		line, refused, err := i.next()
		switch {
		case i.ending() != nil:
			i.breakOff(i.ending())
			return
		case errors.Is(err, io.EOF):
			i.flush(true)
			return
		case err != nil:
			i.breakOff(httpapi.InvalidRequest.Because("the body broke off"))
			return
		case !i.take(line, refused):
			return
		}
	}
}

// watch judges the caller while lines come, or don't, until the returned
// function is called.
func (i *importer) watch() (stop func()) {
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		look := time.NewTicker(httpapi.JudgeEvery)
		defer look.Stop()
		for {
			select {
			case <-done:
				return
			case <-look.C:
			}
			if refused := i.call.StillLetIn(); refused != nil {
				i.end(refused)
				// Only now: reads fail for good after it.
				_ = i.control.SetReadDeadline(time.Unix(1, 0))
				return
			}
		}
	})
	return func() {
		close(done)
		watching.Wait()
	}
}

// end has the import read no further line.
func (i *importer) end(why *Problem) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.ended == nil {
		i.ended = why
	}
}

func (i *importer) ending() *Problem {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.ended
}

// breakOff ends an import before the end of its body. Lines that are not durable
// yet are not written. The answer says so to a caller that may still read it,
// because an answer that just ends would read like success.
func (i *importer) breakOff(p *Problem) {
	from := i.line + 1
	if len(i.results) > 0 {
		from = i.results[0].Line
	}
	p.Detail = fmt.Sprintf("%s: nothing was written from line %d on", p.Detail, from)
	if !i.begun {
		if i.call.Request.ProtoMajor == 1 {
			// Else the server would read the rest of the body, however slowly it comes.
			p.With("Connection", "close")
		}
		i.call.Refuse(p)
		return
	}
	i.refuse(p)
	i.results = append(i.results, imported{Line: i.line + 1, Status: p.Status, Problem: i.call.Note(p)})
	i.answer()
	if i.ending() != nil {
		// An HTTP/1 server that closes a connection on which lines still come
		// would take the last line of the answer away with it.
		_ = i.control.SetReadDeadline(time.Now().Add(httpapi.JudgeEvery))
	}
}

// next reads a line without its end. The slice is valid until the next call.
func (i *importer) next() (line []byte, refused *Problem, err error) {
	// In place of the server's limit for a whole request, which a long import
	// would run into.
	i.mu.Lock()
	if i.ended == nil {
		_ = i.control.SetReadDeadline(time.Now().Add(readWithin))
	}
	i.mu.Unlock()
	line, err = i.lines.ReadSlice('\n')
	for errors.Is(err, bufio.ErrBufferFull) {
		refused = httpapi.TooLarge.Because("a line may have %d bytes", maxLine)
		_, err = i.lines.ReadSlice('\n')
	}
	if errors.Is(err, io.EOF) && (len(line) > 0 || refused != nil) {
		err = nil // the last line need not end
	}
	return bytes.TrimRight(line, "\r\n"), refused, err
}

// take checks one line and notes its outcome so far, in a new chunk if the one
// before has no room for it: only then is it known that it was not the last one.
// It returns false when the import is over.
func (i *importer) take(line []byte, refused *Problem) bool {
	i.line++
	if len(line) == 0 && refused == nil {
		return true
	}
	var record *revocation.Record
	if refused == nil {
		record, refused = i.record(line)
	}
	result := imported{Line: i.line, Status: http.StatusCreated}
	if refused != nil {
		result.Status, result.Problem = refused.Status, i.call.Note(refused)
		i.results = append(i.results, result)
		return !i.isCrowded() || i.flush(false)
	}
	size := i.weigh(*record)
	if !i.hasRoom(size) && !i.flush(false) {
		return false
	}
	i.bytes += size
	i.records = append(i.records, *record)
	sum := digestOf(canonical(line))
	i.request.Write(sum[:])
	i.results = append(i.results, result)
	return true
}

// hasRoom reports whether the chunk takes another record of this size.
func (i *importer) hasRoom(size int) bool {
	return len(i.results) < chunkLines && (i.bytes == 0 || i.bytes+size <= chunkBytes)
}

// isCrowded reports whether refused lines alone have filled the chunk. They wait
// for the record that begins the next one, but not without end: a chunk behind
// which so many follow counts as one that is not the last.
func (i *importer) isCrowded() bool {
	return len(i.results) >= chunkResults || len(i.records) == 0 && len(i.results) >= chunkLines
}

// varying is room for what is left out below: three instants, an address with a
// zone and the id of the request.
const varying = 3*7 + 58 + 34

// weigh bounds from above what a record adds to its chunk. Members that may differ
// when an import is repeated don't count. Otherwise its lines would fall into other
// chunks, which have idempotency keys of their own.
func (i *importer) weigh(r revocation.Record) int {
	r.At, r.Through, r.Time, r.Remote, r.RequestID = 0, 0, 0, "", ""
	r.Limits = r.PossibleLimits()
	i.scratch = revocation.AppendRecords(i.scratch[:0], []revocation.Record{r})
	return len(i.scratch) + varying
}

// record is what a line asks for.
func (i *importer) record(line []byte) (*revocation.Record, *Problem) {
	in, refused := i.decode(line)
	if refused != nil {
		return nil, refused
	}
	if kind, err := revocation.Target(in.Target).Kind(); err == nil && kind.Wide() {
		return nil, previewRequired.At("/target", "preview needed: use POST /v1/revocations")
	}
	p, refused := i.planCut(i.call, &in)
	if refused != nil {
		return nil, refused
	}
	if refused := i.confirmed(p); refused != nil {
		return nil, refused
	}
	return &p.record, nil
}

// flush makes the chunk durable and answers its lines; last says that the body
// has ended. It returns false when the import is over.
func (i *importer) flush(last bool) bool {
	i.commit(last)
	if i.broken != nil && !i.begun {
		// Nothing was accepted, so nothing may read like it.
		i.call.Refuse(i.broken)
		return false
	}
	return i.answer()
}

// answer sends the results of a chunk. It returns false when nobody takes them.
func (i *importer) answer() bool {
	if !i.begun {
		i.begun = true
		i.call.Writer.Header().Set("Content-Type", lineTypes[0])
		i.call.Writer.WriteHeader(http.StatusOK)
	}
	enc := json.NewEncoder(i.call.Writer)
	enc.SetEscapeHTML(false)
	_ = i.control.SetWriteDeadline(time.Now().Add(writeWithin))
	for _, result := range i.results {
		if enc.Encode(result) != nil {
			return false
		}
	}
	i.results, i.records, i.bytes = i.results[:0], i.records[:0], 0
	i.request.Reset()
	i.chunk++
	return i.control.Flush() == nil
}

// commit writes the chunk's records as one entry and completes its results.
func (i *importer) commit(last bool) {
	if len(i.records) == 0 {
		return
	}
	if i.broken != nil {
		i.refuse(i.untried())
		return
	}
	done, err := i.submitAlone(i.chunkKey(last))
	var refused *Problem
	if errors.As(err, &refused) {
		i.end(refused)
	}
	if err != nil {
		i.broken = ledgerProblem(err)
		i.refuse(i.broken)
		return
	}
	if done.Replayed && !i.begun {
		i.call.Writer.Header().Set("Idempotent-Replayed", "true")
	}
	item := uint16(0)
	for n := range i.results {
		if r := &i.results[n]; r.Problem == nil {
			r.ID, r.Position = revocation.Ref{Position: done.Position, Item: item}.ID(revocation.Cut), done.Position.String()
			item++
		}
	}
}

// submitAlone writes the chunk while no other chunk is on its way: what else is
// written waits behind one of them at most, however many imports run.
func (i *importer) submitAlone(key ledger.Idempotency) (node.Written, error) {
	i.Memory.bulk.Lock()
	defer i.Memory.bulk.Unlock()
	return i.submit(i.call, i.records, key)
}

// untried is the problem of the lines behind a broken chunk. If the chunk's key was
// used for another import, these lines are of that other import too.
func (i *importer) untried() *Problem {
	if i.broken.Status < http.StatusInternalServerError {
		return i.broken
	}
	return ledgerUnavailable.Because("an earlier line of this import could not be written: %s", i.broken.Detail)
}

// refuse gives the chunk's records their problem.
func (i *importer) refuse(p *Problem) {
	for n := range i.results {
		if r := &i.results[n]; r.Problem == nil {
			r.Status, r.Problem = p.Status, i.call.Note(p)
		}
	}
}

// chunkKey is the import's key for one chunk. The request is what the chunk
// writes: a repeated import whose lines fare otherwise is another request. And
// whether it is the last: a body that was made longer is another one too. One
// that broke off has no last chunk, so the whole of it can follow.
func (i *importer) chunkKey(last bool) ledger.Idempotency {
	if i.key.IsZero() {
		return i.key
	}
	key := i.key
	key.Key = digestOf(string(i.key.Key[:]), "chunk", strconv.Itoa(i.chunk))
	key.Request = digestOf(string(i.key.Request[:]), string(i.request.Sum(nil)), strconv.FormatBool(last))
	return key
}
