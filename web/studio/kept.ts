// A few settings that outlive the page: language, colours, whether the tour was seen.

export function kept(name: string): string | null {
  try {
    return localStorage.getItem(`regard.${name}`);
  } catch {
    return null; // a browser that keeps nothing
  }
}

export function keep(name: string, value: string): void {
  try {
    localStorage.setItem(`regard.${name}`, value);
  } catch {
    // a browser that keeps nothing
  }
}
