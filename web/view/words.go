package view

import (
	"slices"
	"strconv"
	"strings"
)

func enterHeading(k EnterKind) string {
	switch k {
	case EnterAdmin:
		return "Welcome to Worklog"
	case EnterReset:
		return "A new password"
	default:
		return "You are invited"
	}
}

func enterText(k EnterKind) string {
	switch k {
	case EnterAdmin:
		return "Nobody has an account here yet. The first one becomes the administrator."
	case EnterReset:
		return "Choose a new password. Your other sessions will be signed out."
	default:
		return "Choose a password, and you are in."
	}
}

func enterButton(k EnterKind) string {
	if k == EnterReset {
		return "Set password"
	}
	return "Create account"
}

// tokenFacts is a token's limit and dates in one line.
func tokenFacts(t Token) string {
	words := []string{"since " + date(t.CreatedAt)}
	switch {
	case t.Expired:
		words = append(words, "expired "+date(t.ExpiresAt))
	case !t.ExpiresAt.IsZero():
		words = append(words, "until "+date(t.ExpiresAt))
	}
	if t.Limit > 0 {
		words = append(words, strconv.Itoa(t.Limit)+" a minute")
	}
	return strings.Join(words, " · ")
}

func chosen(list []string, v string) bool { return slices.Contains(list, v) }

// sessionName is a browser's name for itself, shortened to what people recognise.
func sessionName(s Session) string {
	agent := Line(s.Agent)
	for _, b := range [][2]string{{"Edg/", "Edge"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}} {
		if strings.Contains(agent, b[0]) {
			return b[1] + systemName(agent)
		}
	}
	if agent == "" {
		return "Unknown browser"
	}
	return agent
}

func systemName(agent string) string {
	for _, o := range [][2]string{{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Windows", "Windows"}, {"Mac OS", "macOS"}, {"Linux", "Linux"}} {
		if strings.Contains(agent, o[0]) {
			return " on " + o[1]
		}
	}
	return ""
}

const confirmWhy = "What makes credentials or can not be undone is only done for somebody who has just given the password."
