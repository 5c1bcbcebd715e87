//! Counts the bytes and line ends of response bodies, which it sees without a copy: it lends Granary
//! memory of its own that the socket reads into (`granary.body_window`). Where the host knows no such
//! function, or a part of a body did not fit, it asks for the bytes as any filter does. With the
//! plugin configuration `copy` it always does, so that both ways can be compared.

use proxy_wasm::hostcalls::{define_metric, increment_metric};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, MetricType};
use std::cell::RefCell;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

const RESPONSE_BODY: u32 = 1;
const HEADER_BYTES: usize = 8;
const REGION_BYTES: usize = HEADER_BYTES + 65_536;

thread_local! {
    /// Regions that no stream has now. A region keeps its address, so it may be lent.
    static SPARE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Copy, Default)]
struct Counters {
    window: u32,
    copied: u32,
    lines: u32,
}

#[derive(Default)]
struct Root {
    copies: bool,
    counters: Counters,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        self.copies = self.get_plugin_configuration().as_deref() == Some(b"copy");
        let counter = |name| define_metric(MetricType::Counter, name).unwrap_or(0);
        self.counters = Counters {
            window: counter("body_window.bytes_in_window"),
            copied: counter("body_window.bytes_copied"),
            lines: counter("body_window.lines"),
        };
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { copies: self.copies, counters: self.counters, region: None }))
    }
}

struct Stream {
    copies: bool,
    counters: Counters,
    region: Option<Box<[u8]>>,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_response_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        if !end_of_stream && !self.copies {
            self.lend();
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, _: bool) -> Action {
        if size == 0 {
            return Action::Continue;
        }
        if let Some(bytes) = self.region.as_ref().and_then(|region| shown(region, size)) {
            self.count(self.counters.window, bytes);
        } else if let Some(bytes) = self.get_http_response_body(0, size) {
            self.count(self.counters.copied, &bytes);
        }
        Action::Continue
    }
}

/// The bytes of this event, when all of them lie in the region.
fn shown(region: &[u8], size: usize) -> Option<&[u8]> {
    // The host has written there since Rust last looked.
    let header = unsafe { std::ptr::read_volatile(region.as_ptr().cast::<[u8; 4]>()) };
    let length = u32::from_le_bytes(header) as usize;
    (length == size).then(|| &region[HEADER_BYTES..HEADER_BYTES + size])
}

impl Stream {
    fn lend(&mut self) {
        let region = SPARE
            .with_borrow_mut(Vec::pop)
            .unwrap_or_else(|| vec![0; REGION_BYTES].into_boxed_slice());
        let mut arguments = [0; 12];
        arguments[..4].copy_from_slice(&RESPONSE_BODY.to_le_bytes());
        arguments[4..8].copy_from_slice(&(region.as_ptr() as u32).to_le_bytes());
        arguments[8..].copy_from_slice(&(region.len() as u32).to_le_bytes());
        let lent = self.call_foreign_function("granary.body_window", Some(&arguments)).is_ok();
        if lent {
            self.region = Some(region);
        } else {
            SPARE.with_borrow_mut(|spare| spare.push(region));
        }
    }

    fn count(&self, counter: u32, bytes: &[u8]) {
        let lines = bytes.iter().filter(|&&byte| byte == b'\n').count();
        let _ = increment_metric(counter, bytes.len() as i64);
        if lines > 0 {
            let _ = increment_metric(self.counters.lines, lines as i64);
        }
    }
}

impl Drop for Stream {
    /// The context is deleted: the host has given the region back.
    fn drop(&mut self) {
        if let Some(region) = self.region.take() {
            SPARE.with_borrow_mut(|spare| spare.push(region));
        }
    }
}
