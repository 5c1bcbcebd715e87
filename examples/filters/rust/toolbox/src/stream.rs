//! One request and its response: what the case in `x-test` does in each callback.

use crate::properties::{self, Kind, OF_REQUEST, OF_RESPONSE};
use crate::waiting::{self, Wake};
use crate::Settings;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, LogLevel, MapType};
use std::rc::Rc;
use std::time::SystemTime;

const LEVELS: [(LogLevel, &str); 6] = [
    (LogLevel::Trace, "trace"),
    (LogLevel::Debug, "debug"),
    (LogLevel::Info, "info"),
    (LogLevel::Warn, "warn"),
    (LogLevel::Error, "error"),
    (LogLevel::Critical, "critical"),
];

pub struct Stream {
    id: u32,
    root_id: u32,
    settings: Rc<Settings>,
    case: String,
    /// Headers that the response gets, found out while the request went by.
    findings: Vec<(String, String)>,
    request_body_begun: bool,
    response_body_begun: bool,
}

impl Stream {
    pub fn new(id: u32, root_id: u32, settings: Rc<Settings>) -> Self {
        Stream {
            id,
            root_id,
            settings,
            case: String::new(),
            findings: Vec::new(),
            request_body_begun: false,
            response_body_begun: false,
        }
    }

    fn found(&mut self, name: &str, value: impl Into<String>) {
        self.findings.push((name.into(), value.into()));
    }

    fn wait(&self, wake: Wake) -> Action {
        waiting::add(self.id, wake);
        Action::Pause
    }

    fn reply(&self, from: &str) -> Action {
        let body = format!("reply from {from}");
        self.send_http_response(418, vec![("x-reply", from)], Some(body.as_bytes()));
        Action::Pause
    }

    fn edit_request_headers(&self) -> Action {
        self.add_http_request_header("x-added", "one");
        self.add_http_request_header("x-added", "two");
        self.set_http_request_header("x-replace", Some("new"));
        self.set_http_request_header("x-replace-absent", Some("set"));
        self.set_http_request_header("x-remove", None);
        Action::Continue
    }

    fn edit_response_headers(&self) -> Action {
        self.add_http_response_header("x-added", "one");
        self.add_http_response_header("x-added", "two");
        self.set_http_response_header("x-replace", Some("new"));
        self.set_http_response_header("x-replace-absent", Some("set"));
        self.set_http_response_header("x-remove", None);
        Action::Continue
    }

    fn read_properties(&mut self, rows: &[properties::Row]) {
        for (name, path, kind) in rows {
            self.found(&format!("x-prop-{name}"), properties::read(path, *kind));
        }
    }

    fn use_metrics(&mut self) {
        let Settings { counter, gauge, histogram, .. } = *self.settings;
        let before = hostcalls::get_metric(counter).unwrap();
        hostcalls::increment_metric(counter, 3).unwrap();
        let added = hostcalls::get_metric(counter).unwrap() - before;
        hostcalls::record_metric(gauge, 40).unwrap();
        hostcalls::increment_metric(gauge, 5).unwrap();
        hostcalls::increment_metric(gauge, -3).unwrap();
        hostcalls::record_metric(histogram, 7).unwrap();
        self.found("x-counter-added", added.to_string());
        self.found("x-gauge", hostcalls::get_metric(gauge).unwrap().to_string());
    }

    fn switch_context(&mut self) {
        let unknown = hostcalls::set_effective_context(0x7fff_ffff);
        hostcalls::set_effective_context(self.root_id).unwrap();
        let seen_by_root = self.get_http_request_headers().len();
        hostcalls::set_effective_context(self.id).unwrap();
        let seen_by_stream = self.get_http_request_header(":method").unwrap_or_default();
        self.found("x-effective-unknown", if unknown.is_err() { "refused" } else { "accepted" });
        self.found("x-effective-root", seen_by_root.to_string());
        self.found("x-effective-own", seen_by_stream);
    }

    fn use_shared_data(&mut self) {
        self.set_shared_data("toolbox", Some(b"one"), None).unwrap();
        let (value, cas) = self.get_shared_data("toolbox");
        let cas = cas.unwrap();
        let stale = self.set_shared_data("toolbox", Some(b"stale"), Some(cas + 1));
        let fresh = self.set_shared_data("toolbox", Some(b"two"), Some(cas));
        let (absent, _) = self.get_shared_data("toolbox-absent");
        self.found("x-shared-data", String::from_utf8(value.unwrap_or_default()).unwrap());
        self.found("x-shared-stale", if stale.is_err() { "refused" } else { "accepted" });
        self.found("x-shared-fresh", if fresh.is_err() { "refused" } else { "accepted" });
        self.found("x-shared-absent", if absent.is_some() { "there" } else { "absent" });
    }

    fn use_queue(&mut self) {
        let queue = self.register_shared_queue("toolbox-queue");
        let found = self.resolve_shared_queue("toolbox-vm", "toolbox-queue");
        let unknown = self.resolve_shared_queue("toolbox-vm", "toolbox-unknown");
        self.enqueue_shared_queue(queue, Some(b"item")).unwrap();
        let item = self.dequeue_shared_queue(queue).unwrap().unwrap_or_default();
        let nothing = self.dequeue_shared_queue(queue).unwrap();
        self.found("x-queue-item", String::from_utf8(item).unwrap());
        self.found("x-queue-then", if nothing.is_some() { "another" } else { "empty" });
        self.found("x-queue-found", if found == Some(queue) { "same" } else { "other" });
        self.found("x-queue-unknown", if unknown.is_some() { "there" } else { "absent" });
    }

    fn tell_empty_from_absent(&mut self) {
        for name in ["x-empty", "x-absent"] {
            let value = self.get_http_request_header(name);
            self.found(&format!("{name}-is"), if value.is_some() { "there" } else { "absent" });
        }
    }

    fn rewrite_request_line(&self) -> Action {
        self.set_http_request_header(":path", Some("/rewritten?by=toolbox"));
        self.set_http_request_header(":authority", Some("rewritten.example"));
        self.set_http_request_header(":method", Some("PUT"));
        Action::Continue
    }

    fn read_time(&mut self) {
        let now = self.get_current_time().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        self.found("x-year-2020-or-later", (now.as_secs() > 1_577_836_800).to_string());
    }
}

impl Context for Stream {
    fn on_done(&mut self) -> bool {
        waiting::forget(self.id);
        true
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, count: usize, _: bool) -> Action {
        self.case = self.get_http_request_header("x-test").unwrap_or_default();
        hostcalls::increment_metric(self.settings.requests, 1).unwrap();
        match self.case.as_str() {
            "request-headers" => return self.edit_request_headers(),
            "request-line" => return self.rewrite_request_line(),
            "request-body" | "request-body-append" | "request-body-prepend" => {
                self.set_http_request_header("content-length", None);
            }
            "request-pairs" => {
                let pairs = self.get_http_request_headers();
                self.found("x-pairs", (pairs.len() == count).to_string());
                let mut kept: Vec<(&str, &str)> =
                    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                kept.retain(|(name, _)| *name != "x-remove");
                kept.push(("x-added", "by-pairs"));
                self.set_http_request_headers(kept);
            }
            "reply-request-headers" => return self.reply("request-headers"),
            "reply-tick" => return self.wait(Wake::Reply),
            "pause-tick" => return self.wait(Wake::RequestHeaders),
            "panic-tick" => return self.wait(Wake::Trap),
            "panic-request-headers" => panic!("toolbox: trap in request headers"),
            "close-stream" => {
                self.reset_http_request();
                return Action::Pause;
            }
            "properties" => self.read_properties(OF_REQUEST),
            "config" => {
                let settings = self.settings.clone();
                self.found("x-config", settings.plugin_configuration.as_str());
                self.found("x-vm-config", settings.vm_configuration.as_str());
            }
            "metrics" => self.use_metrics(),
            "set-property" => self.set_property(vec!["x"], Some(b"kept for the response")),
            "effective-context" => self.switch_context(),
            "shared-data" => self.use_shared_data(),
            "queue" => self.use_queue(),
            "empty-header" => self.tell_empty_from_absent(),
            "time" => self.read_time(),
            "log-levels" => {
                for (level, name) in LEVELS {
                    hostcalls::log(level, &format!("toolbox says {name}")).unwrap();
                }
            }
            _ => {}
        }
        Action::Continue
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let first = !std::mem::replace(&mut self.request_body_begun, true);
        match self.case.as_str() {
            "request-body" if !end_of_stream => return Action::Pause,
            "request-body" => {
                let body = self.get_http_request_body(0, size).unwrap_or_default();
                self.set_http_request_body(0, size, &rewritten(&body));
            }
            "request-body-append" if end_of_stream => {
                self.set_http_request_body(size.max(1), 0, b"-tail");
            }
            "request-body-prepend" if first => self.set_http_request_body(0, 0, b"head-"),
            "reply-request-body" => return self.reply("request-body"),
            "pause-body-tick" if end_of_stream => return self.wait(Wake::RequestBody),
            "pause-body-tick" => return Action::Pause,
            "panic-request-body" => panic!("toolbox: trap in request body"),
            _ => {}
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, count: usize, _: bool) -> Action {
        match self.case.as_str() {
            "panic-response-headers" => panic!("toolbox: trap in response headers"),
            "response-headers" => {
                self.edit_response_headers();
            }
            "response-status" => self.set_http_response_header(":status", Some("203")),
            "response-body" | "response-body-append" | "response-body-prepend" => {
                self.set_http_response_header("content-length", None);
            }
            "response-pairs" => {
                let pairs = self.get_http_response_headers();
                self.found("x-pairs", (pairs.len() == count).to_string());
                self.set_http_response_headers(vec![(":status", "202"), ("x-only", "yes")]);
            }
            "properties" => self.read_properties(OF_RESPONSE),
            "set-property" => {
                let value = properties::read(&["x"], Kind::Text);
                self.found("x-prop-x", value);
            }
            // The reply passes this callback again; it must not be answered by another reply.
            "reply-response-headers" if self.get_http_response_header("x-reply").is_none() => {
                return self.reply("response-headers");
            }
            _ => {}
        }
        self.add_http_response_header("x-toolbox", "rust");
        for (name, value) in std::mem::take(&mut self.findings) {
            self.add_http_response_header(&name, &value);
        }
        if self.case == "pause-response-tick" {
            return self.wait(Wake::ResponseHeaders);
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let first = !std::mem::replace(&mut self.response_body_begun, true);
        match self.case.as_str() {
            "response-body" if !end_of_stream => return Action::Pause,
            "response-body" => {
                let body = self.get_http_response_body(0, size).unwrap_or_default();
                self.set_http_response_body(0, size, &rewritten(&body));
            }
            "response-body-append" if end_of_stream => {
                self.set_http_response_body(size.max(1), 0, b"-tail");
            }
            "response-body-prepend" if first => self.set_http_response_body(0, 0, b"head-"),
            "panic-response-body" => panic!("toolbox: trap in response body"),
            _ => {}
        }
        Action::Continue
    }

    fn on_log(&mut self) {
        match self.case.as_str() {
            "log" => {
                let code = properties::read(&["response", "code"], Kind::Int);
                let path = properties::read(&["request", "path"], Kind::Text);
                let status = hostcalls::get_map_value(MapType::HttpResponseHeaders, ":status");
                let status = status.unwrap().unwrap_or_default();
                let line = format!("toolbox log code={code} path={path} status={status}");
                hostcalls::log(LogLevel::Info, &line).unwrap();
            }
            "panic-log" => panic!("toolbox: trap in log"),
            _ => {}
        }
    }
}

/// The body in capitals, between square brackets.
fn rewritten(body: &[u8]) -> Vec<u8> {
    let mut result = vec![b'['];
    result.extend(body.iter().map(u8::to_ascii_uppercase));
    result.push(b']');
    result
}
