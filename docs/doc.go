// Package docs is the documentation of Curfew, by task, and the tests that hold
// it to the code: every metric, option, problem type, command, path and link
// that a page names exists, and every one that exists is named.
//
// It must never hold code that anything imports, nor say what is not true of
// the commit it is part of.
package docs
