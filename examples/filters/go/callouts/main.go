// Asks other services while a request waits, as the Rust filter of this name does. What is asked is
// told by request headers:
//
//   - x-call: cluster|path|timeout in ms, several separated by ";"
//   - x-call-body: the body of every call; x-call-trailer: a trailer of every call
//   - x-call-drop: a header that is left out of every call
//   - x-call-phase: request (default), body, response
//   - x-call-then: report (default) answers with what came back, continue goes on with the header
//     x-answers, forget does not wait at all
//
// The plugin configuration, when there is one, is a call that the root makes when it is configured;
// it logs the answer. The SDK knows no gRPC, and does not read the status of a call.
package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"
)

const defaultTimeoutMs = 1000
const bodyShownBytes = 200

func main() {}

func init() {
	proxywasm.SetVMContext(&vm{})
}

type vm struct {
	types.DefaultVMContext
}

func (*vm) NewPluginContext(uint32) types.PluginContext {
	return &root{}
}

type root struct {
	types.DefaultPluginContext
}

func (r *root) OnPluginStart(size int) types.OnPluginStartStatus {
	if size == 0 {
		return types.OnPluginStartStatusOK
	}
	text, err := proxywasm.GetPluginConfiguration()
	if err != nil {
		panic(err)
	}
	err = call(string(text), extras{}, func(headers, body, trailers int) {
		proxywasm.LogInfo("root: " + report(headers, body, trailers))
	})
	started := "ok"
	if err != nil {
		started = refused(err)
	}
	proxywasm.LogInfo("root: started " + started)
	return types.OnPluginStartStatusOK
}

func (r *root) NewHttpContext(uint32) types.HttpContext {
	return &stream{}
}

// extras is what every call of a request has beside its target.
type extras struct {
	body    *string
	trailer *string
	dropped *string
}

type answered = func(headers, body, trailers int)

// call starts the call that text (cluster|path|timeout) describes.
func call(text string, more extras, then answered) error {
	parts := strings.Split(text, "|")
	path := "/"
	if len(parts) > 1 {
		path = parts[1]
	}
	timeoutMs := defaultTimeoutMs
	if len(parts) > 2 {
		if ms, err := strconv.Atoi(parts[2]); err == nil {
			timeoutMs = ms
		}
	}
	method := "GET"
	var body []byte
	if more.body != nil {
		method, body = "POST", []byte(*more.body)
	}
	headers := [][2]string{
		{":method", method},
		{":path", path},
		{":authority", "callout.example"},
		{"x-from", "callouts"},
	}
	if more.dropped != nil {
		headers = slices.DeleteFunc(headers, func(pair [2]string) bool { return pair[0] == *more.dropped })
	}
	trailers := [][2]string{}
	if more.trailer != nil {
		trailers = append(trailers, [2]string{"x-trailer", *more.trailer})
	}
	_, err := proxywasm.DispatchHttpCall(parts[0], headers, body, trailers, uint32(timeoutMs), then)
	return err
}

// refused is the number of the status that the SDK made an error of.
func refused(err error) string {
	statuses := []struct {
		err    error
		status int
	}{
		{types.ErrorStatusNotFound, 1},
		{types.ErrorStatusBadArgument, 2},
		{types.ErrorInternalFailure, 10},
	}
	for _, known := range statuses {
		if errors.Is(err, known.err) {
			return fmt.Sprintf("refused %d", known.status)
		}
	}
	return "refused: " + err.Error()
}

func pairsText(pairs [][2]string) string {
	texts := make([]string, len(pairs))
	for i, pair := range pairs {
		texts[i] = pair[0] + "=" + pair[1]
	}
	return strings.Join(texts, " ")
}

// report is what the answer of the running callback is, in one line.
func report(headers, bodySize, trailers int) string {
	names, _ := proxywasm.GetHttpCallResponseHeaders()
	body, _ := proxywasm.GetHttpCallResponseBody(0, bodyShownBytes)
	ends, _ := proxywasm.GetHttpCallResponseTrailers()
	return fmt.Sprintf("(%d,%d,%d) [%s] %q [%s]",
		headers, bodySize, trailers, pairsText(names), body, pairsText(ends))
}
