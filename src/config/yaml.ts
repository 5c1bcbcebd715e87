/** The one door to the `yaml` package: parsing with positions. Thread: main. */
export type { Alias, Document, Node, YAMLMap } from "yaml";
export { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
