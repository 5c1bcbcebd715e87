/** The differential cases of the part "messages", as Envoy played them. */
import { replayPart } from "../replay.ts";

replayPart("messages");
