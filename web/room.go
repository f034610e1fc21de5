package web

import "github.com/worklogdev/worklog/web/view"

// Room is what the dashboard says of what may still be written.
type Room struct {
	PerDay            int64 // bytes that a user may write on a day, in UTC; 0: as many as there are
	Database, Archive Disk
}

// Disk is how full a disk is.
type Disk struct {
	Known  bool    // it is one of this machine's
	Free   float64 // percent
	Scarce bool    // it is nearly full: too little is free
}

// view is what the page shows of it; full is how many users have no more room today.
func (r Room) view(full int64) view.BoardRoom {
	return view.BoardRoom{PerDay: r.PerDay, Full: full, Database: view.BoardDisk(r.Database), Archive: view.BoardDisk(r.Archive)}
}
