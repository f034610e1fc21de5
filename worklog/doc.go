// Package worklog is how Go programs speak to a worklog server, and the words both sides share.
//
// A program writes a [Draft]; what the server accepts is an [Entry], and every draft gets a [Receipt]. [New] makes a
// [Client]: [Client.Append] stores drafts and says what became of each, [Client.Log] hands one over, [Client.Start]
// reports a step that runs and later ends, [Client.Stream] follows what happens. [NewHandler] connects log/slog.
//
// A draft with a key may be sent again: the same key is the same entry, and a step that was reported as working
// completes in place under its key. The client gives every draft a key unless it is told not to.
//
// The package needs nothing but the standard library.
package worklog
