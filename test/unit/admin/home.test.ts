import assert from "node:assert/strict";
import { test } from "node:test";
import { ADMIN_ROUTES } from "../../../src/admin/routes.ts";
import { FakeSource } from "./fake-source.ts";
import { ask } from "./harness.ts";

test("the home page links what reads and has a POST button for what changes", async () => {
  const { body, contentType } = await ask(new FakeSource(), "/");
  assert.equal(contentType, "text/html; charset=UTF-8");
  for (const { path, method, parameters } of ADMIN_ROUTES) {
    if (path === "/") continue;
    const target = path.slice(1);
    if (method === "POST") assert.ok(body.includes(`<form action='${target}' method='post'`), path);
    else if (parameters.length > 0) {
      assert.ok(body.includes(`<form action='${target}' method='get'`), path);
    } else assert.ok(body.includes(`<a href='${target}'>`), path);
    const formId = target.replaceAll("/", "-");
    for (const { name } of parameters) {
      assert.ok(body.includes(`name='${name}' id='${formId}-${name}' form='${formId}'`), name);
    }
  }
  assert.ok(!body.includes("<script"));
});

test("every route answers, and the table is sorted", async () => {
  const paths = ADMIN_ROUTES.map(({ path }) => path);
  assert.deepEqual(paths, [...paths].sort());
  for (const { path, method } of ADMIN_ROUTES) {
    const { status } = await ask(new FakeSource(), path, method === "POST" ? "POST" : "GET");
    assert.equal(status, 200, path);
  }
});

test("the paths that operators and tools know are there", () => {
  const known = ["/", "/certs", "/clusters", "/config_dump", "/drain_listeners"];
  known.push("/healthcheck/fail", "/healthcheck/ok", "/help", "/hot_restart_version");
  known.push(
    "/listeners",
    "/logging",
    "/memory",
    "/quitquitquit",
    "/ready",
    "/reload",
    "/reopen_logs",
  );
  known.push("/reset_counters", "/server_info", "/stats", "/stats/prometheus", "/wasm");
  assert.deepEqual(
    ADMIN_ROUTES.map(({ path }) => path),
    known,
  );
});
