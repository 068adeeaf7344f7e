package revocation

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/records.golden anew; only for a new codec version")

// samples has one record of each type, every field used at least once.
func samples() map[string]Record {
	return map[string]Record{
		"genesis": {Type: Genesis, Through: 1_800_000_002, Source: "genesis", Time: 1_800_000_000_123},
		"cut": {
			Type: Cut, Mode: SignIn, Target: Target{Issuer: "https://login.example.com", Subject: "alice"},
			At: 1_800_000_000_123, Through: 1_800_000_002, Keep: 7_776_000, ExemptClients: []string{"tv", "xbox-console"},
			Source: "admin", Actor: "helpdesk", OnBehalfOf: "agent-42", Reason: "lost phone ☎", Remote: "192.0.2.7:4711",
			RequestID: "req-1", Time: 1_800_000_000_124, Limits: []string{"no_auth_time"},
		},
		"cut_wide": {Type: Cut, Mode: Refresh, Target: Target{Issuer: "i", Tenant: "t"}, Through: 9},
		"cut_app":  {Type: Cut, Mode: SignIn, Target: Target{Issuer: "i", Subject: "s", Device: "d", Client: "c"}, Through: 9},
		"cut_sid":  {Type: Cut, Mode: SignIn, Target: Target{Issuer: "i", Session: "sid"}, Through: 9},
		"cut_jti":  {Type: Cut, Mode: Final, Target: Target{Issuer: "i", TokenID: "jti"}, Through: 9, Keep: 100_800},
		"cut_jkt":  {Type: Cut, Mode: Final, Target: Target{JKT: "thumbprint"}},
		"cut_x5t":  {Type: Cut, Mode: Final, Target: Target{X5TS256: "thumbprint"}},
		"cut_kid":  {Type: Cut, Mode: Final, Target: Target{Issuer: "i", SignedBy: "kid"}},
		"block":    {Type: Block, Target: Target{Issuer: "i", Client: "c"}, Source: "okta"},
		"step_up": {
			Type: StepUp, Target: Target{Issuer: "i", Subject: "s"}, At: 8500, Through: 9,
			ACR: []string{"phr", "mfa"}, AMR: []string{"hwk", "otp"}, Sensitive: true,
		},
		"lift":     {Type: Lift, Lifts: Ref{Position{7, 1042}, 3}, Source: "admin"},
		"restated": {Type: Block, Target: Target{Issuer: "i"}, Time: 5, Origin: Ref{Position{7, 1042}, 3}},
	}
}

// The encoding is what disks hold. If this test fails, the format has changed,
// and gateways can no longer read their ledgers: make a new version instead.
func TestRecordsGolden(t *testing.T) {
	path := filepath.Join("testdata", "records.golden")
	if *update {
		var out strings.Builder
		for _, name := range []string{
			"genesis", "cut", "cut_wide", "cut_app", "cut_sid", "cut_jti", "cut_jkt", "cut_x5t", "cut_kid", "block", "step_up", "lift", "restated",
		} {
			out.WriteString(name + " " + hex.EncodeToString(AppendRecords(nil, []Record{samples()[name]})) + "\n")
		}
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	left := samples()
	for line := range strings.Lines(string(golden)) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		want, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		r, ok := left[name]
		if !ok {
			t.Fatalf("no sample %q", name)
		}
		delete(left, name)
		if got := AppendRecords(nil, []Record{r}); !bytes.Equal(got, want) {
			t.Errorf("%s is written as\n%x, was\n%x", name, got, want)
		}
		if got, err := DecodeRecords(want); err != nil || !reflect.DeepEqual(got, []Record{r}) {
			t.Errorf("%s is read as\n%+v, %v, was\n%+v", name, got, err, r)
		}
	}
	for name := range left {
		t.Errorf("%s is not in %s", name, path)
	}
}

// A field that is added to Record and forgotten in the codec would be lost.
func TestEveryFieldIsEncoded(t *testing.T) {
	seen := make(map[string]bool)
	var walk func(path string, v reflect.Value)
	walk = func(path string, v reflect.Value) {
		if v.Kind() != reflect.Struct {
			seen[path] = seen[path] || !v.IsZero()
			return
		}
		for i := range v.NumField() {
			walk(path+"."+v.Type().Field(i).Name, v.Field(i))
		}
	}
	for _, r := range samples() {
		walk("Record", reflect.ValueOf(r))
	}
	for field, used := range seen {
		if !used {
			t.Errorf("no sample uses %s", field)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	block := AppendRecords(nil, []Record{samples()["block"]})
	for name, b := range map[string][]byte{
		"nothing":                 {},
		"newer version":           append([]byte{2}, block[1:]...),
		"version 0":               append([]byte{0}, block[1:]...),
		"no count":                {1},
		"no records":              {1, 0},
		"too many":                {1, 0x81, 0x80, 0x04},
		"fewer than it says":      {1, 2, 3, 1, 3, 1},
		"cut off":                 block[:len(block)-1],
		"more after it":           append(bytes.Clone(block), 0),
		"record cut off":          {1, 1, 9, 1, 3},
		"unknown type":            {1, 1, 2, tagType, 9},
		"type beyond a byte":      {1, 1, 6, tagType, 0x83, 0x02, tagIssuer, 1, 'i'},
		"mode beyond a byte":      {1, 1, 11, tagType, byte(Cut), tagMode, 0x81, 0x02, tagThrough, 9, tagIssuer, 1, 'i', 34, 0},
		"no type":                 {1, 1, 3, tagIssuer, 1, 'i'},
		"unknown number tag":      {1, 1, 4, tagType, byte(Lift), 31, 1},
		"unknown bytes tag":       {1, 1, 6, tagType, byte(Lift), tagLiftsSequence, 1, 99, 0},
		"tag 0":                   {1, 1, 2, 0, 1},
		"zero value":              {1, 1, 6, tagType, byte(Block), tagAt, 0, tagIssuer, 0},
		"empty bytes":             {1, 1, 4, tagType, byte(Block), tagIssuer, 0},
		"tags descend":            {1, 1, 6, tagType, byte(Lift), tagLiftsSequence, 1, tagLiftsEpoch, 1},
		"tag repeats":             {1, 1, 6, tagType, byte(Lift), tagLiftsEpoch, 1, tagLiftsEpoch, 1},
		"padded count":            {1, 0x81, 0x00, 4, tagType, byte(Lift), tagLiftsEpoch, 1},
		"padded number":           {1, 1, 5, tagType, byte(Lift), tagLiftsEpoch, 0x81, 0x00},
		"number too large":        {1, 1, 6, tagType, byte(Lift), tagLiftsItem, 0x80, 0x80, 0x04},
		"sensitive is not 1":      {1, 1, 4, tagType, byte(Genesis), tagSensitive, 2},
		"origin's item too large": {1, 1, 6, tagType, byte(Genesis), tagOriginItem, 0x80, 0x80, 0x04},
		"length beyond the end":   {1, 1, 4, tagType, byte(Block), tagIssuer, 200},
	} {
		records, err := DecodeRecords(b)
		if !errors.Is(err, ErrRecord) || records != nil {
			t.Errorf("%s: %v, %v", name, records, err)
		}
	}
}

// A record that a newer build wrote is told from a damaged one, because another
// thing helps: to upgrade the node.
func TestARecordOfANewerBuildSaysToUpgradeThisNode(t *testing.T) {
	block := AppendRecords(nil, []Record{samples()["block"]})
	for name, b := range map[string][]byte{
		"another framing":         append([]byte{codecVersion + 1}, block[1:]...),
		"a type":                  {1, 1, 2, tagType, byte(numTypes)},
		"a mode":                  {1, 1, 9, tagType, byte(Cut), tagMode, byte(Final) + 1, tagThrough, 9, tagIssuer, 1, 'i'},
		"a number":                {1, 1, 4, tagType, byte(Lift), 31, 1},
		"a text":                  {1, 1, 5, tagType, byte(Lift), tagNew, 1, 'x'},
		"a list":                  {1, 1, 8, tagType, byte(Lift), tagNew, 1, 'x', tagNew, 1, 'y'},
		"an old text's neighbour": {1, 1, 5, tagType, byte(Lift), tagLimit + 1, 1, 'x'},
		"the second record":       {1, 2, 4, tagType, byte(Lift), tagLiftsEpoch, 1, 4, tagType, byte(Lift), 31, 1},
	} {
		_, err := DecodeRecords(b)
		if !errors.Is(err, ErrRecord) || !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "upgrade this node") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, b := range map[string][]byte{
		"an unknown number is 0":     {1, 1, 4, tagType, byte(Lift), 31, 0},
		"an unknown number repeats":  {1, 1, 6, tagType, byte(Lift), 31, 1, 31, 1},
		"an unknown text is empty":   {1, 1, 4, tagType, byte(Lift), tagNew, 0},
		"an unknown text is cut off": {1, 1, 5, tagType, byte(Lift), tagNew, 9, 'x'},
		"a known tag after it":       {1, 1, 8, tagType, byte(Lift), tagNew, 1, 'x', tagIssuer, 1, 'i'},
		"tag 0":                      {1, 1, 4, tagType, byte(Lift), 0, 1},
	} {
		if _, err := DecodeRecords(b); !errors.Is(err, ErrRecord) || errors.Is(err, ErrNewer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Records of today are of format 1. A field that comes later needs a later one.
func TestANewFieldNeedsANewFormat(t *testing.T) {
	for name, r := range samples() {
		if r.Format() < 1 || r.Format() > Format {
			t.Errorf("%s: it needs format %d; this build writes up to %d", name, r.Format(), Format)
		}
	}
	for _, f := range fields {
		var r Record
		switch {
		case f.number != nil:
			f.number.set(&r, 1)
		case f.text != nil:
			*f.text(&r) = "x"
		default:
			*f.list(&r) = []string{"x"}
		}
		isNew := f.tag >= tagNew || f.tag > tagOriginItem && f.tag < tagBytes
		if isNew != (r.Format() > 1) {
			t.Errorf("a record with tag %d needs format %d", f.tag, r.Format())
		}
	}
	const types, modes = 6, 3 // of format 1
	for kind := Type(types); kind < numTypes; kind++ {
		if r := (Record{Type: kind}); r.Format() == 1 {
			t.Errorf("a record of the new type %s needs format 1", kind)
		}
	}
	if Final != modes {
		t.Errorf("there are %d modes: a record with a new one needs a new format", Final)
	}
}

func FuzzDecodeRecords(f *testing.F) {
	var all []Record
	for _, r := range samples() {
		f.Add(AppendRecords(nil, []Record{r}))
		all = append(all, r)
	}
	f.Add(AppendRecords(nil, all))
	f.Fuzz(func(t *testing.T, b []byte) {
		records, err := DecodeRecords(b)
		if err != nil {
			if !errors.Is(err, ErrRecord) {
				t.Fatalf("%v does not wrap ErrRecord", err)
			}
			return
		}
		if again := AppendRecords(nil, records); !bytes.Equal(again, b) {
			t.Fatalf("%x was read and written as %x", b, again)
		}
	})
}

// What Validate passes survives the way through a ledger; what it refuses would
// not, or would not mean the same.
func TestValidate(t *testing.T) {
	user := Target{Issuer: "i", Subject: "s"}
	cut := func(change func(*Record)) Record {
		r := Record{Type: Cut, Mode: SignIn, Target: user, At: 1000, Through: 3, Keep: 10, Time: 1000}
		change(&r)
		return r
	}
	for name, tt := range map[string]struct {
		record Record
		ok     bool
	}{
		"cut":                        {cut(func(*Record) {}), true},
		"zero":                       {Record{}, false},
		"unknown type":               {Record{Type: numTypes, Target: user}, false},
		"no mode":                    {cut(func(r *Record) { r.Mode = 0 }), false},
		"unknown mode":               {cut(func(r *Record) { r.Mode = Final + 1 }), false},
		"no instant":                 {cut(func(r *Record) { r.Through = 0 }), false},
		"instant too late":           {cut(func(r *Record) { r.Through = maxInstant + 1 }), false},
		"last instant":               {cut(func(r *Record) { r.Through = maxInstant }), true},
		"negative instant":           {cut(func(r *Record) { r.Through = -1 }), false},
		"negative keep":              {cut(func(r *Record) { r.Keep = -1 }), false},
		"keep that overflows":        {cut(func(r *Record) { r.Keep = 1<<63 - 1 }), false},
		"negative at":                {cut(func(r *Record) { r.At = -1 }), false},
		"negative time":              {cut(func(r *Record) { r.Time = -1 }), false},
		"no target":                  {cut(func(r *Record) { r.Target = Target{} }), false},
		"session expires":            {cut(func(r *Record) { r.Target = Target{Issuer: "i", Session: "s"} }), false},
		"session refresh expires":    {cut(func(r *Record) { r.Target, r.Mode = Target{Issuer: "i", Session: "s"}, Refresh }), true},
		"session for ever":           {cut(func(r *Record) { r.Target, r.Keep = Target{Issuer: "i", Session: "s"}, 0 }), true},
		"final user expires":         {cut(func(r *Record) { r.Mode = Final }), false},
		"final token expires":        {cut(func(r *Record) { r.Mode, r.Target = Final, Target{Issuer: "i", TokenID: "n"} }), true},
		"final without instant":      {cut(func(r *Record) { r.Mode, r.Through, r.Keep = Final, 0, 0 }), true},
		"final expires from nowhere": {Record{Type: Cut, Mode: Final, Target: Target{Issuer: "i", TokenID: "n"}, Keep: 5}, false},
		"empty exempt client":        {cut(func(r *Record) { r.ExemptClients = []string{"", "a"} }), false},
		"exempt clients unsorted":    {cut(func(r *Record) { r.ExemptClients = []string{"b", "a"} }), false},
		"exempt client twice":        {cut(func(r *Record) { r.ExemptClients = []string{"a", "a"} }), false},
		"exempt clients":             {cut(func(r *Record) { r.ExemptClients = []string{"a", "b"} }), true},
		"empty limit":                {cut(func(r *Record) { r.Limits = []string{""} }), false},
		"genesis":                    {Record{Type: Genesis}, true},
		"genesis with target":        {Record{Type: Genesis, Target: user}, false},
		"genesis too late":           {Record{Type: Genesis, Through: maxInstant + 1}, false},
		"genesis before 1970":        {Record{Type: Genesis, Through: -1}, false},
		"block":                      {Record{Type: Block, Target: user}, true},
		"block of nobody":            {Record{Type: Block}, false},
		"step-up":                    {Record{Type: StepUp, Target: user, Through: 1, ACR: []string{"a"}}, true},
		"step-up without instant":    {Record{Type: StepUp, Target: user, ACR: []string{"a"}}, false},
		"step-up to empty acr":       {Record{Type: StepUp, Target: user, Through: 1, ACR: []string{""}}, false},
		"step-up to empty amr":       {Record{Type: StepUp, Target: user, Through: 1, AMR: []string{"a", ""}}, false},
		"lift":                       {Record{Type: Lift, Lifts: Ref{Item: 1}}, true},
		"lift of nothing":            {Record{Type: Lift}, false},
		"restated cut":               {cut(func(r *Record) { r.Origin = Ref{Position{1, 1}, 0} }), true},
		"restated from the last":     {cut(func(r *Record) { r.Origin = Ref{Position{MaxEpoch, 1 << 63}, 1<<16 - 1} }), true},
		"restated from no epoch":     {cut(func(r *Record) { r.Origin = Ref{Position{0, 1}, 0} }), false},
		"restated from no sequence":  {cut(func(r *Record) { r.Origin = Ref{Position{1, 0}, 1} }), false},
		"restated from beyond":       {cut(func(r *Record) { r.Origin = Ref{Position{MaxEpoch + 1, 1}, 0} }), false},
		"restated genesis":           {Record{Type: Genesis, Through: 1, Origin: Ref{Position{1, 1}, 0}}, true},
		"restated lift":              {Record{Type: Lift, Lifts: Ref{Item: 1}, Origin: Ref{Position{1, 1}, 0}}, true},
		"subject not UTF-8":          {cut(func(r *Record) { r.Target.Subject = "\xff" }), false},
		"subject as long as may be":  {cut(func(r *Record) { r.Target.Subject = strings.Repeat("a", MaxSubject) }), true},
		"client as long as may be":   {cut(func(r *Record) { r.Target.Client = strings.Repeat("a", MaxID) }), true},
		"subject too long":           {cut(func(r *Record) { r.Target.Subject = strings.Repeat("a", MaxSubject+1) }), false},
	} {
		err := tt.record.Validate()
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && !errors.Is(err, ErrRecord) {
			t.Errorf("%s: %v does not wrap ErrRecord", name, err)
		}
		if err != nil {
			continue
		}
		got, err := DecodeRecords(AppendRecords(nil, []Record{tt.record}))
		if err != nil || !reflect.DeepEqual(got, []Record{tt.record}) {
			t.Errorf("%s: %+v came back as %+v, %v", name, tt.record, got, err)
		}
	}
}

func TestValidateRecordsBoundsTheirNumber(t *testing.T) {
	if err := ValidateRecords(nil); !errors.Is(err, ErrRecord) {
		t.Errorf("none: %v", err)
	}
	many := make([]Record, MaxRecords+1)
	for i := range many {
		many[i].Type = Genesis
	}
	if err := ValidateRecords(many); !errors.Is(err, ErrRecord) {
		t.Errorf("too many: %v", err)
	}
	if got, err := DecodeRecords(AppendRecords(nil, many[:MaxRecords])); err != nil || len(got) != MaxRecords {
		t.Errorf("as many as there may be: %d, %v", len(got), err)
	}
	many[1].Type = TypeInvalid
	if err := ValidateRecords(many[:2]); !errors.Is(err, ErrRecord) || !strings.Contains(err.Error(), "record 1") {
		t.Errorf("the second is invalid: %v", err)
	}
}

func BenchmarkDecodeRecords(b *testing.B) {
	encoded := AppendRecords(nil, []Record{samples()["cut"]})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeRecords(encoded); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendRecords(b *testing.B) {
	records := []Record{samples()["cut"]}
	var into []byte
	b.ReportAllocs()
	for b.Loop() {
		into = AppendRecords(into[:0], records)
	}
}

// The tags are what disks hold: none may move, and none may be given away twice.
func TestTagsAscend(t *testing.T) {
	last := byte(0)
	for _, f := range fields {
		if f.tag <= last {
			t.Errorf("tag %d comes after %d", f.tag, last)
		}
		if isNumber := f.number != nil; isNumber != (f.tag < tagBytes) {
			t.Errorf("tag %d: numbers are below %d, texts from there on", f.tag, tagBytes)
		}
		if f.tag > tagLimit && f.tag < tagNew {
			t.Errorf("tag %d: new texts begin at %d", f.tag, tagNew)
		}
		last = f.tag
	}
}
