// Every text of the page in English. The table of another language has the same keys.
import { doing } from "./en/doing";
import { frame } from "./en/frame";
import { seeing } from "./en/seeing";

export const en = { ...frame, ...seeing, ...doing };
export type Table = typeof en;
