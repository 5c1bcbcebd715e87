;; Two ABI markers, the older one first. The response header x-absent-status shows whose rule is in
;; force: 0 for 0.1.0, 1 for 0.2.1.
(module
  (import "env" "proxy_add_header_map_value"
    (func $add_header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value"
    (func $get_header (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "x-absent")
  (data (i32.const 16) "x-absent-status")
  ;; The status of reading an absent header, as one digit.
  (global $status (mut i32) (i32.const 63))
  (func (export "proxy_abi_version_0_1_0"))
  (func (export "proxy_abi_version_0_2_1"))
  ;; Bump allocator: results of hostcalls are small and the module lives for one test.
  (global $heap (mut i32) (i32.const 4096))
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $heap))
    (global.set $heap
      (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
    (local.get $at))
  (func (export "proxy_on_request_headers") (param i32 i32) (result i32)
    (global.set $status
      (call $get_header (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 48) (i32.const 52)))
    (i32.const 0))
  (func (export "proxy_on_response_headers") (param i32 i32) (result i32)
    (i32.store8 (i32.const 40) (i32.add (i32.const 48) (global.get $status)))
    (drop (call $add_header (i32.const 2) (i32.const 16) (i32.const 15)
      (i32.const 40) (i32.const 1)))
    (i32.const 0)))
