package main

import (
	"encoding/binary"
	"strconv"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
)

type propertyKind int

const (
	text propertyKind = iota
	integer
	boolean
	// clock tells only whether the value is there and positive: it differs on every run.
	clock
)

type propertyRow struct {
	name string
	path []string
	kind propertyKind
}

// ofRequest is read in the request headers callback.
var ofRequest = []propertyRow{
	{"path", []string{"request", "path"}, text},
	{"url-path", []string{"request", "url_path"}, text},
	{"query", []string{"request", "query"}, text},
	{"host", []string{"request", "host"}, text},
	{"scheme", []string{"request", "scheme"}, text},
	{"method", []string{"request", "method"}, text},
	{"protocol", []string{"request", "protocol"}, text},
	{"useragent", []string{"request", "useragent"}, text},
	{"referer", []string{"request", "referer"}, text},
	{"header", []string{"request", "headers", "x-test"}, text},
	{"size", []string{"request", "size"}, integer},
	{"time", []string{"request", "time"}, clock},
	{"source-address", []string{"source", "address"}, text},
	{"source-port", []string{"source", "port"}, integer},
	{"destination-address", []string{"destination", "address"}, text},
	{"destination-port", []string{"destination", "port"}, integer},
	{"connection-id", []string{"connection", "id"}, integer},
	{"connection-mtls", []string{"connection", "mtls"}, boolean},
	{"tls-version", []string{"connection", "tls_version"}, text},
	{"plugin-name", []string{"plugin_name"}, text},
	{"plugin-root-id", []string{"plugin_root_id"}, text},
	{"plugin-vm-id", []string{"plugin_vm_id"}, text},
	{"node-id", []string{"xds", "node", "id"}, text},
	{"node-cluster", []string{"xds", "node", "cluster"}, text},
	{"direction", []string{"xds", "listener_direction"}, integer},
	{"cluster", []string{"xds", "cluster_name"}, text},
	{"route", []string{"xds", "route_name"}, text},
	{"unknown", []string{"no", "such", "property"}, text},
}

// ofResponse is read in the response headers callback.
var ofResponse = []propertyRow{
	{"upstream-address", []string{"upstream", "address"}, text},
	{"upstream-port", []string{"upstream", "port"}, integer},
	{"response-header", []string{"response", "headers", "x-replace"}, text},
}

// read gives the property as text, "-" when the host has none, "!" when it has another size than
// its kind.
func (row propertyRow) read() string {
	value, err := proxywasm.GetProperty(row.path)
	if err != nil {
		return "-"
	}
	switch {
	case row.kind == text:
		return string(value)
	case row.kind == boolean && len(value) == 1:
		return strconv.FormatBool(value[0] != 0)
	case row.kind == integer && len(value) == 8:
		return strconv.FormatInt(int64(binary.LittleEndian.Uint64(value)), 10)
	case row.kind == clock && len(value) == 8:
		if binary.LittleEndian.Uint64(value) > 0 {
			return "set"
		}
		return "zero"
	}
	return "!"
}
