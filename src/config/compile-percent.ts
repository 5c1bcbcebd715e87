/** Envoy's FractionalPercent as a share from 0 to 1. */
import type { FractionalPercent } from "../gen/envoy/type/v3/percent_pb.ts";
import { FractionalPercent_DenominatorType as Denominator } from "../gen/envoy/type/v3/percent_pb.ts";
import type { Place } from "./place.ts";

const DENOMINATORS: Readonly<Record<number, number>> = {
  [Denominator.HUNDRED]: 100,
  [Denominator.TEN_THOUSAND]: 10_000,
  [Denominator.MILLION]: 1_000_000,
};

/** All where nothing is said; a share over 1 is a problem. */
export function fractionOf(message: FractionalPercent | undefined, place: Place): number {
  if (message === undefined) return 1;
  const share = message.numerator / (DENOMINATORS[message.denominator] ?? 100);
  if (share > 1) {
    const hint = "the default denominator is HUNDRED";
    place.child("numerator").problem(`${message.numerator} is more than the denominator`, hint);
  }
  return Math.min(1, share);
}
