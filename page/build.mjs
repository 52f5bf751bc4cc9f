// Builds the page: `node build.mjs [FOLDER]`, by default into the package's own folder.
// The same sources and the same lock file give the same bytes.
import { readFileSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { t } from "./src/strings.js";

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.argv[2] ?? join(here, "..", "musicu", "service", "page"));

// The first browsers with light-dark() and :has().
const target = ["chrome123", "firefox121", "safari17.5"];

// wavesurfer writes a <style> element into its shadow root, which a policy without
// 'unsafe-inline' forbids; the same rules as a constructed style sheet are allowed.
const constructedStyle = {
  name: "constructed-style",
  setup(builder) {
    builder.onLoad({ filter: /wavesurfer\.js[\\/]dist[\\/]renderer\.js$/ }, ({ path }) => {
      const inline = /shadow\.innerHTML = `\s*<style[^\n]*>\n([^]*?)<\/style>/;
      const source = readFileSync(path, "utf8");
      if (!inline.test(source)) throw new Error(`${path}: no inline style, nothing to mend`);
      const contents = source.replace(
        inline,
        (_, rules) =>
          `const sheet = new CSSStyleSheet(); sheet.replaceSync(\`${rules}\`);\n` +
          "shadow.adoptedStyleSheets = [sheet]; shadow.innerHTML = `",
      );
      return { contents, loader: "js" };
    });
  },
};

function packageOf(input) {
  const path = input.match(/^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//)?.[1];
  return path && join(here, path);
}

function license(folder) {
  const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  if (!file) throw new Error(`${about.name}: no license file to ship`);
  const text = readFileSync(join(folder, file), "utf8").trim();
  return `${about.name} ${about.version} (${about.license})\n\n${text}\n`;
}

const result = await build({
  absWorkingDir: here,
  entryPoints: { page: "src/main.js" },
  bundle: true,
  format: "iife",
  minify: true,
  charset: "utf8",
  legalComments: "none",
  target,
  define: { "process.env.NODE_ENV": '"production"' },
  banner: { js: "/* Licenses of the libraries in here: LICENSES.txt */" },
  metafile: true,
  write: false,
  outdir: out,
  plugins: [constructedStyle],
  logLevel: "warning",
});
const styles = await build({
  absWorkingDir: here,
  entryPoints: { page: "src/css/page.css" },
  bundle: true,
  minify: true,
  write: false,
  outdir: out,
  target,
  logLevel: "warning",
});

mkdirSync(out, { recursive: true });
for (const file of [...result.outputFiles, ...styles.outputFiles]) {
  writeFileSync(file.path, file.contents);
}
// The document is written in English; the page puts it into another language itself.
const safe = (text) => text.replace(/[&<>"]/g, (one) => `&#${one.charCodeAt(0)};`);
const document = readFileSync(join(here, "src", "index.html"), "utf8")
  .replace(/\bdata-t-([a-z-]+)="([^"]+)"/g, (all, name, key) => `${name}="${safe(t(key))}" ${all}`)
  .replace(/(<[^<>]*\bdata-t="([^"]+)"[^<>]*>)(?=<\/)/g, (all, tag, key) => tag + safe(t(key)));
writeFileSync(join(out, "index.html"), document);
for (const path of [
  "manifest.webmanifest",
  "sw.js",
  ...readdirSync(join(here, "src", "icons")).map((name) => join("icons", name)),
]) {
  writeFileSync(join(out, basename(path)), readFileSync(join(here, "src", path)));
}
const used = Object.values(result.metafile.outputs).flatMap((output) =>
  Object.entries(output.inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0),
);
const packages = [...new Set(used.map(([input]) => packageOf(input)).filter(Boolean))].sort();
writeFileSync(
  join(out, "LICENSES.txt"),
  "page.js contains these libraries.\n\n" + packages.map(license).join(`\n${"-".repeat(80)}\n\n`),
);
