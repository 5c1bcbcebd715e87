// The toolbox is one filter with many behaviours, chosen per request by the header x-test. The Rust
// and the AssemblyScript toolbox do the same; test/conformance/expectations.ts says what a client
// and an upstream then see.
package main

import (
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"
)

const tickPeriodMs = 100

func main() {}

func init() {
	proxywasm.SetVMContext(&vm{})
}

// must turns a refused hostcall into a trap, as the Rust SDK does.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

type vm struct {
	types.DefaultVMContext
	configuration string
}

func (v *vm) OnVMStart(size int) types.OnVMStartStatus {
	if size > 0 {
		text, err := proxywasm.GetVMConfiguration()
		must(err)
		v.configuration = string(text)
	}
	return types.OnVMStartStatus(v.configuration != "reject")
}

func (v *vm) NewPluginContext(contextID uint32) types.PluginContext {
	return &root{id: contextID, vm: v}
}

// root is what the streams of one plugin share.
type root struct {
	types.DefaultPluginContext
	id            uint32
	vm            *vm
	configuration string
	requests      proxywasm.MetricCounter
	counter       proxywasm.MetricCounter
	gauge         proxywasm.MetricGauge
	histogram     proxywasm.MetricHistogram
	ticks         proxywasm.MetricGauge
	waiting       []*stream
}

func (r *root) OnPluginStart(size int) types.OnPluginStartStatus {
	if size > 0 {
		text, err := proxywasm.GetPluginConfiguration()
		must(err)
		r.configuration = string(text)
	}
	if r.configuration == "panic" {
		panic("toolbox: trap in on_configure")
	}
	r.requests = proxywasm.DefineCounterMetric("toolbox_requests")
	r.counter = proxywasm.DefineCounterMetric("toolbox_counter")
	r.gauge = proxywasm.DefineGaugeMetric("toolbox_gauge")
	r.histogram = proxywasm.DefineHistogramMetric("toolbox_histogram")
	r.ticks = proxywasm.DefineGaugeMetric("toolbox_ticks")
	must(proxywasm.SetTickPeriodMilliSeconds(tickPeriodMs))
	return types.OnPluginStartStatus(r.configuration != "reject")
}

func (r *root) NewHttpContext(contextID uint32) types.HttpContext {
	return &stream{id: contextID, root: r}
}

// OnTick runs on the root context, so each waiting stream becomes the effective context first.
func (r *root) OnTick() {
	r.ticks.Add(1)
	waiting := r.waiting
	r.waiting = nil
	for _, s := range waiting {
		if proxywasm.SetEffectiveContext(s.id) == nil {
			s.wake()
		}
	}
}

// forget drops a stream that ended while it was paused.
func (r *root) forget(ended *stream) {
	kept := r.waiting[:0]
	for _, s := range r.waiting {
		if s != ended {
			kept = append(kept, s)
		}
	}
	r.waiting = kept
}
