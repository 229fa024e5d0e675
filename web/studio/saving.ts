// Taking away what is shown: a picture as PNG, numbers as JSON, a panel as one offline HTML file.
import { bytes } from "./api";

export function download(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function asPng(canvas: HTMLCanvasElement, name: string): Promise<void> {
  return new Promise((done) =>
    canvas.toBlob((made) => {
      if (made) download(made, `${name}.png`);
      done();
    }, "image/png"),
  );
}

export function asJson(value: unknown, name: string): void {
  download(new Blob([JSON.stringify(value, null, 1)], { type: "application/json" }), `${name}.json`);
}

/** A finished job as the server writes it. */
export async function saved(job: string, as: "html" | "json", name: string): Promise<void> {
  const { buffer } = await bytes(`/api/saved/${job}`, { as });
  download(new Blob([buffer], { type: as === "html" ? "text/html" : "application/json" }), `${name}.${as}`);
}

const escaped = (text: string): string => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/"/g, "&quot;");

/** What an element shows, as one file without scripts: its canvases as pictures, its controls left out. */
export function asHtml(element: HTMLElement, title: string): void {
  const copy = element.cloneNode(true) as HTMLElement;
  const canvases = element.querySelectorAll("canvas");
  copy.querySelectorAll("canvas").forEach((canvas, place) => {
    const image = document.createElement("img");
    image.src = canvases[place].toDataURL("image/png");
    image.alt = canvases[place].getAttribute("aria-label") ?? "";
    image.width = canvases[place].clientWidth;
    canvas.replaceWith(image);
  });
  for (const control of copy.querySelectorAll("button, input, select, textarea, .save, .progress, dialog")) control.remove();
  const style = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules].map((rule) => rule.cssText)).join("\n");
  const { lang, dataset } = document.documentElement;
  const theme = dataset.theme ? ` data-theme="${dataset.theme}"` : "";
  // written as text: the page's own policy lets no style stand in a document
  const page = `<!doctype html>
<html lang="${lang}"${theme}>
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(title)}</title><style>${style}</style></head>
<body>${copy.outerHTML}</body>
</html>
`;
  download(new Blob([page], { type: "text/html" }), `${title}.html`);
}
