//! Limits requests by the header `x-api-key`, in two steps. A count in shared data, which all
//! threads see, limits each key for a window; what is within it is put to a rate-limit service by
//! gRPC (`envoy.service.ratelimit.v3.RateLimitService`), which may say no for reasons of its own.
//! A service that fails lets the request through: a limiter must not be the outage.
//!
//! Plugin configuration: `limit=3 window_ms=10000 cluster=ratelimit`.

mod messages;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

const SERVICE: &str = "envoy.service.ratelimit.v3.RateLimitService";
const TIMEOUT: Duration = Duration::from_millis(500);
/// Others write at the same time: each turn one of them succeeds.
const ATTEMPTS_MAX: u32 = 100;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { settings: Rc::default() }));
}}

struct Settings {
    limit: u64,
    window_ms: u64,
    cluster: String,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { limit: 3, window_ms: 10_000, cluster: "ratelimit".into() }
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
                Some(("limit", text)) => match text.parse() {
                    Ok(limit) => settings.limit = limit,
                    Err(_) => return false,
                },
                Some(("window_ms", text)) => match text.parse() {
                    Ok(ms) if ms > 0 => settings.window_ms = ms,
                    _ => return false,
                },
                Some(("cluster", name)) => settings.cluster = name.into(),
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
    /// Counts this request in the present window of `key`; how many there are now.
    /// The value is two numbers of eight bytes: the window and the count.
    fn count(&self, key: &str) -> u64 {
        let now = self.get_current_time().duration_since(SystemTime::UNIX_EPOCH);
        let window = now.unwrap_or_default().as_millis() as u64 / self.settings.window_ms;
        let name = format!("rate:{key}");
        for _ in 0..ATTEMPTS_MAX {
            let (value, cas) = self.get_shared_data(&name);
            let bytes = value.unwrap_or_default();
            let before = if number(&bytes, 0) == window { number(&bytes, 8) } else { 0 };
            let count = before + 1;
            let next = [window.to_le_bytes(), count.to_le_bytes()].concat();
            if self.set_shared_data(&name, Some(&next), cas).is_ok() {
                return count;
            }
        }
        self.settings.limit + 1
    }

    fn refuse(&self, by: &str) {
        self.send_http_response(429, vec![("x-limited-by", by)], Some(b"slow down\n"));
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).map_or(0, |part| u64::from_le_bytes(part.try_into().unwrap()))
}

impl Context for Stream {
    fn on_grpc_call_response(&mut self, _: u32, status: u32, size: usize) {
        let message = self.get_grpc_call_response_body(0, size).unwrap_or_default();
        if status == 0 && messages::is_over_limit(&message) {
            self.refuse("service");
        } else {
            self.resume_http_request();
        }
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let Some(key) = self.get_http_request_header("x-api-key") else {
            self.send_http_response(401, vec![], Some(b"x-api-key is missing\n"));
            return Action::Pause;
        };
        let count = self.count(&key);
        if count > self.settings.limit {
            self.refuse("shared-data");
            return Action::Pause;
        }
        let left = (self.settings.limit - count).to_string();
        self.set_http_request_header("x-ratelimit-remaining", Some(&left));
        let message = messages::request("edge", "api_key", &key);
        let cluster = &self.settings.cluster;
        match self.dispatch_grpc_call(
            cluster,
            SERVICE,
            "ShouldRateLimit",
            vec![],
            Some(&message),
            TIMEOUT,
        ) {
            Ok(_) => Action::Pause,
            Err(_) => Action::Continue,
        }
    }
}
