/**
 * Settings of the JavaScript engine that a proxy needs otherwise than most programs (ADR 65). They
 * hold for the process, and for the code that is compiled after they were set.
 */
import { setFlagsFromString } from "node:v8";

/**
 * The engine watches how long the objects live that one place of the code makes, and makes further
 * ones old from the start where most survived. Of what belongs to a stream most survive when
 * collections come in quick succession, as they do while the heap is small. From then on every such
 * object keeps all of its stream until the next full collection, and everything is copied twice.
 */
const FLAGS = ["--no-allocation-site-pretenuring"] as const;

/** First of all, on main: threads take what is set when they start. */
export function setEngineFlags(): void {
  for (const flag of FLAGS) setFlagsFromString(flag);
}
