package view

// PieceClasses are the classes that output may have.
func PieceClasses() []string { return pieceClasses() }

// WriteScreen reads a text as a terminal does.
func WriteScreen(text string) {
	s := screen{}
	s.write(text)
}
