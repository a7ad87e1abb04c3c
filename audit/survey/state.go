package survey

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// State is a run's memory on disk: a file of lines, the first of which says
// what is being done, and each of the others one target that is done, with its
// record. A line counts once its line break is there. It is for one goroutine.
//
// The road not taken is a counter of positions: targets do not end in the order
// in which they begin, and the records would have to be kept elsewhere.
type State struct {
	file *os.File
	done bitmap
	n    uint64
}

type stateHead struct {
	State       string `json:"state"`
	Version     int    `json:"v"`
	Fingerprint string `json:"targets"`
	Count       uint64 `json:"count"`
	Shard       int    `json:"shard"`
	Shards      int    `json:"shards"`
}

type stateLine struct {
	Position uint64          `json:"at"`
	Record   json.RawMessage `json:"record"`
}

const stateName = "port843 scan"

// OpenState opens the state file of a run, or makes it, and calls replay for
// each record in it. A last line that was cut, as by kill -9, is taken off.
// Targets that could not be tried (class error) count as not done. A file that
// belongs to another run is refused.
func OpenState(path string, plan *Plan, shard, shards int, replay func(Record) error) (*State, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	s := &State{file: f, done: make(bitmap, (plan.Count()+63)/64)}
	head := stateHead{stateName, 1, plan.Fingerprint(), plan.Count(), shard, shards}
	if err := s.read(head, replay); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func (s *State) read(head stateHead, replay func(Record) error) error {
	if err := lock(s.file); err != nil {
		return errors.New("another scan works with this state file")
	}
	r := bufio.NewReaderSize(s.file, 256<<10)
	end := int64(0)
	for first := true; ; first = false {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if first {
			err = checkHead(line, head)
		} else {
			err = s.replay(line, replay)
		}
		if err != nil {
			return err
		}
		end += int64(len(line))
	}
	if err := s.file.Truncate(end); err != nil {
		return err
	}
	if _, err := s.file.Seek(end, io.SeekStart); err != nil {
		return err
	}
	if end == 0 {
		return s.write(head)
	}
	return nil
}

func checkHead(line []byte, want stateHead) error {
	var have stateHead
	if err := json.Unmarshal(line, &have); err != nil || have.State != stateName {
		return errors.New("not a state file of port843 scan")
	}
	if have != want {
		return errors.New("the state of another scan: targets, ports, exclusions, seed and shard must be the same")
	}
	return nil
}

func (s *State) replay(line []byte, replay func(Record) error) error {
	var l stateLine
	var rec Record
	if err := json.Unmarshal(line, &l); err != nil || l.Position/64 >= uint64(len(s.done)) {
		return fmt.Errorf("a line that is damaged: %w", errors.Join(err))
	}
	if err := json.Unmarshal(l.Record, &rec); err != nil {
		return fmt.Errorf("a record that is damaged: %w", err)
	}
	if rec.Class == "error" || s.done.has(l.Position) {
		return nil
	}
	s.done.set(l.Position)
	s.n++
	if replay == nil {
		return nil
	}
	return replay(rec)
}

// Done reports whether the target at the position is done.
func (s *State) Done(position uint64) bool { return s.done.has(position) }

// Count is how many targets are done.
func (s *State) Count() uint64 { return s.n }

// Add writes down that the target at the position is done, in one write.
func (s *State) Add(position uint64, r *Record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := s.write(stateLine{position, text}); err != nil {
		return err
	}
	s.done.set(position)
	s.n++
	return nil
}

func (s *State) write(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := s.file.Write(b.Bytes())
	return err
}

// Close closes the file, which stays.
func (s *State) Close() error { return errors.Join(s.file.Sync(), s.file.Close()) }

// bitmap is one bit a position.
type bitmap []uint64

func (b bitmap) has(i uint64) bool { return b[i/64]>>(i%64)&1 == 1 }
func (b bitmap) set(i uint64)      { b[i/64] |= 1 << (i % 64) }
