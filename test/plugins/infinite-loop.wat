;; Never returns from the request headers callback of a request that has the header x-loop; other
;; requests pass.
(module
  (import "env" "proxy_get_header_map_value"
    (func $get_header (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "x-loop")
  (func (export "proxy_abi_version_0_2_1"))
  ;; Bump allocator: results of hostcalls are small and the module lives for one test.
  (global $heap (mut i32) (i32.const 4096))
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $heap))
    (global.set $heap
      (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
    (local.get $at))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (if (i32.eqz (call $get_header (i32.const 0) (i32.const 0) (i32.const 6)
          (i32.const 48) (i32.const 52)))
      (then (loop $forever (br $forever))))
    (i32.const 0)))
