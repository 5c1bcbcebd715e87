/** The differential cases of the group "resumes", as Envoy played them. */
import { replayGroup } from "../replay.ts";

replayGroup("resumes");
