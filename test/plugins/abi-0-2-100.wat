;; ABI 0.2.100 (a vendor's superset of 0.2.1): the headers callback returns 1, and the body
;; callback runs all the same. At the end of the body the request gets x-saw-body and goes on.
(module
  (import "env" "proxy_add_header_map_value"
    (func $add_header (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "x-saw-bodyyes")
  (func (export "proxy_abi_version_0_2_100"))
  ;; Bump allocator: results of hostcalls are small and the module lives for one test.
  (global $heap (mut i32) (i32.const 4096))
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $heap))
    (global.set $heap
      (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
    (local.get $at))
  (func (export "proxy_on_request_headers") (param i32 i32) (param $end i32) (result i32)
    (i32.eqz (local.get $end)))
  (func (export "proxy_on_request_body") (param i32 i32) (param $end i32) (result i32)
    (if (i32.eqz (local.get $end)) (then (return (i32.const 1))))
    (drop (call $add_header (i32.const 0) (i32.const 0) (i32.const 10)
      (i32.const 10) (i32.const 3)))
    (i32.const 0)))
