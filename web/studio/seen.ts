// One look that is on the page: what the server told of it, and what is chosen in it. Two of them stand side by side.
import { batch, computed, effect, signal } from "@preact/signals";
import { bytes, get, wrongOf } from "./api";
import type { HeadFigures, Layer, Look, UnitReading } from "./look-shapes";
import type { Units, Wrong } from "./shapes";
import { type Scale, shaded } from "../src/shading";

export type Order = "ranked" | "layer" | "breadth" | "distance";
export type Scope = "all" | "head";

/** A head of a layer: `layer` is the layer's place. */
export interface Row extends HeadFigures {
  layer: number;
  of: Layer;
}

export interface View {
  /** Left and top edge and side of what is in view, as shares of the whole map. */
  x: number;
  y: number;
  side: number;
}

const WHOLE: View = { x: 0, y: 0, side: 1 };
const TOP = 12;

export class Seen {
  readonly look = signal<Look | null>(null);
  readonly wrong = signal<Wrong | null>(null);
  readonly order = signal<Order>("ranked");
  readonly chosen = signal<Row | null>(null);
  /** Sinks are left out of the map, the shades and what a unit reads. */
  readonly hiding = signal(false);
  readonly scope = signal<Scope>("all");
  readonly scale = signal<Scale>("rank");
  readonly unit = signal<{ side: number; place: number } | null>(null);
  readonly reading = signal<UnitReading | null>(null);
  readonly view = signal<View>(WHOLE);
  /** Mass received by each key of the chosen head. */
  readonly received = signal<Float32Array | null>(null);

  readonly rows = computed<Row[]>(() => {
    const look = this.look.value;
    if (!look) return [];
    const rows = look.layers.flatMap((of, layer) => of.heads.map((head) => ({ ...head, layer, of })));
    const by = this.order.value;
    if (by === "breadth") return rows.sort((a, b) => b.breadth - a.breadth);
    if (by === "distance") return rows.sort((a, b) => b.distance - a.distance);
    if (by === "layer") return rows;
    const known = new Map(rows.flatMap((row) => [row.layer, row.of.name].map((layer) => [`${layer}.${row.head}`, row] as const)));
    const ranked = look.ranked.flatMap(({ layer, head, reasons }) => {
      const row = known.get(`${layer}.${head}`);
      return row ? [{ ...row, reasons }] : [];
    });
    return ranked.length ? ranked : rows;
  });

  /** Sinks of each side that are left out. */
  readonly without = computed<Set<number>[]>(() => {
    const look = this.look.value;
    return this.sides.value.map(
      (_, side) =>
        new Set((this.hiding.value ? (look?.sinks ?? []) : []).filter((sink) => sink.side === side).map((sink) => sink.unit)),
    );
  });

  readonly sides = computed<Units[]>(() => (this.look.value ? [this.look.value.units, ...this.look.value.others] : []));

  /** For each side the numbers its units are shaded by: mass received, of all heads or of the chosen one. */
  readonly masses = computed<(ArrayLike<number> | null)[]>(() =>
    this.sides.value.map((units, side) => {
      const head = this.chosen.value;
      if (this.scope.value === "head" && head) return head.of.keys === side ? this.received.value : null;
      return units.mass ?? null;
    }),
  );

  readonly shades = computed<Uint8Array[]>(() =>
    this.sides.value.map((units, side) => {
      const mass = this.masses.value[side];
      return mass ? shaded(mass, this.without.value[side], this.scale.value) : new Uint8Array(units.count);
    }),
  );

  /** What the chosen unit reads most, by side: to be marked. */
  readonly marked = computed<number[][]>(() =>
    this.sides.value.map((_, side) => {
      const head = this.chosen.value;
      if (!head || head.of.keys !== side) return [];
      return (this.reading.value?.reads ?? []).map(([key]) => key).filter((key) => !this.without.value[side].has(key));
    }),
  );

  constructor(readonly name: string) {
    effect(() => {
      const [look, head, unit, hiding] = [this.look.value, this.chosen.value, this.unit.value, this.hiding.value];
      this.reading.value = null;
      if (look && head && unit) void this.read(look, head, unit, hiding);
    });
    effect(() => {
      const [look, head] = [this.look.value, this.chosen.value];
      if (look && head && this.scope.value === "head") void this.mass(look, head);
    });
  }

  async open(id: string): Promise<void> {
    this.wrong.value = null;
    try {
      const look = await get<Look>(`/api/looks/${id}`);
      batch(() => {
        this.look.value = look;
        this.unit.value = null;
        this.view.value = WHOLE;
        this.received.value = null;
        this.chosen.value = this.rows.value[0] ?? null;
      });
    } catch (error) {
      this.wrong.value = wrongOf(error);
    }
  }

  choose(row: Row): void {
    batch(() => {
      this.received.value = null;
      this.chosen.value = row;
    });
  }

  whole(): void {
    this.view.value = WHOLE;
  }

  private async read(look: Look, row: Row, at: { side: number; place: number }, hiding: boolean): Promise<void> {
    const { queries, keys } = row.of;
    if (at.side !== queries && at.side !== keys) return;
    const side = at.side === queries ? "queries" : "keys";
    const asks = { layer: row.layer, head: row.head, unit: at.place, side, top: TOP, sinks: hiding ? 0 : 1 };
    try {
      const reading = await get<UnitReading>(`/api/looks/${look.look}/unit`, asks);
      if (this.unit.peek() === at && this.chosen.peek() === row) this.reading.value = reading;
    } catch (error) {
      this.wrong.value = wrongOf(error);
    }
  }

  private async mass(look: Look, row: Row): Promise<void> {
    try {
      const { buffer } = await bytes(`/api/looks/${look.look}/received`, { layer: row.layer, head: row.head });
      if (this.chosen.peek() === row) this.received.value = new Float32Array(buffer);
    } catch (error) {
      this.wrong.value = wrongOf(error);
    }
  }
}

/** A head's name: its layer's number, or a short name where it has none. */
export function label(row: { of: Layer; layer: number; head: number }): string {
  const { short } = row.of;
  if (/^\d+$/.test(short)) return `L${short} H${row.head}`;
  return /^\w{1,12}$/.test(short) ? `${short} H${row.head}` : `L${row.layer} H${row.head}`;
}
