//! One filter with many behaviours, chosen per request by the header `x-test`. The Go and the
//! AssemblyScript toolbox do the same; `test/conformance/expectations.ts` says what a client and an
//! upstream then see.

mod properties;
mod stream;
mod waiting;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel, MetricType};
use std::rc::Rc;
use std::time::Duration;
use stream::Stream;

const TICK_PERIOD: Duration = Duration::from_millis(100);

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|id| Box::new(Root { id, settings: Rc::default() }));
}}

/// What the streams of one plugin share.
#[derive(Clone, Default)]
pub struct Settings {
    pub plugin_configuration: String,
    pub vm_configuration: String,
    pub requests: u32,
    pub counter: u32,
    pub gauge: u32,
    pub histogram: u32,
    pub ticks: u32,
}

struct Root {
    id: u32,
    settings: Rc<Settings>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_vm_start(&mut self, _: usize) -> bool {
        let text = as_text(self.get_vm_configuration());
        let accepted = text != "reject";
        Rc::make_mut(&mut self.settings).vm_configuration = text;
        accepted
    }

    fn on_configure(&mut self, _: usize) -> bool {
        let text = as_text(self.get_plugin_configuration());
        if text == "panic" {
            panic!("toolbox: trap in on_configure");
        }
        let accepted = text != "reject";
        let settings = Rc::make_mut(&mut self.settings);
        settings.plugin_configuration = text;
        settings.requests = define(MetricType::Counter, "toolbox_requests");
        settings.counter = define(MetricType::Counter, "toolbox_counter");
        settings.gauge = define(MetricType::Gauge, "toolbox_gauge");
        settings.histogram = define(MetricType::Histogram, "toolbox_histogram");
        settings.ticks = define(MetricType::Gauge, "toolbox_ticks");
        self.set_tick_period(TICK_PERIOD);
        accepted
    }

    fn on_tick(&mut self) {
        hostcalls::increment_metric(self.settings.ticks, 1).unwrap();
        waiting::resume_all();
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::new(context_id, self.id, self.settings.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

fn define(kind: MetricType, name: &str) -> u32 {
    hostcalls::define_metric(kind, name).unwrap()
}

fn as_text(bytes: Option<Vec<u8>>) -> String {
    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
}
