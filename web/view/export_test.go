package view

// PieceClasses are the classes that output may have.
func PieceClasses() []string { return pieceClasses() }
