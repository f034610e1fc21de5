package view

import (
	"net/url"
	"strconv"

	"github.com/worklogdev/worklog/worklog"
)

// Filter narrows a feed. The zero Filter shows everything.
type Filter struct {
	Type   worklog.Type
	Status worklog.Status
	Text   string
}

// Zero reports whether f shows everything.
func (f Filter) Zero() bool { return f == Filter{} }

func (f Filter) query() url.Values {
	q := url.Values{}
	for name, v := range map[string]string{"type": string(f.Type), "status": string(f.Status), "q": f.Text} {
		if v != "" {
			q.Set(name, v)
		}
	}
	return q
}

// href is path with filter f.
func href(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// url is the feed's page with another filter.
func (f Feed) url(other Filter) string { return href(f.Path, other.query()) }

// olderURL is the page of the entries before the ones shown.
func (f Feed) olderURL() string {
	q := f.Filter.query()
	q.Set("before", strconv.FormatInt(f.Older, 10))
	return href(f.Path, q)
}

// streamURL is where the page's stream is: under the page's own path, with its filter.
func (f Feed) streamURL() string { return href(liveURL(f.Path, "stream"), f.Filter.query()) }

func (f Feed) order() string {
	if f.Oldest {
		return "asc"
	}
	return "desc"
}

// olderSwap is the end of the list at which older entries belong.
func (f Feed) olderSwap() string {
	if f.Oldest {
		return "afterbegin"
	}
	return "beforeend"
}

// withType is f with another type; the same type again takes it away.
func (f Filter) withType(t worklog.Type) Filter {
	if f.Type == t {
		t = ""
	}
	f.Type = t
	return f
}

// withStatus is f with another status; the same status again takes it away.
func (f Filter) withStatus(s worklog.Status) Filter {
	if f.Status == s {
		s = ""
	}
	f.Status = s
	return f
}

// chipTypes is every type, the most frequent first.
func chipTypes() []worklog.Type {
	return []worklog.Type{worklog.TypeToolCall, worklog.TypeFileOperation, worklog.TypeAIResponse, worklog.TypeDeployment, worklog.TypeError, worklog.TypeInfo}
}

// chipStatuses is every status, what needs a look first.
func chipStatuses() []worklog.Status {
	return []worklog.Status{worklog.StatusWorking, worklog.StatusError, worklog.StatusWarning, worklog.StatusSuccess, worklog.StatusInfo}
}
