// The room Learn: the four steps on your own words and numbers, masks as you compose them, a plan explained.
import { Masks } from "./masks";
import { Plans } from "./plans";
import { Walks } from "./walks";

export function Learn() {
  return (
    <div class="room lessons">
      <Walks />
      <Masks />
      <Plans />
    </div>
  );
}
