//! gRPC callouts of a request. `x-grpc: cluster|service|method|message|timeout in ms` makes a call;
//! `x-grpc-stream: cluster|service|method|message,message,...` opens a stream, sends the messages
//! and ends its side; with `x-grpc-cancel` it cancels the stream at the first message that comes.
//! The request is answered with one line for each callback.

use proxy_wasm::hostcalls;
use proxy_wasm::traits::Context;
use proxy_wasm::types::{Action, BufferType, Bytes, MapType, Status};
use std::time::Duration;

/// The upstream of a name `@name` is given as a GrpcService message, as Envoy's filters do.
fn upstream(name: &str) -> String {
    let Some(cluster) = name.strip_prefix('@') else { return name.into() };
    // envoy_grpc (field 1) { cluster_name (field 1) }
    let inner = format!("\x0a{}{cluster}", char::from(cluster.len() as u8));
    format!("\x0a{}{inner}", char::from(inner.len() as u8))
}

#[derive(Default)]
pub struct Asker {
    lines: Vec<String>,
    open: usize,
    cancels: bool,
}

impl Asker {
    pub fn new(cancels: bool) -> Self {
        Asker { cancels, ..Asker::default() }
    }

    /// Starts what the headers ask for; whether anything has to be waited for.
    pub fn start(&mut self, call: Option<String>, stream: Option<String>) -> Action {
        if let Some(text) = call {
            self.call(&text);
        }
        if let Some(text) = stream {
            self.stream(&text);
        }
        if self.open == 0 {
            self.answer();
        }
        Action::Pause
    }

    fn call(&mut self, text: &str) {
        let parts: Vec<&str> = text.split('|').collect();
        let timeout = parts.get(4).and_then(|ms| ms.parse().ok()).unwrap_or(1000);
        let metadata: Vec<(&str, &[u8])> = vec![("x-meta", b"m"), ("x-meta-bin", b"AAEC")];
        let outcome = hostcalls::dispatch_grpc_call(
            &upstream(parts[0]),
            parts[1],
            parts[2],
            metadata,
            Some(parts[3].as_bytes()),
            Duration::from_millis(timeout),
        );
        self.started(outcome);
    }

    fn stream(&mut self, text: &str) {
        let parts: Vec<&str> = text.split('|').collect();
        let outcome = hostcalls::open_grpc_stream(&upstream(parts[0]), parts[1], parts[2], vec![]);
        if let Ok(id) = outcome {
            for message in parts[3].split(',').filter(|message| !message.is_empty()) {
                hostcalls::send_grpc_stream_message(id, Some(message.as_bytes()), false).unwrap();
            }
            hostcalls::close_grpc_stream(id).unwrap();
        }
        self.started(outcome);
    }

    fn started(&mut self, outcome: Result<u32, Status>) {
        match outcome {
            Ok(_) => self.open += 1,
            Err(status) => self.lines.push(format!("refused {}", status as u32)),
        }
    }

    fn metadata(&mut self, what: &str, count: usize, kind: MapType) {
        let map = hostcalls::get_map_bytes(kind).unwrap_or_default();
        let text: Vec<String> = map.into_iter().map(|(name, value)| pair(&name, &value)).collect();
        self.lines.push(format!("{what} {count} [{}]", text.join(" ")));
    }

    fn message(&mut self, size: usize) {
        let bytes = hostcalls::get_buffer(BufferType::GrpcReceiveBuffer, 0, 100).unwrap();
        let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
        self.lines.push(format!("message {size} {text:?}"));
    }

    fn closed(&mut self, status: u32) {
        let (code, message) = hostcalls::get_grpc_status().unwrap();
        self.lines.push(format!("close {status} {code} {:?}", message.unwrap_or_default()));
        self.done();
    }

    fn done(&mut self) {
        self.open -= 1;
        if self.open == 0 {
            self.answer();
        }
    }

    fn answer(&mut self) {
        let body = self.lines.join("\n");
        hostcalls::send_http_response(200, vec![("x-report", "1")], Some(body.as_bytes())).unwrap();
    }
}

fn pair(name: &str, value: &Bytes) -> String {
    format!("{name}={}", String::from_utf8_lossy(value))
}

impl Context for Asker {
    fn on_grpc_call_response(&mut self, _: u32, status: u32, size: usize) {
        if status == 0 {
            self.message(size);
            self.done();
        } else {
            self.closed(status);
        }
    }

    fn on_grpc_stream_initial_metadata(&mut self, _: u32, count: u32) {
        self.metadata("initial", count as usize, MapType::GrpcReceiveInitialMetadata);
    }

    fn on_grpc_stream_message(&mut self, id: u32, size: usize) {
        self.message(size);
        if self.cancels {
            hostcalls::cancel_grpc_stream(id).unwrap();
            self.done();
        }
    }

    fn on_grpc_stream_trailing_metadata(&mut self, _: u32, count: u32) {
        self.metadata("trailing", count as usize, MapType::GrpcReceiveTrailingMetadata);
    }

    fn on_grpc_stream_close(&mut self, _: u32, status: u32) {
        self.closed(status);
    }
}

