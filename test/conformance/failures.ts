/**
 * Conformance cases in which the toolbox traps or refuses its configuration. Part of the table in
 * expectations.ts.
 */
import { PLUGIN_CONFIGURATION, VM_CONFIGURATION } from "./bootstrap.ts";
import { type CaseParts, CHUNKED, type ConformanceCase, conformanceCase, POST } from "./case.ts";

/** A configuration under which the proxy must not start. */
export interface RefusedConfiguration {
  readonly shows: string;
  readonly pluginConfiguration: string;
  readonly vmConfiguration: string;
}

export const REFUSED_CONFIGURATIONS: readonly RefusedConfiguration[] = [
  {
    shows: "proxy_on_configure answers false",
    pluginConfiguration: "reject",
    vmConfiguration: VM_CONFIGURATION,
  },
  {
    shows: "proxy_on_vm_start answers false",
    pluginConfiguration: PLUGIN_CONFIGURATION,
    vmConfiguration: "reject",
  },
  {
    shows: "proxy_on_configure traps",
    pluginConfiguration: "panic",
    vmConfiguration: VM_CONFIGURATION,
  },
];

/** A trap with `fail_open: false`: 503 without body, no callback of the dead VM. */
const FAILED_CLOSED: NonNullable<CaseParts["expect"]> = {
  status: 503,
  headers: { "x-toolbox": null, "x-upstream": null },
  body: "",
};

export const TRAPS: readonly ConformanceCase[] = [
  conformanceCase("panic-request-headers", "a trap in the request headers answers 503", {
    endsVm: true,
    expect: { ...FAILED_CLOSED, upstream: null },
  }),
  conformanceCase("panic-request-body", "a trap in the request body answers 503", {
    endsVm: true,
    request: POST,
    expect: { ...FAILED_CLOSED, upstream: null },
  }),
  conformanceCase("panic-response-headers", "a trap in the response headers answers 503", {
    endsVm: true,
    expect: FAILED_CLOSED,
  }),
  conformanceCase("panic-response-body", "a trap after the headers have gone resets", {
    endsVm: true,
    response: CHUNKED,
    expect: { outcome: "reset", body: "" },
  }),
  conformanceCase("panic-log", "a trap in the log callback comes after the response", {
    endsVm: true,
  }),
  conformanceCase("panic-request-headers", "with fail_open the request goes on untouched", {
    failOpen: true,
    endsVm: true,
    expect: { headers: { "x-toolbox": null } },
  }),
  conformanceCase("panic-request-body", "with fail_open the body goes on untouched", {
    failOpen: true,
    endsVm: true,
    request: POST,
    expect: { headers: { "x-toolbox": null } },
  }),
  conformanceCase("panic-response-headers", "with fail_open the response goes on untouched", {
    failOpen: true,
    endsVm: true,
    expect: { headers: { "x-toolbox": null } },
  }),
  conformanceCase("panic-response-body", "with fail_open the response body goes on", {
    failOpen: true,
    endsVm: true,
    response: CHUNKED,
  }),
];
