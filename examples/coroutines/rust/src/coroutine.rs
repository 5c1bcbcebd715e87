//! `granary.sleep` and `granary.await` for Rust filters. Copy this file.
//!
//! Calls here return when the answer is there: the proxy suspends the filter meanwhile and serves
//! others. They work in the callbacks of streams, ticks and callouts, not at start or in `on_log`.

use proxy_wasm::hostcalls;
use proxy_wasm::types::MapType;
use std::time::Duration;

/// Never called: the proxy sees by it that this module has coroutines.
#[no_mangle]
pub extern "C" fn granary_coroutines() {}

#[link(wasm_import_module = "env")]
extern "C" {
    fn proxy_http_call(
        upstream: *const u8,
        upstream_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout_ms: u32,
        token: *mut u32,
    ) -> u32;
}

/// Header lists as the ABI has them: count, lengths, then texts with a zero behind each.
fn pairs(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = (headers.len() as u32).to_le_bytes().to_vec();
    for (name, value) in headers {
        bytes.extend((name.len() as u32).to_le_bytes());
        bytes.extend((value.len() as u32).to_le_bytes());
    }
    for (name, value) in headers {
        bytes.extend(name.bytes().chain([0]).chain(value.bytes()).chain([0]));
    }
    bytes
}

/// Waits for a sleep or a callout; its numbers, or `None` when there is no answer.
fn wait_for(token: u32) -> Option<Vec<u8>> {
    let answer = hostcalls::call_foreign_function("granary.await", Some(&token.to_le_bytes()));
    answer.ok().map(Option::unwrap_or_default)
}

/// False: the sleep was cut short, because the stream has ended for example.
pub fn sleep(time: Duration) -> bool {
    let ms = (time.as_millis() as u32).to_le_bytes();
    let token = hostcalls::call_foreign_function("granary.sleep", Some(&ms));
    match token.ok().flatten().map(<[u8; 4]>::try_from) {
        Some(Ok(token)) => wait_for(u32::from_le_bytes(token)).is_some(),
        _ => false,
    }
}

/// The answer to a request. It can be read until the next wait.
pub struct Answer {
    body_size: usize,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<String> {
        let map = MapType::HttpCallResponseHeaders;
        hostcalls::get_map_value(map, name).unwrap_or_default()
    }

    pub fn body(&self) -> Vec<u8> {
        let buffer = proxy_wasm::types::BufferType::HttpCallResponseBody;
        let bytes = hostcalls::get_buffer(buffer, 0, self.body_size).unwrap_or_default();
        bytes.unwrap_or_default()
    }
}

/// Asks `upstream`, by the name of its cluster. `None`: it could not be asked, or the call was reset.
///
/// The hostcall is our own: the crate's would keep a note of each call until its callback, and an
/// awaited call has none.
pub fn http_get(upstream: &str, headers: &[(&str, &str)], timeout: Duration) -> Option<Answer> {
    let headers = pairs(headers);
    let mut token = 0;
    let nothing = std::ptr::null();
    let status = unsafe {
        proxy_http_call(
            upstream.as_ptr(),
            upstream.len(),
            headers.as_ptr(),
            headers.len(),
            nothing,
            0,
            nothing,
            0,
            timeout.as_millis() as u32,
            &mut token,
        )
    };
    if status != 0 {
        return None;
    }
    let numbers = wait_for(token)?;
    let number = |index: usize| {
        let at = index * 4;
        numbers.get(at..at + 4).map_or(0, |word| u32::from_le_bytes(word.try_into().unwrap()))
    };
    match number(0) {
        0 => None,
        _ => Some(Answer { body_size: number(1) as usize }),
    }
}
