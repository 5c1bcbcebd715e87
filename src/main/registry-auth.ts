/**
 * User names and passwords of image registries, from a file like Docker's `config.json`. The file
 * is read anew for each image, so that a secret which is rotated holds at once. Credential
 * helpers are programs of others and are not run. Thread: main.
 */
import { readFileSync, statSync } from "node:fs";

const FILE_BYTES_MAX = 1_048_576;
/** Docker Hub has an address of its own in these files. */
const DOCKER_HUB = ["https://index.docker.io/v1/", "index.docker.io", "docker.io"];

/**
 * What comes behind `Basic `, or null where the file has nothing for `registry` (host, or host and
 * port). Throws a sentence, without what the file says, when it cannot be read.
 * @param path "" = there is no file
 */
export function registryLogin(path: string, registry: string): string | null {
  if (path === "") return null;
  const auths = fieldsOf(readJson(path)["auths"]);
  const names = [registry, ...(/(^|\.)docker\.io$/.test(registry) ? DOCKER_HUB : [])];
  for (const [name, entry] of Object.entries(auths)) {
    if (names.includes(name) || names.includes(hostOf(name))) return loginOf(fieldsOf(entry));
  }
  return null;
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function readJson(path: string): Fields {
  try {
    const { size } = statSync(path);
    if (size > FILE_BYTES_MAX) throw new Error(`it has ${size} bytes`);
    return fieldsOf(JSON.parse(readFileSync(path, "utf8")));
  } catch (error) {
    // The words of a syntax error would show a part of the secrets.
    const reason = error instanceof SyntaxError ? "it is not JSON" : String(error);
    throw new Error(`the registry passwords in ${path} cannot be read: ${reason}`);
  }
}

/** `host[:port]` of `https://host[:port]/path`. */
function hostOf(name: string): string {
  return name.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
}

function loginOf({ auth, username, password }: Fields): string | null {
  if (typeof auth === "string" && auth !== "") return isBase64(auth) ? auth : null;
  if (typeof username !== "string" || typeof password !== "string") return null;
  return Buffer.from(`${username}:${password}`).toString("base64");
}

function isBase64(text: string): boolean {
  return /^[A-Za-z0-9+/]+={0,2}$/.test(text);
}
