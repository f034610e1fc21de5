package ingest

import "github.com/worklogdev/worklog/worklog"

// Secrets are replaced in two steps. In details it happens before Normalize cuts them, so that no half of a key stays at
// the cut; in everything else after Validate, so that all of it is within bounds. What a draft is compared by, its
// fingerprint and its keys, is made of what is left, as is everything that is stored, sent and answered.

// redactDetails replaces the secrets in a draft's details and returns how many there were.
func (s *Service) redactDetails(d *worklog.Draft) (n int) {
	if s.redactor != nil {
		d.Details, n = s.redactor.Text(d.Details)
	}
	return n
}

// redactRest replaces the secrets in everything else of a valid draft.
func (s *Service) redactRest(d *worklog.Draft) int {
	if s.redactor == nil {
		return 0
	}
	return s.redactor.Draft(d)
}

// Key is the key under which an entry or a conversation is found whose writer calls it key.
func (s *Service) Key(key string) string {
	if s.redactor == nil {
		return key
	}
	return s.redactor.Name(key)
}

// Redacted returns a text that people give to a conversation without its secrets.
func (s *Service) Redacted(text string) string {
	if s.redactor == nil {
		return text
	}
	text, _ = s.redactor.Text(text)
	return text
}
