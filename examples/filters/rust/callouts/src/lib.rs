//! Asks other services while a request waits. What is asked is told by request headers:
//!
//! * `x-call: cluster|path|timeout in ms`, several separated by `;`
//! * `x-call-body`: the body of every call; `x-call-trailer`: a trailer of every call
//! * `x-call-drop`: a header that is left out of every call
//! * `x-call-phase`: `request` (default), `body`, `response`
//! * `x-call-then`: `report` (default) answers with what came back, `continue` goes on with the
//!   header `x-answers`, `forget` does not wait at all
//!
//! gRPC: see `grpc.rs`.
//!
//! The plugin configuration, when there is one, is a call that the root makes when it is configured;
//! it logs the answer.

mod grpc;

use grpc::Asker;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, Status};
use std::time::Duration;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}

struct Root;

impl Context for Root {
    fn on_http_call_response(&mut self, _: u32, headers: usize, body: usize, trailers: usize) {
        log(&format!("root: {}", report(headers, body, trailers)));
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        if size > 0 {
            let text = self.get_plugin_configuration().unwrap_or_default();
            let text = String::from_utf8(text).unwrap();
            let outcome = call(&text, &Extras::default());
            log(&format!("root: started {}", outcome.map_or_else(refused, |_| "ok".into())));
        }
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::default()))
    }
}

#[derive(Default)]
struct Extras {
    body: Option<String>,
    trailer: Option<String>,
    dropped: Option<String>,
}

#[derive(Default)]
struct Stream {
    calls: String,
    extras: Extras,
    phase: String,
    then: String,
    outstanding: usize,
    answers: Vec<String>,
    asker: Option<Asker>,
}

fn log(line: &str) {
    hostcalls::log(LogLevel::Info, line).unwrap();
}

fn refused(status: Status) -> String {
    format!("refused {}", status as u32)
}

/// Starts the call that `text` (`cluster|path|timeout`) describes.
fn call(text: &str, extras: &Extras) -> Result<u32, Status> {
    let mut parts = text.split('|');
    let cluster = parts.next().unwrap_or_default();
    let path = parts.next().unwrap_or("/");
    let timeout = parts.next().and_then(|ms| ms.parse().ok()).unwrap_or(1000);
    let method = if extras.body.is_some() { "POST" } else { "GET" };
    let mut headers = vec![(":method", method), (":path", path), (":authority", "callout.example")];
    headers.push(("x-from", "callouts"));
    if let Some(name) = &extras.dropped {
        headers.retain(|(key, _)| key != name);
    }
    let trailers = extras.trailer.iter().map(|value| ("x-trailer", value.as_str())).collect();
    let body = extras.body.as_ref().map(|body| body.as_bytes());
    hostcalls::dispatch_http_call(cluster, headers, body, trailers, Duration::from_millis(timeout))
}

/// What the answer of the running callback is, in one line.
fn report(headers: usize, body: usize, trailers: usize) -> String {
    let kind = proxy_wasm::types::MapType::HttpCallResponseHeaders;
    let names = hostcalls::get_map(kind).unwrap_or_default();
    let names: Vec<String> = names.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let text = hostcalls::get_buffer(proxy_wasm::types::BufferType::HttpCallResponseBody, 0, 200);
    let text = text.ok().flatten().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let kind = proxy_wasm::types::MapType::HttpCallResponseTrailers;
    let ends = hostcalls::get_map(kind).unwrap_or_default();
    let ends: Vec<String> = ends.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let (code, message) = hostcalls::get_grpc_status().unwrap();
    format!(
        "({headers},{body},{trailers}) [{}] {:?} [{}] {code} {:?}",
        names.join(" "),
        text.unwrap_or_default(),
        ends.join(" "),
        message.unwrap_or_default()
    )
}

impl Stream {
    fn ask(&mut self) -> Action {
        let calls = std::mem::take(&mut self.calls);
        for text in calls.split(';').filter(|text| !text.is_empty()) {
            match call(text, &self.extras) {
                Ok(_) => self.outstanding += 1,
                Err(status) => self.answers.push(refused(status)),
            }
        }
        if self.then == "forget" || (self.outstanding == 0 && self.answers.is_empty()) {
            return Action::Continue;
        }
        if self.outstanding == 0 {
            self.finish();
        }
        Action::Pause
    }

    fn finish(&mut self) {
        if self.then == "continue" {
            let count = self.answers.len().to_string();
            if self.phase == "response" {
                self.set_http_response_header("x-answers", Some(&count));
                self.resume_http_response();
            } else {
                if self.phase == "request" {
                    self.set_http_request_header("x-answers", Some(&count));
                }
                self.resume_http_request();
            }
            return;
        }
        let body = self.answers.join("\n");
        self.send_http_response(200, vec![("x-report", "1")], Some(body.as_bytes()));
    }
}

impl Context for Stream {
    fn on_http_call_response(&mut self, _: u32, headers: usize, body: usize, trailers: usize) {
        self.outstanding -= 1;
        self.answers.push(report(headers, body, trailers));
        if self.outstanding == 0 && self.then != "forget" {
            self.finish();
        }
    }

    fn on_grpc_call_response(&mut self, id: u32, status: u32, size: usize) {
        self.asker.as_mut().unwrap().on_grpc_call_response(id, status, size);
    }

    fn on_grpc_stream_initial_metadata(&mut self, id: u32, count: u32) {
        self.asker.as_mut().unwrap().on_grpc_stream_initial_metadata(id, count);
    }

    fn on_grpc_stream_message(&mut self, id: u32, size: usize) {
        self.asker.as_mut().unwrap().on_grpc_stream_message(id, size);
    }

    fn on_grpc_stream_trailing_metadata(&mut self, id: u32, count: u32) {
        self.asker.as_mut().unwrap().on_grpc_stream_trailing_metadata(id, count);
    }

    fn on_grpc_stream_close(&mut self, id: u32, status: u32) {
        self.asker.as_mut().unwrap().on_grpc_stream_close(id, status);
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        self.calls = self.get_http_request_header("x-call").unwrap_or_default();
        self.extras.body = self.get_http_request_header("x-call-body");
        self.extras.trailer = self.get_http_request_header("x-call-trailer");
        self.extras.dropped = self.get_http_request_header("x-call-drop");
        self.phase = self.get_http_request_header("x-call-phase").unwrap_or("request".into());
        self.then = self.get_http_request_header("x-call-then").unwrap_or("report".into());
        let call = self.get_http_request_header("x-grpc");
        let stream = self.get_http_request_header("x-grpc-stream");
        if call.is_some() || stream.is_some() {
            let cancels = self.get_http_request_header("x-grpc-cancel").is_some();
            return self.asker.insert(Asker::new(cancels)).start(call, stream);
        }
        if self.phase == "request" { self.ask() } else { Action::Continue }
    }

    fn on_http_request_body(&mut self, _: usize, end_of_stream: bool) -> Action {
        if self.phase == "body" && end_of_stream { self.ask() } else { Action::Continue }
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        if self.phase == "response" { self.ask() } else { Action::Continue }
    }
}
