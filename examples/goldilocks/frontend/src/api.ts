import type { Bowl } from "./bowls.ts";

async function request<T>(path: string, init?: RequestInit): Promise<T> {
  const response = await fetch(path, init);
  if (!response.ok) {
    throw new Error(`The kitchen answered ${response.status}.`);
  }
  return (await response.json()) as T;
}

/** List the latest bowls, newest first. */
export function listBowls(): Promise<Bowl[]> {
  return request("/api/bowls");
}

/** Add a bowl. */
export function createBowl(text: string): Promise<Bowl> {
  return request("/api/bowls", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ text }),
  });
}
