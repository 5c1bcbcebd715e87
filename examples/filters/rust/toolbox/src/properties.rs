//! Properties that the case `properties` reads, and how their bytes become text.

use proxy_wasm::hostcalls;

#[derive(Clone, Copy)]
pub enum Kind {
    Text,
    Int,
    Bool,
    /// Only whether it is there and positive: the value differs on every run.
    Clock,
}

pub type Row = (&'static str, &'static [&'static str], Kind);

/// Read in the request headers callback.
pub const OF_REQUEST: &[Row] = &[
    ("path", &["request", "path"], Kind::Text),
    ("url-path", &["request", "url_path"], Kind::Text),
    ("query", &["request", "query"], Kind::Text),
    ("host", &["request", "host"], Kind::Text),
    ("scheme", &["request", "scheme"], Kind::Text),
    ("method", &["request", "method"], Kind::Text),
    ("protocol", &["request", "protocol"], Kind::Text),
    ("useragent", &["request", "useragent"], Kind::Text),
    ("referer", &["request", "referer"], Kind::Text),
    ("header", &["request", "headers", "x-test"], Kind::Text),
    ("size", &["request", "size"], Kind::Int),
    ("time", &["request", "time"], Kind::Clock),
    ("source-address", &["source", "address"], Kind::Text),
    ("source-port", &["source", "port"], Kind::Int),
    ("destination-address", &["destination", "address"], Kind::Text),
    ("destination-port", &["destination", "port"], Kind::Int),
    ("connection-id", &["connection", "id"], Kind::Int),
    ("connection-mtls", &["connection", "mtls"], Kind::Bool),
    ("tls-version", &["connection", "tls_version"], Kind::Text),
    ("plugin-name", &["plugin_name"], Kind::Text),
    ("plugin-root-id", &["plugin_root_id"], Kind::Text),
    ("plugin-vm-id", &["plugin_vm_id"], Kind::Text),
    ("node-id", &["xds", "node", "id"], Kind::Text),
    ("node-cluster", &["xds", "node", "cluster"], Kind::Text),
    ("direction", &["xds", "listener_direction"], Kind::Int),
    ("cluster", &["xds", "cluster_name"], Kind::Text),
    ("route", &["xds", "route_name"], Kind::Text),
    ("unknown", &["no", "such", "property"], Kind::Text),
];

/// Read in the response headers callback.
pub const OF_RESPONSE: &[Row] = &[
    ("upstream-address", &["upstream", "address"], Kind::Text),
    ("upstream-port", &["upstream", "port"], Kind::Int),
    ("response-header", &["response", "headers", "x-replace"], Kind::Text),
];

/// The property as text, `-` when the host has none, `!` when it has another size than its kind.
pub fn read(path: &[&str], kind: Kind) -> String {
    let Some(bytes) = hostcalls::get_property(path.to_vec()).unwrap() else {
        return "-".into();
    };
    match (kind, bytes.len()) {
        (Kind::Text, _) => String::from_utf8_lossy(&bytes).into_owned(),
        (Kind::Bool, 1) => (bytes[0] != 0).to_string(),
        (Kind::Int, 8) => number(&bytes).to_string(),
        (Kind::Clock, 8) => if number(&bytes) > 0 { "set" } else { "zero" }.into(),
        _ => "!".into(),
    }
}

fn number(bytes: &[u8]) -> i64 {
    i64::from_le_bytes(bytes.try_into().unwrap_or_default())
}
