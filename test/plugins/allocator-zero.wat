;; An allocator that always answers 0: hostcalls with a result fail with InvalidMemoryAccess (6),
;; and nothing traps. The response header x-status is the status of reading :method.
(module
  (import "env" "proxy_add_header_map_value"
    (func $add_header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value"
    (func $get_header (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) ":method")
  (data (i32.const 16) "x-status")
  (global $status (mut i32) (i32.const 15))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 0))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (global.set $status
      (call $get_header (i32.const 0) (i32.const 0) (i32.const 7) (i32.const 48) (i32.const 52)))
    (i32.const 0))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
    (i32.store8 (i32.const 40) (i32.add (i32.const 48) (global.get $status)))
    (drop (call $add_header (i32.const 2) (i32.const 16) (i32.const 8)
      (i32.const 40) (i32.const 1)))
    (i32.const 0)))
