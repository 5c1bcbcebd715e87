/** The one door to the `yaml` package: parsing with positions. Thread: main. */
export type { Document, Node, Pair, YAMLMap, YAMLSeq } from "yaml";
export { isAlias, isMap, isPair, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
