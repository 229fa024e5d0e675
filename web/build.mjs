// Builds the two pages: src/ -> ../src/regard/lens/report/, studio/ (and what it uses of src/) -> ../src/regard/app/studio/page/.
// With --check nothing is written: exit 1 when the built files and the committed ones differ.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = new URL(".", import.meta.url);
const MOST = 150_000; // bytes of the studio's page, gzipped

const pages = [
  { name: "lens/report", folders: ["src/"], script: "src/main.tsx", style: "src/style.css" },
  { name: "app/studio/page", folders: ["src/", "studio/"], script: "studio/main.tsx", style: "studio/style.css", html: "studio/page.html" },
];

// Preact's licence asks that its notice stays with every copy.
const notices = ["preact", "@preact/signals"].map((name) => {
  const { version } = JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, here), "utf8"));
  const licence = readFileSync(new URL(`node_modules/${name}/LICENSE`, here), "utf8").trim();
  return `${name} ${version}\n${licence}`;
});

// So that a stale bundle shows even where there is no node: a test makes the same sum.
function summed(folders) {
  const sum = createHash("sha256");
  const sources = folders.flatMap((folder) =>
    readdirSync(new URL(folder, here), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(fileURLToPath(here), join(entry.parentPath, entry.name)).replaceAll("\\", "/")),
  );
  for (const name of [...sources.sort(), "build.mjs", "package.json", "package-lock.json"]) {
    sum.update(`${name}\n`).update(readFileSync(new URL(name, here)));
  }
  return sum.digest("hex");
}

async function bundle(entry) {
  const made = await build({
    entryPoints: [fileURLToPath(new URL(entry, here))],
    absWorkingDir: fileURLToPath(here),
    bundle: true,
    charset: entry.startsWith("studio/") ? "utf8" : "ascii", // the studio's Chinese is half as long so
    format: "iife",
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    minify: true,
    target: ["chrome109", "firefox115", "safari16.4"],
    write: false,
  });
  return made.outputFiles[0].text;
}

async function made(page) {
  const script = await bundle(page.script);
  // a script element ends at the first "</script", wherever it stands
  if (/<\/script|<!--/i.test(script)) throw new Error("the script holds </script or <!--");
  const first = `/* Built from web/ by "npm run build": do not edit. Source ${summed(page.folders)}`;
  const files = {
    "page.js": `${first}\nContains:\n\n${notices.join("\n\n")}\n*/\n${script}`,
    "page.css": await bundle(page.style),
  };
  if (page.html) files["page.html"] = readFileSync(new URL(page.html, here), "utf8");
  return files;
}

let differ = false;
for (const page of pages) {
  const files = await made(page);
  const target = new URL(`../src/regard/${page.name}/`, here);
  const zipped = Object.values(files).reduce((sum, content) => sum + gzipSync(content).length, 0);
  if (page.html && zipped > MOST) throw new Error(`${page.name} is ${zipped} bytes gzipped: expected at most ${MOST}`);
  for (const [name, content] of Object.entries(files)) {
    const path = new URL(name, target);
    if (process.argv.includes("--check")) {
      let old = "";
      try {
        old = readFileSync(path, "utf8");
      } catch {
        // not there: it differs
      }
      if (old !== content) {
        differ = true;
        console.error(`${page.name}/${name} is not what web/ builds: run "npm run build" in web/ and commit it`);
      }
    } else {
      mkdirSync(target, { recursive: true });
      writeFileSync(path, content);
      console.log(`${page.name}/${name}  ${Buffer.byteLength(content).toLocaleString("en")} bytes`);
    }
  }
  if (!process.argv.includes("--check")) console.log(`${page.name}  ${zipped.toLocaleString("en")} bytes gzipped`);
}
process.exitCode = differ ? 1 : 0;
