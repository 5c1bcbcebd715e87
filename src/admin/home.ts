/**
 * `/`, `/help` and the answer for unknown paths, all made from the table of routes. The page works
 * without scripts: links for what reads, forms with a POST button for what changes.
 */
import { type AdminParameter, type AdminResponse, type AdminRoute, text, typed } from "./types.ts";

const STYLE = `table { font-family: sans-serif; border-collapse: collapse }
td, th { text-align: left; padding: 4px }
tr.gray { background-color: #ddd }
td.option { text-align: right; padding-left: 20px }
form { margin: 0 }
button.link { background: none; border: none; padding: 0; font-size: medium; color: #069;
  text-decoration: underline; cursor: pointer }`;

const EMPTY_CHOICE = "";

/** `/help`. */
export function helpText(routes: readonly AdminRoute[]): string {
  const lines = ["admin commands are:\n"];
  for (const { path, method, help, parameters } of routes) {
    lines.push(`  ${path}${method === "POST" ? " (POST)" : ""}: ${help}\n`);
    for (const { name, help: parameterHelp, input } of parameters) {
      const choices = input.kind === "choice" ? `; One of (${input.choices.join(", ")})` : "";
      lines.push(`      ${name}: ${parameterHelp}${choices}\n`);
    }
  }
  return lines.join("");
}

/** The answer for a path that no route has. */
export function unknownPath(routes: readonly AdminRoute[]): AdminResponse {
  return text(`invalid path. ${helpText(routes)}`, 404);
}

/** `/`. */
export function homePage(routes: readonly AdminRoute[]): AdminResponse {
  const rows = routes
    .filter(({ path }) => path !== "/")
    .map((route, index) => routeRows(route, index % 2 === 0 ? "" : " class='gray'"));
  return typed(
    "text/html; charset=UTF-8",
    `<!DOCTYPE html>
<html lang='en'>
<head>
<meta charset='utf-8' />
<title>Granary Admin</title>
<style>
${STYLE}
</style>
</head>
<body>
<table class='home-table'>
<thead><tr><th>Command</th><th>Description</th></tr></thead>
<tbody>
${rows.join("")}</tbody>
</table>
</body>
</html>
`,
  );
}

function routeRows(route: AdminRoute, rowClass: string): string {
  const target = escapeHtml(route.path.slice(1));
  const formId = target.replaceAll("/", "-");
  const row = (cell: string, help: string): string =>
    `<tr${rowClass}>${cell}<td>${help}</td></tr>\n`;
  const rows = [row(`<td>${command(route, target, formId)}</td>`, escapeHtml(route.help))];
  for (const parameter of route.parameters) {
    const id = `${formId}-${parameter.name}`;
    const label = `<label for='${id}'>${escapeHtml(parameter.help)}</label>`;
    rows.push(row(`<td class='option'>${control(parameter, id, formId)}</td>`, label));
  }
  return rows.join("");
}

function command(route: AdminRoute, target: string, formId: string): string {
  if (route.method === "any" && route.parameters.length === 0) {
    return `<a href='${target}'>${target}</a>`;
  }
  const [method, style] = route.method === "POST" ? ["post", ""] : ["get", " class='link'"];
  return (
    `<form action='${target}' method='${method}' id='${formId}'>` +
    `<button${style}>${target}</button></form>`
  );
}

function control({ name, input }: AdminParameter, id: string, formId: string): string {
  const attributes = `name='${name}' id='${id}' form='${formId}'`;
  switch (input.kind) {
    case "text":
      return `<input type='text' ${attributes} />`;
    case "flag":
      return `<input type='checkbox' ${attributes} />`;
    case "choice": {
      const options = input.choices.map((choice) =>
        choice === EMPTY_CHOICE
          ? "<option value='' selected></option>"
          : `<option value='${escapeHtml(choice)}'>${escapeHtml(choice)}</option>`,
      );
      return `<select ${attributes}>${options.join("")}</select>`;
    }
  }
}

function escapeHtml(raw: string): string {
  return raw
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll("'", "&#39;")
    .replaceAll('"', "&quot;");
}
