/** The differential cases of the part "services", as Envoy played them. */
import { replayPart } from "../replay.ts";

replayPart("services");
