// A long list of which one is chosen. Only the rows in sight are elements: a large model has thousands of heads.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

export function Roll<T>(props: {
  rows: T[];
  /** The place of the chosen row, or -1. */
  at: number;
  /** Changes when another row is chosen: then the list scrolls to it. When only the order changes it does not. */
  mark: unknown;
  go: (place: number) => void;
  /** Called for a click and for Enter, where a row is more than looked at. */
  open?: (place: number) => void;
  label: string;
  /** Of a row, the start of its element's id; the same in no other list of the page. */
  prefix: string;
  /** Pixels, as in the style sheet. */
  height: number;
  title: (row: T) => string;
  children: (row: T) => ComponentChildren;
}) {
  const { rows, at, height: row } = props;
  const list = useRef<HTMLUListElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  useEffect(() => {
    const watcher = new ResizeObserver(() => setHeight(list.current?.clientHeight ?? 0));
    watcher.observe(list.current!);
    return () => watcher.disconnect();
  }, []);
  const place = useRef(at);
  place.current = at;
  useEffect(() => {
    const box = list.current;
    if (!box || place.current < 0) return;
    if (place.current * row < box.scrollTop) box.scrollTop = place.current * row;
    if ((place.current + 1) * row > box.scrollTop + box.clientHeight) {
      box.scrollTop = (place.current + 1) * row - box.clientHeight;
    }
  }, [props.mark]);
  const since = Math.max(0, Math.floor(top / row) - 4);
  const until = Math.min(rows.length, Math.ceil((top + height) / row) + 4);
  const key = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(height / row) - 1);
    const moves: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: rows.length - 1,
    };
    if (event.key === "Enter" && at >= 0 && props.open) {
      event.preventDefault();
      props.open(at);
    }
    if (!(event.key in moves) || !rows.length) return;
    event.preventDefault();
    props.go(Math.max(0, Math.min(rows.length - 1, moves[event.key])));
  };
  return (
    <ul
      ref={list}
      role="listbox"
      tabIndex={0}
      aria-label={props.label}
      aria-activedescendant={at >= since && at < until ? `${props.prefix}${at}` : undefined}
      onScroll={(event) => setTop(event.currentTarget.scrollTop)}
      onKeyDown={key}
    >
      <li class="space" role="presentation" style={{ height: `${since * row}px` }} />
      {rows.slice(since, until).map((each, i) => (
        <li
          key={since + i}
          id={`${props.prefix}${since + i}`}
          role="option"
          class={since + i === at ? "on" : ""}
          aria-selected={since + i === at}
          aria-posinset={since + i + 1}
          aria-setsize={rows.length}
          title={props.title(each)}
          onClick={() => {
            props.go(since + i);
            props.open?.(since + i);
          }}
        >
          {props.children(each)}
        </li>
      ))}
      <li class="space" role="presentation" style={{ height: `${(rows.length - until) * row}px` }} />
    </ul>
  );
}
