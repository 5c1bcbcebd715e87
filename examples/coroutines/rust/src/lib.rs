//! Asks an authorization service in the middle of a header callback, and asks again when the
//! service is busy: after 20 ms, 40 ms and 80 ms. To its author it is one function from top to
//! bottom; no request is kept in a table, no callback picks it up.

mod coroutine;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use std::time::Duration;

const SERVICE: &str = "auth";
const TIMEOUT: Duration = Duration::from_millis(500);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const ATTEMPTS: u32 = 4;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream))
    }
}

struct Stream;

impl Context for Stream {}

impl Stream {
    fn refuse(&self, status: u32, body: &[u8]) -> Action {
        self.send_http_response(status, vec![], Some(body));
        Action::Pause
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        // What only the service may say.
        self.set_http_request_header("x-user", None);
        let path = self.get_http_request_header(":path").unwrap_or_default();
        let credentials = self.get_http_request_header("authorization").unwrap_or_default();
        let question = [
            (":method", "GET"),
            (":path", "/check"),
            (":authority", SERVICE),
            ("x-original-path", &path),
            ("authorization", &credentials),
        ];
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=ATTEMPTS {
            let answer = coroutine::http_get(SERVICE, &question, TIMEOUT);
            let status = answer.as_ref().and_then(|answer| answer.header(":status"));
            match (status.as_deref(), &answer) {
                (Some("200"), Some(answer)) => {
                    self.set_http_request_header("x-user", answer.header("x-user").as_deref());
                    self.set_http_request_header("x-attempts", Some(&attempt.to_string()));
                    return Action::Continue;
                }
                (None | Some("503"), _) if attempt < ATTEMPTS => {
                    if !coroutine::sleep(pause) {
                        break;
                    }
                    pause *= 2;
                }
                (Some(other), Some(answer)) if other != "503" => {
                    return self.refuse(other.parse().unwrap_or(403), &answer.body());
                }
                _ => break,
            }
        }
        self.refuse(503, b"authorization unavailable\n")
    }
}
