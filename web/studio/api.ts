// Requests to the server: every one carries the token, and every error has three parts: what, where, what to do.
import type { Wrong } from "./shapes";

const KEY = "regard.token";

/** The token stands in the address the studio was opened with; it is kept for this tab and taken out of the address. */
function found(): string {
  const given = /[#&]token=([^&]+)/.exec(location.hash);
  if (given) {
    sessionStorage.setItem(KEY, decodeURIComponent(given[1]));
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(KEY) ?? "";
}

export const token = found();

export class Refused extends Error {
  constructor(
    readonly wrong: Wrong,
    readonly status: number,
  ) {
    super(wrong.what);
  }
}

async function asked(path: string, init: RequestInit = {}): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path, { ...init, headers: { "X-Regard-Token": token, ...init.headers }, cache: "no-store" });
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new Refused({ what: "unreachable", where: path, do: "" }, 0);
  }
  if (answer.ok) return answer;
  let wrong: Wrong = { what: `${answer.status} ${answer.statusText}`, where: path, do: "" };
  try {
    wrong = { ...wrong, ...(await answer.json()).error };
  } catch {
    // no JSON: the status says it
  }
  throw new Refused(wrong, answer.status);
}

const query = (values: Record<string, unknown>): string =>
  new URLSearchParams(
    Object.entries(values)
      .filter(([, value]) => value !== undefined && value !== null)
      .map(([name, value]) => [name, `${value}`]),
  ).toString();

export async function get<T>(path: string, values: Record<string, unknown> = {}, signal?: AbortSignal): Promise<T> {
  const asks = query(values);
  return (await asked(asks ? `${path}?${asks}` : path, { signal })).json();
}

export async function send<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  const headers = { "Content-Type": "application/json" };
  return (await asked(path, { method: "POST", body: JSON.stringify(body), headers, signal })).json();
}

export async function bytes(path: string, values: Record<string, unknown> = {}, signal?: AbortSignal) {
  const asks = query(values);
  const answer = await asked(asks ? `${path}?${asks}` : path, { signal });
  return { buffer: await answer.arrayBuffer(), headers: answer.headers };
}

export const remove = (path: string): Promise<Response> => asked(path, { method: "DELETE" });

/** The three parts of anything that was thrown. */
export function wrongOf(error: unknown): Wrong {
  if (error instanceof Refused) return error.wrong;
  return { what: `${(error as Error).message ?? error}`, where: "", do: "" };
}
