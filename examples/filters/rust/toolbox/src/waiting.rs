//! Streams that paused until the next tick. The tick runs on the root context, so each stream is
//! made the effective context before it is touched.

use proxy_wasm::hostcalls;
use proxy_wasm::types::MapType;
use std::cell::RefCell;

#[derive(Clone, Copy)]
pub enum Wake {
    RequestHeaders,
    RequestBody,
    ResponseHeaders,
    Reply,
    Trap,
}

thread_local! {
    static WAITING: RefCell<Vec<(u32, Wake)>> = const { RefCell::new(Vec::new()) };
}

pub fn add(context_id: u32, wake: Wake) {
    WAITING.with(|list| list.borrow_mut().push((context_id, wake)));
}

/// A stream that ended while it was paused must not be touched by the next tick.
pub fn forget(context_id: u32) {
    WAITING.with(|list| list.borrow_mut().retain(|(id, _)| *id != context_id));
}

pub fn resume_all() {
    for (context_id, wake) in WAITING.with(|list| list.take()) {
        if hostcalls::set_effective_context(context_id).is_ok() {
            resume(wake);
        }
    }
}

fn resume(wake: Wake) {
    match wake {
        Wake::RequestHeaders => {
            hostcalls::add_map_value(MapType::HttpRequestHeaders, "x-resumed", "tick").unwrap();
            hostcalls::resume_http_request().unwrap();
        }
        Wake::RequestBody => hostcalls::resume_http_request().unwrap(),
        Wake::ResponseHeaders => {
            hostcalls::add_map_value(MapType::HttpResponseHeaders, "x-resumed", "tick").unwrap();
            hostcalls::resume_http_response().unwrap();
        }
        Wake::Reply => {
            hostcalls::send_http_response(418, vec![("x-reply", "tick")], Some(b"reply from tick"))
                .unwrap();
        }
        Wake::Trap => panic!("toolbox: trap in on_tick"),
    }
}
