// In a narrow window results stand below the form: when new ones come they are scrolled into sight.
import { useEffect, useRef } from "preact/hooks";

const NARROW = "(max-width: 1000px)"; // pixels, as in rooms.css

export function useArriving(found: unknown) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (found && matchMedia(NARROW).matches) place.current?.scrollIntoView({ block: "start" });
  }, [found]);
  return place;
}
