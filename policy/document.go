package policy

// Bounds of a document. A policy file is a few lines; these let the largest
// honest one pass and end a hostile one early.
const (
	MaxSize       = 1 << 20 // bytes; a thousand times AdvisedSize
	MaxElements   = 32768   // as many rules of 32 bytes as MaxSize has room for
	MaxDepth      = 16      // the grammar needs 4, Silverlight's 5
	MaxAttributes = 64      // of one element; the grammar needs 4
	MaxProblems   = 100     // reported; after these only "and more"
)

// Document is a file as XML, before anybody asks what it means: its elements
// in the order of their start tags, with the place of each element and
// attribute. It is what linters and other schemas (Silverlight's) start from.
type Document struct {
	Elements    []Element // Elements[0] is the root, where there is one
	Comments    []Comment
	Others      []Other // what else stands in the file, in order
	Declaration bool    // it begins with an XML declaration
	Doctype     Pos     // of the document type declaration, where there is one
	Size        int     // bytes
}

// Element is one element of a [Document].
type Element struct {
	Name     string
	Attrs    []Attr
	Parent   int  // index of the parent; -1 for the root
	Depth    int  // 1 for the root
	Pos      Pos  // of its "<"
	StartEnd Pos  // just behind the ">" of its start tag
	Text     Pos  // of its first text that is not white space, where there is some
	Closed   bool // by "/>" or an end tag
	End      Pos  // just behind the "/>" or the end tag; no place where it is never closed
}

// Attr is one attribute of an [Element].
type Attr struct {
	Name     string
	Value    string // character references and XML's five entities expanded
	Raw      string // as written between the quotes
	Pos      Pos    // of the name
	ValuePos Pos    // of the first character between the quotes
}

// Comment is one comment of a [Document], with the text between its marks.
type Comment struct {
	Text string
	Pos  Pos
	End  Pos // just behind its "-->"
}

// OtherKind is what an [Other] is.
type OtherKind uint8

const (
	OtherDeclaration OtherKind = iota // <?xml version="1.0"?>
	OtherDoctype                      // <!DOCTYPE ...>
	OtherInstruction                  // another <?...?>
	OtherText                         // text that is not only white space, without the white space around it
	OtherCDATA                        // <![CDATA[...]]>
)

// Other is a part of a [Document] that is no element, comment or white space.
// With the elements and comments these are the whole file, so that a formatter
// loses nothing.
type Other struct {
	Kind OtherKind
	Pos  Pos
	End  int32 // offset just behind it, in bytes
}

// Attr returns the attribute of that name, or nil.
func (e *Element) Attr(name string) *Attr {
	for i := range e.Attrs {
		if e.Attrs[i].Name == name {
			return &e.Attrs[i]
		}
	}
	return nil
}

// ParseDocument reads data as one XML document. The road not taken is
// encoding/xml: it has no position for an attribute, stops at its first error,
// and takes duplicate attributes, text around the root, a second root and
// any depth; fuzzing holds this reader against it.
//
// Problems with [EffectVoid] say that the file is not one well-formed document
// within the bounds; the Document then holds what could be made out.
func ParseDocument(data []byte) (*Document, Problems) {
	s := newScanner(data)
	s.document()
	return s.doc, s.problems
}
