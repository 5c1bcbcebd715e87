// Asks an authorization service in the middle of a header callback, and asks again when the service
// is busy: after 20 ms, 40 ms and 80 ms. The same as examples/coroutines/rust.
package main

import (
	"strconv"
	"time"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"
)

const service = "auth"
const timeout = 500 * time.Millisecond
const firstPause = 20 * time.Millisecond
const attempts = 4

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

func (*root) NewHttpContext(uint32) types.HttpContext {
	return &stream{}
}

type stream struct {
	types.DefaultHttpContext
}

func refuse(status uint32, body []byte) types.Action {
	if err := proxywasm.SendHttpResponse(status, nil, body, -1); err != nil {
		panic(err)
	}
	return types.ActionPause
}

func (*stream) OnHttpRequestHeaders(int, bool) types.Action {
	// What only the service may say.
	_ = proxywasm.RemoveHttpRequestHeader("x-user")
	path, _ := proxywasm.GetHttpRequestHeader(":path")
	credentials, _ := proxywasm.GetHttpRequestHeader("authorization")
	question := [][2]string{
		{":method", "GET"},
		{":path", "/check"},
		{":authority", service},
		{"x-original-path", path},
		{"authorization", credentials},
	}
	pause := firstPause
	for attempt := 1; attempt <= attempts; attempt++ {
		answer := httpGet(service, question, timeout)
		if answer != nil && answer.status == "200" {
			_ = proxywasm.ReplaceHttpRequestHeader("x-user", answer.header("x-user"))
			_ = proxywasm.ReplaceHttpRequestHeader("x-attempts", strconv.Itoa(attempt))
			return types.ActionContinue
		}
		if answer != nil && answer.status != "503" {
			status, _ := strconv.Atoi(answer.status)
			return refuse(uint32(status), answer.body())
		}
		if attempt == attempts || !sleep(pause) {
			break
		}
		pause *= 2
	}
	return refuse(503, []byte("authorization unavailable\n"))
}
