// Package archtest holds the house rules that a machine can check, as tests: who may import whom, what only the command
// may do, and how large a function or a file may be. It has no code of its own.
package archtest
