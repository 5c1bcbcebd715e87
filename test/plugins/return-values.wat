;; Returns from the request callbacks whatever numbers the request asks for: x-return-headers and
;; x-return-body, decimal. A paused stream gets x-resumed and goes on at the next tick (100 ms).
;; For each body callback the response gets an x-body-size.
(module
  (import "env" "proxy_continue_stream" (func $continue_stream (param i32) (result i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $set_tick (param i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $set_context (param i32) (result i32)))
  (import "env" "proxy_add_header_map_value"
    (func $add_header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value"
    (func $get_header (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "x-return-headers")
  (data (i32.const 16) "x-return-body")
  (data (i32.const 32) "x-resumedtick")
  (data (i32.const 48) "x-body-size")
  (global $paused (mut i32) (i32.const 0))
  (global $in_headers (mut i32) (i32.const 0))
  ;; Sizes of the body callbacks as bytes at 1024; all bodies of these tests are under 10 bytes.
  (global $calls (mut i32) (i32.const 0))
  (func (export "proxy_abi_version_0_2_1"))
  ;; Bump allocator: results of hostcalls are small and the module lives for one test.
  (global $heap (mut i32) (i32.const 4096))
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $heap))
    (global.set $heap
      (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
    (local.get $at))
  ;; The header's value as a number, 0 when it is absent.
  (func $number_of (param $name i32) (param $length i32) (result i32)
    (local $at i32) (local $end i32) (local $value i32)
    (if (call $get_header (i32.const 0) (local.get $name) (local.get $length)
          (i32.const 64) (i32.const 68))
      (then (return (i32.const 0))))
    (local.set $at (i32.load (i32.const 64)))
    (local.set $end (i32.add (local.get $at) (i32.load (i32.const 68))))
    (block $done
      (loop $digits
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $value
          (i32.add
            (i32.mul (local.get $value) (i32.const 10))
            (i32.sub (i32.load8_u (local.get $at)) (i32.const 48))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $digits)))
    (local.get $value))
  (global $body_value (mut i32) (i32.const 0))
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (i32.eqz (call $set_tick (i32.const 100))))
  (func (export "proxy_on_request_headers") (param $id i32) (param i32 i32) (result i32)
    (global.set $paused (local.get $id))
    (global.set $in_headers (i32.const 1))
    (global.set $calls (i32.const 0))
    (global.set $body_value (call $number_of (i32.const 16) (i32.const 13)))
    (call $number_of (i32.const 0) (i32.const 16)))
  ;; The tick resumes a body only after its end, so that sizes do not depend on when it comes.
  (func (export "proxy_on_request_body")
    (param $id i32) (param $size i32) (param $end i32) (result i32)
    (global.set $paused (select (local.get $id) (i32.const 0) (local.get $end)))
    (global.set $in_headers (i32.const 0))
    (i32.store8 (i32.add (i32.const 1024) (global.get $calls))
      (i32.add (i32.const 48) (local.get $size)))
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (global.get $body_value))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
    (drop (call $add_header (i32.const 2) (i32.const 48) (i32.const 11)
      (i32.const 1024) (global.get $calls)))
    (i32.const 0))
  (func (export "proxy_on_log") (param i32) (global.set $paused (i32.const 0)))
  (func (export "proxy_on_tick") (param i32)
    (local $id i32)
    (local.set $id (global.get $paused))
    (if (i32.eqz (local.get $id)) (then (return)))
    (global.set $paused (i32.const 0))
    (if (call $set_context (local.get $id)) (then (return)))
    (if (global.get $in_headers)
      (then
        (drop (call $add_header (i32.const 0) (i32.const 32) (i32.const 9)
          (i32.const 41) (i32.const 4)))))
    (drop (call $continue_stream (i32.const 0)))))
