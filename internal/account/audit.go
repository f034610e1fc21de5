package account

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/worklogdev/worklog/worklog"
)

// MaxReason bounds what an administrator says about an act.
const MaxReason = 500

// Actor is who does what the audit list tells.
type Actor struct {
	User    int64  // 0: not a user
	Name    string // of one who is not a user
	Address string // empty: none, or unknown
}

// CommandLine is whoever may run the program's commands.
func CommandLine() Actor { return Actor{Name: "command line"} }

// Program is worklog itself.
func Program() Actor { return Actor{Name: "worklog"} }

// Action is what was done.
type Action string

// The actions of the audit list.
const (
	ActUserCreate    Action = "user.create"
	ActUserLink      Action = "user.link"
	ActUserPassword  Action = "user.password"
	ActUserDisable   Action = "user.disable"
	ActUserEnable    Action = "user.enable"
	ActUserPromote   Action = "user.promote"
	ActUserDemote    Action = "user.demote"
	ActUserLimit     Action = "user.limit"
	ActUserSignOut   Action = "user.sign_out" // one session, or all
	ActUserExport    Action = "user.export"
	ActUserErase     Action = "user.erase"  // ordered
	ActUserErased    Action = "user.erased" // done
	ActTokenCreate   Action = "token.create"
	ActTokenRevoke   Action = "token.revoke"
	ActRead          Action = "entries.read"
	ActReadEnd       Action = "entries.read_end"
	ActHold          Action = "conversation.hold"
	ActRelease       Action = "conversation.release"
	ActSweep         Action = "retention.sweep"
	ActRestore       Action = "archive.restore"
	ActPrune         Action = "archive.prune"
	ActBackup        Action = "backup.write"
	ActRestoreBackup Action = "backup.restore"
)

// Actions returns every action, for filters.
func Actions() []Action {
	return []Action{
		ActUserCreate, ActUserLink, ActUserPassword, ActUserDisable, ActUserEnable, ActUserPromote, ActUserDemote, ActUserLimit, ActUserSignOut,
		ActUserExport, ActUserErase, ActUserErased, ActTokenCreate, ActTokenRevoke, ActRead, ActReadEnd, ActHold, ActRelease, ActSweep, ActRestore,
		ActPrune, ActBackup, ActRestoreBackup,
	}
}

// Act is a line of the audit list. It holds ids and no names of users, so that a line outlives the person.
type Act struct {
	Action  Action
	Subject int64  // the user whom it concerns; 0: nobody
	Object  string // the id of the token, conversation or session
	Detail  string // what exactly; never words of a user
	Reason  string // what the actor said
}

// AuditLine is an act as it was written down.
type AuditLine struct {
	Act
	ID          int64
	At          time.Time
	Actor       Actor
	ActorName   string // the actor's e-mail address, or Actor.Name
	SubjectName string // the subject's e-mail address
}

// CheckReason returns a reason as it is kept, or an [worklog.Error] for the field "reason".
func CheckReason(typed string) (string, error) {
	reason := strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if unicode.In(r, unicode.C) || r == utf8.RuneError {
			return -1
		}
		return r
	}, typed))
	var broken string
	switch n := utf8.RuneCountInString(reason); {
	case n < 3:
		broken = "is required"
	case n > MaxReason:
		broken = fmt.Sprintf("must have at most %d characters", MaxReason)
	default:
		return reason, nil
	}
	return "", &worklog.Error{Code: worklog.CodeInvalid, Message: "This reason can not be used", Fields: []worklog.FieldError{{Field: "reason", Message: broken}}}
}
