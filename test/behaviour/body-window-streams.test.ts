/** The same without the addon: lent memory under Node's own sockets. */
import { NATIVE_SWITCH } from "../../src/base/native.ts";

process.env[NATIVE_SWITCH] = "off";
await import("./body-window.test.ts");
