package main

import (
	"strconv"
	"strings"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"
)

// stream is one request that asks.
type stream struct {
	types.DefaultHttpContext
	calls       string
	extras      extras
	phase       string
	then        string
	outstanding int
	answers     []string
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// header is a request header, or nil.
func header(name string) *string {
	if value, err := proxywasm.GetHttpRequestHeader(name); err == nil {
		return &value
	}
	return nil
}

func headerOr(name, usual string) string {
	if value := header(name); value != nil {
		return *value
	}
	return usual
}

func (s *stream) OnHttpRequestHeaders(int, bool) types.Action {
	s.calls = headerOr("x-call", "")
	s.extras = extras{header("x-call-body"), header("x-call-trailer"), header("x-call-drop")}
	s.phase = headerOr("x-call-phase", "request")
	s.then = headerOr("x-call-then", "report")
	if s.phase == "request" {
		return s.ask()
	}
	return types.ActionContinue
}

func (s *stream) OnHttpRequestBody(_ int, endOfStream bool) types.Action {
	if s.phase == "body" && endOfStream {
		return s.ask()
	}
	return types.ActionContinue
}

func (s *stream) OnHttpResponseHeaders(int, bool) types.Action {
	if s.phase == "response" {
		return s.ask()
	}
	return types.ActionContinue
}

func (s *stream) ask() types.Action {
	calls := s.calls
	s.calls = ""
	for _, text := range strings.Split(calls, ";") {
		if text == "" {
			continue
		}
		if err := call(text, s.extras, s.answered); err != nil {
			s.answers = append(s.answers, refused(err))
		} else {
			s.outstanding++
		}
	}
	if s.then == "forget" || (s.outstanding == 0 && len(s.answers) == 0) {
		return types.ActionContinue
	}
	if s.outstanding == 0 {
		s.finish()
	}
	return types.ActionPause
}

func (s *stream) answered(headers, body, trailers int) {
	s.outstanding--
	s.answers = append(s.answers, report(headers, body, trailers))
	if s.outstanding == 0 && s.then != "forget" {
		s.finish()
	}
}

func (s *stream) finish() {
	count := strconv.Itoa(len(s.answers))
	switch {
	case s.then != "continue":
		body := []byte(strings.Join(s.answers, "\n"))
		must(proxywasm.SendHttpResponse(200, [][2]string{{"x-report", "1"}}, body, -1))
	case s.phase == "response":
		must(proxywasm.ReplaceHttpResponseHeader("x-answers", count))
		must(proxywasm.ResumeHttpResponse())
	default:
		if s.phase == "request" {
			must(proxywasm.ReplaceHttpRequestHeader("x-answers", count))
		}
		must(proxywasm.ResumeHttpRequest())
	}
}
