;; Grows its memory by 16 MiB on every request and never gives any back; when the host refuses, it
;; traps. The response header x-pages is there as long as it did not.
(module
  (import "env" "proxy_add_header_map_value"
    (func $add_header (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "x-pagesgrown")
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
    (local $at i32)
    (local.set $at (memory.grow (i32.const 256)))
    (if (i32.eq (local.get $at) (i32.const -1)) (then (unreachable)))
    ;; Touched, so that the pages are really there.
    (memory.fill (i32.shl (local.get $at) (i32.const 16)) (i32.const 1) (i32.const 16777216))
    (i32.const 0))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
    (drop (call $add_header (i32.const 2) (i32.const 0) (i32.const 7) (i32.const 7) (i32.const 5)))
    (i32.const 0)))
