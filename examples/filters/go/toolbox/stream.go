package main

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"
)

const unknownContext = 0x7fffffff

// stream is one request and its response: what the case in x-test does in each callback.
type stream struct {
	types.DefaultHttpContext
	id   uint32
	root *root
	name string
	// findings are headers that the response gets, found out while the request went by.
	findings          [][2]string
	wake              func()
	requestBodyBegun  bool
	responseBodyBegun bool
}

func (s *stream) found(name, value string) {
	s.findings = append(s.findings, [2]string{name, value})
}

func (s *stream) waitFor(wake func()) types.Action {
	s.wake = wake
	s.root.waiting = append(s.root.waiting, s)
	return types.ActionPause
}

func reply(from string) types.Action {
	headers := [][2]string{{"x-reply", from}}
	must(proxywasm.SendHttpResponse(418, headers, []byte("reply from "+from), -1))
	return types.ActionPause
}

func (s *stream) OnHttpRequestHeaders(count int, _ bool) types.Action {
	s.name, _ = proxywasm.GetHttpRequestHeader("x-test")
	s.root.requests.Increment(1)
	switch s.name {
	case "request-headers":
		must(proxywasm.AddHttpRequestHeader("x-added", "one"))
		must(proxywasm.AddHttpRequestHeader("x-added", "two"))
		must(proxywasm.ReplaceHttpRequestHeader("x-replace", "new"))
		must(proxywasm.ReplaceHttpRequestHeader("x-replace-absent", "set"))
		must(proxywasm.RemoveHttpRequestHeader("x-remove"))
	case "request-line":
		must(proxywasm.ReplaceHttpRequestHeader(":path", "/rewritten?by=toolbox"))
		must(proxywasm.ReplaceHttpRequestHeader(":authority", "rewritten.example"))
		must(proxywasm.ReplaceHttpRequestHeader(":method", "PUT"))
	case "request-body", "request-body-append", "request-body-prepend":
		must(proxywasm.RemoveHttpRequestHeader("content-length"))
	case "request-pairs":
		s.replaceRequestPairs(count)
	case "reply-request-headers":
		return reply("request-headers")
	case "reply-tick":
		return s.waitFor(func() { reply("tick") })
	case "pause-tick":
		return s.waitFor(func() {
			must(proxywasm.AddHttpRequestHeader("x-resumed", "tick"))
			must(proxywasm.ResumeHttpRequest())
		})
	case "panic-tick":
		return s.waitFor(func() { panic("toolbox: trap in on_tick") })
	case "panic-request-headers":
		panic("toolbox: trap in request headers")
	case "properties":
		s.readProperties(ofRequest)
	case "config":
		s.found("x-config", s.root.configuration)
		s.found("x-vm-config", s.root.vm.configuration)
	case "metrics":
		s.useMetrics()
	case "set-property":
		must(proxywasm.SetProperty([]string{"x"}, []byte("kept for the response")))
	case "effective-context":
		s.switchContext()
	case "shared-data":
		s.useSharedData()
	case "queue":
		s.useQueue()
	case "empty-header":
		s.tellEmptyFromAbsent()
	case "log-levels":
		proxywasm.LogTrace("toolbox says trace")
		proxywasm.LogDebug("toolbox says debug")
		proxywasm.LogInfo("toolbox says info")
		proxywasm.LogWarn("toolbox says warn")
		proxywasm.LogError("toolbox says error")
		proxywasm.LogCritical("toolbox says critical")
	}
	return types.ActionContinue
}

func (s *stream) replaceRequestPairs(count int) {
	pairs, err := proxywasm.GetHttpRequestHeaders()
	must(err)
	s.found("x-pairs", strconv.FormatBool(len(pairs) == count))
	kept := [][2]string{}
	for _, pair := range pairs {
		if pair[0] != "x-remove" {
			kept = append(kept, pair)
		}
	}
	must(proxywasm.ReplaceHttpRequestHeaders(append(kept, [2]string{"x-added", "by-pairs"})))
}

func (s *stream) readProperties(rows []propertyRow) {
	for _, row := range rows {
		s.found("x-prop-"+row.name, row.read())
	}
}

func (s *stream) useMetrics() {
	before := s.root.counter.Value()
	s.root.counter.Increment(3)
	s.found("x-counter-added", strconv.FormatUint(s.root.counter.Value()-before, 10))
	// The SDK has no way to set a gauge, only to add to it.
	s.root.gauge.Add(40 - s.root.gauge.Value())
	s.root.gauge.Add(5)
	s.root.gauge.Add(-3)
	s.root.histogram.Record(7)
	s.found("x-gauge", strconv.FormatInt(s.root.gauge.Value(), 10))
}

func (s *stream) switchContext() {
	unknown := "accepted"
	if proxywasm.SetEffectiveContext(unknownContext) != nil {
		unknown = "refused"
	}
	must(proxywasm.SetEffectiveContext(s.root.id))
	seenByRoot, _ := proxywasm.GetHttpRequestHeaders()
	must(proxywasm.SetEffectiveContext(s.id))
	seenByStream, _ := proxywasm.GetHttpRequestHeader(":method")
	s.found("x-effective-unknown", unknown)
	s.found("x-effective-root", strconv.Itoa(len(seenByRoot)))
	s.found("x-effective-own", seenByStream)
}

// either is one of two words.
func either(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

func (s *stream) useSharedData() {
	must(proxywasm.SetSharedData("toolbox", []byte("one"), 0))
	value, cas, err := proxywasm.GetSharedData("toolbox")
	must(err)
	stale := proxywasm.SetSharedData("toolbox", []byte("stale"), cas+1)
	fresh := proxywasm.SetSharedData("toolbox", []byte("two"), cas)
	_, _, absent := proxywasm.GetSharedData("toolbox-absent")
	s.found("x-shared-data", string(value))
	s.found("x-shared-stale", either(stale == nil, "accepted", "refused"))
	s.found("x-shared-fresh", either(fresh == nil, "accepted", "refused"))
	s.found("x-shared-absent", either(absent == nil, "there", "absent"))
}

func (s *stream) useQueue() {
	queue, err := proxywasm.RegisterSharedQueue("toolbox-queue")
	must(err)
	found, err := proxywasm.ResolveSharedQueue("toolbox-vm", "toolbox-queue")
	must(err)
	_, unknown := proxywasm.ResolveSharedQueue("toolbox-vm", "toolbox-unknown")
	must(proxywasm.EnqueueSharedQueue(queue, []byte("item")))
	item, err := proxywasm.DequeueSharedQueue(queue)
	must(err)
	_, nothing := proxywasm.DequeueSharedQueue(queue)
	s.found("x-queue-item", string(item))
	s.found("x-queue-then", either(nothing == nil, "another", "empty"))
	s.found("x-queue-found", either(found == queue, "same", "other"))
	s.found("x-queue-unknown", either(unknown == nil, "there", "absent"))
}

func (s *stream) tellEmptyFromAbsent() {
	for _, name := range []string{"x-empty", "x-absent"} {
		if _, err := proxywasm.GetHttpRequestHeader(name); err == nil {
			s.found(name+"-is", "there")
		} else {
			s.found(name+"-is", "absent")
		}
	}
}

func (s *stream) OnHttpRequestBody(size int, endOfStream bool) types.Action {
	first := !s.requestBodyBegun
	s.requestBodyBegun = true
	switch s.name {
	case "request-body":
		if !endOfStream {
			return types.ActionPause
		}
		body, _ := proxywasm.GetHttpRequestBody(0, size)
		must(proxywasm.ReplaceHttpRequestBody(rewritten(body)))
	case "request-body-append":
		if endOfStream {
			must(proxywasm.AppendHttpRequestBody([]byte("-tail")))
		}
	case "request-body-prepend":
		if first {
			must(proxywasm.PrependHttpRequestBody([]byte("head-")))
		}
	case "reply-request-body":
		return reply("request-body")
	case "pause-body-tick":
		if !endOfStream {
			return types.ActionPause
		}
		return s.waitFor(func() { must(proxywasm.ResumeHttpRequest()) })
	case "panic-request-body":
		panic("toolbox: trap in request body")
	}
	return types.ActionContinue
}

func (s *stream) OnHttpResponseHeaders(count int, _ bool) types.Action {
	switch s.name {
	case "panic-response-headers":
		panic("toolbox: trap in response headers")
	case "response-headers":
		must(proxywasm.AddHttpResponseHeader("x-added", "one"))
		must(proxywasm.AddHttpResponseHeader("x-added", "two"))
		must(proxywasm.ReplaceHttpResponseHeader("x-replace", "new"))
		must(proxywasm.ReplaceHttpResponseHeader("x-replace-absent", "set"))
		must(proxywasm.RemoveHttpResponseHeader("x-remove"))
	case "response-status":
		must(proxywasm.ReplaceHttpResponseHeader(":status", "203"))
	case "response-body", "response-body-append", "response-body-prepend":
		must(proxywasm.RemoveHttpResponseHeader("content-length"))
	case "response-pairs":
		pairs, err := proxywasm.GetHttpResponseHeaders()
		must(err)
		s.found("x-pairs", strconv.FormatBool(len(pairs) == count))
		only := [][2]string{{":status", "202"}, {"x-only", "yes"}}
		must(proxywasm.ReplaceHttpResponseHeaders(only))
	case "properties":
		s.readProperties(ofResponse)
	case "set-property":
		s.found("x-prop-x", propertyRow{path: []string{"x"}, kind: text}.read())
	case "reply-response-headers":
		// The reply passes this callback again; it must not be answered by another reply.
		if _, err := proxywasm.GetHttpResponseHeader("x-reply"); err != nil {
			return reply("response-headers")
		}
	}
	must(proxywasm.AddHttpResponseHeader("x-toolbox", "go"))
	for _, finding := range s.findings {
		must(proxywasm.AddHttpResponseHeader(finding[0], finding[1]))
	}
	s.findings = nil
	if s.name == "pause-response-tick" {
		return s.waitFor(func() {
			must(proxywasm.AddHttpResponseHeader("x-resumed", "tick"))
			must(proxywasm.ResumeHttpResponse())
		})
	}
	return types.ActionContinue
}

func (s *stream) OnHttpResponseBody(size int, endOfStream bool) types.Action {
	first := !s.responseBodyBegun
	s.responseBodyBegun = true
	switch s.name {
	case "response-body":
		if !endOfStream {
			return types.ActionPause
		}
		body, _ := proxywasm.GetHttpResponseBody(0, size)
		must(proxywasm.ReplaceHttpResponseBody(rewritten(body)))
	case "response-body-append":
		if endOfStream {
			must(proxywasm.AppendHttpResponseBody([]byte("-tail")))
		}
	case "response-body-prepend":
		if first {
			must(proxywasm.PrependHttpResponseBody([]byte("head-")))
		}
	case "panic-response-body":
		panic("toolbox: trap in response body")
	}
	return types.ActionContinue
}

// OnHttpStreamDone is the SDK's name for proxy_on_log.
func (s *stream) OnHttpStreamDone() {
	s.root.forget(s)
	switch s.name {
	case "log":
		code := propertyRow{path: []string{"response", "code"}, kind: integer}.read()
		path := propertyRow{path: []string{"request", "path"}, kind: text}.read()
		status, _ := proxywasm.GetHttpResponseHeader(":status")
		proxywasm.LogInfo(fmt.Sprintf("toolbox log code=%s path=%s status=%s", code, path, status))
	case "panic-log":
		panic("toolbox: trap in log")
	}
}

// rewritten gives the body in capitals, between square brackets.
func rewritten(body []byte) []byte {
	return []byte("[" + string(bytes.ToUpper(body)) + "]")
}
