//! Asks an authorization service about each request before it goes on.
//!
//! The service gets method, path and credentials. 200 lets the request through, with the
//! service's `x-user` added; any other status is the answer to the client. A service that cannot
//! be reached or does not answer in time is the failure policy's matter.
//!
//! Plugin configuration: `cluster=auth timeout_ms=200 on_failure=deny` (or `on_failure=allow`).

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use std::rc::Rc;
use std::time::Duration;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { settings: Rc::default() }));
}}

struct Settings {
    cluster: String,
    timeout: Duration,
    allow_on_failure: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            cluster: "auth".into(),
            timeout: Duration::from_millis(200),
            allow_on_failure: false,
        }
    }
}

struct Root {
    settings: Rc<Settings>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        let mut settings = Settings::default();
        for pair in String::from_utf8_lossy(&bytes).split_whitespace() {
            match pair.split_once('=') {
                Some(("cluster", name)) => settings.cluster = name.into(),
                Some(("timeout_ms", ms)) => match ms.parse() {
                    Ok(ms) => settings.timeout = Duration::from_millis(ms),
                    Err(_) => return false,
                },
                Some(("on_failure", "deny")) => settings.allow_on_failure = false,
                Some(("on_failure", "allow")) => settings.allow_on_failure = true,
                _ => return false,
            }
        }
        self.settings = Rc::new(settings);
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { settings: self.settings.clone() }))
    }
}

struct Stream {
    settings: Rc<Settings>,
}

impl Stream {
    /// There is no decision: the configuration says what that means.
    fn without_decision(&self) {
        if self.settings.allow_on_failure {
            self.set_http_request_header("x-auth", Some("unavailable"));
            self.resume_http_request();
        } else {
            self.send_http_response(503, vec![], Some(b"authorization unavailable\n"));
        }
    }
}

impl Context for Stream {
    fn on_http_call_response(&mut self, _: u32, _: usize, body_size: usize, _: usize) {
        let status = self.get_http_call_response_header(":status").unwrap_or_default();
        match status.as_str() {
            "200" => {
                let user = self.get_http_call_response_header("x-user");
                self.set_http_request_header("x-user", user.as_deref());
                self.resume_http_request();
            }
            // The proxy's own: no upstream, no answer in time. None at all: the call was reset.
            "" | "503" | "504" => self.without_decision(),
            other => {
                let body = self.get_http_call_response_body(0, body_size).unwrap_or_default();
                self.send_http_response(other.parse().unwrap_or(403), vec![], Some(&body));
            }
        }
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        // What only the service may say.
        self.set_http_request_header("x-user", None);
        self.set_http_request_header("x-auth", None);
        let method = self.get_http_request_header(":method").unwrap_or_default();
        let path = self.get_http_request_header(":path").unwrap_or_default();
        let credentials = self.get_http_request_header("authorization").unwrap_or_default();
        let headers = vec![
            (":method", "GET"),
            (":path", "/check"),
            (":authority", &self.settings.cluster),
            ("x-original-method", &method),
            ("x-original-path", &path),
            ("authorization", &credentials),
        ];
        let settings = &self.settings;
        match self.dispatch_http_call(&settings.cluster, headers, None, vec![], settings.timeout) {
            Ok(_) => Action::Pause,
            Err(_) if settings.allow_on_failure => Action::Continue,
            Err(_) => {
                self.without_decision();
                Action::Pause
            }
        }
    }
}
