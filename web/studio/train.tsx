// The room Train: choose a task and data, start, watch, stop, go on; runs beside each other and their baselines.
import { useEffect } from "preact/hooks";
import { words } from "./language";
import { Runs } from "./runs";
import { Tasks } from "./tasks";
import { findRuns, runs, runsWrong, takenUp, tasks, training } from "./training";
import { Empty, Progress, Trouble } from "./trouble";
import { Watched } from "./watched";

export function Train() {
  const w = words.value.train;
  const wrong = runsWrong.value;
  useEffect(() => {
    void findRuns();
    void takenUp();
  }, []);
  if (wrong && !tasks.value) {
    return (
      <div class="room">
        <Trouble wrong={wrong} again={() => void findRuns()} />
      </div>
    );
  }
  return (
    <div class="room two-columns with-result">
      <div class="asked">
        {tasks.value ? <Tasks all={tasks.value} /> : <p class="missing" role="status">{w.finding}</p>}
      </div>
      <div class="result">
        {training.state.value === "none" ? (
          <Empty title={w.emptyTitle}>
            <p>{w.empty}</p>
          </Empty>
        ) : (
          <>
            <Progress work={training} stop={w.stop} />
            <Watched />
          </>
        )}
        {wrong && <Trouble wrong={wrong} again={() => void findRuns()} />}
        {runs.value && <Runs all={runs.value} />}
      </div>
    </div>
  );
}
