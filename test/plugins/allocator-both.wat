;; Two allocators: proxy_on_memory_allocate works, malloc does too but tells in x-allocator which
;; of them served the host last.
(module
  (import "env" "proxy_add_header_map_value"
    (func $add_header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value"
    (func $get_header (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) ":method")
  (data (i32.const 16) "x-allocator")
  (data (i32.const 32) "-")
  (func (export "proxy_abi_version_0_2_1"))
  (global $heap (mut i32) (i32.const 4096))
  (func $bump (param $size i32) (result i32)
    (global.set $heap (i32.add (global.get $heap) (local.get $size)))
    (i32.sub (global.get $heap) (local.get $size)))
  (func (export "malloc") (param $size i32) (result i32)
    (i32.store8 (i32.const 32) (i32.const 109)) ;; m
    (call $bump (local.get $size)))
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (i32.store8 (i32.const 32) (i32.const 112)) ;; p
    (call $bump (local.get $size)))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $get_header (i32.const 0) (i32.const 0) (i32.const 7)
      (i32.const 48) (i32.const 52)))
    (i32.const 0))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
    (drop (call $add_header (i32.const 2) (i32.const 16) (i32.const 11)
      (i32.const 32) (i32.const 1)))
    (i32.const 0)))
