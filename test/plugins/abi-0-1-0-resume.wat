;; ABI 0.1.0 as old filters use it: proxy_get_configuration, proxy_clear_route_cache, and a pause
;; that the tick ends by proxy_continue_request. The upstream sees x-config with the configuration.
(module
  (import "env" "proxy_get_configuration" (func $get_configuration (param i32 i32) (result i32)))
  (import "env" "proxy_clear_route_cache" (func $clear_route_cache (result i32)))
  (import "env" "proxy_continue_request" (func $continue_request (result i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $set_tick (param i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $set_context (param i32) (result i32)))
  (import "env" "proxy_add_header_map_value"
    (func $add_header (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "x-config")
  (global $paused (mut i32) (i32.const 0))
  (func (export "proxy_abi_version_0_1_0"))
  ;; Bump allocator: results of hostcalls are small and the module lives for one test.
  (global $heap (mut i32) (i32.const 4096))
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $heap))
    (global.set $heap
      (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
    (local.get $at))
  ;; The configuration's address is kept at 64, its length at 68.
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (drop (call $set_tick (i32.const 100)))
    (i32.eqz (call $get_configuration (i32.const 64) (i32.const 68))))
  (func (export "proxy_on_request_headers") (param $id i32) (param i32) (result i32)
    (global.set $paused (local.get $id))
    (i32.const 1))
  (func (export "proxy_on_tick") (param i32)
    (if (i32.eqz (global.get $paused)) (then (return)))
    (if (i32.eqz (call $set_context (global.get $paused)))
      (then
        (drop (call $add_header (i32.const 0) (i32.const 0) (i32.const 8)
          (i32.load (i32.const 64)) (i32.load (i32.const 68))))
        (drop (call $clear_route_cache))
        (drop (call $continue_request))))
    (global.set $paused (i32.const 0))))
