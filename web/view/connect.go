package view

// Connect is the page "/settings/connect" and, for one agent, "/settings/connect/{agent}", whose form posts to the same
// path and makes a token.
type Connect struct {
	Shell
	Agents []Agent
	Agent  Agent // the one that was chosen; zero: none yet
	Steps  []Step
	// Secret: the steps hold the secret of a token that was just made. They are shown this once.
	Secret bool
	// Waiting: there is a token that was made here, and Feed is what was written with it.
	Waiting bool
	Feed    Feed
}

// Agent is something that can be connected.
type Agent struct {
	Name  string // as in addresses
	Title string
	Text  string // what one gets, in half a sentence
}

// Step is one way to connect an agent, or one part of it.
type Step struct {
	Title string
	Text  string
	Code  string
	Long  bool // the code is folded away
}
