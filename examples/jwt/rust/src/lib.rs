//! Checks JSON Web Tokens (RS256). One singleton service fetches the issuer's keys and keeps them in
//! shared data, where the filters of all threads find them: nobody else ever asks the issuer.
//!
//! Two plugins of this module share a `vm_id`. Plugin configuration of the service:
//! `role=keys cluster=issuer path=/jwks.json refresh_ms=60000`; of the filter:
//! `role=filter issuer=https://issuer.example audience=edge`.

mod keys;
mod token;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

const SHARED_KEYS: &str = "jwks";
const TIMEOUT: Duration = Duration::from_secs(2);
/// Until there are keys they are asked for this often.
const RETRY: Duration = Duration::from_millis(500);

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

type Settings = HashMap<String, String>;

#[derive(Default)]
struct Root {
    settings: Rc<Settings>,
    refresh: Duration,
}

impl Root {
    fn setting(&self, name: &str) -> &str {
        self.settings.get(name).map_or("", String::as_str)
    }

    fn fetch(&self) {
        let cluster = self.setting("cluster");
        let headers =
            vec![(":method", "GET"), (":path", self.setting("path")), (":authority", cluster)];
        if self.dispatch_http_call(cluster, headers, None, vec![], TIMEOUT).is_err() {
            log(LogLevel::Error, "the keys cannot be asked for");
        }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, _: u32, _: usize, size: usize, _: usize) {
        let status = self.get_http_call_response_header(":status");
        let body = self.get_http_call_response_body(0, size).unwrap_or_default();
        let count = keys::count(&body);
        if status.as_deref() != Some("200") || count == 0 {
            log(LogLevel::Warn, "no keys came; what there was stays");
            return;
        }
        if self.set_shared_data(SHARED_KEYS, Some(&body), None).is_ok() {
            log(LogLevel::Info, &format!("{count} keys are kept"));
            self.set_tick_period(self.refresh);
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
        self.settings = Rc::new(pairs.map(|(name, value)| (name.into(), value.into())).collect());
        if self.setting("role") == "keys" {
            let Ok(refresh_ms) = self.setting("refresh_ms").parse() else { return false };
            self.refresh = Duration::from_millis(refresh_ms);
            self.set_tick_period(RETRY);
        }
        true
    }

    fn on_tick(&mut self) {
        self.fetch();
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

impl Context for Stream {}

impl Stream {
    /// The token's subject, or why it is refused.
    fn check(&self) -> Result<String, &'static str> {
        let header = self.get_http_request_header("authorization").unwrap_or_default();
        let token = header.strip_prefix("Bearer ").ok_or("a bearer token is missing")?;
        let (keys, _) = self.get_shared_data(SHARED_KEYS);
        let keys = keys.ok_or("the keys are not here yet")?;
        let expected = |name: &str| self.settings.get(name).map_or("", String::as_str);
        token::check(
            token,
            &keys,
            &token::Expected {
                issuer: expected("issuer"),
                audience: expected("audience"),
                now: self.get_current_time(),
            },
        )
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        match self.check() {
            Ok(subject) => {
                self.set_http_request_header("x-subject", Some(&subject));
                Action::Continue
            }
            Err(reason) => {
                let body = format!("{reason}\n");
                let challenge = vec![("www-authenticate", "Bearer")];
                self.send_http_response(401, challenge, Some(body.as_bytes()));
                Action::Pause
            }
        }
    }
}

fn log(level: LogLevel, text: &str) {
    hostcalls::log(level, text).unwrap();
}
