import { behavesOnUws } from "./on-uws.ts";

behavesOnUws(["conformance", "filters", "filters-failure", "filters-knowledge", "filters-replies"]);
