// Tiles of a head's map: asked for as they come into sight, kept while there is room.
import { signal } from "@preact/signals";
import { bytes } from "./api";

export const SIDE = 256; // pixels of a tile
const MOST = 160; // tiles kept: 10 MB
const AT_ONCE = 6;

export interface Tile {
  codes: Uint8Array;
  /** The weight that the code 255 stands for. */
  top: number;
}

export interface Place {
  look: string;
  layer: number;
  head: number;
  sinks: boolean;
  zoom: number;
  row: number;
  col: number;
}

/** Counts up when a tile has come. */
export const came = signal(0);
/** How long the last tiles took from request to bytes, in milliseconds. */
export const took: number[] = [];

const tiles = new Map<string, Tile | null>();
const waiting: Place[] = [];
let under = 0;

const named = (at: Place): string => `${at.look}/${at.layer}/${at.head}/${at.sinks}/${at.zoom}/${at.row}/${at.col}`;

/** The tile, or nothing: then it is asked for. The latest asked for are fetched first. */
export function tile(at: Place, ask = true): Tile | null {
  const name = named(at);
  const found = tiles.get(name);
  if (found) {
    tiles.delete(name); // to the end: the first ones are let go
    tiles.set(name, found);
    return found;
  }
  if (found === undefined && ask) {
    tiles.set(name, null);
    waiting.push(at);
    next();
  }
  return null;
}

function next(): void {
  while (under < AT_ONCE && waiting.length) {
    under += 1;
    void fetched(waiting.pop()!).finally(() => {
      under -= 1;
      next();
    });
  }
}

async function fetched(at: Place): Promise<void> {
  const since = performance.now();
  try {
    const { look, layer, head, zoom, row, col } = at;
    const asks = { layer, head, zoom, row, col, sinks: at.sinks ? 1 : 0 };
    const { buffer, headers } = await bytes(`/api/looks/${look}/tile`, asks);
    took.push(performance.now() - since);
    tiles.set(named(at), { codes: new Uint8Array(buffer), top: Number(headers.get("X-Regard-Top")) || 0 });
    for (const [name, each] of tiles) {
      if (tiles.size <= MOST) break;
      if (each) tiles.delete(name);
    }
  } catch {
    tiles.delete(named(at)); // asked again when it is next in sight
    await new Promise((done) => setTimeout(done, 400));
  }
  came.value += 1;
}

/** Forgets what was asked for and is not under way: it has gone out of sight. */
export function leave(): void {
  for (const at of waiting.splice(0)) tiles.delete(named(at));
}
