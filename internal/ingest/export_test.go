package ingest

import "time"

// AnswerWithin has writers wait no longer than d, however long a transaction may take.
func (s *Service) AnswerWithin(d time.Duration) { s.answerTimeout = d }
