// A long text whose units are elements only where they are near the window: elsewhere a block is one text node of the
// same letters, so that nothing moves when it is filled. Texts go into text nodes, never into markup.
import type { StreamText } from "./payload";

const BLOCK = 256; // units

interface Block {
  since: number;
  until: number;
  element: HTMLElement;
  filled: boolean;
}

export class Typeset {
  private blocks: Block[] = [];
  private watcher: IntersectionObserver;
  private shades: ArrayLike<number> = [];
  private hidden = new Set<number>();
  private marked = new Set<number>();
  private selected = -1;
  private readonly special: Set<number>;
  private readonly padding: Set<number>;

  constructor(
    private readonly host: HTMLElement,
    private readonly text: StreamText,
    private readonly prefix: string,
  ) {
    this.special = new Set(text.special);
    this.padding = new Set(text.padding);
    this.watcher = new IntersectionObserver((entries) => this.seen(entries), { root: host, rootMargin: "600px" });
    for (let since = 0; since < text.texts.length; since += BLOCK) {
      const element = document.createElement("span");
      const block = { since, until: Math.min(since + BLOCK, text.texts.length), element, filled: false };
      this.blocks.push(block);
      this.empty(block);
      host.append(element);
    }
    if (text.unread) {
      const rest = document.createElement("span");
      rest.className = "rest";
      rest.textContent = ` … ${text.unread.toLocaleString("en")} characters after this were not read.`;
      host.append(rest);
    }
    for (const block of this.blocks) this.watcher.observe(block.element);
  }

  close(): void {
    this.watcher.disconnect();
    this.host.textContent = "";
  }

  /** Shades from 0 to 15; what speaks against an answer goes down to -15. */
  paint(shades: ArrayLike<number>, hidden: Set<number>): void {
    this.shades = shades;
    this.hidden = hidden;
    for (const block of this.blocks) if (block.filled) this.dress(block);
  }

  mark(places: Iterable<number>): void {
    this.marked = new Set(places);
    for (const block of this.blocks) if (block.filled) this.dress(block);
  }

  /** Makes a unit the chosen one and returns its element. */
  select(place: number, scroll: boolean): HTMLElement | null {
    const before = this.selected;
    this.selected = place;
    for (const each of [before, place]) {
      const block = this.blockOf(each);
      if (block?.filled) this.dress(block);
    }
    const block = this.blockOf(place);
    if (!block) return null;
    if (!block.filled) this.fill(block);
    const element = this.element(place);
    if (scroll && element) this.show(element);
    return element;
  }

  element(place: number): HTMLElement | null {
    return document.getElementById(this.prefix + place);
  }

  /** The unit one line above (-1) or below (1), nearest to the middle of this one. */
  line(place: number, way: 1 | -1): number {
    const from = this.element(place)?.getBoundingClientRect();
    if (!from) return place;
    const middle = (from.left + from.right) / 2;
    let best = place;
    let nearest = Infinity;
    let top: number | null = null;
    for (let i = place + way; i >= 0 && i < this.text.texts.length; i += way) {
      if (this.padding.has(i)) continue;
      const block = this.blockOf(i)!;
      if (!block.filled) this.fill(block);
      const box = this.element(i)!.getBoundingClientRect();
      if (Math.abs(box.top - from.top) < box.height / 2) continue;
      if (top !== null && Math.abs(box.top - top) > box.height / 2) break;
      top ??= box.top;
      const off = Math.abs((box.left + box.right) / 2 - middle);
      if (off < nearest) [nearest, best] = [off, i];
    }
    return best;
  }

  /** The next unit that is no padding; the same one at the end. */
  step(place: number, by: number): number {
    const way = Math.sign(by);
    let left = Math.abs(by);
    let at = place;
    for (let i = place + way; left > 0 && i >= 0 && i < this.text.texts.length; i += way) {
      if (this.padding.has(i)) continue;
      at = i;
      left -= 1;
    }
    return at;
  }

  private blockOf(place: number): Block | undefined {
    return place < 0 ? undefined : this.blocks[Math.floor(place / BLOCK)];
  }

  private seen(entries: IntersectionObserverEntry[]): void {
    for (const entry of entries) {
      const block = this.blocks.find((each) => each.element === entry.target)!;
      if (entry.isIntersecting && !block.filled) this.fill(block);
      // the one that holds the chosen unit stays, or the keyboard would lose its place
      else if (!entry.isIntersecting && block.filled && this.blockOf(this.selected) !== block) this.empty(block);
    }
  }

  private empty(block: Block): void {
    let letters = "";
    for (let i = block.since; i < block.until; i++) {
      if (!this.padding.has(i)) letters += (this.text.gaps[i] ?? "") + this.text.texts[i];
    }
    block.element.textContent = letters;
    block.filled = false;
  }

  private fill(block: Block): void {
    const parts: (Node | string)[] = [];
    for (let i = block.since; i < block.until; i++) {
      if (this.padding.has(i)) continue;
      const gap = this.text.gaps[i];
      if (gap) parts.push(gap);
      const span = document.createElement("span");
      span.id = this.prefix + i;
      span.setAttribute("role", "option");
      span.textContent = this.text.texts[i];
      parts.push(span);
    }
    block.element.replaceChildren(...parts);
    block.filled = true;
    this.dress(block);
  }

  private dress(block: Block): void {
    for (const span of block.element.children) {
      const place = Number(span.id.slice(this.prefix.length));
      const shade = this.shades[place] ?? 0;
      let name = shade < 0 ? `u n${-shade}` : `u m${shade}`;
      if (this.special.has(place)) name += " special";
      if (this.text.texts[place].startsWith("\n")) name += " break";
      if (this.hidden.has(place)) name += " sink";
      if (this.marked.has(place)) name += " read";
      if (place === this.selected) name += " chosen";
      if (span.className !== name) span.className = name;
      const is = place === this.selected ? "true" : "false";
      if (span.getAttribute("aria-selected") !== is) span.setAttribute("aria-selected", is);
    }
  }

  private show(element: HTMLElement): void {
    const box = element.getBoundingClientRect();
    const frame = this.host.getBoundingClientRect();
    if (box.top < frame.top + 8 || box.bottom > frame.bottom - 8) {
      this.host.scrollTop += box.top - frame.top - frame.height / 2;
    }
  }
}
