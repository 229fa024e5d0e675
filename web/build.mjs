// Builds the report page: src/main.tsx and src/style.css -> ../src/regard/lens/report/page.js and page.css.
// With --check nothing is written: exit 1 when the built files and the committed ones differ.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = new URL(".", import.meta.url);
const target = new URL("../src/regard/lens/report/", here);

// Preact's licence asks that its notice stays with every copy.
const notices = ["preact", "@preact/signals"].map((name) => {
  const { version } = JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, here), "utf8"));
  const licence = readFileSync(new URL(`node_modules/${name}/LICENSE`, here), "utf8").trim();
  return `${name} ${version}\n${licence}`;
});

// So that a stale bundle shows even where there is no node: a test makes the same sum.
const sum = createHash("sha256");
const sources = readdirSync(new URL("src/", here)).sort().map((name) => `src/${name}`);
for (const name of [...sources, "build.mjs", "package.json", "package-lock.json"]) {
  sum.update(`${name}\n`).update(readFileSync(new URL(name, here)));
}

const banner = `/* Built from web/ by "npm run build": do not edit. Source ${sum.digest("hex")}\nContains:\n\n${notices.join("\n\n")}\n*/`;

async function bundle(entry) {
  const made = await build({
    entryPoints: [fileURLToPath(new URL(entry, here))],
    absWorkingDir: fileURLToPath(here),
    bundle: true,
    charset: "ascii",
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

const script = await bundle("src/main.tsx");
// a script element ends at the first "</script", wherever it stands
if (/<\/script|<!--/i.test(script)) throw new Error("the script holds </script or <!--");
const files = {
  "page.js": `${banner}\n${script}`,
  "page.css": await bundle("src/style.css"),
};

let differ = false;
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
      console.error(`${name} is not what web/ builds: run "npm run build" in web/ and commit it`);
    }
  } else {
    writeFileSync(path, content);
    console.log(`${name}  ${content.length.toLocaleString("en")} bytes`);
  }
}
process.exitCode = differ ? 1 : 0;
