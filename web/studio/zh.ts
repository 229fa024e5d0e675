// 页面的全部中文，键与 en.ts 相同。
import type { Table } from "./en";
import { doing } from "./zh/doing";
import { frame } from "./zh/frame";
import { seeing } from "./zh/seeing";

export const zh: Table = { ...frame, ...seeing, ...doing };
