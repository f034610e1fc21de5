package view

// BoardRoom is what may still be written.
type BoardRoom struct {
	PerDay            int64 // bytes that a user may write on a day, in UTC; 0: as many as there are
	Full              int64 // users who have none left today
	Database, Archive BoardDisk
}

// BoardDisk is how full a disk is.
type BoardDisk struct {
	Known  bool    // else nothing is said of it
	Free   float64 // percent
	Scarce bool
}

// warnings says what finds no room now, and what that costs.
func (r BoardRoom) warnings() (list []string) {
	if r.Database.Scarce {
		list = append(list, "The disk is nearly full: "+percent(r.Database.Free)+" is free. Details of new entries are cut until there is room.")
	}
	if r.Archive.Scarce {
		list = append(list, "The disk of the archive is nearly full: "+percent(r.Archive.Free)+" is free. Once it is full entries do not become cold.")
	}
	if r.Full > 0 {
		list = append(list, count(r.Full, "user")+" wrote "+bytesWords(r.PerDay)+" today, as much as one may: details of further entries are cut until midnight UTC.")
	}
	return list
}
