// Which room is open. It stands in the address, so that back and forward go between rooms.
import { signal } from "@preact/signals";

export const ROOMS = ["look", "why", "spend", "train", "learn"] as const;
export type Room = (typeof ROOMS)[number];

const named = (): Room => {
  const name = location.hash.slice(1);
  return (ROOMS as readonly string[]).includes(name) ? (name as Room) : "look";
};

export const room = signal<Room>(named());
/** Rooms that were opened: they stay in the document, so that nothing in them is lost. */
export const opened = signal<ReadonlySet<Room>>(new Set([room.value]));

/** What was pointed at last, in words; read out politely. */
export const spoken = signal("");

addEventListener("hashchange", () => enter(named()));

export function enter(next: Room): void {
  if (!opened.value.has(next)) opened.value = new Set([...opened.value, next]);
  spoken.value = "";
  room.value = next;
  if (location.hash.slice(1) !== next) location.hash = next;
}
