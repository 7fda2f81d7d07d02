// Package page makes the one page of the app.
package page

import (
	_ "embed"
	"html/template"
	"io"
	"time"
)

//go:embed page.html
var source string

var page = template.Must(template.New("page").Parse(source))

// Facts are what the page tells its reader.
type Facts struct {
	Host, Release, Dyno, Go, Commit string
	Visits                          int64
	Now                             time.Time
}

// Write renders the page as HTML.
func Write(to io.Writer, facts Facts) error {
	return page.Execute(to, facts)
}
