package main

import (
	"encoding/binary"
	"time"
	"unsafe"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
)

// granary.sleep and granary.await for Go filters. Copy this file.
//
// Calls here return when the answer is there: the proxy suspends the filter meanwhile and serves
// others. They work in the callbacks of streams, ticks and callouts, not at start or in OnHttpStreamDone.

// Never called: the proxy sees by it that this module has coroutines.
//
//go:wasmexport granary_coroutines
func granaryCoroutines() {}

// The hostcall is the bare one: the SDK's would keep a note of each call until its callback, and an
// awaited call has none.
//
//go:wasmimport env proxy_http_call
func proxyHTTPCall(
	upstream unsafe.Pointer, upstreamSize uint32,
	headers unsafe.Pointer, headersSize uint32,
	body unsafe.Pointer, bodySize uint32,
	trailers unsafe.Pointer, trailersSize uint32,
	timeoutMs uint32, token unsafe.Pointer,
) uint32

func foreign(name string, argument uint32) ([]byte, error) {
	return proxywasm.CallForeignFunction(name, binary.LittleEndian.AppendUint32(nil, argument))
}

// sleep is false when it was cut short, because the stream has ended for example.
func sleep(pause time.Duration) bool {
	token, err := foreign("granary.sleep", uint32(pause.Milliseconds()))
	if err != nil || len(token) != 4 {
		return false
	}
	_, err = foreign("granary.await", binary.LittleEndian.Uint32(token))
	return err == nil
}

// answer is that of a request. It can be read until the next wait.
type answer struct {
	status   string
	bodySize int
}

func (answer) header(name string) string {
	headers, _ := proxywasm.GetHttpCallResponseHeaders()
	for _, pair := range headers {
		if pair[0] == name {
			return pair[1]
		}
	}
	return ""
}

func (a answer) body() []byte {
	bytes, _ := proxywasm.GetHttpCallResponseBody(0, a.bodySize)
	return bytes
}

// pairs is a header list as the ABI has it: count, lengths, then texts with a zero behind each.
func pairs(headers [][2]string) []byte {
	bytes := binary.LittleEndian.AppendUint32(nil, uint32(len(headers)))
	for _, pair := range headers {
		bytes = binary.LittleEndian.AppendUint32(bytes, uint32(len(pair[0])))
		bytes = binary.LittleEndian.AppendUint32(bytes, uint32(len(pair[1])))
	}
	for _, pair := range headers {
		bytes = append(append(bytes, pair[0]...), 0)
		bytes = append(append(bytes, pair[1]...), 0)
	}
	return bytes
}

// httpGet asks upstream, by the name of its cluster. Nil: it could not be asked, or the call was reset.
func httpGet(upstream string, headers [][2]string, timeout time.Duration) *answer {
	list := pairs(headers)
	var token uint32
	status := proxyHTTPCall(
		unsafe.Pointer(unsafe.StringData(upstream)), uint32(len(upstream)),
		unsafe.Pointer(&list[0]), uint32(len(list)),
		nil, 0, nil, 0,
		uint32(timeout.Milliseconds()), unsafe.Pointer(&token))
	if status != 0 {
		return nil
	}
	numbers, err := foreign("granary.await", token)
	if err != nil || len(numbers) < 8 || binary.LittleEndian.Uint32(numbers) == 0 {
		return nil
	}
	made := &answer{bodySize: int(binary.LittleEndian.Uint32(numbers[4:]))}
	made.status = made.header(":status")
	return made
}
