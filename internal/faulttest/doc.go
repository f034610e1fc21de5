// Package faulttest holds the tests that kill things: the program, the postmaster, the connections between them. What
// was acknowledged must be there exactly once, the counters must agree with the rows, and whoever could not be served
// must have been told so. It has no code of its own.
package faulttest
