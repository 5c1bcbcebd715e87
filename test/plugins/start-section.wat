;; A (start) section, which runs while the module is instantiated, and nothing else. The response
;; header x-start tells what ran, in order.
(module
  (import "env" "proxy_add_header_map_value"
    (func $add_header (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "x-start")
  (func (export "proxy_abi_version_0_2_1"))
  ;; Bump allocator: results of hostcalls are small and the module lives for one test.
  (global $heap (mut i32) (i32.const 4096))
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $heap))
    (global.set $heap
      (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
    (local.get $at))
  ;; What ran, as letters at 1024; the count is at 1020.
  (func $mark (param $letter i32)
    (i32.store8 (i32.add (i32.const 1024) (i32.load (i32.const 1020))) (local.get $letter))
    (i32.store (i32.const 1020) (i32.add (i32.load (i32.const 1020)) (i32.const 1))))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
    (drop (call $add_header (i32.const 2) (i32.const 0) (i32.const 7)
      (i32.const 1024) (i32.load (i32.const 1020))))
    (i32.const 0))
  (func $section (call $mark (i32.const 115))) ;; s
  (start $section))
